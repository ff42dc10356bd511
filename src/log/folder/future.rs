//! Drives: copies of logs in a folder on another file system, and the exchange of a log for its
//! copy (Kafka's future log, KIP-113).

use std::io;
use std::path::Path;

use super::Folder;
use super::copy::FutureLog;
use super::hand_over::NotHandedOver;
use crate::base::PartitionIndex;
use crate::base::ids::Uuid;
use crate::io::disk::Entry;
use crate::log::Log;

/// What the name of a folder ends with that gets a copy of a log (Kafka's
/// `LogManager.FutureDirSuffix`).
const FUTURE_SUFFIX: &str = "-future";

/// The name of the folder that gets a copy of a partition's log; `unique` tells its copies apart.
pub fn future_name(topic: &str, partition: PartitionIndex, unique: Uuid) -> String {
    format!("{topic}-{partition}.{}{FUTURE_SUFFIX}", unique.simple())
}

/// Whether a folder holds a copy that was being made.
pub(super) fn is_future(entry: &Entry) -> bool {
    entry.is_dir && entry.name.ends_with(FUTURE_SUFFIX)
}

/// The partition that such a folder is named after.
pub(super) fn future_of(entry: &Entry) -> Option<(String, PartitionIndex)> {
    let name = entry.name.strip_suffix(FUTURE_SUFFIX)?;
    let (name, _) = name.rsplit_once('.')?;
    let (topic, index) = name.rsplit_once('-')?;
    Some((topic.to_owned(), index.parse().ok()?))
}

// === impl Folder ===

impl Folder {
    /// Begins a copy of a partition's log here: its folder is there, durably, when this returns.
    pub async fn begin_future(
        &self,
        topic: &str,
        partition: PartitionIndex,
        unique: Uuid,
    ) -> io::Result<FutureLog> {
        let dir = self.dir.join(future_name(topic, partition, unique));
        // Made first: where the task that calls this is dropped meanwhile, it puts the folder away.
        let future = FutureLog::new(&self.disk, dir, &self.trash);
        self.disk.create_dir(&future.dir).await?;
        Ok(future)
    }

    /// The partitions of which the last run was making copies here, until it ended. What there is
    /// of them is in the trash.
    pub fn futures(&self) -> Vec<(String, PartitionIndex)> {
        self.futures.iter().cloned().collect()
    }

    /// Puts the copy `future` of a log that was closed with [`Log::close`] into its place in the
    /// folder `to`, on another file system, and the log here into the trash. What is not copied yet
    /// is copied before. Readers of `log` are told afterwards that there is nothing.
    ///
    /// After a crash a start finds the log in one of the two folders, or the same in both, closed.
    pub async fn hand_over_copied(
        &self,
        name: (&str, PartitionIndex),
        log: &Log,
        future: &mut FutureLog,
        to: &Folder,
    ) -> Result<(), NotHandedOver> {
        let stays = NotHandedOver::Stays;
        let given = self.let_go(name, log).await.map_err(stays)?;
        let gone = async {
            let is_there = future.finish(&log.0).await.map_err(stays)?;
            // Before the log is there: what is known of it must be known when it is opened.
            to.take_over(name.0, name.1, given).await.map_err(stays)?;
            match is_there {
                true => self.exchange(name, future, to).await,
                // A log without records has no folder.
                false => Ok(()),
            }
        };
        let gone = gone.await;
        self.handed_over(name, given, to, gone).await
    }

    /// Gives the copy its name, and then takes the log out of the way. An error in between is
    /// undone: as long as both have the name, neither may be appended to.
    async fn exchange(
        &self,
        (topic, partition): (&str, PartitionIndex),
        future: &mut FutureLog,
        to: &Folder,
    ) -> Result<(), NotHandedOver> {
        let place = to.path(topic, partition);
        let renamed = self.disk.rename(&future.dir, &place).await;
        renamed.map_err(NotHandedOver::Stays)?;
        if let Err(error) = to.disk.sync_dir(&to.dir).await {
            return Err(to.undo(error, &place, future).await);
        }
        let unique = future.dir.extension().unwrap_or_default().to_string_lossy();
        let unique = unique.trim_end_matches(FUTURE_SUFFIX).to_owned();
        match self.to_trash(topic, partition, &unique, None).await {
            Ok(trash) => {
                future.stays();
                self.disk
                    .sync_dir(&self.dir)
                    .await
                    .map_err(NotHandedOver::Unclear)?;
                self.trash.borrow_mut().extend(trash);
                Ok(())
            }
            Err(error) => Err(to.undo(error, &place, future).await),
        }
    }

    /// Takes its name from a copy again.
    async fn undo(&self, error: io::Error, place: &Path, future: &mut FutureLog) -> NotHandedOver {
        let undone = async {
            self.disk.rename(place, &future.dir).await?;
            self.disk.sync_dir(&self.dir).await
        };
        match undone.await {
            Ok(()) => NotHandedOver::Stays(error),
            Err(_) => {
                future.stays();
                NotHandedOver::Unclear(error)
            }
        }
    }
}
