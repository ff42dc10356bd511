//! Pure: what one replica knows of its log and of its leadership term, as plain numbers. They are
//! fed with the log's offsets; nothing here touches a file or waits.

use crate::base::{LeaderEpoch, Offset};

/// What the replica does for its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It leads: it takes appends and serves readers.
    Leader,
    /// It follows a leader on another node, or waits until there is one.
    Follower,
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
    tenure: Tenure,
    term_start: Offset,
    /// What the leader said last, to a follower.
    leader_high_watermark: Offset,
    start_offset: Offset,
    last_stable_offset: Offset,
    high_watermark: Offset,
    stored_offset: Offset,
    end_offset: Offset,
}

/// One stretch of time in which a replica leads, over all its terms: what was appended in another
/// one may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure(u32);

impl ReplicaState {
    /// A replica whose log was just opened: all that the log holds is stored, and what lies before
    /// `committed` is known to be committed. It leads once it is told so. [`Self::stabilize`] is to
    /// be called then.
    pub fn opened(start_offset: Offset, committed: Offset, end_offset: Offset) -> ReplicaState {
        assert!(0 <= start_offset && start_offset <= end_offset);
        let committed = committed.clamp(start_offset, end_offset);
        ReplicaState {
            role: Role::Follower,
            leader_epoch: -1,
            tenure: Tenure(0),
            term_start: end_offset,
            leader_high_watermark: committed,
            start_offset,
            last_stable_offset: start_offset,
            high_watermark: committed,
            stored_offset: end_offset,
            end_offset,
        }
    }

    /// The replica leads from now on, or goes on leading, in this term.
    pub fn lead(&mut self, leader_epoch: LeaderEpoch) {
        if !self.enter(leader_epoch) {
            return;
        }
        if self.role != Role::Leader {
            self.role = Role::Leader;
            self.tenure.0 += 1;
        }
    }

    /// Another node leads in this term, or none does.
    pub fn follow(&mut self, leader_epoch: LeaderEpoch) {
        if self.enter(leader_epoch) {
            self.role = Role::Follower;
        }
    }

    /// Begins a term, or confirms the current one; `false` for a replica that is out of service.
    fn enter(&mut self, leader_epoch: LeaderEpoch) -> bool {
        assert!(leader_epoch >= self.leader_epoch, "terms only grow");
        if leader_epoch > self.leader_epoch {
            self.leader_epoch = leader_epoch;
            self.term_start = self.end_offset;
        }
        matches!(self.role, Role::Leader | Role::Follower)
    }

    /// Records were appended from `base_offset` up to before `end_offset`. Those that come from a
    /// leader may leave offsets out: compaction has removed records there.
    pub fn appended(&mut self, base_offset: Offset, end_offset: Offset) {
        let follows = self.role == Role::Follower && base_offset >= self.end_offset;
        assert!(
            follows || base_offset == self.end_offset,
            "an append begins at the end"
        );
        assert!(end_offset > base_offset, "an append has records");
        self.end_offset = end_offset;
    }

    /// The log has stored everything before `upto`, as durably as the topic's settings ask.
    pub fn stored(&mut self, upto: Offset) {
        assert!(self.stored_offset <= upto && upto <= self.end_offset);
        self.stored_offset = upto;
        if self.role == Role::Follower {
            self.commit(self.leader_high_watermark);
        }
    }

    /// The leader says to a follower that everything before `upto` is committed.
    pub fn leader_committed(&mut self, upto: Offset) {
        self.leader_high_watermark = upto;
        self.commit(upto);
    }

    /// All replicas in sync have stored everything before `upto`, as far as this one has.
    /// [`Self::stabilize`] is to be called then.
    pub fn commit(&mut self, upto: Offset) {
        let upto = upto.min(self.stored_offset);
        self.high_watermark = self.high_watermark.max(upto);
    }

    /// The first record that belongs to a transaction which is not decided stands at
    /// `first_unstable`; `None` where there is none.
    pub fn stabilize(&mut self, first_unstable: Option<Offset>) {
        let upto = match first_unstable {
            Some(first) if !planted!(StableTooFar) => first.min(self.high_watermark),
            _ => self.high_watermark,
        };
        // The start may lie behind the beginning of a transaction.
        self.last_stable_offset = self.last_stable_offset.max(upto);
    }

    /// The records before `offset` were deleted, also where a transaction is open there.
    pub fn start_moved(&mut self, offset: Offset) {
        assert!(self.start_offset <= offset && offset <= self.high_watermark);
        self.start_offset = offset;
        self.last_stable_offset = self.last_stable_offset.max(offset);
    }

    /// The replica goes out of service.
    pub fn close(&mut self) {
        if self.role != Role::Deleted {
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

    /// The time of leading that goes on, or the last one.
    pub fn tenure(&self) -> Tenure {
        self.tenure
    }

    /// What a follower's leader has committed, as it said last.
    pub fn leader_high_watermark(&self) -> Offset {
        self.leader_high_watermark
    }

    /// Where the log ended when the current term began.
    pub fn term_start(&self) -> Offset {
        self.term_start
    }

    /// The first offset that may be read.
    pub fn start_offset(&self) -> Offset {
        self.start_offset
    }

    /// Everything before it is stored here, as durably as the topic's settings ask.
    pub fn stored_offset(&self) -> Offset {
        self.stored_offset
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
            Acks::All if planted!(AckedAlone) => self.stored_offset,
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
mod tests;
