//! Pure: which requests may commit and fetch the offsets of a consumer group (`ConsumerGroup` of
//! Kafka, with the epochs of KIP-1251).

use crate::base::{PartitionIndex, TopicId};
use crate::coordinator::group::request::{Commit, GroupError};

use super::ConsumerGroup;
use super::member::Member;

/// What a member is told whose epoch is not its own.
fn stale(member: &Member) -> GroupError {
    match member.is_classic() {
        true => GroupError::IllegalGeneration,
        false => GroupError::StaleMemberEpoch,
    }
}

impl ConsumerGroup {
    /// Whether the sender of a commit may commit at all.
    pub fn check_commit(&self, commit: &Commit) -> Result<(), GroupError> {
        if commit.generation < 0 && self.members.is_empty() {
            // A client that assigns partitions to itself.
            return Ok(());
        }
        let is_transactional = commit.transaction.is_some();
        let names_none = commit.member_id.is_empty() && commit.instance_id.is_none();
        if is_transactional && commit.generation == -1 && names_none {
            // Older versions of a transactional commit name no member.
            return Ok(());
        }
        let member = self.members.get(&commit.member_id);
        let member = member.ok_or(GroupError::UnknownMember)?;
        if !is_transactional && !member.is_classic() && !commit.knows_group_not_found {
            // Versions before 9 have no error code for a stale epoch.
            return Err(GroupError::UnsupportedVersion);
        }
        match commit.generation > member.epoch {
            // TxnOffsetCommit has none either.
            true if is_transactional => Err(GroupError::IllegalGeneration),
            true => Err(stale(member)),
            false => Ok(()),
        }
    }

    /// Whether it may commit for this partition: with an older epoch than the member's only if the
    /// member has had the partition since then. Kafka finds what it has by topic ids alone, which
    /// versions before 10 do not bring.
    pub fn check_commit_of(
        &self,
        commit: &Commit,
        topic: TopicId,
        index: PartitionIndex,
    ) -> Result<(), GroupError> {
        let Some(member) = self.members.get(&commit.member_id) else {
            return Ok(());
        };
        if commit.generation == member.epoch {
            return Ok(());
        }
        let since = member.epoch_of(topic, index).filter(|_| commit.names_ids);
        match since.is_some_and(|since| commit.generation >= since) {
            true => Ok(()),
            false if commit.transaction.is_some() => Err(GroupError::IllegalGeneration),
            false => Err(stale(member)),
        }
    }

    /// Whether a member may fetch offsets. A request that names no member may.
    pub fn check_fetch(&self, member: Option<&str>, epoch: i32) -> Result<(), GroupError> {
        if member.is_none() && epoch < 0 {
            return Ok(());
        }
        let member = member.and_then(|id| self.members.get(id));
        let member = member.ok_or(GroupError::UnknownMember)?;
        match epoch == member.epoch {
            true => Ok(()),
            false => Err(stale(member)),
        }
    }
}
