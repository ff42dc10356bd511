//! Drives: the read path: who may read what, from the tail cache or from disk.

use std::fmt;

use super::Partition;
use crate::base::{LeaderEpoch, Offset};
use crate::io::buffer::Slice;
use crate::log::{Cached, LogFailure, ReadError as LogReadError};

/// Why a read is not answered with records.
#[derive(Debug)]
pub enum ReadError {
    /// The offset lies before the first or behind the last record.
    OffsetOutOfRange,
    /// The client's term is older than ours.
    FencedLeaderEpoch,
    /// The client's term is newer than ours.
    UnknownLeaderEpoch,
    /// The log does not serve any more.
    Storage(LogFailure),
    /// The disk could not be read, or what it gave is damaged.
    Log(LogReadError),
    /// The partition has been taken out of service.
    Closed,
}

impl Partition {
    /// Checks the term a client believes in; -1 stands for any.
    pub fn check_leader_epoch(&self, epoch: LeaderEpoch) -> Result<(), ReadError> {
        let current = self.leader_epoch();
        match epoch {
            -1 => Ok(()),
            epoch if epoch < current => Err(ReadError::FencedLeaderEpoch),
            epoch if epoch > current => Err(ReadError::UnknownLeaderEpoch),
            _ => Ok(()),
        }
    }

    /// Reads whole batches from `offset` on into `out`, as far as they are acked and in memory:
    /// at most `max_bytes`, but the first batch whatever its size if `at_least_one` (KIP-74).
    /// `Ok(None)` when the disk must be asked: see [`Self::read`].
    pub fn read_cached(
        &self,
        offset: Offset,
        max_bytes: usize,
        at_least_one: bool,
        out: &mut Vec<Slice>,
    ) -> Result<Option<usize>, ReadError> {
        self.check_offset(offset)?;
        let upto = self.high_watermark();
        if offset == upto || (max_bytes == 0 && !at_least_one) {
            return Ok(Some(0));
        }
        let from = out.len();
        match self.log().read_cached(offset, max_bytes, upto, out) {
            Cached::Hit(bytes) => Ok(Some(within(bytes, max_bytes, at_least_one, from, out))),
            Cached::Miss => Ok(None),
            Cached::OutOfRange => Err(ReadError::OffsetOutOfRange),
        }
    }

    /// As [`Self::read_cached`], from disk.
    pub async fn read(
        &self,
        offset: Offset,
        max_bytes: usize,
        at_least_one: bool,
        out: &mut Vec<Slice>,
    ) -> Result<usize, ReadError> {
        self.check_offset(offset)?;
        let from = out.len();
        let read = self
            .log()
            .read(offset, max_bytes, self.high_watermark(), out)
            .await;
        let bytes = read.map_err(ReadError::Log)?;
        Ok(within(bytes, max_bytes, at_least_one, from, out))
    }

    /// Fails where the partition is not in service any more, not even for reading.
    pub fn check_serving(&self) -> Result<(), ReadError> {
        if self.is_closed() {
            return Err(ReadError::Closed);
        }
        // One that takes no more writes still has what it had acked.
        match self.failure() {
            Some(failure) if failure.operation.is_told_elsewhere() => {
                Err(ReadError::Storage(failure))
            }
            _ => Ok(()),
        }
    }

    fn check_offset(&self, offset: Offset) -> Result<(), ReadError> {
        self.check_serving()?;
        if offset < self.start_offset() || offset > self.high_watermark() {
            return Err(ReadError::OffsetOutOfRange);
        }
        Ok(())
    }
}

/// The log always gives a batch; takes one back that is larger than the reader has room for.
fn within(
    bytes: usize,
    max_bytes: usize,
    at_least_one: bool,
    from: usize,
    out: &mut Vec<Slice>,
) -> usize {
    if bytes > max_bytes && !at_least_one {
        out.truncate(from);
        return 0;
    }
    bytes
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::OffsetOutOfRange => f.write_str("the offset is out of range"),
            ReadError::FencedLeaderEpoch => f.write_str("the leader epoch is older than ours"),
            ReadError::UnknownLeaderEpoch => f.write_str("the leader epoch is newer than ours"),
            ReadError::Storage(failure) => failure.fmt(f),
            ReadError::Log(error) => error.fmt(f),
            ReadError::Closed => f.write_str("the partition is closed"),
        }
    }
}

impl ReadError {
    /// Whether this was said before: damage stays where it is, and readers come back to it.
    pub fn is_known(&self) -> bool {
        matches!(
            self,
            ReadError::Log(LogReadError::Damaged { is_news: false, .. })
        )
    }
}
