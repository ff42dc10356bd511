//! Pure: what one replica knows of its log and of its leadership term, as plain numbers. They are
//! fed with the log's offsets; nothing here touches a file or waits.

use crate::base::{LeaderEpoch, Offset};

/// What the replica does for its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It leads: it takes appends and serves readers.
    Leader,
    /// It is out of service, since the shard stops.
    Closed,
    /// It is out of service, since its topic was deleted.
    Deleted,
}

/// Which replicas must have stored a batch before its producer is answered (`acks`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acks {
    /// The leader alone (`acks=1`).
    Leader,
    /// All replicas that are in sync (`acks=all`, the default of Kafka's producer).
    #[default]
    All,
}

impl Acks {
    /// What a request's `acks` stands for. A producer that wants no answer (0) waits for nothing:
    /// what is said here does not matter to it.
    pub fn from_wire(acks: i16) -> Acks {
        match acks {
            1 => Acks::Leader,
            _ => Acks::All,
        }
    }
}

/// Which records a consumer may see (`isolation.level`, KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Also those of transactions that are still open or were aborted.
    ReadUncommitted,
    /// Only those before the first open transaction; which of them were aborted is told with them.
    ReadCommitted,
}

impl Isolation {
    /// The isolation that a request's `isolation_level` stands for, if there is one.
    pub fn from_wire(level: i8) -> Option<Isolation> {
        match level {
            0 => Some(Isolation::ReadUncommitted),
            1 => Some(Isolation::ReadCommitted),
            _ => None,
        }
    }
}

/// The numbers of one replica. Always `start_offset <= last_stable_offset <= high_watermark <=
/// stored_offset <= end_offset`; each moves only forward, and has one method that moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaState {
    role: Role,
    leader_epoch: LeaderEpoch,
    start_offset: Offset,
    last_stable_offset: Offset,
    high_watermark: Offset,
    stored_offset: Offset,
    end_offset: Offset,
}

impl ReplicaState {
    /// A leader whose log was just opened: all that the log holds is stored, and committed.
    pub fn leader(
        leader_epoch: LeaderEpoch,
        start_offset: Offset,
        end_offset: Offset,
    ) -> ReplicaState {
        assert!(0 <= start_offset && start_offset <= end_offset);
        ReplicaState {
            role: Role::Leader,
            leader_epoch,
            start_offset,
            last_stable_offset: end_offset,
            high_watermark: end_offset,
            stored_offset: end_offset,
            end_offset,
        }
    }

    /// A new leadership term begins, or the current one is confirmed.
    pub fn begin_term(&mut self, leader_epoch: LeaderEpoch) {
        assert!(leader_epoch >= self.leader_epoch, "terms only grow");
        self.leader_epoch = leader_epoch;
    }

    /// Records were appended from `base_offset` up to before `end_offset`.
    pub fn appended(&mut self, base_offset: Offset, end_offset: Offset) {
        assert_eq!(base_offset, self.end_offset, "an append begins at the end");
        assert!(end_offset > base_offset, "an append has records");
        self.end_offset = end_offset;
    }

    /// The log has stored everything before `upto`, as durably as the topic's settings ask.
    pub fn stored(&mut self, upto: Offset) {
        assert!(self.stored_offset <= upto && upto <= self.end_offset);
        self.stored_offset = upto;
        // There is one replica: what it has stored, all have.
        self.commit(upto);
    }

    /// All replicas in sync have stored everything before `upto`.
    fn commit(&mut self, upto: Offset) {
        assert!(self.high_watermark <= upto && upto <= self.stored_offset);
        self.high_watermark = upto;
        // No transaction is open: there are none yet.
        self.stabilize(upto);
    }

    /// No open transaction has a record before `upto`.
    fn stabilize(&mut self, upto: Offset) {
        assert!(self.last_stable_offset <= upto && upto <= self.high_watermark);
        self.last_stable_offset = upto;
    }

    /// The records before `offset` were deleted.
    pub fn start_moved(&mut self, offset: Offset) {
        assert!(self.start_offset <= offset && offset <= self.last_stable_offset);
        self.start_offset = offset;
    }

    /// The replica goes out of service.
    pub fn close(&mut self) {
        if self.role == Role::Leader {
            self.role = Role::Closed;
        }
    }

    /// The replica goes out of service since its topic was deleted.
    pub fn delete(&mut self) {
        self.role = Role::Deleted;
    }

    /// What the replica does.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The current leadership term.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// The first offset that may be read.
    pub fn start_offset(&self) -> Offset {
        self.start_offset
    }

    /// Everything before it is decided: it belongs to no open transaction.
    pub fn last_stable_offset(&self) -> Offset {
        self.last_stable_offset
    }

    /// Everything before it is stored by all replicas in sync, and may be read.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// The offset that the next appended record gets.
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    /// Everything before it is acked to producers that wait for `acks`.
    pub fn acked_offset(&self, acks: Acks) -> Offset {
        match acks {
            Acks::Leader => self.stored_offset,
            Acks::All => self.high_watermark,
        }
    }

    /// Consumers of this isolation may read everything before it.
    pub fn readable_offset(&self, isolation: Isolation) -> Offset {
        match isolation {
            Isolation::ReadUncommitted => self.high_watermark,
            Isolation::ReadCommitted => self.last_stable_offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::sim::Random;

    /// The order of the numbers, checked from outside.
    fn check(state: &ReplicaState) {
        let order = [
            state.start_offset(),
            state.readable_offset(Isolation::ReadCommitted),
            state.readable_offset(Isolation::ReadUncommitted),
            state.acked_offset(Acks::Leader),
            state.end_offset(),
        ];
        assert!(order.is_sorted(), "{state:?}");
        assert!(state.acked_offset(Acks::All) <= state.acked_offset(Acks::Leader));
    }

    #[test]
    fn a_million_events_keep_the_order_and_move_nothing_back() {
        let mut random = Random::new(7);
        let mut state = ReplicaState::leader(0, 3, 10);
        for _ in 0..1_000_000 {
            let before = state;
            let end = state.end_offset();
            match random.below(4) {
                0 => state.appended(end, end + 1 + random.below(20) as i64),
                1 => {
                    let stored = state.acked_offset(Acks::Leader);
                    state.stored(stored + random.below((end - stored + 1) as usize) as i64);
                }
                2 => {
                    let (start, stable) = (state.start_offset(), state.last_stable_offset());
                    state.start_moved(start + random.below((stable - start + 1) as usize) as i64);
                }
                _ => state.begin_term(state.leader_epoch() + random.below(2) as i32),
            }
            check(&state);
            assert!(before.start_offset <= state.start_offset);
            assert!(before.high_watermark <= state.high_watermark);
            assert!(before.leader_epoch <= state.leader_epoch);
        }
        assert!(state.start_offset() > 1_000_000);
    }

    #[test]
    fn what_is_appended_is_acked_and_readable_only_once_it_is_stored() {
        let mut state = ReplicaState::leader(4, 0, 10);
        state.appended(10, 15);
        assert_eq!(state.end_offset(), 15);
        for acks in [Acks::Leader, Acks::All] {
            assert_eq!(state.acked_offset(acks), 10);
        }
        state.stored(13);
        for acks in [Acks::Leader, Acks::All] {
            assert_eq!(state.acked_offset(acks), 13);
        }
        for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
            assert_eq!(state.readable_offset(isolation), 13);
        }
    }

    #[test]
    fn a_deleted_replica_stays_deleted_when_the_shard_stops() {
        let mut state = ReplicaState::leader(0, 0, 0);
        assert_eq!(state.role(), Role::Leader);
        state.delete();
        state.close();
        assert_eq!(state.role(), Role::Deleted);
        let mut other = ReplicaState::leader(0, 0, 0);
        other.close();
        assert_eq!(other.role(), Role::Closed);
    }

    #[test]
    #[should_panic(expected = "an append begins at the end")]
    fn an_append_that_leaves_a_gap_is_refused() {
        ReplicaState::leader(0, 0, 10).appended(11, 12);
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn nothing_is_stored_that_was_not_appended() {
        ReplicaState::leader(0, 0, 10).stored(11);
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn nothing_is_deleted_that_is_not_committed() {
        let mut state = ReplicaState::leader(0, 0, 10);
        state.appended(10, 20);
        state.start_moved(11);
    }
}
