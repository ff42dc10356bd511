//! Pure: requests to groups, as tests make them.

use bytes::Bytes;

use super::{Commit, CommitPartition, CommitTopic, Join, Protocol};
use crate::base::PartitionIndex;
use crate::base::ids::Uuid;

/// A consumer joins; it has one protocol and no instance id.
pub fn join(group: &str, member_id: &str) -> Join {
    Join {
        group: group.into(),
        member_id: member_id.into(),
        instance_id: None,
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: vec![Protocol {
            name: "range".into(),
            metadata: Bytes::new(),
        }],
        reason: None,
        member_id_required: true,
        may_skip_assignment: true,
        unique: Uuid::from_u128(1),
    }
}

/// A client that is no member commits offsets.
pub fn commit(group: &str, topics: Vec<CommitTopic>) -> Commit {
    Commit {
        group: group.into(),
        generation: -1,
        member_id: "".into(),
        instance_id: None,
        retention_ms: None,
        knows_group_not_found: true,
        transaction: None,
        topics,
    }
}

/// The offset of a partition, without metadata.
pub fn partition(partition: PartitionIndex, offset: i64) -> CommitPartition {
    CommitPartition {
        partition,
        offset,
        leader_epoch: -1,
        metadata: "".into(),
    }
}
