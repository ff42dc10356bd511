//! Pure: a classic group that is in use becomes one of the consumer protocol, and the other way
//! round (`ConsumerGroup.fromClassicGroup` and `ClassicGroup.fromConsumerGroup` of Kafka).

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;

use crate::coordinator::group::topics::Topics;
use crate::coordinator::record::{
    ClassicMetadata, ClassicProtocol, ConsumerChange, GroupEpoch, MemberMetadata, TargetEpoch,
};
use crate::wire::cursor::Short;

use super::ConsumerGroup;
use super::assign::Partitions;
use super::member::{Member, MemberState};
use super::protocol::{self, Given, Subscription};
use super::target::listed;

/// A member of a classic group that is about to change.
#[derive(Clone, Debug)]
pub(in crate::coordinator::group) struct OldMember {
    pub id: Rc<str>,
    pub instance_id: Option<Rc<str>>,
    pub client_id: Rc<str>,
    pub client_host: Rc<str>,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    pub protocols: Vec<ClassicProtocol>,
    /// Its metadata for the protocol that the group has chosen.
    pub metadata: Bytes,
    pub assignment: Bytes,
}

/// Why a classic group cannot become one of the consumer protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::coordinator::group) enum NoUpgrade {
    /// What its members say cannot be read.
    Malformed,
    /// Its assignor adds something of its own to assignments, which would be lost.
    CustomAssignor,
}

impl From<Short> for NoUpgrade {
    fn from(_: Short) -> NoUpgrade {
        NoUpgrade::Malformed
    }
}

/// The group of the consumer protocol that a classic one of this generation becomes, and the
/// records that make it.
pub(in crate::coordinator::group) fn upgraded(
    id: &Rc<str>,
    generation: i32,
    members: &[OldMember],
    topics: &Topics,
) -> Result<(ConsumerGroup, Vec<ConsumerChange>), NoUpgrade> {
    let mut new: BTreeMap<Rc<str>, Member> = BTreeMap::new();
    for old in members {
        let member = upgraded_member(old, generation, topics)?;
        new.insert(old.id.clone(), member);
    }
    let mut group = ConsumerGroup::new(id.clone());
    let mut changes: Vec<ConsumerChange> = Vec::new();
    for member in new.values() {
        let about = Some(member.about.clone());
        changes.push(ConsumerChange::Member(member.id.clone(), about));
    }
    changes.iter().for_each(|change| group.replay(change));
    let rest = changes.len();
    changes.push(ConsumerChange::Epoch(Some(GroupEpoch {
        epoch: generation,
        metadata_hash: group.subscriptions.hash(topics),
    })));
    for member in new.values() {
        let target = listed(&member.assigned_partitions());
        changes.push(ConsumerChange::Target(member.id.clone(), Some(target)));
    }
    changes.push(ConsumerChange::TargetEpoch(Some(TargetEpoch {
        epoch: generation,
        timestamp: 0,
    })));
    for member in new.values() {
        let value = Some(member.value());
        changes.push(ConsumerChange::Current(member.id.clone(), value));
    }
    changes[rest..]
        .iter()
        .for_each(|change| group.replay(change));
    Ok((group, changes))
}

fn upgraded_member(old: &OldMember, generation: i32, topics: &Topics) -> Result<Member, NoUpgrade> {
    let given = Given::read(&old.assignment)?;
    if given.has_user_data {
        return Err(NoUpgrade::CustomAssignor);
    }
    let subscription = Subscription::read(&old.metadata)?;
    let mut names = subscription.topics;
    names.sort();
    names.dedup();
    let assigned = given.partitions.iter().filter_map(|(name, of)| {
        let of = of.iter().map(|index| (*index, generation));
        Some((topics.id_of(name)?, of.collect()))
    });
    Ok(Member {
        id: old.id.clone(),
        epoch: generation,
        previous_epoch: generation,
        state: MemberState::Stable,
        about: MemberMetadata {
            instance_id: old.instance_id.clone(),
            rack: subscription.rack,
            client_id: old.client_id.clone(),
            client_host: old.client_host.clone(),
            topics: names,
            regex: Some("".into()),
            rebalance_timeout_ms: old.rebalance_timeout_ms,
            assignor: None,
            classic: Some(ClassicMetadata {
                session_timeout_ms: old.session_timeout_ms,
                protocols: old.protocols.clone(),
            }),
        },
        assigned: assigned.collect(),
        revoked: Default::default(),
    })
}

impl ConsumerGroup {
    /// The group's epoch.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// The members that are left without `leaving` (sorted), where all of them speak the classic
    /// protocol and there are some; `metadata` and `assignment` are still to be chosen.
    pub fn left_as_classic(&self, leaving: &[Rc<str>]) -> Option<Vec<OldMember>> {
        if self.subscriptions.classic == 0 {
            return None;
        }
        let left = self.members.values();
        let left = left.filter(|it| leaving.binary_search(&it.id).is_err());
        let left: Vec<_> = left.collect();
        if left.is_empty() || !left.iter().all(|member| member.is_classic()) {
            return None;
        }
        let old = left.into_iter().filter_map(|member| {
            let about = &member.about;
            let classic = about.classic.as_ref()?;
            Some(OldMember {
                id: member.id.clone(),
                instance_id: about.instance_id.clone(),
                client_id: about.client_id.clone(),
                client_host: about.client_host.clone(),
                rebalance_timeout_ms: about.rebalance_timeout_ms,
                session_timeout_ms: classic.session_timeout_ms,
                protocols: classic.protocols.clone(),
                metadata: Bytes::new(),
                assignment: Bytes::new(),
            })
        });
        Some(old.collect())
    }

    /// The target of a member, encoded in the version of its subscription `metadata`.
    pub fn target_as_classic(&self, id: &str, metadata: &[u8], topics: &Topics) -> Bytes {
        let nothing = Partitions::new();
        let target = self.targets.get(id).unwrap_or(&nothing);
        protocol::assignment(target, metadata, topics)
    }
}
