//! Pure: OffsetFetch, and committed offsets as numbers for the metrics.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::{Offset, PartitionIndex};
use crate::coordinator::group::{Fetched, GroupError, GroupMachine, TopicPartitions};
use crate::coordinator::record::OffsetKey;

use super::{GroupOffsets, Kept, Offsets};

/// What was found of topics and their partitions.
pub type FetchedTopics = Vec<(Rc<str>, Vec<Fetched>)>;

/// A topic and a partition of it, as a place among the offsets of a group.
pub type Place = (Rc<str>, PartitionIndex);

/// Where the first offset of any group is, or before.
pub fn before_all() -> Place {
    (Rc::from(""), PartitionIndex::MIN)
}

/// Committed offsets as numbers that another core may have.
#[derive(Clone, Debug, Default)]
pub struct CommittedOffsets {
    /// Group by group.
    pub groups: Vec<CommittedOfGroup>,
    /// How many there are here, each of one group and partition.
    pub count: usize,
    /// How many were left out, since there are too many.
    pub left_out: u64,
}

/// What one group has committed.
#[derive(Clone, Debug)]
pub struct CommittedOfGroup {
    /// The group.
    pub group: Arc<str>,
    /// By topic.
    pub topics: Vec<(Arc<str>, PartitionOffsets)>,
}

/// Partitions of a topic, and an offset of each.
pub type PartitionOffsets = Vec<(PartitionIndex, Offset)>;

impl GroupMachine {
    /// OffsetFetch of some topics' partitions, in the order asked for. An unknown group has no
    /// offsets.
    pub fn fetch(
        &self,
        group: &str,
        topics: &[TopicPartitions],
        stable: bool,
    ) -> Vec<Vec<Fetched>> {
        let fetch = |wanted| self.offsets.fetch(group, wanted, stable);
        topics.iter().map(fetch).collect()
    }

    /// OffsetFetch of everything that the group has committed.
    #[cfg(test)]
    pub fn fetch_all(&self, group: &str, stable: bool) -> FetchedTopics {
        let all = self.fetch_some(group, stable, &before_all(), usize::MAX);
        all.0
    }

    /// OffsetFetch of what the group has committed, from `place` on and at most `most` offsets;
    /// and where the next one is, if there are more.
    pub fn fetch_some(
        &self,
        group: &str,
        stable: bool,
        place: &Place,
        most: usize,
    ) -> (FetchedTopics, Option<Place>) {
        self.offsets.fetch_some(group, stable, place, most)
    }

    /// Copies committed offsets, as long as there are no more than `most` of them.
    pub fn copy_committed(&self, most: usize, to: &mut CommittedOffsets) {
        self.offsets.copy_committed(most, to);
    }
}

impl Offsets {
    /// What is kept of one partition.
    pub(super) fn get(&self, group: &str, topic: &str, partition: PartitionIndex) -> Option<&Kept> {
        self.by_group.get(group)?.get(topic)?.get(&partition)
    }

    /// Whether an open transaction has an offset for this partition.
    pub(super) fn has_pending(&self, group: &str, topic: &str, partition: PartitionIndex) -> bool {
        let is_it = |key: &&OffsetKey| {
            *key.group == *group && *key.topic == *topic && key.partition == partition
        };
        !self.deleted.contains_key(group) && self.pending_keys().any(|key| is_it(&key))
    }

    /// The partitions that open transactions have offsets for.
    pub(super) fn pending_keys(&self) -> impl Iterator<Item = &OffsetKey> {
        self.pending.values().flat_map(BTreeMap::keys)
    }

    /// Whether the group has offsets, those of open transactions included.
    pub fn any_of(&self, group: &str) -> bool {
        self.by_group.contains_key(group) || self.pending_keys().any(|key| *key.group == *group)
    }

    fn read(
        &self,
        group: &str,
        topic: &str,
        partition: PartitionIndex,
        kept: Option<&Kept>,
        stable: bool,
    ) -> Fetched {
        let offset = match stable && self.has_pending(group, topic, partition) {
            true => Err(GroupError::UnstableOffset),
            false => Ok(kept.map(Kept::read)),
        };
        Fetched { partition, offset }
    }

    /// The committed offsets of these partitions. With `stable`, one that an open transaction
    /// may change is an error (KIP-447).
    pub fn fetch(&self, group: &str, wanted: &TopicPartitions, stable: bool) -> Vec<Fetched> {
        let topic = &*wanted.name;
        let fetch = |&partition| {
            let kept = self.get(group, topic, partition);
            let kept = kept.filter(|kept| kept.is_of(wanted.id));
            self.read(group, topic, partition, kept, stable)
        };
        wanted.partitions.iter().map(fetch).collect()
    }

    /// Copies committed offsets, as long as there are no more than `most` of them.
    pub fn copy_committed(&self, most: usize, to: &mut CommittedOffsets) {
        let count_of = |topics: &GroupOffsets| topics.values().map(BTreeMap::len).sum::<usize>();
        for (group, topics) in &self.by_group {
            let count = count_of(topics);
            if to.count + count > most {
                to.left_out += count as u64;
                continue;
            }
            to.count += count;
            let offsets = |partitions: &BTreeMap<PartitionIndex, Kept>| {
                let all = partitions.iter();
                all.map(|(index, kept)| (*index, kept.value.offset))
                    .collect()
            };
            let topics = topics.iter();
            to.groups.push(CommittedOfGroup {
                group: (&**group).into(),
                topics: topics
                    .map(|(name, of)| ((&**name).into(), offsets(of)))
                    .collect(),
            });
        }
    }

    /// The committed offsets of a group from `place` on, at most `most` of them, and where the
    /// next one is, if there are more.
    pub fn fetch_some(
        &self,
        group: &str,
        stable: bool,
        place: &Place,
        most: usize,
    ) -> (FetchedTopics, Option<Place>) {
        let mut found: FetchedTopics = Vec::new();
        let mut left = most;
        let offsets = self.by_group.get(group);
        let topics = offsets.map(|topics| topics.range(place.0.clone()..));
        for (topic, partitions) in topics.into_iter().flatten() {
            let first = match *topic == place.0 {
                true => place.1,
                false => PartitionIndex::MIN,
            };
            let mut list = Vec::new();
            for (&partition, kept) in partitions.range(first..) {
                if left == 0 {
                    if !list.is_empty() {
                        found.push((topic.clone(), list));
                    }
                    return (found, Some((topic.clone(), partition)));
                }
                left -= 1;
                list.push(self.read(group, topic, partition, Some(kept), stable));
            }
            if !list.is_empty() {
                found.push((topic.clone(), list));
            }
        }
        (found, None)
    }
}
