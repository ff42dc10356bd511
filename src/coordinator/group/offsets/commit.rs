//! Pure: OffsetCommit.

use crate::coordinator::group::memory;
use crate::coordinator::group::{
    Commit, CommitPartition, CommitTopic, GroupConfig, GroupError, GroupMachine, Now, Outcome,
    PartitionResults,
};
use crate::coordinator::record::{Encoded, OffsetKey, OffsetValue, Record};
use crate::coordinator::runtime::{Machine, Origin};

impl GroupMachine {
    /// OffsetCommit: a result per partition, in the order of the request; `Err` is that of all.
    pub fn commit(
        &mut self,
        commit: &Commit,
        now: Now,
        out: &mut Outcome,
    ) -> Result<PartitionResults, GroupError> {
        let is_transactional = commit.transaction.is_some();
        if !self.groups.contains_key(&commit.group) {
            if commit.generation >= 0 {
                return Err(match commit.knows_group_not_found && !is_transactional {
                    true => GroupError::GroupNotFound,
                    false => GroupError::IllegalGeneration,
                });
            }
            if self.deletions.contains_key(&commit.group) {
                return Err(GroupError::Loading);
            }
            if !self.has_memory_for_group(&commit.group) {
                return Err(GroupError::NoMemory);
            }
            // A client that assigns partitions to itself makes its group by its first commit.
            self.create_group(&commit.group, now);
        }
        self.check_commit(commit, now, out)?;
        let mut written = Vec::new();
        let mut results = Vec::with_capacity(commit.topics.len());
        for topic in &commit.topics {
            let mut of_topic = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let record = self
                    .check_commit_of(commit, topic.id, partition.partition)
                    .and_then(|()| commit_record(&self.config, now, commit, topic, partition));
                if let Err(refused @ (GroupError::RecordTooLarge | GroupError::IllegalGeneration)) =
                    record
                    && (is_transactional || refused == GroupError::RecordTooLarge)
                {
                    return Err(refused);
                }
                of_topic.push((
                    partition.partition,
                    record.as_ref().map(|_| ()).map_err(|e| *e),
                ));
                written.extend(record);
            }
            results.push(of_topic);
        }
        if !self.has_memory_for_offsets(&written, is_transactional) {
            return Err(GroupError::NoMemory);
        }
        self.probe.committed_offsets.add(written.len() as u64);
        out.transaction = commit.transaction;
        let origin = Origin {
            transaction: commit.transaction.map(|it| it.producer_id),
            ..Origin::NEW
        };
        for (record, encoded) in written {
            self.replay(&record, origin);
            out.records.push(encoded);
        }
        Ok(results)
    }

    /// Whether there is memory for these offsets beside those that are there.
    fn has_memory_for_offsets(&self, written: &[(Record, Encoded)], is_pending: bool) -> bool {
        let more = written.iter().map(|(record, _)| match record {
            // Those of a transaction are kept beside the others.
            Record::Offset(key, Some(value)) if is_pending => memory::of_pending_offset(key, value),
            Record::Offset(key, Some(value)) => self.offsets.bytes_more(key, value),
            _ => 0,
        });
        let more: usize = more.sum();
        more == 0 || self.memory.can_take(more)
    }
}

/// The record of one committed partition, or why it is refused.
fn commit_record(
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
