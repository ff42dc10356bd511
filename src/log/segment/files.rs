//! Drives: the files of a log beside its data: names, lookups, checkpoints, snapshots.

use std::io;
use std::rc::Rc;

use super::data::{Segment, file_name};
use crate::base::{Offset, TopicId};
use crate::io::durable::Durable;
use crate::log::format::{aborted, checksums, epochs};
use crate::log::inner::Inner;

/// Ends the name of a segment's index of aborted transactions.
pub const ABORTED_SUFFIX: &str = ".txnindex";

/// Says of which topic a log is (Kafka's name and content).
pub const PARTITION_METADATA: &str = "partition.metadata";
const TOPIC_ID: &str = "topic_id:";

/// What [`PARTITION_METADATA`] says of a log of the topic with this id.
pub fn partition_metadata(topic_id: TopicId) -> String {
    format!("version: 0\n{TOPIC_ID} {topic_id}")
}

/// The topic's id in what [`PARTITION_METADATA`] says, as text; `None` where it is not whole.
pub fn topic_id_in(text: &[u8]) -> Option<&str> {
    let mut lines = std::str::from_utf8(text).ok()?.lines();
    let id = lines.find_map(|line| line.strip_prefix(TOPIC_ID))?.trim();
    // Sixteen bytes in base64, without padding.
    (id.len() == 22).then_some(id)
}

impl Inner {
    /// Creates the log's folder and what identifies it, once. It need not survive a crash before
    /// the first flush of the log: see [`Inner::make_folder_last`].
    pub async fn make_folder(&self) -> io::Result<()> {
        if self.upkeep.has_folder() {
            return Ok(());
        }
        let disk = self.logs.disk();
        disk.create_dir_as(&self.dir, Durable::WithBatch).await?;
        self.write_identity(Durable::WithBatch).await?;
        self.upkeep.folder_exists();
        Ok(())
    }

    async fn write_identity(&self, durable: Durable) -> io::Result<()> {
        let Some(topic_id) = self.topic_id else {
            return Ok(());
        };
        let path = self.dir.join(PARTITION_METADATA);
        let text = partition_metadata(topic_id).into_bytes();
        self.logs.disk().write_as(&path, text, durable).await
    }

    /// Makes durable, once, that the log's folder is there and what has a name in it.
    pub async fn make_folder_last(&self) -> io::Result<()> {
        if self.upkeep.has_lasting_folder() {
            return Ok(());
        }
        let disk = self.logs.disk();
        if let Some(parent) = self.dir.parent() {
            disk.sync_dir(parent).await?;
        }
        self.write_identity(Durable::Now).await?;
        disk.sync_dir(&self.dir).await?;
        self.upkeep.folder_lasts();
        Ok(())
    }

    /// Writes the leader epoch checkpoint, its checksum first: a crash in between leaves either
    /// content, and both are known. Where it is not durable at once a crash may leave a part of it,
    /// which a start finds out.
    pub async fn write_epochs(&self, durable: Durable) -> io::Result<()> {
        let text = {
            let mut state = self.state.borrow_mut();
            state.epochs_changed = false;
            state.epochs.to_text()
        };
        let sums = {
            let mut sums = self.sums.borrow_mut();
            sums.expect(epochs::FILE, crc32c::crc32c(text.as_bytes()));
            sums.to_text()
        };
        let disk = self.logs.disk();
        let written = async {
            for (file, text) in [(checksums::FILE, sums), (epochs::FILE, text)] {
                let path = self.dir.join(file);
                match durable {
                    Durable::Now => disk.replace(&path, text.into_bytes()).await?,
                    Durable::WithBatch => disk.swap_as(&path, text.into_bytes(), durable).await?,
                }
            }
            Ok(())
        };
        let written = written.await;
        if written.is_err() {
            self.state.borrow_mut().epochs_changed = true;
        }
        written
    }

    /// Gives the files of a sealed segment their final form: true length, lookups on disk.
    pub async fn settle(&self, segment: &Rc<Segment>) -> io::Result<()> {
        self.settle_unnamed(segment, Durable::Now).await?;
        self.logs.disk().sync_dir(&self.dir).await?;
        segment.settled.set(true);
        Ok(())
    }

    /// Does so, but leaves it to the caller to sync the folder.
    pub async fn settle_unnamed(&self, segment: &Rc<Segment>, durable: Durable) -> io::Result<()> {
        let disk = self.logs.disk();
        segment
            .file(disk)
            .await?
            .truncate(segment.size.get(), segment.modified_ms.get(), durable)
            .await?;
        segment.prepared.set(segment.size.get());
        // What was appended would hide that the lookups had been wrong before.
        let appended = segment.claim.get().upto != segment.size.get();
        let checked = !appended || self.check_times(segment).await.is_ok();
        if segment.indexed.get() && checked {
            let offsets = segment.offsets.borrow().to_bytes();
            let times = segment.times.borrow().to_bytes();
            let name = |suffix| self.dir.join(file_name(segment.base_offset, suffix));
            disk.write_as(&name(".index"), offsets, durable).await?;
            disk.write_as(&name(".timeindex"), times, durable).await?;
            if segment.times_checked.get() {
                segment.known.set(Some(segment.claims()));
            }
        }
        self.write_aborted(segment, durable).await
    }

    /// Writes the segment's index of aborted transactions, if any ended there.
    async fn write_aborted(&self, segment: &Segment, durable: Durable) -> io::Result<()> {
        let base = segment.base_offset;
        let content = self.aborted.borrow().to_bytes(base, self.end_of(segment));
        let name = file_name(base, ABORTED_SUFFIX);
        if content.is_empty() || self.index_sums.borrow().is(&name, &content) {
            return Ok(());
        }
        let path = self.dir.join(&name);
        let disk = self.logs.disk();
        disk.swap_as(&path, content.clone(), durable).await?;
        // Until this is written the segment does not count as sealed, and is scanned by a start.
        {
            let mut sums = self.index_sums.borrow_mut();
            sums.forget(&name);
            sums.note(&name, &content);
        }
        self.write_index_sums(durable).await
    }

    /// Writes the checksums of the indexes of aborted transactions.
    pub async fn write_index_sums(&self, durable: Durable) -> io::Result<()> {
        let sums = self.index_sums.borrow().to_text();
        let path = self.dir.join(aborted::CHECKSUMS_FILE);
        let disk = self.logs.disk();
        disk.swap_as(&path, sums.into_bytes(), durable).await
    }

    /// Writes the state of producers before the record at `offset`.
    pub async fn write_snapshot(&self, offset: Offset, content: Vec<u8>) -> io::Result<()> {
        let path = self.dir.join(file_name(offset, ".snapshot"));
        // Half of one after a crash would hide the older ones that are whole.
        self.logs.disk().replace(&path, content).await
    }

    /// Writes the snapshots that are still to be written.
    pub async fn write_snapshots(&self) -> io::Result<()> {
        loop {
            let Some((offset, content)) = self.upkeep.take_snapshot() else {
                return Ok(());
            };
            self.write_snapshot(offset, content).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::Uuid;

    #[test]
    fn a_topics_id_is_read_however_the_lines_end_and_only_whole() {
        let id = TopicId(Uuid::from_u128(7));
        let text = partition_metadata(id);
        let own = id.to_string();
        assert_eq!(topic_id_in(text.as_bytes()), Some(own.as_str()));
        let with_ends = format!("{}\r\n", text.replace('\n', "\r\n"));
        assert_eq!(topic_id_in(with_ends.as_bytes()), Some(own.as_str()));
        for len in 0..text.len() {
            assert_eq!(topic_id_in(&text.as_bytes()[..len]), None, "{len} bytes");
        }
    }
}
