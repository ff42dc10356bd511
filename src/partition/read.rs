//! Drives: the read path: what a reader may have, and where it lies: in the tail cache or on disk.

use std::ops::Range;

use super::Partition;
use super::replicas::FollowerFetch;
use super::state::{Isolation, ReplicaState, Role};
use crate::base::{LeaderEpoch, Offset};
use crate::io::buffer::Slice;
use crate::log::{BatchStream, Cached, LogFailure, MemoryWait, ReadError as LogReadError, Stretch};
use crate::wire::batch::pieces;
use crate::wire::fetch::AbortedTransaction;

/// Why a read is not answered with records.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The offset lies before the first or behind the last record.
    #[error("the offset is out of range")]
    OffsetOutOfRange,
    /// The reader's term is older than ours.
    #[error("the leader epoch is older than ours")]
    FencedLeaderEpoch,
    /// The reader's term is newer than ours.
    #[error("the leader epoch is newer than ours")]
    UnknownLeaderEpoch,
    /// The reader replicates, and is no replica of the partition.
    #[error("the reader is no replica")]
    NotAReplica,
    /// The reader replicates, and is registered anew since, or does not say in which term.
    #[error("the reader is no replica that is known now")]
    OldReplica,
    /// What is committed is not known yet: the leader is new.
    #[error("the new leader does not know yet what is committed")]
    NotKnownYet,
    /// The reader asks for a negative number of bytes where there are records.
    #[error("a negative number of bytes was asked for")]
    NegativeSize,
    /// The log does not serve any more.
    #[error("{0}")]
    Storage(LogFailure),
    /// The disk could not be read, or what it gave is damaged.
    #[error("{0}")]
    Log(LogReadError),
    /// The partition has been taken out of service.
    #[error("the partition is closed")]
    Closed,
    /// The partition's topic has been deleted.
    #[error("the topic is deleted")]
    Deleted,
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A consumer: it may have what is committed.
    Consumer(Isolation),
    /// Another replica: it may have all, and has stored what lies before the offset.
    Follower(FollowerFetch),
    /// Another replica of which nothing is known in this cluster, or not in this registration.
    OldFollower,
}

/// What a reader asks for.
#[derive(Clone, Copy, Debug)]
pub struct ReadRequest {
    /// Who reads.
    pub reader: Reader,
    /// The offset of the first record that it wants.
    pub offset: Offset,
    /// The term that it takes for the current one; -1 for any.
    pub leader_epoch: LeaderEpoch,
    /// The term of the last record that it has; -1 where it does not say.
    pub last_fetched_epoch: LeaderEpoch,
    /// Where its own log begins; -1 of a consumer.
    pub start_offset: Offset,
    /// The most bytes of batches that it wants.
    pub max_bytes: i64,
    /// Whether the first batch is wanted whatever its size (KIP-74).
    pub at_least_one: bool,
}

/// What was found for a reader. The offsets are those from before the read.
pub struct Fetched {
    /// The first offset that may be read.
    pub start_offset: Offset,
    /// The offset of the first record that belongs to an open transaction, or the high watermark.
    pub last_stable_offset: Offset,
    /// Everything before it is committed.
    pub high_watermark: Offset,
    /// The offset that the next appended record gets.
    pub end_offset: Offset,
    /// The term and the offset at which the reader's log parts from ours, if it does: then there
    /// are no batches for it.
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// Its batches.
    pub batches: Batches,
    /// Which of the list of aborted transactions have records among the batches; `None` for a
    /// reader that did not ask.
    pub aborted: Option<Range<usize>>,
}

/// Batches that were found for a reader. What of them is in memory was added to its list.
pub struct Batches {
    /// Where they lie; `None` where there are none.
    pub stretch: Option<Stretch>,
    /// Gives out those that are not in memory.
    pub stream: Option<Box<BatchStream>>,
    /// No record at or behind this offset is among them.
    end_offset: Offset,
}

impl Partition {
    /// Finds whole batches for a reader, from memory or else from disk, and the transactions that
    /// it must know were aborted. What of the batches is in memory is added to `slices`, the
    /// transactions to `aborted`.
    pub async fn fetch(
        &self,
        wanted: &ReadRequest,
        slices: &mut Vec<Slice>,
        aborted: &mut Vec<AbortedTransaction>,
    ) -> Result<Fetched, ReadError> {
        let from = slices.len();
        let fetched = self.find(wanted, slices, aborted).await;
        if let Err(error) = &fetched {
            slices.truncate(from);
            self.report_damage(error);
        }
        fetched
    }

    async fn find(
        &self,
        wanted: &ReadRequest,
        slices: &mut Vec<Slice>,
        aborted: &mut Vec<AbortedTransaction>,
    ) -> Result<Fetched, ReadError> {
        self.check_leader_epoch(wanted.leader_epoch)?;
        let isolation = match wanted.reader {
            Reader::Consumer(isolation) => isolation,
            Reader::Follower(fetch) => return self.find_for_follower(&fetch, wanted, slices).await,
            Reader::OldFollower => return Err(ReadError::OldReplica),
        };
        // What is appended while the disk is read is for the next look.
        let state = *self.state.borrow();
        let mut fetched = Fetched::nothing(&state, isolation);
        self.check_reach(wanted, &state)?;
        fetched.diverging = self.diverging(wanted)?;
        if fetched.diverging.is_some() {
            return Ok(fetched);
        }
        let from = slices.len();
        let upto = state.readable_offset(isolation);
        let batches = self.find_batches(wanted, &state, upto, slices);
        let batches = batches.await?;
        if isolation == Isolation::ReadCommitted {
            let upto = || batches.end_offset(&slices[from..]);
            fetched.aborted = Some(self.find_aborted(wanted.offset, upto, aborted));
        }
        fetched.batches = batches;
        Ok(fetched)
    }

    pub(super) async fn find_batches(
        &self,
        wanted: &ReadRequest,
        state: &ReplicaState,
        upto: Offset,
        slices: &mut Vec<Slice>,
    ) -> Result<Batches, ReadError> {
        let max_bytes = match usize::try_from(wanted.max_bytes) {
            Ok(max_bytes) => max_bytes,
            Err(_) if (state.start_offset()..upto).contains(&wanted.offset) => {
                return Err(ReadError::NegativeSize);
            }
            Err(_) => 0,
        };
        self.check_offset(state, wanted.offset)?;
        if wanted.offset >= upto || (max_bytes == 0 && !wanted.at_least_one) {
            return Ok(Batches::none(upto));
        }
        let from = slices.len();
        let cached = self.log.read_cached(wanted.offset, max_bytes, upto, slices);
        let batches = match cached {
            Cached::Hit(stretch) => Batches {
                stretch,
                stream: None,
                end_offset: upto,
            },
            Cached::Miss => {
                // What is not written yet is in memory.
                let upto = upto.min(self.log.written_offset());
                self.plan(wanted, max_bytes, upto, slices).await?
            }
            Cached::OutOfRange => return Err(ReadError::OffsetOutOfRange),
        };
        // The log always gives a batch; one that is larger than the reader wants is taken back.
        if batches.bytes() > max_bytes && !wanted.at_least_one {
            slices.truncate(from);
            return Ok(Batches::none(batches.end_offset));
        }
        Ok(batches)
    }

    /// Finds batches on disk: only the first of them are read into memory, the others while they
    /// are sent. There are none where memory is short and the reader does not wait for it.
    async fn plan(
        &self,
        wanted: &ReadRequest,
        max_bytes: usize,
        upto: Offset,
        slices: &mut Vec<Slice>,
    ) -> Result<Batches, ReadError> {
        // A reader that has nothing yet waits for memory; one that has something may hold some.
        let wait = match wanted.at_least_one {
            true => MemoryWait::Waits,
            false => MemoryWait::TakesWhatThereIs,
        };
        let planned = self.log.plan(wanted.offset, max_bytes, upto, wait, slices);
        Ok(match planned.await.map_err(ReadError::Log)? {
            Some(planned) => Batches {
                stretch: Some(planned.stretch),
                stream: Some(planned.stream),
                end_offset: planned.end_offset,
            },
            None => Batches::none(upto),
        })
    }

    /// Reads whole batches from `offset` to before `upto` into memory, from the tail cache or from
    /// disk: at most `max_bytes`, but always one; returns their bytes.
    pub async fn read(
        &self,
        offset: Offset,
        upto: Offset,
        max_bytes: usize,
        out: &mut Vec<Slice>,
    ) -> Result<usize, ReadError> {
        self.check_offset(&self.state.borrow(), offset)?;
        let read = self.log.read(offset, max_bytes, upto, out).await;
        read.map_err(ReadError::Log)
    }

    /// Checks the term that a client takes for the current one; -1 stands for any.
    pub(super) fn check_leader_epoch(&self, epoch: LeaderEpoch) -> Result<(), ReadError> {
        let current = self.leader_epoch();
        match epoch {
            -1 => Ok(()),
            epoch if epoch < current => Err(ReadError::FencedLeaderEpoch),
            epoch if epoch > current => Err(ReadError::UnknownLeaderEpoch),
            _ => Ok(()),
        }
    }

    /// As [`Self::check_serving`], and fails where another node leads.
    pub fn check_leading(&self) -> Result<(), ReadError> {
        match self.is_follower() {
            true => Err(ReadError::Closed),
            false => self.check_serving(),
        }
    }

    /// What a fetch says of the partition's offsets without reading.
    pub fn told_offsets(&self, isolation: Isolation) -> Fetched {
        Fetched::nothing(&self.state.borrow(), isolation)
    }

    /// Fails where the partition is out of service, also for readers.
    pub fn check_serving(&self) -> Result<(), ReadError> {
        match self.state.borrow().role() {
            _ if self.is_leaving() => return Err(ReadError::Closed),
            Role::Leader | Role::Follower => {}
            Role::Closed => return Err(ReadError::Closed),
            Role::Deleted => return Err(ReadError::Deleted),
        }
        // A log that takes no more writes still has what it had acked.
        match self.failure() {
            Some(failure) if failure.operation.is_told_elsewhere() => {
                Err(ReadError::Storage(failure))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn check_offset(
        &self,
        state: &ReplicaState,
        offset: Offset,
    ) -> Result<(), ReadError> {
        self.check_serving()?;
        // What is not committed yet is there, as far as a reader can know: it waits.
        if offset < state.start_offset() || offset > state.end_offset() {
            return Err(ReadError::OffsetOutOfRange);
        }
        Ok(())
    }

    /// What a follower does not have it may not have yet: its reader is to ask the leader, and not
    /// to give its place in the log up.
    fn check_reach(&self, wanted: &ReadRequest, state: &ReplicaState) -> Result<(), ReadError> {
        let reach = state.start_offset()..=state.end_offset();
        match self.is_follower() && !reach.contains(&wanted.offset) {
            true => Err(ReadError::Closed),
            false => Ok(()),
        }
    }

    /// Where the reader's log parts from ours, if it does (KIP-320).
    pub(super) fn diverging(
        &self,
        wanted: &ReadRequest,
    ) -> Result<Option<(LeaderEpoch, Offset)>, ReadError> {
        if wanted.last_fetched_epoch < 0 {
            return Ok(None);
        }
        let (epoch, end_offset) = self.end_of_epoch(wanted.last_fetched_epoch);
        if epoch < 0 {
            return Err(ReadError::OffsetOutOfRange);
        }
        let parts = epoch < wanted.last_fetched_epoch || end_offset < wanted.offset;
        Ok(parts.then_some((epoch, end_offset)))
    }

    /// Lists the aborted transactions that have records from `offset` to before `upto`.
    fn find_aborted(
        &self,
        offset: Offset,
        upto: impl FnOnce() -> Offset,
        list: &mut Vec<AbortedTransaction>,
    ) -> Range<usize> {
        let from = list.len();
        if self.log.has_aborted(offset) {
            self.log.aborted(offset, upto(), |one| {
                list.push((one.producer_id, one.first_offset));
            });
        }
        from..list.len()
    }

    /// Says in the broker's log that the disk could not be read. Damage is told once: it stays
    /// where it is, and readers come back to it.
    pub(super) fn report_damage(&self, error: &ReadError) {
        match error {
            ReadError::Log(LogReadError::Damaged { is_news: false, .. }) => {}
            ReadError::Log(cause) => self.name.report("cannot read", cause),
            _ => {}
        }
    }
}

// === impl Fetched ===

impl Fetched {
    /// The partition's offsets, and no batches.
    pub(super) fn nothing(state: &ReplicaState, isolation: Isolation) -> Fetched {
        Fetched {
            start_offset: state.start_offset(),
            last_stable_offset: state.last_stable_offset(),
            high_watermark: state.high_watermark(),
            end_offset: state.end_offset(),
            diverging: None,
            batches: Batches::none(state.readable_offset(isolation)),
            aborted: (isolation == Isolation::ReadCommitted).then_some(0..0),
        }
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

    /// The offset behind the last of them, of which those in memory are `slices`.
    fn end_offset(&self, slices: &[Slice]) -> Offset {
        match self.stream {
            Some(_) => self.end_offset,
            None => pieces::end_offset(slices.iter().map(|slice| &**slice)),
        }
    }
}
