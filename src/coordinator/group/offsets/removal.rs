//! Pure: offsets are removed: by OffsetDelete, with their topic or group, or since they expired.

use std::ops::Bound;
use std::rc::Rc;

use crate::base::{PartitionIndex, TopicId};
use crate::coordinator::group::classic::Group;
use crate::coordinator::group::step::Timer;
use crate::coordinator::group::{
    GroupConfig, GroupError, GroupMachine, Now, Outcome, PartitionResults, TopicPartitions,
};
use crate::coordinator::record::{OffsetKey, Record};

use super::Offsets;

/// Groups whose offsets are looked at in one go for those that have expired.
const EXPIRED_AT_ONCE: usize = 64;

impl GroupMachine {
    /// OffsetDelete: a result per partition, in the order of the request; `Err` is everybody's.
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

    /// Removes the offsets of topics that are gone.
    pub fn topics_deleted(&mut self, deleted: &[(Rc<str>, TopicId)], out: &mut Outcome) {
        for record in self.offsets.removals_of_topics(deleted) {
            self.write(out, record);
        }
    }

    /// Removes expired offsets, and groups that have neither offsets nor members: of a few
    /// groups at a time, so that others get their turn in between.
    pub(in crate::coordinator::group) fn expire_offsets(&mut self, now: Now, out: &mut Outcome) {
        let after = match &self.expired_upto {
            Some(id) => Bound::Excluded(&**id),
            None => Bound::Unbounded,
        };
        let next = self.groups.range::<str, _>((after, Bound::Unbounded));
        let ids: Vec<_> = next
            .take(EXPIRED_AT_ONCE)
            .map(|(id, _)| id.clone())
            .collect();
        let more = ids.len() == EXPIRED_AT_ONCE;
        self.expired_upto = ids.last().filter(|_| more).cloned();
        let wait_ms = if more {
            0
        } else {
            self.config.retention_check_ms.max(1)
        };
        self.timers
            .set(Timer::Retention, now.instant.after_ms(wait_ms));
        for id in ids {
            self.expire_offsets_of(&id, now, out);
        }
    }

    fn expire_offsets_of(&mut self, id: &Rc<str>, now: Now, out: &mut Outcome) {
        let Some(group) = self.groups.get(id) else {
            return;
        };
        let (records, none_left) = self.offsets.expirations(group, &self.config, now);
        self.probe.expired_offsets.add(records.len() as u64);
        let gone = none_left && group.is_empty();
        if gone {
            tracing::info!(
                group = &**id,
                "group removed: it has neither members nor offsets"
            );
        }
        let tombstone = gone.then(|| Record::Group(id.clone(), None));
        for record in records.into_iter().chain(tombstone) {
            self.write(out, record);
        }
    }
}

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
