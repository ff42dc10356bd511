//! Pure: a member of a consumer group: how its client described it, what it has, and how far it is
//! on its way to what it is to have.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::{PartitionIndex, TopicId};
use crate::coordinator::group::memory;
use crate::coordinator::record::{CurrentValue, MemberMetadata, TopicPartitions};

use super::assign::Partitions;

/// The epoch by which a member leaves, and that of one that has left.
pub(in crate::coordinator::group) const LEFT: i32 = -1;
/// The epoch by which a static member leaves for a while.
pub(in crate::coordinator::group) const AWAY: i32 = -2;

/// Partitions that a member has, each with the epoch at which it was assigned.
pub(super) type Owned = BTreeMap<TopicId, BTreeMap<PartitionIndex, i32>>;

/// How far a member is (`MemberState` of Kafka).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::coordinator::group) enum MemberState {
    /// It has what it is to have.
    Stable,
    /// It must give up partitions first.
    Unrevoked,
    /// Others must give up partitions that it is to have.
    Unreleased,
    /// The record says what this broker does not know.
    Unknown,
}

/// A member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::coordinator::group) struct Member {
    pub id: Rc<str>,
    pub epoch: i32,
    /// The epoch before, which is accepted once more: the answer with the newer one may be lost.
    pub previous_epoch: i32,
    pub state: MemberState,
    /// The topics in it are in order, each once.
    pub about: MemberMetadata,
    pub assigned: Owned,
    /// What it must give up.
    pub revoked: Owned,
}

// === impl MemberState ===

impl MemberState {
    fn of(number: i8) -> MemberState {
        match number {
            0 => MemberState::Stable,
            1 => MemberState::Unrevoked,
            2 => MemberState::Unreleased,
            _ => MemberState::Unknown,
        }
    }

    fn number(self) -> i8 {
        match self {
            MemberState::Stable => 0,
            MemberState::Unrevoked => 1,
            MemberState::Unreleased => 2,
            MemberState::Unknown => 127,
        }
    }
}

// === impl Member ===

impl Member {
    /// A member that nothing is known of yet.
    pub fn new(id: Rc<str>) -> Member {
        Member {
            id,
            epoch: 0,
            previous_epoch: -1,
            state: MemberState::Stable,
            about: MemberMetadata {
                instance_id: None,
                rack: None,
                client_id: "".into(),
                client_host: "".into(),
                topics: Vec::new(),
                regex: Some("".into()),
                rebalance_timeout_ms: -1,
                assignor: None,
                classic: None,
            },
            assigned: Owned::new(),
            revoked: Owned::new(),
        }
    }

    /// The regular expression that it subscribes to, if there is one.
    pub fn regex(&self) -> Option<&Rc<str>> {
        self.about.regex.as_ref().filter(|regex| !regex.is_empty())
    }

    /// Whether it speaks the classic protocol.
    pub fn is_classic(&self) -> bool {
        self.about.classic.is_some()
    }

    /// Whether it has all that it is to have since this epoch.
    pub fn is_reconciled_to(&self, epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == epoch
    }

    /// The same member at another epoch.
    pub fn at_epoch(&self, epoch: i32) -> Member {
        Member {
            previous_epoch: self.epoch,
            epoch,
            ..self.clone()
        }
    }

    /// What its client is told to have.
    pub fn assigned_partitions(&self) -> Partitions {
        let topics = self.assigned.iter();
        topics
            .map(|(topic, of)| (*topic, of.keys().copied().collect()))
            .collect()
    }

    /// All that its client may still have: also what it must give up.
    pub fn held_partitions(&self) -> Partitions {
        let mut held = self.assigned_partitions();
        for (topic, of) in &self.revoked {
            held.entry(*topic).or_default().extend(of.keys());
        }
        held
    }

    /// The epoch at which it got a partition that it has, or is about to give up.
    pub fn epoch_of(&self, topic: TopicId, index: PartitionIndex) -> Option<i32> {
        let of = |owned: &Owned| owned.get(&topic)?.get(&index).copied();
        of(&self.assigned).or_else(|| of(&self.revoked))
    }

    /// Takes over what a record says of what it has.
    pub fn replay(&mut self, value: &CurrentValue) {
        self.epoch = value.member_epoch;
        self.previous_epoch = value.previous_member_epoch;
        self.state = MemberState::of(value.state);
        self.assigned = owned(&value.assigned, value.member_epoch);
        self.revoked = owned(&value.revoked, value.member_epoch);
    }

    /// The record of what it has.
    pub fn value(&self) -> CurrentValue {
        CurrentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.number(),
            assigned: listed(&self.assigned),
            revoked: listed(&self.revoked),
        }
    }

    /// The memory that it takes.
    pub fn bytes(&self) -> usize {
        let about = &self.about;
        let texts = [&self.id, &about.client_id, &about.client_host];
        let maybe = [
            &about.instance_id,
            &about.rack,
            &about.regex,
            &about.assignor,
        ];
        let maybe = maybe.into_iter().flatten();
        let protocols = about.classic.iter().flat_map(|it| &it.protocols);
        let names = about
            .topics
            .iter()
            .map(|name| memory::of_name_in_list(name));
        memory::MEMBER_BYTES
            + texts
                .into_iter()
                .chain(maybe)
                .map(|it| it.len())
                .sum::<usize>()
            + names.sum::<usize>()
            + protocols
                .map(|it| memory::of_protocol(&it.name, &it.metadata))
                .sum::<usize>()
            + bytes_of(&self.assigned)
            + bytes_of(&self.revoked)
    }
}

fn bytes_of(owned: &Owned) -> usize {
    let of_topic = |of: &BTreeMap<PartitionIndex, i32>| memory::of_partitions(of.len());
    owned.values().map(of_topic).sum()
}

fn owned(topics: &[TopicPartitions], default_epoch: i32) -> Owned {
    let default_epoch = default_epoch.max(0);
    let mut owned = Owned::new();
    for of in topics {
        let epoch = |at: usize| of.epochs.as_ref().map_or(default_epoch, |it| it[at]);
        let partitions = of.partitions.iter().enumerate();
        let partitions = partitions.map(|(at, index)| (*index, epoch(at)));
        owned.insert(of.topic, partitions.collect());
    }
    owned
}

fn listed(owned: &Owned) -> Vec<TopicPartitions> {
    let topics = owned.iter().map(|(topic, of)| TopicPartitions {
        topic: *topic,
        partitions: of.keys().copied().collect(),
        epochs: Some(of.values().copied().collect()),
    });
    topics.collect()
}
