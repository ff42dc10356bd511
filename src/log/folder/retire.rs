//! Drives: logs of deleted topics: out of the checkpoints and out of the way at once, many in
//! one step; their files are deleted afterwards, one at a time.

use std::io;
use std::path::{Path, PathBuf};

use futures_util::stream::{self, StreamExt};

use super::Folder;
use crate::base::{PartitionIndex, TopicId};
use crate::io::disk::Entry;
use crate::log::Log;

/// What the name of a folder ends with whose log is being removed (Kafka's
/// `LogManager.DeleteDirSuffix`).
const TRASH_SUFFIX: &str = "-delete";
/// Logs that are renamed at the same time.
const RENAMES_AT_ONCE: usize = 64;

/// A log whose topic was deleted.
pub struct Retired<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The topic's id, which tells apart the removals of topics of one name.
    pub id: TopicId,
    /// Its partition.
    pub index: PartitionIndex,
    /// The log, unless it could not be opened.
    pub log: Option<&'a Log>,
}

/// Whether a folder holds a log that was removed.
pub fn is_trash(entry: &Entry) -> bool {
    entry.is_dir && entry.name.ends_with(TRASH_SUFFIX)
}

impl Folder {
    /// Takes logs out of use: when this returns other topics may have their names, and a start
    /// does not find them. Those that could not be, with the reason: they are still there, and
    /// set aside when a topic of that name comes. [`Folder::empty_trash`] deletes the files.
    pub async fn retire<'a>(&self, logs: &'a [Retired<'a>]) -> Vec<(&'a Retired<'a>, io::Error)> {
        let names: Vec<_> = logs.iter().map(|log| (log.topic, log.index)).collect();
        // Before the names change: else a crash in between would leave a checkpoint that speaks
        // of records which the next topic of the name never had.
        if let Err(error) = self.forget(&names).await {
            return self.not_retired(logs, &error);
        }
        let renames = logs
            .iter()
            .map(|log| async move { (log, self.rename(log).await) });
        let renamed: Vec<_> = stream::iter(renames)
            .buffer_unordered(RENAMES_AT_ONCE)
            .collect()
            .await;
        let mut trash = Vec::new();
        let mut failed = Vec::new();
        for (log, result) in renamed {
            match result {
                Ok(Some(path)) => trash.push(path),
                Ok(None) => {}
                Err(error) => failed.extend(self.not_retired(std::slice::from_ref(log), &error)),
            }
        }
        if !trash.is_empty()
            && let Err(error) = self.disk.sync_dir(&self.dir).await
        {
            return self.not_retired(logs, &error);
        }
        self.trash.borrow_mut().extend(trash);
        failed
    }

    /// Notes that these logs are still there: the next topics of their names must not be given
    /// their records.
    fn not_retired<'a>(
        &self,
        logs: &'a [Retired<'a>],
        error: &io::Error,
    ) -> Vec<(&'a Retired<'a>, io::Error)> {
        let failed = logs.iter().map(|log| {
            self.was_not_removed(log.topic, log.index);
            (log, io::Error::new(error.kind(), error.to_string()))
        });
        failed.collect()
    }

    /// Notes that the log of a deleted topic is still there: the next topic of that name must
    /// not be given its records.
    pub fn was_not_removed(&self, topic: &str, partition: PartitionIndex) {
        let key = (topic.to_owned(), partition);
        self.undeleted.borrow_mut().insert(key);
    }

    /// Forgets partitions whose logs are about to be removed: later ones of the same names begin
    /// anew. The checkpoints are written once for all of them.
    pub async fn forget(&self, partitions: &[(&str, PartitionIndex)]) -> io::Result<()> {
        let all = self.checkpoints.all();
        for (topic, index) in partitions {
            let key = ((*topic).to_owned(), *index);
            self.unopened.borrow_mut().remove(&key);
            self.recut.borrow_mut().remove(&key);
            self.taken_over.borrow_mut().remove(&key);
            all.iter().for_each(|checkpoint| checkpoint.remove(&key));
        }
        self.checkpoints.save(&all).await
    }

    /// The folder's new name, where there is one on disk.
    async fn rename(&self, log: &Retired<'_>) -> io::Result<Option<PathBuf>> {
        let unique = log.id.0.simple().to_string();
        self.to_trash(log.topic, log.index, &unique, log.log).await
    }

    /// Gives the folder of a log, which goes no further, a name that says it is to be deleted, with
    /// `unique` in it; returns that, where there is a folder. Durable once the folder above is
    /// synced.
    pub(super) async fn to_trash(
        &self,
        topic: &str,
        index: PartitionIndex,
        unique: &str,
        log: Option<&Log>,
    ) -> io::Result<Option<PathBuf>> {
        let trash = format!("{topic}-{index}.{unique}{TRASH_SUFFIX}");
        let trash = self.dir.join(trash);
        if let Some(log) = log {
            return Ok(log.retire(&trash).await?.then_some(trash));
        }
        match self.disk.rename(&self.path(topic, index), &trash).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            renamed => renamed.map(|()| Some(trash)),
        }
    }

    /// Deletes the files of the logs that were retired, one at a time, so that whatever else
    /// wants the disk meanwhile waits for one file at the most. Folders that cannot be deleted
    /// are named in the error and left to the next start.
    pub async fn empty_trash(&self) -> Result<(), (PathBuf, io::Error)> {
        let mut failed = Ok(());
        loop {
            let Some(path) = self.trash.borrow_mut().pop() else {
                return failed;
            };
            if let Err(error) = self.delete(&path).await {
                failed = Err((path, error));
            }
        }
    }

    async fn delete(&self, trash: &Path) -> io::Result<()> {
        let entries = match self.disk.list(trash).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries.iter().filter(|entry| !entry.is_dir) {
            self.disk.remove(&trash.join(&entry.name)).await?;
            self.disk.runtime().yield_now().await;
        }
        self.disk.remove_dir(trash).await
    }
}
