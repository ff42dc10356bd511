//! Pure: the target assignment of a group, computed anew (`TargetAssignmentBuilder` of Kafka).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::WallMs;
use crate::coordinator::group::topics::Topics;
use crate::coordinator::record::{ConsumerChange, TargetEpoch, TopicPartitions};

use super::ConsumerGroup;
use super::assign::{Assignor, Candidate, Partitions, Spec};
use super::member::Member;
use super::subscription::{Consumed, Subscriptions};

/// A group in which one member is about to change.
pub(super) struct Changed<'a> {
    pub group: &'a ConsumerGroup,
    /// The member as it is about to be.
    pub member: &'a Member,
    /// What the members want then.
    pub subscriptions: &'a Subscriptions,
    pub topics: &'a Topics,
    /// The assignors that there are, the default one first.
    pub assignors: &'a [Rc<str>],
}

impl Changed<'_> {
    /// Computes what each member is to have from the group's `epoch` on: the records, and what the
    /// member itself is to have.
    pub fn target(&self, epoch: i32, now: WallMs) -> (Vec<ConsumerChange>, Partitions) {
        let preferred = self.subscriptions.preferred_assignor();
        let preferred = preferred.as_ref().or(self.assignors.first());
        let assignor = preferred.and_then(|name| Assignor::named(name));
        let assignor = assignor.unwrap_or(Assignor::ALL[0]);
        let members = self.members();
        let candidates = members.values().map(|(member, has)| {
            let consumed = Consumed::by(member, self.group, self.topics);
            let (topics, named) = consumed.ids();
            Candidate {
                id: &member.id,
                instance: member.about.instance_id.as_deref(),
                topics,
                named,
                has: Cow::Borrowed(*has),
            }
        });
        let ever = self.group.members.len() + usize::from(!self.is_known());
        let is_homogeneous = self.subscriptions.is_homogeneous(members.len());
        let spec = Spec::new(candidates.collect(), ever, is_homogeneous);
        let topics = self.topics;
        let mut assignment = assignor.assign(&spec, &|topic| topics.partitions_of(topic));
        let mut changes = Vec::new();
        let mut own = Partitions::new();
        for id in members.keys() {
            let target = assignment.remove(*id).unwrap_or_default();
            if self.group.targets.get(*id) != Some(&target) {
                changes.push(ConsumerChange::Target((*id).clone(), Some(listed(&target))));
            }
            if **id == self.member.id {
                own = target;
            }
        }
        changes.push(ConsumerChange::TargetEpoch(Some(TargetEpoch {
            epoch,
            timestamp: now,
        })));
        (changes, own)
    }

    fn is_known(&self) -> bool {
        self.group.members.contains_key(&self.member.id)
    }

    /// The members as they are about to be, each with what it was to have. A static member that
    /// takes the place of another has what that one was to have.
    fn members(&self) -> BTreeMap<&Rc<str>, (&Member, &Partitions)> {
        let nothing: &'static Partitions = const { &Partitions::new() };
        let group = self.group;
        let target = |id: &Rc<str>| group.targets.get(id).unwrap_or(nothing);
        let known = group.members.values();
        let mut members: BTreeMap<_, _> = known
            .map(|member| (&member.id, (member, target(&member.id))))
            .collect();
        let instance = self.member.about.instance_id.as_ref();
        let before = instance.and_then(|instance| group.static_members.get(instance));
        let before = before.filter(|before| **before != self.member.id);
        if let Some(before) = before {
            members.remove(before);
        }
        let has = target(before.unwrap_or(&self.member.id));
        members.insert(&self.member.id, (self.member, has));
        members
    }
}

/// Partitions for a record.
pub(super) fn listed(partitions: &Partitions) -> Vec<TopicPartitions> {
    let topics = partitions.iter().map(|(topic, of)| TopicPartitions {
        topic: *topic,
        partitions: of.iter().copied().collect(),
        epochs: None,
    });
    topics.collect()
}
