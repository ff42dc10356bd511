//! Drives: a replica among others: which role it has, how far the others are, which are in sync,
//! and what comes from a leader.

use super::Partition;
use super::read::{Fetched, ReadError, ReadRequest};
use super::replicas::{FollowerFetch, Term};
use super::state::{Isolation, Role, Tenure};
use crate::base::{Instant, LeaderEpoch, NodeId, Offset, WallMs};
use crate::io::buffer::Slice;
use crate::log::{self, LogFailure};
use crate::metadata::controller::{AlterPartitionError, AlteredPartition, IsrChange};
use crate::wire::batch::{self, BatchError, BatchView};

/// What a leader says with the records of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderSays {
    /// The term in which it was asked.
    pub leader_epoch: LeaderEpoch,
    /// Everything before it is committed.
    pub high_watermark: Offset,
    /// The first offset that may be read.
    pub start_offset: Offset,
}

/// Why records that came from a leader were not appended.
#[derive(Debug, thiserror::Error)]
pub enum ReplicateError {
    /// The replica follows no more, or in another term.
    #[error("the replica does not follow in this term any more")]
    Outdated,
    /// The bytes are no batches that a leader may send.
    #[error("what the leader sent cannot be appended: {0}")]
    Malformed(String),
    /// The device has not kept up: to be tried again after [`Partition::wait_for_space`].
    #[error("the log has no room before its device catches up")]
    Busy,
    /// The device is full: to be tried again later.
    #[error("the device is full")]
    NoRoom,
    /// The log takes no writes.
    #[error("{0}")]
    Storage(LogFailure),
}

impl Partition {
    /// Takes the role that it has in this term, or what has changed in it. A term that is older
    /// than the current one changes nothing.
    pub fn take_term(&self, term: &Term) {
        let before = *self.state.borrow();
        if term.leader_epoch < before.leader_epoch() || self.is_closed() {
            return;
        }
        self.leader.set(term.leader);
        let mut replicas = self.replicas.borrow_mut();
        let leads = term.leader == replicas.own();
        let mut state = self.state.borrow_mut();
        if leads {
            state.lead(term.leader_epoch);
            let is_new = term.leader_epoch > before.leader_epoch() || before.role() != Role::Leader;
            replicas.take_over(term, is_new, self.now());
        } else {
            state.follow(term.leader_epoch);
            replicas.forget();
        }
        drop((replicas, state));
        if leads != (before.role() == Role::Leader) {
            self.waiters.borrow_mut().wake_all();
        }
        self.advance();
    }

    /// Whether it leads.
    pub fn is_leader(&self) -> bool {
        self.state.borrow().role() == Role::Leader
    }

    /// Whether it follows, or waits for a leader.
    pub fn is_follower(&self) -> bool {
        self.state.borrow().role() == Role::Follower
    }

    /// Whether it has all that its leader has committed, as far as that has said.
    pub fn is_caught_up(&self) -> bool {
        let state = self.state.borrow();
        state.end_offset() >= state.leader_high_watermark()
    }

    /// The node that leads; -1 for none.
    pub fn leader(&self) -> NodeId {
        self.leader.get()
    }

    /// Whether this node has a replica, too.
    pub fn has_replica(&self, node: NodeId) -> bool {
        self.replicas.borrow().has(node)
    }

    /// The node that a reader of `offset` should ask instead: one of those in `near` whose replica
    /// has that offset; `None` where it should stay.
    pub fn nearer_replica(&self, offset: Offset, near: &[NodeId]) -> Option<NodeId> {
        match self.is_leader() {
            true => self.replicas.borrow().nearest(offset, near),
            false => None,
        }
    }

    /// The time of leading that goes on, or the last one.
    pub fn tenure(&self) -> Tenure {
        self.state.borrow().tenure()
    }

    /// How many replicas are in sync, and how many there are; `None` where it does not lead.
    pub fn in_sync(&self) -> Option<(usize, usize)> {
        let replicas = self.replicas.borrow();
        let all = 1 + replicas.followers_count();
        self.is_leader().then(|| (replicas.isr().len(), all))
    }

    fn now(&self) -> Instant {
        self.disk().runtime().now()
    }

    /// Commits what may be by now, and wakes the tasks that waited for what has moved.
    pub(super) fn advance(&self) {
        let mut state = self.state.borrow_mut();
        if state.role() == Role::Leader {
            let replicas = self.replicas.borrow();
            let (stored, end) = (state.stored_offset(), state.end_offset());
            let upto = replicas.committable(stored, end, || self.now(), self.shared.lag_time_max);
            if let Some(upto) = upto {
                state.commit(upto);
            }
        }
        let committed = state.high_watermark();
        state.stabilize(self.producers.borrow_mut().first_unstable(committed));
        self.log.set_committed(state.high_watermark());
        self.waiters.borrow_mut().advance(&state);
    }

    /// A follower gets what is appended, whether it is stored or not. That it asks from an offset
    /// on says that it has stored all before, unless its log parts from this one.
    pub(super) async fn find_for_follower(
        &self,
        fetch: &FollowerFetch,
        wanted: &ReadRequest,
        slices: &mut Vec<Slice>,
    ) -> Result<Fetched, ReadError> {
        self.check_leading()?;
        if !self.has_replica(fetch.node) {
            // As in Kafka: a follower that names the term may know of a newer one.
            return Err(match wanted.leader_epoch {
                -1 => ReadError::OldReplica,
                _ => ReadError::NotAReplica,
            });
        }
        let diverging = self.diverging(wanted)?;
        if diverging.is_none() {
            self.check_offset(&self.state.borrow(), wanted.offset)?;
            self.fetched_by(fetch, wanted);
        }
        let state = *self.state.borrow();
        let mut fetched = Fetched::nothing(&state, Isolation::ReadUncommitted);
        fetched.diverging = diverging;
        if fetched.diverging.is_some() {
            return Ok(fetched);
        }
        let found = self.find_batches(wanted, &state, state.end_offset(), slices);
        fetched.batches = found.await?;
        let bytes = fetched.batches.bytes();
        self.shared.bytes_out.add(bytes as u64);
        Ok(fetched)
    }

    /// A follower fetches: it has stored all before what it wants.
    fn fetched_by(&self, fetch: &FollowerFetch, wanted: &ReadRequest) {
        let (offset, end, now) = (wanted.offset, self.end_offset(), self.now());
        let mut replicas = self.replicas.borrow_mut();
        replicas.fetched(fetch, offset, end, now);
        replicas.begins_at(fetch.node, wanted.start_offset);
        drop(replicas);
        let before = self.high_watermark();
        self.grow_isr(fetch.node);
        if offset > before {
            self.advance();
        }
    }

    fn grow_isr(&self, node: NodeId) {
        let state = *self.state.borrow();
        let mut replicas = self.replicas.borrow_mut();
        if replicas.grow(node, state.high_watermark(), state.term_start()) {
            drop(replicas);
            self.ask_for_change();
        }
    }

    /// Takes over which nodes may be in sync by now.
    pub fn nodes_changed(&self, may_be_in_sync: impl Fn(NodeId) -> bool) {
        if self.replicas.borrow_mut().only_eligible(may_be_in_sync) {
            self.advance();
        }
    }

    /// Wants lagging followers out of sync, and waits for none that stopped on its way into it.
    pub fn shrink_isr(&self) {
        if self.in_sync().is_none_or(|(_, all)| all == 1) {
            return;
        }
        self.advance();
        let (end, now) = (self.end_offset(), self.now());
        let lag = self.shared.lag_time_max;
        if self.replicas.borrow_mut().shrink(end, now, lag) {
            self.ask_for_change();
        }
    }

    /// Has the controller asked for the change that is wanted.
    pub fn ask_for_change(&self) {
        let name = (self.name.topic_id, self.name.index);
        self.shared.changes.borrow_mut().push(name);
        self.shared.more_changes.call();
    }

    /// The change of its replicas in sync that the controller is to be asked for; this node is
    /// registered with `own_epoch`.
    pub fn isr_change(&self, own_epoch: i64) -> Option<IsrChange> {
        let (partition_epoch, isr) = self.replicas.borrow().wanted(own_epoch)?;
        self.is_leader().then(|| IsrChange {
            topic_id: self.name.topic_id,
            index: self.name.index,
            leader_epoch: self.leader_epoch(),
            partition_epoch,
            isr,
        })
    }

    /// What became of the change `asked`. Whether to ask again.
    pub fn isr_altered(
        &self,
        asked: &IsrChange,
        result: &Result<AlteredPartition, AlterPartitionError>,
    ) -> bool {
        if asked.leader_epoch != self.leader_epoch() {
            // What is asked for in this term has an answer of its own.
            return false;
        }
        let mut replicas = self.replicas.borrow_mut();
        let again = replicas.altered(asked, result);
        drop(replicas);
        self.advance();
        again
    }

    /// The term of the last record, if there is one.
    pub fn last_epoch(&self) -> Option<LeaderEpoch> {
        self.log.latest_epoch()
    }

    /// Whether everything that was appended is stored.
    pub fn is_all_stored(&self) -> bool {
        let state = self.state.borrow();
        state.stored_offset() == state.end_offset() || planted!(AskedBeforeStored)
    }

    /// Waits until everything that was appended is stored; fails where the log does first.
    pub async fn wait_all_stored(&self) -> Result<(), LogFailure> {
        if planted!(AskedBeforeStored) {
            return Ok(());
        }
        self.log.wait_acked(self.log.end_offset()).await
    }

    /// Appends the whole batches that `batches` begins with, as its leader has sent them; how many
    /// bytes they are. A batch that is cut off at the end is left out: leaders send such ones.
    /// What was appended before an error stays.
    pub fn append_replicated(
        &self,
        batches: &[u8],
        says: &LeaderSays,
        now: WallMs,
    ) -> Result<usize, ReplicateError> {
        self.check_following(says.leader_epoch)?;
        let mut done = 0;
        for batch in batch::batches(batches) {
            let batch = match batch {
                Ok(batch) => batch,
                Err(BatchError::Truncated { .. }) => break,
                Err(error) => return Err(ReplicateError::Malformed(error.to_string())),
            };
            match self.append_one(&batch, says.leader_epoch, now) {
                Ok(()) => done += batch.size_bytes(),
                Err(ReplicateError::Busy) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn append_one(
        &self,
        batch: &BatchView<'_>,
        leader_epoch: LeaderEpoch,
        now: WallMs,
    ) -> Result<(), ReplicateError> {
        let malformed = |why: &str| ReplicateError::Malformed(why.to_owned());
        if batch.leader_epoch() > leader_epoch {
            return Err(malformed("a batch is of a term to come"));
        }
        // The producers are not borrowed here: a log that begins a segment asks for them.
        let appended = self.log.append_replicated(batch.bytes(), now);
        let appended = appended.map_err(|error| match error {
            log::AppendError::Busy => ReplicateError::Busy,
            log::AppendError::NoRoom => ReplicateError::NoRoom,
            log::AppendError::Closed => match self.failure() {
                Some(failure) if !self.is_leaving() => ReplicateError::Storage(failure),
                _ => ReplicateError::Outdated,
            },
            error => ReplicateError::Malformed(error.to_string()),
        })?;
        let upto = appended.last_offset + 1;
        self.state.borrow_mut().appended(appended.base_offset, upto);
        let ended = self.producers.borrow_mut().replay(batch);
        self.note_ended(ended);
        self.shared.bytes_in.add(batch.size_bytes() as u64);
        Ok(())
    }

    /// Takes over what the leader says of its own log.
    pub fn leader_said(&self, says: &LeaderSays) {
        if self.check_following(says.leader_epoch).is_err() {
            return;
        }
        self.state
            .borrow_mut()
            .leader_committed(says.high_watermark);
        self.advance();
        let start = says.start_offset.min(self.high_watermark());
        if start > self.start_offset() {
            // Where it cannot move now the next answer says so again.
            let _ = self.log.delete_records_before(start);
        }
    }

    fn check_following(&self, leader_epoch: LeaderEpoch) -> Result<(), ReplicateError> {
        let state = self.state.borrow();
        match state.role() == Role::Follower && state.leader_epoch() == leader_epoch {
            true => Ok(()),
            false => Err(ReplicateError::Outdated),
        }
    }

    /// Where this log is to be cut off so that it goes on as the leader's does, whose records of
    /// `epoch`, the largest term not above the last one here, end at `end_offset` (KIP-595).
    pub fn common_end(&self, epoch: LeaderEpoch, end_offset: Offset) -> Offset {
        let own_end = match self.log.epoch_end(epoch) {
            _ if planted!(EpochForgotten) => end_offset,
            (-1, _) if self.last_epoch() > Some(epoch) => self.start_offset(),
            (-1, _) => self.end_offset(),
            (_, own_end) => own_end,
        };
        end_offset.min(own_end)
    }
}
