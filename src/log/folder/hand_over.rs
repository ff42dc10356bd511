//! Drives: logs that go from one folder to another on the same file system: their folder gets a
//! new name, and no record is read or written.

use std::io;
use std::path::Path;

use super::Folder;
use crate::base::{Offset, PartitionIndex};
use crate::log::Log;

/// What the checkpoints of one folder say of a log that goes to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Default))]
pub struct HandedOver {
    recovery_point: Offset,
    flushed_offset: Offset,
    start_offset: Offset,
    cleaned: Option<Offset>,
}

/// Why a log did not go to another folder of its shard.
#[derive(Debug)]
pub enum NotHandedOver {
    /// It lies where it did, closed, and may be opened again.
    Stays(io::Error),
    /// It may be found in both folders by a start, or in the other one: until then it must not be
    /// opened in either.
    Unclear(io::Error),
}

impl Folder {
    /// Gives a log that was closed with [`Log::close`] to the folder `to`, another shard's on the
    /// same file system: its own folder lies there when this returns, durably, and the checkpoints
    /// here know nothing of it. Readers of `log` are told afterwards that there is nothing. The
    /// other folder is to be told with [`Folder::take_over`].
    ///
    /// After a crash the log lies whole in one of the two, closed, but no checkpoint says so: it is
    /// checked from its beginning. After an error it lies here as it was, and may be opened again.
    pub async fn hand_over(
        &self,
        topic: &str,
        partition: PartitionIndex,
        log: &Log,
        to: &Path,
    ) -> io::Result<HandedOver> {
        let given = self.let_go((topic, partition), log).await?;
        // Before it has gone: a checkpoint that speaks of a log which is not there says that
        // records were lost.
        self.forget(&[(topic, partition)]).await?;
        let renamed = match self.rename_into(topic, partition, to).await {
            Ok(()) => self.names_last(to).await,
            failed => failed,
        };
        if renamed.is_err() {
            self.take_over(topic, partition, given).await?;
        }
        renamed.map(|()| given)
    }

    /// As [`Self::hand_over`], where the other folder is of this shard: it is told before the log
    /// is there, so that at any time the checkpoints of one of the two say what is known of it.
    pub async fn hand_over_within(
        &self,
        name: (&str, PartitionIndex),
        log: &Log,
        to: &Folder,
    ) -> Result<(), NotHandedOver> {
        let stays = NotHandedOver::Stays;
        let given = self.let_go(name, log).await.map_err(stays)?;
        let gone = async {
            to.take_over(name.0, name.1, given).await.map_err(stays)?;
            let renamed = self.rename_into(name.0, name.1, &to.dir).await;
            renamed.map_err(stays)?;
            let last = self.names_last(&to.dir).await;
            last.map_err(NotHandedOver::Unclear)
        };
        let gone = gone.await;
        self.handed_over(name, given, to, gone).await
    }

    /// Prepares a closed log for going to another folder: no task is at its files any more. From
    /// here on the checkpoints say the same of it until they are told to forget it: see
    /// [`Self::forget_gone`].
    pub(super) async fn let_go(
        &self,
        (topic, partition): (&str, PartitionIndex),
        log: &Log,
    ) -> io::Result<HandedOver> {
        if !log.0.is_closed() {
            return Err(io::Error::other("the log was not closed cleanly before"));
        }
        let given = self.given(topic, partition, log);
        // A start would put back what the journal holds, in this folder.
        if !planted!(HandedOverInJournal) {
            log.0.void_in_journal(Offset::MAX).await?;
        }
        self.note(topic, partition, given);
        log.0.leave().await;
        Ok(given)
    }

    /// Has the checkpoints of this folder and of `to` say what is so now that a log has `gone`
    /// there, or has not. Where it has, or where that is unclear, both say what is known of it.
    pub(super) async fn handed_over(
        &self,
        (topic, partition): (&str, PartitionIndex),
        given: HandedOver,
        to: &Folder,
        gone: Result<(), NotHandedOver>,
    ) -> Result<(), NotHandedOver> {
        let written = match &gone {
            Err(NotHandedOver::Stays(_)) => {
                let forgotten = to.forget(&[(topic, partition)]).await;
                let kept = self.take_over(topic, partition, given).await;
                forgotten.and(kept)
            }
            _ => self.checkpoints.save(&self.checkpoints.all()).await,
        };
        if let Err(error) = written {
            // In memory they say it, and are written again with the next change.
            let dir = self.dir.display();
            tracing::error!(%dir, topic, partition, %error, "cannot write the checkpoints");
        }
        gone
    }

    /// To be called once no start looks here for the logs of these partitions, which are in other
    /// folders or gone for good: the checkpoints forget them. Until then a start that finds one
    /// nowhere knows that it had records.
    pub async fn forget_gone(&self, partitions: &[(&str, PartitionIndex)]) -> io::Result<()> {
        let is_known = |name: &(&str, PartitionIndex)| {
            let key = (name.0.to_owned(), name.1);
            let mut all = self.checkpoints.all().into_iter();
            // What was taken over is about to be opened here.
            all.any(|it| it.get(&key).is_some()) && !self.taken_over.borrow().contains(&key)
        };
        let known = partitions.iter().copied().filter(is_known);
        let known: Vec<_> = known.collect();
        match known.is_empty() {
            true => Ok(()),
            false => self.forget(&known).await,
        }
    }

    /// What the checkpoints are to say of a closed log.
    fn given(&self, topic: &str, partition: PartitionIndex, log: &Log) -> HandedOver {
        HandedOver {
            recovery_point: log.recovery_point(),
            flushed_offset: log.0.settled_offset().min(log.flushed_offset()),
            start_offset: log.start_offset(),
            cleaned: self.cleaned(topic, partition),
        }
    }

    async fn rename_into(
        &self,
        topic: &str,
        partition: PartitionIndex,
        to: &Path,
    ) -> io::Result<()> {
        let from = self.path(topic, partition);
        let name = from.file_name().unwrap_or_default();
        match self.disk.rename(&from, &to.join(name)).await {
            // A log without records has no folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            renamed => renamed,
        }
    }

    /// Makes the names in this folder and in `to` durable. Should that fail, both say what they
    /// can, and neither is sure of it: the shard that leads by the metadata looks for the folder at
    /// the next start.
    async fn names_last(&self, to: &Path) -> io::Result<()> {
        self.disk.sync_dir(to).await?;
        self.disk.sync_dir(&self.dir).await
    }

    /// Takes over a log from another folder, before it is opened here.
    pub async fn take_over(
        &self,
        topic: &str,
        partition: PartitionIndex,
        given: HandedOver,
    ) -> io::Result<()> {
        self.note(topic, partition, given);
        let key = (topic.to_owned(), partition);
        self.taken_over.borrow_mut().insert(key);
        self.checkpoints.save(&self.checkpoints.all()).await
    }

    /// Has the checkpoints say this of a log, until they are told otherwise.
    fn note(&self, topic: &str, partition: PartitionIndex, given: HandedOver) {
        let key = (topic.to_owned(), partition);
        let checkpoints = &self.checkpoints;
        let HandedOver {
            recovery_point,
            flushed_offset,
            start_offset,
            cleaned,
        } = given;
        checkpoints.recovery_points.set(key.clone(), recovery_point);
        checkpoints.flushed_offsets.set(key.clone(), flushed_offset);
        checkpoints.start_offsets.set(key.clone(), start_offset);
        match cleaned {
            Some(cleaned) => checkpoints.cleaned_offsets.set(key.clone(), cleaned),
            None => checkpoints.cleaned_offsets.remove(&key),
        }
        self.keep(topic, partition);
    }
}
