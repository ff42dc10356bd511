//! Drives: where things are in a log: its ends, its terms, its times; and moving its start.

use super::Partition;
use super::read::ReadError;
use super::state::Isolation;
use crate::base::{LeaderEpoch, NodeId, Offset, WallMs};
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
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// The broker's own topics are not for clients to cut.
    #[error("clients do not cut internal topics")]
    InternalTopic,
    /// The topic keeps the last record of each key, whatever its age (`cleanup.policy`).
    #[error("the topic's cleanup policy is not to delete")]
    Compacted,
    /// The offset is negative, or not acked yet.
    #[error("the offset is out of range")]
    OutOfRange,
    /// The log does not serve any more.
    #[error("{0}")]
    Storage(LogFailure),
    /// The partition has been taken out of service.
    #[error("the partition is closed")]
    Closed,
}

/// A place that a reader asks for (ListOffsets).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    /// The first record that may be read.
    Earliest,
    /// Where reading ends.
    Latest,
    /// Where the log ends, for a replica.
    End,
    /// The first of the youngest records.
    MaxTimestamp,
    /// What lies in other storage than this disk: nothing does.
    Tiered,
    /// The first record that is not older.
    Time(WallMs),
}

impl Partition {
    /// Where the place is that a reader of this isolation asks for, if there is one for it;
    /// `leader_epoch` is the term that it takes for the current one, -1 for any.
    pub async fn locate(
        &self,
        sought: Sought,
        leader_epoch: LeaderEpoch,
        isolation: Isolation,
    ) -> Result<Option<Spot>, ReadError> {
        self.check_leader_epoch(leader_epoch)?;
        if sought != Sought::Tiered {
            self.check_leading()?;
        }
        let found = match sought {
            Sought::Earliest => Ok(Some(self.earliest())),
            Sought::Latest => self.latest(isolation).map(Some),
            Sought::End => Ok(Some(self.spot_at(self.end_offset()))),
            Sought::MaxTimestamp => self.at_max_timestamp(isolation).await,
            Sought::Tiered => Ok(None),
            Sought::Time(timestamp) => self.at_time(timestamp, isolation).await,
        };
        if let Err(error) = &found {
            self.report_damage(error);
        }
        found
    }

    /// The first offset that may be read.
    fn earliest(&self) -> Spot {
        let offset = self.start_offset();
        let is_empty = offset == self.end_offset();
        let written_in = self.log.epoch_at(offset).filter(|_| !is_empty);
        Spot {
            timestamp: NO_TIMESTAMP,
            offset,
            leader_epoch: written_in.unwrap_or(self.leader_epoch()),
        }
    }

    /// Where reading ends. A new leader does not say before it knows that all from before its term
    /// is committed: what another one has said may lie behind what is known here (KIP-207).
    fn latest(&self, isolation: Isolation) -> Result<Spot, ReadError> {
        let state = self.state.borrow();
        if state.high_watermark() < state.term_start() {
            return Err(ReadError::NotKnownYet);
        }
        Ok(self.spot_at(state.readable_offset(isolation)))
    }

    fn spot_at(&self, offset: Offset) -> Spot {
        Spot {
            timestamp: NO_TIMESTAMP,
            offset,
            leader_epoch: self.leader_epoch(),
        }
    }

    /// The first readable record that is not older than `timestamp`.
    async fn at_time(
        &self,
        timestamp: WallMs,
        isolation: Isolation,
    ) -> Result<Option<Spot>, ReadError> {
        let found = self.log.offset_for_time(timestamp).await;
        Ok(self.readable(found.map_err(ReadError::Log)?, isolation))
    }

    /// The first of the youngest records, if it is readable.
    async fn at_max_timestamp(&self, isolation: Isolation) -> Result<Option<Spot>, ReadError> {
        let found = self.log.youngest().await.map_err(ReadError::Log)?;
        if found.is_none() && self.start_offset() < self.high_watermark() {
            // Records without timestamps are all as old as each other.
            self.check_serving()?;
            return Ok(Some(self.earliest()));
        }
        Ok(self.readable(found, isolation))
    }

    /// What may not be read yet is not told of either, as in Kafka.
    fn readable(&self, found: Option<Found>, isolation: Isolation) -> Option<Spot> {
        let upto = self.state.borrow().readable_offset(isolation);
        let found = found.filter(|found| found.offset < upto)?;
        Some(Spot {
            timestamp: found.timestamp,
            offset: found.offset,
            leader_epoch: found.leader_epoch,
        })
    }

    /// The largest term not above `epoch` and where it ended, as [`Self::end_of_epoch`]; checks the
    /// term that the reader takes for the current one, -1 for any.
    pub fn epoch_end(
        &self,
        epoch: LeaderEpoch,
        leader_epoch: LeaderEpoch,
    ) -> Result<(LeaderEpoch, Offset), ReadError> {
        self.check_leader_epoch(leader_epoch)?;
        Ok(self.end_of_epoch(epoch))
    }

    /// The largest term not above `epoch` and where it ended, the current one at the log's end;
    /// (-1, -1) for a term to come. A term counts from its first moment, also before it has
    /// written; one older than all that is known ended where the log begins (KIP-101).
    pub(super) fn end_of_epoch(&self, epoch: LeaderEpoch) -> (LeaderEpoch, Offset) {
        let (current, end_offset) = (self.leader_epoch(), self.end_offset());
        if epoch == -1 || epoch > current {
            return (-1, -1);
        }
        if epoch == current {
            return (epoch, end_offset);
        }
        match (self.log.epoch_end(epoch), self.log.latest_epoch()) {
            ((-1, _), Some(latest)) if latest < epoch => (latest, end_offset),
            ((-1, _), Some(_)) => (epoch, self.start_offset()),
            ((-1, _), None) => (epoch, end_offset),
            (known, _) => known,
        }
    }

    /// Where the logs of all replicas on nodes that are alive begin, or before that: no record
    /// before it is anywhere. Kafka's `lowWatermarkIfLeader`.
    pub fn low_watermark(&self, is_alive: impl Fn(NodeId) -> bool) -> Offset {
        let own = self.start_offset();
        let others = self.replicas.borrow().low_watermark(is_alive);
        others.map_or(own, |others| own.min(others))
    }

    /// Deletes the records before `offset`; returns the new start of the log, which never moves
    /// back.
    pub fn delete_before(&self, offset: Offset) -> Result<Offset, DeleteError> {
        if self.is_internal() {
            return Err(DeleteError::InternalTopic);
        }
        if !self.is_leader() {
            return Err(DeleteError::Closed);
        }
        if let Some(failure) = self.failure() {
            return Err(DeleteError::Storage(failure));
        }
        if !self.config().cleanup_policy.delete {
            return Err(DeleteError::Compacted);
        }
        let deleted = self.log.delete_records_before(offset);
        deleted.map_err(|log::DeleteError::OutOfRange| DeleteError::OutOfRange)
    }
}
