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

impl Folder {
    /// Gives a log that was closed with [`Log::close`] to the folder `to`, another shard's on the
    /// same file system: its own folder lies there when this returns, durably, and the checkpoints
    /// here know nothing of it. Who reads from `log` afterwards is told that there is nothing. The
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
        if !log.0.is_closed() {
            return Err(io::Error::other("the log was not closed cleanly before"));
        }
        let given = self.given(topic, partition, log);
        // A start would put back what the journal holds, in this folder.
        if !planted!(HandedOverInJournal) {
            log.0.void_in_journal(Offset::MAX).await?;
        }
        log.0.leave().await;
        // Before it has gone: a checkpoint that speaks of a log which is not there says that
        // records were lost.
        self.forget(&[(topic, partition)]).await?;
        let renamed = self.move_to(topic, partition, to).await;
        if renamed.is_err() {
            self.take_over(topic, partition, given).await?;
        }
        renamed.map(|()| given)
    }

    /// What the checkpoints are to say of a closed log.
    pub(super) fn given(&self, topic: &str, partition: PartitionIndex, log: &Log) -> HandedOver {
        HandedOver {
            recovery_point: log.recovery_point(),
            flushed_offset: log.0.settled_offset().min(log.flushed_offset()),
            start_offset: log.start_offset(),
            cleaned: self.cleaned(topic, partition),
        }
    }

    async fn move_to(&self, topic: &str, partition: PartitionIndex, to: &Path) -> io::Result<()> {
        let from = self.path(topic, partition);
        let name = from.file_name().unwrap_or_default();
        match self.disk.rename(&from, &to.join(name)).await {
            // A log without records has no folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed?,
        }
        // Should one of these fail, both say what they can, and neither is sure of it: the shard
        // that leads by the metadata looks for the folder at its next start.
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
        if let Some(cleaned) = cleaned {
            checkpoints.cleaned_offsets.set(key.clone(), cleaned);
        }
        self.keep(topic, partition);
        self.taken_over.borrow_mut().insert(key);
        checkpoints.save(&checkpoints.all()).await
    }
}
