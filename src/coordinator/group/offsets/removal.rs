//! Pure: OffsetDelete, and which offsets go with their group or their topic.

use std::ops::Bound;
use std::rc::Rc;

use crate::base::{PartitionIndex, TopicId, limits};
use crate::coordinator::group::memory;
use crate::coordinator::group::{
    GroupError, GroupMachine, Outcome, PartitionResults, TopicPartitions,
};
use crate::coordinator::record::{OffsetKey, Record};

use super::{GroupOffsets, Offsets};

/// Where the search for the offsets of topics that are gone goes on: in this group and behind it.
#[derive(Clone, Default, Debug)]
pub(in crate::coordinator::group) struct SearchPlace {
    group: Rc<str>,
    /// Which of the topics, and which of its partitions.
    topic: usize,
    partition: PartitionIndex,
}

/// How much of a long piece of work may still be done in one step.
#[derive(Clone, Copy, Debug)]
pub(in crate::coordinator::group) struct Allowance {
    /// Offsets that may still be removed.
    removals_left: usize,
    /// Offsets, topics and groups that may still be looked at.
    looks_left: usize,
}

impl GroupMachine {
    /// OffsetDelete: a result per partition, in the order of the request; `Err` is that of all.
    /// The caller sees to it that there are not too many for one step.
    pub fn delete_offsets(
        &mut self,
        group_id: &str,
        topics: &[TopicPartitions],
        out: &mut Outcome,
    ) -> Result<PartitionResults, GroupError> {
        let group = self.groups.get(group_id).ok_or(GroupError::GroupNotFound)?;
        group.check_offset_delete()?;
        let mut removals = Vec::new();
        let mut results = Vec::with_capacity(topics.len());
        for topic in topics {
            let result = match group.is_subscribed_to(&topic.name) {
                true => Err(GroupError::SubscribedToTopic),
                false => Ok(()),
            };
            let partitions = topic.partitions.iter();
            if result.is_ok() {
                let removal = |&partition| self.offsets.removal(group_id, &topic.name, partition);
                removals.extend(partitions.clone().filter_map(removal));
            }
            results.push(partitions.map(|&partition| (partition, result)).collect());
        }
        for record in removals {
            self.write(out, record);
        }
        Ok(results)
    }
}

// === impl Allowance ===

impl Allowance {
    /// What one step may do.
    pub fn of_a_step() -> Allowance {
        Allowance {
            removals_left: limits::OFFSETS_REMOVED_AT_ONCE,
            looks_left: limits::OFFSETS_EXAMINED_AT_ONCE,
        }
    }

    /// Whether nothing more may be done in this step.
    pub fn is_used_up(&self) -> bool {
        self.removals_left == 0 || self.looks_left == 0
    }

    /// How many offsets may still be removed.
    pub fn removals_left(&self) -> usize {
        self.removals_left
    }

    /// One more offset, topic or group is looked at.
    pub fn look(&mut self) {
        self.looks_left = self.looks_left.saturating_sub(1);
    }

    /// So many offsets are removed, which must not be more than may be.
    pub fn remove(&mut self, count: usize) {
        assert!(count <= self.removals_left, "a step removes what it may");
        self.removals_left -= count;
    }
}

// === impl Offsets: of a group that is deleted ===

impl Offsets {
    /// Hides the offsets of a group from clients; they are kept until [`Offsets::forget_deleted`].
    pub fn hide(&mut self, group: &Rc<str>) {
        let offsets = self.by_group.remove(group).unwrap_or_else(|| {
            self.bytes += memory::of_name(group);
            GroupOffsets::default()
        });
        self.deleted.insert(group.clone(), offsets);
    }

    /// Some of the offsets of a group that is hidden, those of open transactions last.
    pub fn some_deleted(&self, group: &Rc<str>, most: usize) -> Vec<OffsetKey> {
        let topics = self.deleted.get(group).into_iter().flatten();
        let keys = topics.flat_map(|(topic, partitions)| {
            let partitions = partitions.keys();
            partitions.map(|&partition| key(group, topic, partition))
        });
        let kept: Vec<_> = keys.take(most).collect();
        if !kept.is_empty() {
            return kept;
        }
        let pending = self.pending_keys().filter(|key| key.group == *group);
        let mut pending: Vec<_> = pending.take(most).cloned().collect();
        pending.sort();
        pending.dedup();
        pending
    }

    /// All offsets of a hidden group are removed.
    pub fn forget_deleted(&mut self, group: &Rc<str>) {
        if let Some(left) = self.deleted.remove(group) {
            assert!(left.is_empty(), "offsets are removed by their records");
            self.bytes -= memory::of_name(group);
        }
    }
}

// === impl Offsets: of topics, and single ones ===

impl Offsets {
    /// The record that removes one offset, if there is one to remove.
    pub fn removal(&self, group: &str, topic: &str, partition: PartitionIndex) -> Option<Record> {
        let known = self.get(group, topic, partition).is_some()
            || self.has_pending(group, topic, partition);
        known.then(|| Record::Offset(key(&group.into(), &topic.into(), partition), None))
    }

    /// Looks from `place` on for offsets of topics that are gone (name and id), and says which of
    /// them to remove, and where to go on if the allowance is used up before the end.
    pub fn some_of_topics(
        &self,
        gone: &[(Rc<str>, TopicId)],
        place: SearchPlace,
        allowance: &mut Allowance,
    ) -> (Vec<OffsetKey>, Option<SearchPlace>) {
        let mut keys = Vec::new();
        let range = (Bound::Included(place.group.clone()), Bound::Unbounded);
        for (group, topics) in self.by_group.range(range) {
            let goes_on = *group == place.group;
            let first = if goes_on { place.topic } else { 0 };
            for (at, (topic, id)) in gone.iter().enumerate().skip(first) {
                let from = match goes_on && at == first {
                    true => place.partition,
                    false => PartitionIndex::MIN,
                };
                let partitions = topics.get(topic).map(|of| of.range(from..));
                for (&partition, kept) in partitions.into_iter().flatten() {
                    if allowance.is_used_up() {
                        return (keys, Some(place_of(group, at, partition)));
                    }
                    allowance.look();
                    if kept.is_of(*id) {
                        allowance.remove(1);
                        keys.push(key(group, topic, partition));
                    }
                }
                allowance.look();
                if allowance.is_used_up() {
                    return (keys, Some(place_of(group, at + 1, PartitionIndex::MIN)));
                }
            }
        }
        (keys, None)
    }
}

fn place_of(group: &Rc<str>, topic: usize, partition: PartitionIndex) -> SearchPlace {
    SearchPlace {
        group: group.clone(),
        topic,
        partition,
    }
}

/// The key of an offset.
pub(super) fn key(group: &Rc<str>, topic: &Rc<str>, partition: PartitionIndex) -> OffsetKey {
    OffsetKey {
        group: group.clone(),
        topic: topic.clone(),
        partition,
    }
}
