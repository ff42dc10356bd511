//! Pure: committed offsets: commit, fetch, delete, expire.
//!
//! Offsets committed inside a transaction wait beside the others until its marker comes. This
//! broker takes no transactional commits yet; they occur in logs that a Kafka broker wrote.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::{Offset, PartitionIndex, ProducerId, TopicId, WallMs};
use crate::coordinator::record::{Encoded, OffsetKey, OffsetValue, Record};

use super::classic::Group;
use super::memory;
use super::request::{
    Commit, CommitPartition, CommitTopic, Committed, Fetched, GroupConfig, GroupError, Now,
    TopicPartitions,
};

/// What was found of topics and their partitions.
pub type FetchedTopics = Vec<(Rc<str>, Vec<Fetched>)>;

/// A topic and a partition of it, as a place among the offsets of a group.
pub type Place = (Rc<str>, PartitionIndex);

/// Where the first offset of any group is, or before.
pub fn before_all() -> Place {
    (Rc::from(""), PartitionIndex::MIN)
}

/// Offsets of one group, by topic and partition.
type GroupOffsets = BTreeMap<Rc<str>, BTreeMap<PartitionIndex, Kept>>;

/// All offsets of one partition of `__consumer_offsets`.
#[derive(Default, Debug)]
pub(super) struct Offsets {
    by_group: BTreeMap<Rc<str>, GroupOffsets>,
    /// Offsets of open transactions, by producer.
    pending: BTreeMap<ProducerId, BTreeMap<OffsetKey, Kept>>,
    /// Memory that all of them take.
    pub bytes: usize,
}

/// An offset, and the position in the log of the record that holds it.
#[derive(Clone, Debug)]
struct Kept {
    position: Offset,
    value: OffsetValue,
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

/// Where a record stands in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The record's offset; `Offset::MAX` for one that is on its way there.
    pub position: Offset,
    /// The producer whose open transaction it belongs to.
    pub transaction: Option<ProducerId>,
}

// === impl Origin ===

impl Origin {
    /// A record that this broker has just made.
    pub const NEW: Origin = Origin {
        position: Offset::MAX,
        transaction: None,
    };
}

// === impl Kept ===

impl Kept {
    fn read(&self) -> Committed {
        Committed {
            offset: self.value.offset,
            leader_epoch: self.value.leader_epoch,
            metadata: self.value.metadata.clone(),
        }
    }

    /// Whether it was committed for the topic that has this id, as far as both are known.
    fn is_of(&self, topic: TopicId) -> bool {
        let kept = self.value.topic_id;
        kept == TopicId::ZERO || topic == TopicId::ZERO || kept == topic
    }

    fn is_expired(&self, group: &Group, config: &GroupConfig, now: WallMs) -> bool {
        let Some(start) = group.retention_start(self.value.commit_timestamp) else {
            return false;
        };
        match self.value.expire_timestamp {
            Some(expiry) => now >= expiry,
            None => now - start >= config.offsets_retention_ms,
        }
    }
}

// === impl Offsets: the log ===

impl Offsets {
    /// Takes over a record.
    pub fn replay(&mut self, key: &OffsetKey, value: Option<&OffsetValue>, origin: Origin) {
        let Some(value) = value else {
            self.remove(key);
            for pending in self.pending.values_mut() {
                if let Some(kept) = pending.remove(key) {
                    self.bytes -= memory::of_pending_offset(key, &kept.value);
                }
            }
            return;
        };
        let kept = Kept {
            position: origin.position,
            value: value.clone(),
        };
        match origin.transaction {
            None => self.put(key, kept),
            Some(producer) => {
                self.bytes += memory::of_pending_offset(key, &kept.value);
                let pending = self.pending.entry(producer).or_default();
                if let Some(old) = pending.insert(key.clone(), kept) {
                    self.bytes -= memory::of_pending_offset(key, &old.value);
                }
            }
        }
    }

    /// Takes over the end of a producer's transaction: its offsets count now, or never.
    pub fn replay_marker(&mut self, producer: ProducerId, committed: bool) {
        let pending = self.pending.remove(&producer).unwrap_or_default();
        for (key, kept) in &pending {
            self.bytes -= memory::of_pending_offset(key, &kept.value);
        }
        if !committed {
            return;
        }
        for (key, kept) in pending {
            // An offset that was committed later, outside the transaction, stays.
            let newer = self.get(&key.group, &key.topic, key.partition);
            if newer.is_none_or(|newer| newer.position < kept.position) {
                self.put(&key, kept);
            }
        }
    }

    fn put(&mut self, key: &OffsetKey, kept: Kept) {
        let bytes = &mut self.bytes;
        let topics = self.by_group.entry(key.group.clone()).or_insert_with(|| {
            *bytes += memory::of_name(&key.group);
            GroupOffsets::default()
        });
        let partitions = topics.entry(key.topic.clone()).or_insert_with(|| {
            *bytes += memory::of_name(&key.topic);
            BTreeMap::default()
        });
        *bytes += memory::of_offset(&kept.value);
        if let Some(old) = partitions.insert(key.partition, kept) {
            *bytes -= memory::of_offset(&old.value);
        }
    }

    /// Memory that one more offset would take.
    pub fn bytes_more(&self, key: &OffsetKey, value: &OffsetValue) -> usize {
        let topics = self.by_group.get(&key.group);
        let partitions = topics.and_then(|topics| topics.get(&key.topic));
        let known = partitions.and_then(|partitions| partitions.get(&key.partition));
        let new = |is_new: bool, name: &str| if is_new { memory::of_name(name) } else { 0 };
        let more = memory::of_offset(value)
            + new(topics.is_none(), &key.group)
            + new(partitions.is_none(), &key.topic);
        more.saturating_sub(known.map_or(0, |known| memory::of_offset(&known.value)))
    }

    /// The memory that all of them take, counted anew.
    #[cfg(test)]
    pub fn measure(&self) -> usize {
        let mut bytes = 0;
        for (group, topics) in &self.by_group {
            bytes += memory::of_name(group);
            for (topic, partitions) in topics {
                bytes += memory::of_name(topic);
                let offsets = partitions.values();
                bytes += offsets
                    .map(|it| memory::of_offset(&it.value))
                    .sum::<usize>();
            }
        }
        let pending = self.pending.values().flatten();
        let pending = pending.map(|(key, it)| memory::of_pending_offset(key, &it.value));
        bytes + pending.sum::<usize>()
    }

    fn remove(&mut self, key: &OffsetKey) {
        let Some(topics) = self.by_group.get_mut(&key.group) else {
            return;
        };
        if let Some(partitions) = topics.get_mut(&key.topic) {
            if let Some(old) = partitions.remove(&key.partition) {
                self.bytes -= memory::of_offset(&old.value);
            }
            if partitions.is_empty() {
                topics.remove(&key.topic);
                self.bytes -= memory::of_name(&key.topic);
            }
        }
        if topics.is_empty() {
            self.by_group.remove(&key.group);
            self.bytes -= memory::of_name(&key.group);
        }
    }
}

// === impl Offsets: looking ===

impl Offsets {
    fn get(&self, group: &str, topic: &str, partition: PartitionIndex) -> Option<&Kept> {
        self.by_group.get(group)?.get(topic)?.get(&partition)
    }

    fn has_pending(&self, group: &str, topic: &str, partition: PartitionIndex) -> bool {
        let is_it = |key: &&OffsetKey| {
            *key.group == *group && *key.topic == *topic && key.partition == partition
        };
        self.pending_keys().any(|key| is_it(&key))
    }

    fn pending_keys(&self) -> impl Iterator<Item = &OffsetKey> {
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

// === impl Offsets: deciding ===

impl Offsets {
    /// The records that remove all of a group's offsets.
    pub fn removals_of_group(&self, group: &str) -> Vec<Record> {
        let topics = self.by_group.get(group).into_iter().flatten();
        let kept = topics.flat_map(|(topic, partitions)| {
            partitions
                .keys()
                .map(|&partition| key(group, topic, partition))
        });
        let mut keys: Vec<_> = kept.collect();
        keys.extend(
            self.pending_keys()
                .filter(|key| *key.group == *group)
                .cloned(),
        );
        keys.sort();
        keys.dedup();
        keys.into_iter()
            .map(|key| Record::Offset(key, None))
            .collect()
    }

    /// The record that removes one offset, if there is one to remove.
    pub fn removal(&self, group: &str, topic: &str, partition: PartitionIndex) -> Option<Record> {
        let known = self.get(group, topic, partition).is_some()
            || self.has_pending(group, topic, partition);
        known.then(|| Record::Offset(key(group, topic, partition), None))
    }

    /// The records that remove the offsets of deleted topics (name and id).
    pub fn removals_of_topics(&self, deleted: &[(Rc<str>, TopicId)]) -> Vec<Record> {
        let mut records = Vec::new();
        for (group, topics) in &self.by_group {
            for (topic, id) in deleted {
                for (&partition, kept) in topics.get(topic).into_iter().flatten() {
                    if kept.is_of(*id) {
                        records.push(Record::Offset(key(group, topic, partition), None));
                    }
                }
            }
        }
        records
    }

    /// The records that remove the group's expired offsets, and whether none is left then.
    pub fn expirations(
        &self,
        group: &Group,
        config: &GroupConfig,
        now: Now,
    ) -> (Vec<Record>, bool) {
        let mut records = Vec::new();
        let mut left = 0usize;
        for (topic, partitions) in self.by_group.get(&group.id).into_iter().flatten() {
            let consumed = group.is_subscribed_to(topic);
            for (&partition, kept) in partitions {
                if !consumed
                    && kept.is_expired(group, config, now.wall_ms)
                    && !self.has_pending(&group.id, topic, partition)
                {
                    records.push(Record::Offset(key(&group.id, topic, partition), None));
                } else {
                    left += 1;
                }
            }
        }
        let pending = self.pending_keys().any(|key| key.group == group.id);
        (records, left == 0 && !pending)
    }
}

fn key(group: &str, topic: &str, partition: PartitionIndex) -> OffsetKey {
    OffsetKey {
        group: group.into(),
        topic: topic.into(),
        partition,
    }
}

/// The record of one committed partition, or why it is refused.
pub(super) fn commit_record(
    config: &GroupConfig,
    now: Now,
    commit: &Commit,
    topic: &CommitTopic,
    partition: &CommitPartition,
) -> Result<(Record, Encoded), GroupError> {
    let metadata = &partition.metadata;
    let limit = config.offset_metadata_max;
    if metadata.len() > limit && metadata.encode_utf16().count() > limit {
        return Err(GroupError::MetadataTooLarge);
    }
    let record = Record::Offset(
        OffsetKey {
            group: commit.group.clone(),
            topic: topic.name.clone(),
            partition: partition.partition,
        },
        Some(OffsetValue {
            offset: partition.offset,
            leader_epoch: partition.leader_epoch,
            metadata: metadata.clone(),
            commit_timestamp: now.wall_ms,
            expire_timestamp: commit.retention_ms.map(|ms| now.wall_ms.saturating_add(ms)),
            topic_id: topic.id,
        }),
    );
    let encoded = record.encode().ok_or(GroupError::Unexpected)?;
    if encoded.size_bytes() > config.record_bytes_max {
        return Err(GroupError::RecordTooLarge);
    }
    Ok((record, encoded))
}
