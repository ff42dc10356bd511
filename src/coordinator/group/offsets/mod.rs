//! Pure: committed offsets: commit, fetch, delete, expire.
//!
//! Offsets committed inside a transaction wait beside the others until its marker comes. This
//! broker takes no transactional commits yet; they occur in logs that a Kafka broker wrote.

mod commit;
mod expiry;
mod fetch;
mod removal;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::{Offset, PartitionIndex, ProducerId, TopicId, WallMs};
use crate::coordinator::record::{OffsetKey, OffsetValue};
use crate::coordinator::runtime::Origin;

use super::config::GroupConfig;
use super::kind::AnyGroup;
use super::memory;
use super::request::Committed;

pub(super) use expiry::ExpiryPlace;
pub use fetch::{CommittedOfGroup, CommittedOffsets, FetchedTopics, Place, before_all};
pub(super) use removal::{Allowance, SearchPlace};

/// Offsets of one group, by topic and partition.
type GroupOffsets = BTreeMap<Rc<str>, BTreeMap<PartitionIndex, Kept>>;

/// All offsets of one partition of `__consumer_offsets`.
#[derive(Default, Debug)]
pub(super) struct Offsets {
    by_group: BTreeMap<Rc<str>, GroupOffsets>,
    /// Offsets of groups that are being deleted, which are shown to no client.
    deleted: BTreeMap<Rc<str>, GroupOffsets>,
    /// Offsets of open transactions, by producer.
    pending: BTreeMap<ProducerId, BTreeMap<OffsetKey, Kept>>,
    /// Memory that all of them take.
    pub bytes: usize,
    /// How many records were taken over that are on their way into the log.
    new_count: Offset,
}

/// Stands for the position of the first record that is on its way into the log; the others follow.
/// Behind all that are there.
const NEW_POSITIONS: Offset = 1 << 62;

/// An offset, and the position in the log of the record that holds it.
#[derive(Clone, Debug)]
struct Kept {
    position: Offset,
    value: OffsetValue,
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

    fn is_expired(&self, group: &AnyGroup, config: &GroupConfig, now: WallMs) -> bool {
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
        let position = match origin.position {
            Offset::MAX => {
                self.new_count += 1;
                NEW_POSITIONS + self.new_count
            }
            known => known,
        };
        let kept = Kept {
            position,
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
        for (group, topics) in self.by_group.iter().chain(&self.deleted) {
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
        // No group is in both: while one is deleted, none of its name can be made.
        let of_deleted = self.deleted.get_mut(&key.group);
        let is_deleted = of_deleted.is_some();
        let Some(topics) = of_deleted.or_else(|| self.by_group.get_mut(&key.group)) else {
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
        if topics.is_empty() && !is_deleted {
            self.by_group.remove(&key.group);
            self.bytes -= memory::of_name(&key.group);
        }
    }
}
