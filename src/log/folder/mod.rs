//! Drives: a folder of logs as a whole: was it closed cleanly, and its checkpoints.
//! May use: logs as a whole, and the names of their files. Never: reads or writes records.

pub mod checkpoint;
mod checkpoints;
mod copy;
mod cut;
mod future;
mod hand_over;
mod retire;

pub use copy::{CopyError, FutureLog};
pub use future::future_name;
pub use hand_over::{HandedOver, NotHandedOver};
pub use retire::Retired;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::base::{Offset, PartitionIndex, TopicId};
use crate::io::disk::{Disk, Entry};
use crate::log::Log;
use crate::log::append::Logs;
use crate::log::inner::FailedOperation;
use crate::log::journal::{Front, Journal, Replayed, put_kept_in_place, remove_unused, take_over};
use crate::log::opening::Opening;
use crate::log::segment::{PARTITION_METADATA, topic_id_in};
use checkpoint::Offsets;
use checkpoints::{Checkpoint, Checkpoints};
use copy::Trash;

/// Made when a folder is closed cleanly, gone while it is in use (Kafka's name and content).
/// The file whose presence says that every log in the folder was closed cleanly.
pub const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// The size of a journal's circle is a multiple of this, in bytes.
const CIRCLE_UNIT_BYTES: usize = 32 << 10;
/// What the name of a folder ends with whose log belongs to no topic that is known (Kafka's
/// `LogManager.StrayDirSuffix`).
const STRAY_SUFFIX: &str = "-stray";

/// A folder that holds one folder for each log, `<topic>-<partition>`, and their checkpoints.
pub struct Folder {
    disk: Disk,
    dir: PathBuf,
    clean: bool,
    /// What the last run has left of its journal.
    front: Option<Front>,
    replayed: Replayed,
    journal: RefCell<Option<Journal>>,
    checkpoints: Rc<Checkpoints>,
    /// Logs that could not be opened: what is known of them is kept as it is.
    unopened: RefCell<BTreeSet<(String, PartitionIndex)>>,
    /// Logs that were cut back or begun anew in this run, and whether they are open since.
    recut: RefCell<BTreeMap<(String, PartitionIndex), bool>>,
    /// Logs that came from other folders, closed cleanly, and are not open yet.
    taken_over: RefCell<BTreeSet<(String, PartitionIndex)>>,
    /// Folders of logs that were there at the start and that no partition has claimed.
    found: RefCell<BTreeSet<(String, PartitionIndex)>>,
    /// Logs of deleted topics whose folders could not be removed.
    undeleted: RefCell<BTreeSet<(String, PartitionIndex)>>,
    /// Of which partitions the last run was making copies here.
    futures: BTreeSet<(String, PartitionIndex)>,
    /// Folders of removed logs whose files are still to be deleted.
    trash: Trash,
}

impl Folder {
    /// Takes the folder `dir` into use; it is made if it is not there. From here on it counts
    /// as not closed cleanly. Logs whose removal was interrupted are in the trash again.
    pub async fn open(disk: &Disk, dir: &Path) -> io::Result<Folder> {
        disk.create_dir(dir).await?;
        put_kept_in_place(disk, dir, &dir.join(CLEAN_SHUTDOWN)).await?;
        let mut entries = disk.list(dir).await?;
        let is_trash = |entry: &&Entry| retire::is_trash(entry) || future::is_future(entry);
        let futures = entries.iter().filter(|entry| future::is_future(entry));
        let futures = futures.filter_map(future::future_of).collect();
        let trash = entries.iter().filter(is_trash);
        let trash = trash.map(|entry| dir.join(&entry.name)).collect();
        let clean = entries.iter().any(|entry| entry.name == CLEAN_SHUTDOWN);
        if !clean && !entries.is_empty() {
            // What the logs are about to believe may be in the device's cache only, or under a
            // name that no sync has covered: the process that wrote it died before.
            disk.sync_all(dir).await?;
        }
        let (front, replayed) = take_over(disk, dir, clean).await?;
        if replayed.entries > 0 {
            entries = disk.list(dir).await?;
        }
        if clean {
            disk.remove(&dir.join(CLEAN_SHUTDOWN)).await?;
            disk.sync_dir(dir).await?;
        }
        let checkpoints = Rc::new(Checkpoints::open(disk, dir).await?);
        Ok(Folder {
            front,
            replayed,
            journal: RefCell::default(),
            clean,
            checkpoints,
            unopened: RefCell::default(),
            recut: RefCell::default(),
            taken_over: RefCell::default(),
            found: RefCell::new(entries.iter().filter_map(partition_of).collect()),
            undeleted: RefCell::default(),
            futures,
            trash: Rc::new(RefCell::new(trash)),
            disk: disk.clone(),
            dir: dir.to_owned(),
        })
    }

    /// Whether the folder had been closed cleanly.
    pub fn was_clean(&self) -> bool {
        self.clean
    }

    /// What was found in the journal and put where it belongs.
    pub fn replayed(&self) -> Replayed {
        self.replayed
    }

    /// Begins a journal with a circle of `capacity` bytes, none if that is 0; returns what the logs
    /// of this folder are to be opened with. To be called once.
    pub fn begin_journal(&self, logs: &Logs, capacity: usize) -> Logs {
        if capacity == 0 {
            if self.front.is_some() {
                remove_unused(&self.disk, &self.dir);
            }
            return logs.clone();
        }
        let capacity = capacity.next_multiple_of(CIRCLE_UNIT_BYTES) as u64;
        let journal = Journal::begin(logs, &self.dir, capacity, self.front);
        *self.journal.borrow_mut() = Some(journal.clone());
        logs.with_journal(journal)
    }

    /// The checkpoints that were not what had been written: nothing of them is believed.
    pub fn damaged(&self) -> &[&'static str] {
        &self.checkpoints.damaged
    }

    /// Where the log of a partition lies.
    pub fn path(&self, topic: &str, partition: PartitionIndex) -> PathBuf {
        self.dir.join(format!("{topic}-{partition}"))
    }

    /// What is known about a partition's log before it is opened.
    pub fn opening(&self, topic: &str, partition: PartitionIndex) -> Opening {
        let key = (topic.to_owned(), partition);
        let of = |checkpoint: &Checkpoint| checkpoint.get(&key).unwrap_or(0);
        let was_clean = self.clean && !self.recut.borrow().contains_key(&key);
        Opening {
            clean: was_clean || self.taken_over.borrow().contains(&key),
            recovery_point: of(&self.checkpoints.recovery_points),
            flushed_offset: of(&self.checkpoints.flushed_offsets),
            start_offset: of(&self.checkpoints.start_offsets),
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

    /// Notes that a log that could not be opened before, or was cut, is open now.
    pub fn opened(&self, topic: &str, partition: PartitionIndex) {
        let key = (topic.to_owned(), partition);
        self.unopened.borrow_mut().remove(&key);
        self.taken_over.borrow_mut().remove(&key);
        if let Some(is_open) = self.recut.borrow_mut().get_mut(&key) {
            *is_open = true;
        }
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
            let mut failed = self.set_aside(&[(topic, partition)]).await;
            if let Some((.., error)) = failed.pop() {
                return Err(error);
            }
        }
        self.undeleted.borrow_mut().remove(&key);
        Ok(())
    }

    /// The logs that were there at the start and that no partition has claimed.
    pub fn unclaimed(&self) -> Vec<(String, PartitionIndex)> {
        self.found.borrow().iter().cloned().collect()
    }

    /// Whether the log of a partition was there at the start, and no partition has claimed it.
    pub fn is_unclaimed(&self, topic: &str, partition: PartitionIndex) -> bool {
        let key = (topic.to_owned(), partition);
        self.found.borrow().contains(&key)
    }

    /// As [`Self::is_unclaimed`], and it says that it is of the topic with `id`.
    pub async fn has_unclaimed(&self, topic: &str, partition: PartitionIndex, id: TopicId) -> bool {
        self.is_unclaimed(topic, partition)
            && self.topic_id(topic, partition).await == Some(id.to_string())
    }

    /// Whether the log in a partition's place says that it is of another topic than that with
    /// `id`.
    pub async fn is_of_another(&self, topic: &str, partition: PartitionIndex, id: TopicId) -> bool {
        let own = self.topic_id(topic, partition).await;
        own.is_some_and(|own| own != id.to_string())
    }

    async fn topic_id(&self, topic: &str, partition: PartitionIndex) -> Option<String> {
        let path = self.path(topic, partition).join(PARTITION_METADATA);
        let text = self.disk.read(&path).await.ok()?;
        topic_id_in(&text).map(str::to_owned)
    }

    /// Renames logs that belong to no known topic and removes them from the checkpoints. Their
    /// records stay on disk, as with Kafka. Writes the checkpoints and syncs the folder once for
    /// all of them. Returns the logs that could not be renamed, each with the reason.
    pub async fn set_aside<'a>(
        &self,
        logs: &[(&'a str, PartitionIndex)],
    ) -> Vec<(&'a str, PartitionIndex, io::Error)> {
        let all_failed = |error: io::Error| {
            let again = || io::Error::new(error.kind(), error.to_string());
            let failed = logs.iter().map(|(topic, index)| (*topic, *index, again()));
            failed.collect()
        };
        if logs.is_empty() {
            return Vec::new();
        }
        if let Err(error) = self.forget(logs).await {
            return all_failed(error);
        }
        let mut failed = Vec::new();
        for (topic, index) in logs {
            if let Err(error) = self.rename_aside(topic, *index).await {
                failed.push((*topic, *index, error));
            }
        }
        match self.disk.sync_dir(&self.dir).await {
            Ok(()) => failed,
            Err(error) => all_failed(error),
        }
    }

    async fn rename_aside(&self, topic: &str, partition: PartitionIndex) -> io::Result<()> {
        let id = self.topic_id(topic, partition).await;
        let id = id.as_deref().unwrap_or("unknown");
        let name = format!("{topic}-{partition}.{id}{STRAY_SUFFIX}");
        let (from, to) = (self.path(topic, partition), self.dir.join(&name));
        match self.disk.rename(&from, &to).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed?,
        }
        tracing::warn!(dir = %self.dir.display(), name,
            "set aside a log of a topic that is gone: remove its folder when its records are not wanted");
        Ok(())
    }

    /// Up to where the log of a partition was compacted, if it ever was.
    pub fn cleaned(&self, topic: &str, partition: PartitionIndex) -> Option<Offset> {
        let key = (topic.to_owned(), partition);
        self.checkpoints.cleaned_offsets.get(&key)
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
        let cleaned = &self.checkpoints.cleaned_offsets;
        cleaned.set(key, offset);
        self.checkpoints.save(&[cleaned]).await
    }

    /// Notes that the log of a partition begins with this offset, as [`Folder::save_starts`] makes
    /// durable. It never moves back.
    pub fn note_start(&self, topic: &str, partition: PartitionIndex, offset: Offset) {
        let key = (topic.to_owned(), partition);
        let starts = &self.checkpoints.start_offsets;
        if starts.get(&key).unwrap_or(0) < offset {
            starts.set(key, offset);
        }
    }

    /// Returns when what was noted of the starts of logs so far is durable
    /// (`log-start-offset-checkpoint`). Those who ask at the same time share the writes.
    pub async fn save_starts(&self) -> io::Result<()> {
        let starts = &self.checkpoints.start_offsets;
        self.checkpoints.save(&[starts]).await
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
            match failure.map(|it| it.operation) {
                Some(FailedOperation::Damage) => {
                    kept.insert(key);
                    continue;
                }
                // It lies in another folder, or in the trash.
                Some(FailedOperation::Removal) => continue,
                _ if log.end_offset() == 0 => continue,
                _ => {}
            }
            recovery.insert(key.clone(), log.recovery_point());
            start.insert(key.clone(), log.start_offset());
            // What is acked may not be flushed, by `flush.messages`; of a log with replicas it is
            // the high watermark that is noted, as Kafka does.
            high.insert(key, log.0.settled_offset().min(log.flushed_offset()));
        }
        let checkpoints = [
            &self.checkpoints.recovery_points,
            &self.checkpoints.start_offsets,
            &self.checkpoints.flushed_offsets,
        ];
        for (checkpoint, mut fresh) in checkpoints.into_iter().zip([recovery, start, high]) {
            for key in &kept {
                if let Some(offset) = checkpoint.get(key) {
                    fresh.insert(key.clone(), offset);
                }
            }
            checkpoint.set_all(fresh);
        }
        self.checkpoints.save(&checkpoints).await
    }

    /// Says that every log was closed cleanly, after the last checkpoint, and in which epoch the
    /// node was registered in a cluster; -1 for none.
    pub async fn close_cleanly(&self, broker_epoch: i64) -> io::Result<()> {
        self.checkpoints.idle().await;
        let journal = self.journal.borrow().clone();
        if let Some(journal) = journal {
            journal.close().await?;
        }
        if self.recut.borrow().values().any(|is_open| !is_open) {
            // What its files say is true after a check only.
            tracing::warn!(dir = %self.dir.display(),
                "a log was cut and not opened again: the next start checks the newest records");
            return Ok(());
        }
        let content = format!(r#"{{"version":0,"brokerEpoch":{broker_epoch}}}"#);
        let path = self.dir.join(CLEAN_SHUTDOWN);
        self.disk.write(&path, content.into_bytes()).await?;
        self.disk.sync_dir(&self.dir).await
    }
}

/// The partition that a folder is named after.
fn partition_of(entry: &Entry) -> Option<(String, PartitionIndex)> {
    let (topic, index) = entry.name.rsplit_once('-')?;
    let index: PartitionIndex = index.parse().ok()?;
    (entry.is_dir && index >= 0).then(|| (topic.to_owned(), index))
}
