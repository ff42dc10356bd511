//! Drives: a folder of logs as a whole: was it closed cleanly, and its checkpoints.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::Log;
use super::checkpoint::{self, Offsets};
use super::checksums::{self, Checksums};
use super::files::PARTITION_METADATA;
use super::inner::FailedOperation;
use super::opening::Opening;
use super::retire;
use crate::base::{Offset, PartitionIndex, TopicId};
use crate::io::disk::{Disk, Entry};
use crate::io::event::Bell;

/// Made when a folder is closed cleanly, gone while it is in use (Kafka's name and content).
/// The file whose presence says that every log in the folder was closed cleanly.
pub const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
const START_OFFSETS: &str = "log-start-offset-checkpoint";
const CLEANED_OFFSETS: &str = "cleaner-offset-checkpoint";
const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
/// What the name of a folder ends with whose log belongs to no topic that is known (Kafka's
/// `LogManager.StrayDirSuffix`).
const STRAY_SUFFIX: &str = "-stray";

/// A folder that holds one folder for each log, `<topic>-<partition>`, and their checkpoints.
pub struct Folder {
    pub(super) disk: Disk,
    pub(super) dir: PathBuf,
    clean: bool,
    recovery_points: RefCell<Offsets>,
    start_offsets: RefCell<Offsets>,
    flushed_offsets: RefCell<Offsets>,
    pub(super) cleaned_offsets: RefCell<Offsets>,
    /// Logs that could not be opened: what is known of them is kept as it is.
    pub(super) unopened: RefCell<BTreeSet<(String, PartitionIndex)>>,
    /// Folders of logs that were there at the start and that nobody has claimed.
    found: RefCell<BTreeSet<(String, PartitionIndex)>>,
    /// Logs of deleted topics whose folders could not be removed.
    pub(super) undeleted: RefCell<BTreeSet<(String, PartitionIndex)>>,
    /// Folders of removed logs whose files are still to be deleted.
    pub(super) trash: RefCell<Vec<PathBuf>>,
    sums: RefCell<Checksums>,
    /// Whether somebody writes checkpoints now.
    writes: Cell<bool>,
    written: Bell,
    damaged: Vec<&'static str>,
}

impl Folder {
    /// Takes the folder `dir` into use; it is made if it is not there. From here on it counts
    /// as not closed cleanly. Logs whose removal was interrupted are in the trash again.
    pub async fn open(disk: &Disk, dir: &Path) -> io::Result<Folder> {
        disk.create_dir(dir).await?;
        let entries = disk.list(dir).await?;
        let trash = entries.iter().filter(|entry| retire::is_trash(entry));
        let trash = trash.map(|entry| dir.join(&entry.name)).collect();
        let clean = entries.iter().any(|entry| entry.name == CLEAN_SHUTDOWN);
        if !clean && !entries.is_empty() {
            // What the logs are about to believe may be in the device's cache only, or under a
            // name that no sync has covered: whoever wrote it died before.
            disk.sync_all(dir).await?;
        }
        if clean {
            disk.remove(&dir.join(CLEAN_SHUTDOWN)).await?;
            disk.sync_dir(dir).await?;
        }
        let sums = Checksums::read(disk, &dir.join(checksums::FILE)).await?;
        let mut damaged = Vec::new();
        let recovery_points = read(disk, dir, RECOVERY_POINTS, &sums, &mut damaged).await?;
        let start_offsets = read(disk, dir, START_OFFSETS, &sums, &mut damaged).await?;
        let flushed_offsets = read(disk, dir, HIGH_WATERMARKS, &sums, &mut damaged).await?;
        let cleaned_offsets = read(disk, dir, CLEANED_OFFSETS, &sums, &mut damaged).await?;
        Ok(Folder {
            clean,
            recovery_points: RefCell::new(recovery_points),
            start_offsets: RefCell::new(start_offsets),
            unopened: RefCell::default(),
            found: RefCell::new(entries.iter().filter_map(partition_of).collect()),
            undeleted: RefCell::default(),
            trash: RefCell::new(trash),
            sums: RefCell::new(sums),
            writes: Cell::new(false),
            written: Bell::default(),
            damaged,
            flushed_offsets: RefCell::new(flushed_offsets),
            cleaned_offsets: RefCell::new(cleaned_offsets),
            disk: disk.clone(),
            dir: dir.to_owned(),
        })
    }

    /// Whether the folder had been closed cleanly.
    pub fn was_clean(&self) -> bool {
        self.clean
    }

    /// The checkpoints that were not what had been written: nothing of them is believed.
    pub fn damaged(&self) -> &[&'static str] {
        &self.damaged
    }

    /// Where the log of a partition lies.
    pub fn path(&self, topic: &str, partition: PartitionIndex) -> PathBuf {
        self.dir.join(format!("{topic}-{partition}"))
    }

    /// What is known about a partition's log before it is opened.
    pub fn opening(&self, topic: &str, partition: PartitionIndex) -> Opening {
        let key = (topic.to_owned(), partition);
        let of = |offsets: &RefCell<Offsets>| offsets.borrow().get(&key).copied().unwrap_or(0);
        Opening {
            clean: self.clean,
            recovery_point: of(&self.recovery_points),
            flushed_offset: of(&self.flushed_offsets),
            start_offset: of(&self.start_offsets),
            cleaned: self.cleaned(topic, partition),
            ..Opening::default()
        }
    }

    /// Notes that the log of a partition could not be opened. The checkpoints go on saying what
    /// it held, so that the next start does not take it for a new one.
    pub fn keep(&self, topic: &str, partition: PartitionIndex) {
        let key = (topic.to_owned(), partition);
        self.unopened.borrow_mut().insert(key);
    }

    /// Notes that a log that could not be opened before is open now.
    pub fn opened(&self, topic: &str, partition: PartitionIndex) {
        let key = (topic.to_owned(), partition);
        self.unopened.borrow_mut().remove(&key);
    }

    /// To be called before the log of a partition of the topic with `id` is opened: sets aside
    /// what is in its place of a topic of the same name that was deleted. After a clean stop
    /// there is nothing of that kind, and nothing is read.
    pub async fn claim(
        &self,
        topic: &str,
        partition: PartitionIndex,
        id: TopicId,
    ) -> io::Result<()> {
        let key = (topic.to_owned(), partition);
        let undeleted = self.undeleted.borrow().contains(&key);
        let found = self.found.borrow_mut().remove(&key) && !self.clean;
        let other = found && self.is_of_another(topic, partition, id).await;
        if undeleted || other {
            self.set_aside(topic, partition).await?;
        }
        self.undeleted.borrow_mut().remove(&key);
        Ok(())
    }

    /// The logs that were there at the start and that nobody has claimed.
    pub fn unclaimed(&self) -> Vec<(String, PartitionIndex)> {
        self.found.borrow().iter().cloned().collect()
    }

    /// Whether the log in a partition's place says that it is of another topic than that with
    /// `id`.
    pub async fn is_of_another(&self, topic: &str, partition: PartitionIndex, id: TopicId) -> bool {
        let own = self.topic_id(topic, partition).await;
        own.is_some_and(|own| own != id.to_string())
    }

    async fn topic_id(&self, topic: &str, partition: PartitionIndex) -> Option<String> {
        let path = self.path(topic, partition).join(PARTITION_METADATA);
        let text = String::from_utf8(self.disk.read(&path).await.ok()?).ok()?;
        let id = text.lines().find_map(|line| line.strip_prefix("topic_id:"));
        id.map(|id| id.trim().to_owned())
    }

    /// Gives a log that is of no known topic another name, and forgets what the checkpoints say
    /// of it. It stays for whoever may want its records, as with Kafka.
    pub async fn set_aside(&self, topic: &str, partition: PartitionIndex) -> io::Result<()> {
        self.forget(&[(topic, partition)]).await?;
        let id = self.topic_id(topic, partition).await;
        let id = id.as_deref().unwrap_or("unknown");
        let name = format!("{topic}-{partition}.{id}{STRAY_SUFFIX}");
        let (from, to) = (self.path(topic, partition), self.dir.join(&name));
        match self.disk.rename(&from, &to).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed?,
        }
        self.disk.sync_dir(&self.dir).await?;
        tracing::warn!(dir = %self.dir.display(), name,
            "set aside a log of a topic that is gone: remove its folder once nobody wants it");
        Ok(())
    }

    /// Up to where the log of a partition was compacted, if it ever was.
    pub fn cleaned(&self, topic: &str, partition: PartitionIndex) -> Option<Offset> {
        let key = (topic.to_owned(), partition);
        self.cleaned_offsets.borrow().get(&key).copied()
    }

    /// Notes durably up to where the log of a partition was compacted
    /// (`cleaner-offset-checkpoint`).
    pub async fn set_cleaned(
        &self,
        topic: &str,
        partition: PartitionIndex,
        offset: Offset,
    ) -> io::Result<()> {
        let key = (topic.to_owned(), partition);
        let before = self.cleaned_offsets.borrow_mut().insert(key, offset);
        if before == Some(offset) {
            return Ok(());
        }
        self.write_cleaned().await
    }

    pub(super) async fn write_cleaned(&self) -> io::Result<()> {
        self.put(&[(CLEANED_OFFSETS, &self.cleaned_offsets)]).await
    }

    /// Writes the checkpoints of all logs; to be called every minute or so. Of a log that was
    /// found damaged, or could not be opened, they go on saying what they said: else the next
    /// start would take what is left of it for all that there was.
    pub async fn checkpoint<'a>(
        &self,
        logs: impl Iterator<Item = (&'a str, PartitionIndex, &'a Log)>,
    ) -> io::Result<()> {
        let [mut recovery, mut start, mut high] = [(); 3].map(|()| Offsets::new());
        let mut kept = self.unopened.borrow().clone();
        for (topic, partition, log) in logs {
            let key = (topic.to_owned(), partition);
            let failure = log.failure();
            if failure.is_some_and(|it| it.operation == FailedOperation::Damage) {
                kept.insert(key);
                continue;
            }
            if log.end_offset() == 0 {
                continue;
            }
            recovery.insert(key.clone(), log.recovery_point());
            start.insert(key.clone(), log.start_offset());
            // What is acked may not be flushed, by `flush.messages`.
            high.insert(key, log.acked_offset().min(log.flushed_offset()));
        }
        let fresh = [&mut recovery, &mut start, &mut high];
        for (offsets, fresh) in self.all().into_iter().zip(fresh) {
            let offsets = offsets.borrow();
            let known = |key| Some((key, *offsets.get(key)?));
            let known = kept.iter().filter_map(known);
            fresh.extend(known.map(|(key, offset)| (key.clone(), offset)));
        }
        let changed = *self.recovery_points.borrow() != recovery
            || *self.start_offsets.borrow() != start
            || *self.flushed_offsets.borrow() != high;
        if !changed {
            return Ok(());
        }
        self.recovery_points.replace(recovery);
        self.start_offsets.replace(start);
        self.flushed_offsets.replace(high);
        self.write().await
    }

    /// Says that every log was closed cleanly, after the last checkpoint.
    pub async fn close_cleanly(&self) -> io::Result<()> {
        let content = br#"{"version":0,"brokerEpoch":-1}"#.to_vec();
        let path = self.dir.join(CLEAN_SHUTDOWN);
        self.disk.write(&path, content).await?;
        self.disk.sync_dir(&self.dir).await
    }

    pub(super) fn all(&self) -> [&RefCell<Offsets>; 3] {
        [
            &self.recovery_points,
            &self.start_offsets,
            &self.flushed_offsets,
        ]
    }

    pub(super) async fn write(&self) -> io::Result<()> {
        let names = [RECOVERY_POINTS, START_OFFSETS, HIGH_WATERMARKS];
        let files: Vec<_> = names.into_iter().zip(self.all()).collect();
        self.put(&files).await
    }

    /// Writes checkpoints, their checksums first: a crash in between leaves either content, and
    /// both are known. One caller at a time: they share the file of checksums.
    async fn put(&self, files: &[(&'static str, &RefCell<Offsets>)]) -> io::Result<()> {
        while self.writes.get() {
            self.written.wait().await;
        }
        let _writing = Writing::begin(self);
        let texts: Vec<String> = files
            .iter()
            .map(|(_, offsets)| checkpoint::to_text(&offsets.borrow()))
            .collect();
        let sums = {
            let mut sums = self.sums.borrow_mut();
            for ((name, _), text) in files.iter().zip(&texts) {
                sums.expect(name, crc32c::crc32c(text.as_bytes()));
            }
            sums.to_text()
        };
        let path = self.dir.join(checksums::FILE);
        self.disk.replace(&path, sums.into_bytes()).await?;
        for ((name, _), text) in files.iter().zip(texts) {
            let path = self.dir.join(name);
            self.disk.replace(&path, text.into_bytes()).await?;
        }
        Ok(())
    }
}

/// Checkpoints are being written for as long as this lives.
struct Writing<'a>(&'a Folder);

impl Writing<'_> {
    fn begin(folder: &Folder) -> Writing<'_> {
        folder.writes.set(true);
        Writing(folder)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.writes.set(false);
        self.0.written.ring();
    }
}

/// The partition that a folder is named after.
fn partition_of(entry: &Entry) -> Option<(String, PartitionIndex)> {
    let (topic, index) = entry.name.rsplit_once('-')?;
    let index: PartitionIndex = index.parse().ok()?;
    (entry.is_dir && index >= 0).then(|| (topic.to_owned(), index))
}

/// Reads a checkpoint. One that is missing, or is not what was written, knows nothing: logs are
/// then checked from their beginning.
async fn read(
    disk: &Disk,
    dir: &Path,
    name: &'static str,
    sums: &Checksums,
    damaged: &mut Vec<&'static str>,
) -> io::Result<Offsets> {
    let bytes = match disk.read(&dir.join(name)).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Offsets::new()),
        Err(error) => return Err(error),
    };
    let text = std::str::from_utf8(&bytes).ok();
    match text.and_then(checkpoint::from_text) {
        Some(offsets) if sums.allow(name, &bytes) => Ok(offsets),
        _ => {
            damaged.push(name);
            Ok(Offsets::new())
        }
    }
}
