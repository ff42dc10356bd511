//! Drives: logs that part from their leader's: cut back or begun anew, while they are closed.

use std::io;
use std::path::Path;

use super::Folder;
use crate::base::{Offset, PartitionIndex, TopicId};
use crate::log::Log;
use crate::log::opening::Opening;
use crate::log::segment::{PARTITION_METADATA, file_name, partition_metadata};

impl Folder {
    /// Prepares a log that was closed with [`Log::close`] for being opened again in this run,
    /// without what lies at or behind the offset `to`: it then ends with the last batch before
    /// that, of which nothing reaches so far. With [`Offset::MAX`] it stays as it is. Returns what
    /// it is to be opened with (the caller adds what only it knows): that does the cut. The log
    /// must be dropped before. Where all of the log lies behind `to` it is begun anew there.
    ///
    /// Until [`Folder::opened`] is called for it the checkpoints say what this makes them say, and
    /// the folder does not count as closed cleanly. A crash leaves the log as it was, or a part of
    /// it from its beginning on that has everything before `to`.
    pub async fn cut_back(
        &self,
        topic: &str,
        partition: PartitionIndex,
        log: &Log,
        to: Offset,
    ) -> io::Result<Opening> {
        if !log.0.is_closed() {
            return Err(io::Error::other("the log was not closed cleanly before"));
        }
        let Some(whole) = log.0.whole_segments_before(to) else {
            let id = log.0.topic_id;
            return self
                .begin_anew(topic, partition, id, Some(log), to.max(0))
                .await;
        };
        let key = (topic.to_owned(), partition);
        self.recut.borrow_mut().insert(key.clone(), false);
        self.keep(topic, partition);
        // A start would put back what the journal holds. All of it is in the segments.
        if !planted!(CutInJournalForgotten) {
            log.0.void_in_journal(Offset::MAX).await?;
        }
        log.0.leave().await;
        let checkpoints = &self.checkpoints;
        // The batch before the cut may end before it: these are known to hold up to its segment.
        checkpoints.recovery_points.lower(&key, whole);
        if !planted!(CutStillFlushed) {
            checkpoints.flushed_offsets.lower(&key, whole);
        }
        checkpoints.start_offsets.lower(&key, to);
        checkpoints.cleaned_offsets.lower(&key, to);
        checkpoints.save(&checkpoints.all()).await?;
        Ok(Opening {
            cut_at: (to < log.end_offset()).then_some(to),
            gaps: log.0.gaps.get(),
            ..self.opening(topic, partition)
        })
    }

    /// Drops all records of a log and has it begin anew, empty, at the offset `at` (Kafka's
    /// `truncateFullyAndStartAt`). `log` may have failed, and need not be closed; `None` where it
    /// could not be opened since the start. Returns what it is to be opened with.
    /// [`Folder::empty_trash`] deletes the old files. [`Folder::opened`] is to be called as for
    /// [`Folder::cut_back`].
    ///
    /// A crash leaves the log as it was (but for its start offset, which may be lower again), one
    /// that holds nothing and begins at 0, or one that begins at `at`.
    pub async fn begin_anew(
        &self,
        topic: &str,
        partition: PartitionIndex,
        id: Option<TopicId>,
        log: Option<&Log>,
        at: Offset,
    ) -> io::Result<Opening> {
        // Before the name changes: else a crash in between would leave a checkpoint that speaks
        // of records which are gone.
        self.forget(&[(topic, partition)]).await?;
        let key = (topic.to_owned(), partition);
        self.recut.borrow_mut().insert(key, false);
        let path = self.path(topic, partition);
        // One log may be begun anew several times.
        let unique = format!("{:016x}", self.disk.runtime().random());
        let trash = self.to_trash(topic, partition, &unique, log).await?;
        if let Some(trash) = trash {
            self.trash.borrow_mut().push(trash);
        }
        self.make_empty(&path, id, at).await?;
        Ok(Opening {
            gaps: log.is_some_and(|log| log.0.gaps.get()),
            ..self.opening(topic, partition)
        })
    }

    /// Makes the folder of a log that holds nothing and begins at `at`, durably.
    async fn make_empty(&self, path: &Path, id: Option<TopicId>, at: Offset) -> io::Result<()> {
        let disk = &self.disk;
        disk.create_dir(path).await?;
        if let Some(id) = id {
            let text = partition_metadata(id).into_bytes();
            disk.write(&path.join(PARTITION_METADATA), text).await?;
        }
        let data = path.join(file_name(at, ".log"));
        disk.write(&data, Vec::new()).await?;
        disk.sync_dir(path).await?;
        disk.sync_dir(&self.dir).await
    }
}
