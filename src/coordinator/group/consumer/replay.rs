//! Pure: what the records of a consumer group do to it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::base::WallMs;
use crate::coordinator::group::memory;
use crate::coordinator::record::{ConsumerChange, ResolvedRegex, TopicPartitions};

use super::ConsumerGroup;
use super::assign::Partitions;
use super::member::{LEFT, Member, Owned};

/// The topics that a regular expression stands for, as they were when it was resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Resolved {
    pub topics: BTreeSet<Rc<str>>,
    pub version: i64,
    pub timestamp: WallMs,
}

impl Resolved {
    /// What it takes with its expression.
    pub fn bytes(&self, regex: &str) -> usize {
        let names = self.topics.iter().map(|name| memory::of_name_in_list(name));
        memory::of_name_in_list(regex) + names.sum::<usize>()
    }

    /// Its record.
    pub fn value(&self) -> ResolvedRegex {
        ResolvedRegex {
            topics: self.topics.iter().cloned().collect(),
            version: self.version,
            timestamp: self.timestamp,
        }
    }
}

/// What a member's target takes.
pub(super) fn bytes_of_target(target: &Partitions) -> usize {
    let topics = target.values().map(|of| memory::of_partitions(of.len()));
    memory::TARGET_BYTES + topics.sum::<usize>()
}

impl ConsumerGroup {
    /// Takes a record over. The machine handles the removal of the group itself.
    pub fn replay(&mut self, change: &ConsumerChange) {
        match change {
            ConsumerChange::Epoch(value) => {
                if let Some(value) = value {
                    self.epoch = value.epoch;
                    self.metadata_hash = value.metadata_hash;
                }
            }
            ConsumerChange::PartitionMetadata(is_listed) => self.lists_topics = *is_listed,
            ConsumerChange::Member(id, Some(value)) => {
                let mut member = self.member_or_new(id);
                member.about = value.clone();
                member.about.topics.sort();
                member.about.topics.dedup();
                self.put(member);
            }
            ConsumerChange::Member(id, None) => self.take(id),
            ConsumerChange::TargetEpoch(value) => {
                self.target_epoch = value.map_or(-1, |value| value.epoch);
                self.target_timestamp = value.map_or(0, |value| value.timestamp);
            }
            ConsumerChange::Target(id, value) => self.set_target(id, value.as_deref()),
            ConsumerChange::Current(id, Some(value)) => {
                let mut member = self.member_or_new(id);
                member.replay(value);
                self.put(member);
            }
            ConsumerChange::Current(id, None) => {
                if let Some(member) = self.members.get(id) {
                    self.put(Member {
                        epoch: LEFT,
                        previous_epoch: LEFT,
                        assigned: Owned::new(),
                        revoked: Owned::new(),
                        ..member.clone()
                    });
                }
            }
            ConsumerChange::Regex(regex, value) => self.set_resolved(regex, value.as_ref()),
        }
    }

    fn member_or_new(&self, id: &Rc<str>) -> Member {
        let known = self.members.get(id).cloned();
        known.unwrap_or_else(|| Member::new(id.clone()))
    }

    /// Puts a member in the place of the one with its id.
    fn put(&mut self, member: Member) {
        self.bytes += member.bytes();
        let new = &member;
        let old = self.members.get(&member.id);
        self.subscriptions.change(old, Some(new));
        if let Some(old) = old {
            self.bytes -= old.bytes();
            disown(&mut self.owners, old);
            // It may come again with another instance id.
            release(&mut self.static_members, old);
        }
        for (topic, of) in new.assigned.iter().chain(&new.revoked) {
            let owners = self.owners.entry(*topic).or_default();
            owners.extend(of.keys().map(|index| (*index, new.epoch)));
        }
        if let Some(instance) = &member.about.instance_id {
            self.static_members
                .insert(instance.clone(), member.id.clone());
        }
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member out.
    fn take(&mut self, id: &str) {
        let Some(member) = self.members.remove(id) else {
            return;
        };
        self.bytes -= member.bytes();
        self.subscriptions.change(Some(&member), None);
        disown(&mut self.owners, &member);
        release(&mut self.static_members, &member);
    }

    fn set_target(&mut self, id: &Rc<str>, value: Option<&[TopicPartitions]>) {
        let old = match value {
            None => self.targets.remove(id),
            Some(topics) => {
                let topics = topics.iter();
                let target: Partitions = topics
                    .map(|of| (of.topic, of.partitions.iter().copied().collect()))
                    .collect();
                self.bytes += bytes_of_target(&target);
                self.targets.insert(id.clone(), target)
            }
        };
        self.bytes -= old.as_ref().map_or(0, bytes_of_target);
    }

    fn set_resolved(&mut self, regex: &Rc<str>, value: Option<&ResolvedRegex>) {
        if let Some(old) = self.resolved.remove(regex) {
            self.bytes -= old.bytes(regex);
            self.subscriptions.forget_resolved(&old.topics);
        }
        if let Some(value) = value {
            let resolved = Resolved {
                topics: value.topics.iter().cloned().collect(),
                version: value.version,
                timestamp: value.timestamp,
            };
            self.bytes += resolved.bytes(regex);
            self.subscriptions.add_resolved(&resolved.topics);
            self.resolved.insert(regex.clone(), resolved);
        }
    }
}

/// Frees a member's instance id, unless another member has it by now.
fn release(static_members: &mut BTreeMap<Rc<str>, Rc<str>>, member: &Member) {
    if let Some(instance) = &member.about.instance_id
        && static_members.get(instance) == Some(&member.id)
    {
        static_members.remove(instance);
    }
}

/// Frees a member's partitions, except those that have another owner epoch by now.
fn disown(owners: &mut Owned, member: &Member) {
    for (topic, of) in member.assigned.iter().chain(&member.revoked) {
        let Some(known) = owners.get_mut(topic) else {
            continue;
        };
        for index in of.keys() {
            if known.get(index) == Some(&member.epoch) {
                known.remove(index);
            }
        }
        if known.is_empty() {
            owners.remove(topic);
        }
    }
}
