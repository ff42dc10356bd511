//! Drives: where things are in a log: its ends, its terms, its times; and moving its start.

use std::fmt;

use super::Partition;
use super::fetch::ReadError;
use crate::base::{LeaderEpoch, Offset, WallMs};
use crate::log::{self, Found, LogFailure};
use crate::wire::batch::NO_TIMESTAMP;

/// A place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The timestamp of the record there, where one was looked for by time; else -1.
    pub timestamp: WallMs,
    /// Its offset.
    pub offset: Offset,
    /// The term in which it was or will be written.
    pub leader_epoch: LeaderEpoch,
}

/// Why records were not deleted.
#[derive(Debug)]
pub enum DeleteError {
    /// The broker's own topics are not for clients to cut.
    InternalTopic,
    /// The topic keeps the last record of each key, whatever its age (`cleanup.policy`).
    Compacted,
    /// The offset is negative, or not acked yet.
    OutOfRange,
    /// The log does not serve any more.
    Storage(LogFailure),
    /// The partition has been taken out of service.
    Closed,
}

impl Partition {
    /// The first offset that may be read.
    pub fn earliest(&self) -> Result<Spot, ReadError> {
        self.check_serving()?;
        let offset = self.start_offset();
        let is_empty = offset == self.log().end_offset();
        let written_in = self.log().epoch_at(offset).filter(|_| !is_empty);
        Ok(Spot {
            timestamp: NO_TIMESTAMP,
            offset,
            leader_epoch: written_in.unwrap_or(self.leader_epoch()),
        })
    }

    /// Where reading ends: everything before is acked.
    pub fn latest(&self) -> Result<Spot, ReadError> {
        self.check_serving()?;
        Ok(Spot {
            timestamp: NO_TIMESTAMP,
            offset: self.high_watermark(),
            leader_epoch: self.leader_epoch(),
        })
    }

    /// The first readable record that is not older than `timestamp`.
    pub async fn at_time(&self, timestamp: WallMs) -> Result<Option<Spot>, ReadError> {
        self.check_serving()?;
        let found = self.log().offset_for_time(timestamp).await;
        Ok(self.readable(found.map_err(ReadError::Log)?))
    }

    /// The first of the youngest records, if it is readable.
    pub async fn at_max_timestamp(&self) -> Result<Option<Spot>, ReadError> {
        self.check_serving()?;
        let found = self.log().youngest().await.map_err(ReadError::Log)?;
        if found.is_none() && self.start_offset() < self.high_watermark() {
            // Records without timestamps are all as old as each other.
            return self.earliest().map(Some);
        }
        Ok(self.readable(found))
    }

    /// What lies behind the acked offset is not to be told of, as in Kafka.
    fn readable(&self, found: Option<Found>) -> Option<Spot> {
        let found = found.filter(|found| found.offset < self.high_watermark())?;
        Some(Spot {
            timestamp: found.timestamp,
            offset: found.offset,
            leader_epoch: found.leader_epoch,
        })
    }

    /// The largest term not above `epoch` and where it ended, the current one at the log's end;
    /// (-1, -1) for a term to come. A term counts from its first moment, also before it has
    /// written; one older than all that is known ended where the log begins (KIP-101).
    pub fn epoch_end(&self, epoch: LeaderEpoch) -> (LeaderEpoch, Offset) {
        let (current, end_offset) = (self.leader_epoch(), self.log().end_offset());
        if epoch == -1 || epoch > current {
            return (-1, -1);
        }
        if epoch == current {
            return (epoch, end_offset);
        }
        match (self.log().epoch_end(epoch), self.log().latest_epoch()) {
            ((-1, _), Some(latest)) if latest < epoch => (latest, end_offset),
            ((-1, _), Some(_)) => (epoch, self.start_offset()),
            ((-1, _), None) => (epoch, end_offset),
            (known, _) => known,
        }
    }

    /// Lets go of everything before `offset`; the new start of the log, which never moves back.
    pub fn delete_before(&self, offset: Offset) -> Result<Offset, DeleteError> {
        if self.is_internal() {
            return Err(DeleteError::InternalTopic);
        }
        if self.is_closed() {
            return Err(DeleteError::Closed);
        }
        if let Some(failure) = self.failure() {
            return Err(DeleteError::Storage(failure));
        }
        if !self.config().cleanup_policy.delete {
            return Err(DeleteError::Compacted);
        }
        let deleted = self.log().delete_records_before(offset);
        deleted.map_err(|log::DeleteError::OutOfRange| DeleteError::OutOfRange)
    }
}

impl fmt::Display for DeleteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeleteError::InternalTopic => f.write_str("clients do not cut internal topics"),
            DeleteError::Compacted => f.write_str("the topic's cleanup policy is not to delete"),
            DeleteError::OutOfRange => f.write_str("the offset is out of range"),
            DeleteError::Storage(failure) => failure.fmt(f),
            DeleteError::Closed => f.write_str("the partition is closed"),
        }
    }
}
