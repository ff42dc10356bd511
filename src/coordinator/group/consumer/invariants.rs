//! Pure: what must hold of a consumer group at every moment, as tests check it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::base::{PartitionIndex, TopicId};
use crate::coordinator::group::topics::Topics;

use super::ConsumerGroup;
use super::assign::Partitions;
use super::member::AWAY;
use super::subscription::{Consumed, Subscriptions};

impl ConsumerGroup {
    /// All that its log keeps of it, in words: what is only in memory is left out.
    pub fn durable(&self) -> String {
        format!(
            "{:?}",
            (
                (self.epoch, self.target_epoch, self.target_timestamp),
                (self.metadata_hash, self.lists_topics, self.bytes),
                (&self.members, &self.targets, &self.static_members),
                (&self.subscriptions, &self.resolved, &self.owners),
            )
        )
    }

    /// The epoch of a member and the one before.
    pub fn epochs_of(&self, id: &str) -> Option<(i32, i32)> {
        let member = self.members.get(id)?;
        Some((member.epoch, member.previous_epoch))
    }

    /// How many expressions are resolved.
    pub fn resolved_count(&self) -> usize {
        self.resolved.len()
    }

    /// Whether a member speaks the classic protocol.
    pub fn is_classic_member(&self, id: &str) -> bool {
        self.members.get(id).is_some_and(|it| it.is_classic())
    }

    /// What a member has, without what it must give up.
    pub fn assigned_to(&self, id: &str) -> Option<Partitions> {
        Some(self.members.get(id)?.assigned_partitions())
    }

    /// The member that has this instance id, with its epoch.
    pub fn holder_of(&self, instance: &str) -> Option<(Rc<str>, i32)> {
        let member = self.static_member(instance)?;
        Some((member.id.clone(), member.epoch))
    }

    /// Panics where it contradicts itself.
    pub fn check(&self) {
        let id = &self.id;
        assert!(self.target_epoch <= self.epoch, "{id}: {self:?}");
        let mut owners: BTreeMap<TopicId, BTreeMap<PartitionIndex, i32>> = BTreeMap::new();
        for member in self.members.values() {
            let of = &member.id;
            assert!(
                member.epoch <= self.target_epoch && member.epoch != 0 && member.epoch >= AWAY,
                "{id}: the epoch of {of}: {self:?}"
            );
            for (topic, has) in member.assigned.iter().chain(&member.revoked) {
                for (index, since) in has {
                    let is_older = *since <= member.epoch || member.epoch == AWAY;
                    assert!(is_older, "{id}: {of} has {topic:?}-{index} since {since}");
                    let known = owners.entry(*topic).or_default();
                    let other = known.insert(*index, member.epoch);
                    assert_eq!(other, None, "{id}: two have {topic:?}-{index}: {self:?}");
                }
            }
        }
        assert_eq!(owners, self.owners, "{id}: who has what");
        self.check_targets();
        self.check_subscriptions();
        assert_eq!(self.bytes, self.measure(), "{id}: what it takes");
    }

    fn check_targets(&self) {
        let mut seen = BTreeSet::new();
        for (member, target) in &self.targets {
            assert!(self.members.contains_key(member), "a target of nothing");
            for (topic, of) in target {
                for index in of {
                    let is_first = seen.insert((*topic, *index));
                    assert!(is_first, "{topic:?}-{index} is to be with two: {self:?}");
                }
            }
        }
    }

    fn check_subscriptions(&self) {
        let mut counted = Subscriptions::default();
        let mut instances = BTreeMap::new();
        for member in self.members.values() {
            counted.change(None, Some(member));
            if let Some(instance) = &member.about.instance_id {
                instances.insert(instance.clone(), member.id.clone());
            }
        }
        for (regex, resolved) in &self.resolved {
            assert!(counted.members_with(regex) > 0, "{regex} is left");
            counted.add_resolved(&resolved.topics);
        }
        assert_eq!(format!("{counted:?}"), format!("{:?}", self.subscriptions));
        assert_eq!(instances, self.static_members);
    }

    /// Panics unless each partition that is consumed is with one member that consumes it; and, if
    /// all consume the same and the assignor is `uniform`, with each about as many.
    pub fn check_settled(&self, topics: &Topics) {
        let mut wanted: BTreeSet<(TopicId, PartitionIndex)> = BTreeSet::new();
        let mut with: BTreeSet<(TopicId, PartitionIndex)> = BTreeSet::new();
        let (mut counts, mut kinds) = (Vec::new(), BTreeSet::new());
        for member in self.members.values() {
            let (ids, _) = Consumed::by(member, self, topics).ids();
            for topic in &ids {
                let all = 0..topics.partitions_of(*topic);
                wanted.extend(all.map(|index| (*topic, index)));
            }
            let has = member.assigned_partitions();
            assert!(member.revoked.is_empty(), "{member:?}");
            assert!(has.keys().all(|topic| ids.contains(topic)), "{member:?}");
            counts.push(has.values().map(BTreeSet::len).sum::<usize>());
            for (topic, of) in has {
                with.extend(of.into_iter().map(|index| (topic, index)));
            }
            kinds.insert(ids);
        }
        assert_eq!(with, wanted, "{}: {self:?}", self.id);
        let assignor = self.subscriptions.preferred_assignor();
        let is_uniform = assignor.is_none_or(|name| *name == *"uniform");
        if kinds.len() == 1 && is_uniform {
            let (least, most) = (counts.iter().min(), counts.iter().max());
            assert!(most <= least.map(|it| it + 1).as_ref(), "{counts:?}");
        }
    }
}
