//! Drives: the read path: who may read what, from the tail cache or from disk.

use std::fmt;

use super::Partition;
use crate::base::{LeaderEpoch, Offset};
use crate::io::buffer::Slice;
use crate::log::{BatchStream, Cached, LogFailure, MemoryWait, ReadError as LogReadError, Stretch};

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
    /// The partition's topic has been deleted.
    Deleted,
}

/// What was found for a reader.
pub struct Batches {
    /// Where they lie; `None` where there are none.
    pub stretch: Option<Stretch>,
    /// Gives out those that are not in memory.
    pub stream: Option<Box<BatchStream>>,
    /// No record at or behind this offset is among them.
    pub end_offset: Offset,
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

    /// Finds whole batches from `offset` on, as far as they are acked and in memory: at most
    /// `max_bytes`, but the first batch whatever its size if `at_least_one` (KIP-74). They are
    /// added to `out`. `Ok(None)` when the disk must be asked: see [`Self::plan`].
    pub fn read_cached(
        &self,
        offset: Offset,
        max_bytes: usize,
        at_least_one: bool,
        out: &mut Vec<Slice>,
    ) -> Result<Option<Batches>, ReadError> {
        self.check_offset(offset)?;
        let upto = self.high_watermark();
        if offset == upto || (max_bytes == 0 && !at_least_one) {
            return Ok(Some(Batches::none(upto)));
        }
        let from = out.len();
        match self.log().read_cached(offset, max_bytes, upto, out) {
            Cached::Hit(stretch) => {
                let batches = Batches {
                    stretch,
                    stream: None,
                    end_offset: upto,
                };
                Ok(Some(batches.within(max_bytes, at_least_one, from, out)))
            }
            Cached::Miss => Ok(None),
            Cached::OutOfRange => Err(ReadError::OffsetOutOfRange),
        }
    }

    /// As [`Self::read_cached`], from disk: only the first of the batches are read into memory,
    /// the others while they are sent. There are none where memory is short and the reader does
    /// not wait for it.
    pub async fn plan(
        &self,
        offset: Offset,
        max_bytes: usize,
        at_least_one: bool,
        out: &mut Vec<Slice>,
    ) -> Result<Batches, ReadError> {
        self.check_offset(offset)?;
        let from = out.len();
        // Who has nothing yet waits for memory; who has something may hold some.
        let wait = match at_least_one {
            true => MemoryWait::Waits,
            false => MemoryWait::TakesWhatThereIs,
        };
        let upto = self.high_watermark();
        let planned = self.log().plan(offset, max_bytes, upto, wait, out).await;
        let batches = match planned.map_err(ReadError::Log)? {
            Some(planned) => Batches {
                stretch: Some(planned.stretch),
                stream: Some(planned.stream),
                end_offset: planned.end_offset,
            },
            None => Batches::none(upto),
        };
        Ok(batches.within(max_bytes, at_least_one, from, out))
    }

    /// Reads whole batches from `offset` on into memory, from the tail cache or from disk, as
    /// [`Self::read_cached`] does; returns their bytes.
    pub async fn read(
        &self,
        offset: Offset,
        max_bytes: usize,
        out: &mut Vec<Slice>,
    ) -> Result<usize, ReadError> {
        self.check_offset(offset)?;
        let upto = self.high_watermark();
        let read = self.log().read(offset, max_bytes, upto, out).await;
        read.map_err(ReadError::Log)
    }

    /// Fails where the partition is not in service any more, not even for reading.
    pub fn check_serving(&self) -> Result<(), ReadError> {
        if self.is_closed() {
            return Err(match self.deleted.get() {
                true => ReadError::Deleted,
                false => ReadError::Closed,
            });
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

// === impl Batches ===

impl Batches {
    fn none(end_offset: Offset) -> Batches {
        Batches {
            stretch: None,
            stream: None,
            end_offset,
        }
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.stretch.as_ref().map_or(0, Stretch::bytes)
    }

    /// The log always gives a batch; takes one back that is larger than the reader has room for.
    fn within(
        self,
        max_bytes: usize,
        at_least_one: bool,
        from: usize,
        out: &mut Vec<Slice>,
    ) -> Batches {
        if self.bytes() > max_bytes && !at_least_one {
            out.truncate(from);
            return Batches::none(self.end_offset);
        }
        self
    }
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
            ReadError::Deleted => f.write_str("the topic is deleted"),
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
