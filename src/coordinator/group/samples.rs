//! Pure: requests to groups, as tests make them.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::{Commit, CommitPartition, CommitTopic, Join, Memory, Protocol, Topics};
use crate::base::ids::Uuid;
use crate::base::{NodeId, PartitionIndex, TopicId};
use crate::metadata::image::{Delta, Image, ResourceKind};
use crate::metadata::record::{self, MetadataRecord};

/// A cluster with topics of these names, ids and counts of partitions, at this version.
pub fn topics_at(version: i64, topics: &[(&str, u128, i32)]) -> Topics {
    cluster_at(version, topics, &[])
}

/// The same, with settings of groups: group, name and value.
pub fn cluster_at(
    version: i64,
    topics: &[(&str, u128, i32)],
    settings: &[(&str, &str, &str)],
) -> Topics {
    let mut delta = Delta::new(&Image::empty("c"));
    for (name, id, partitions) in topics {
        let topic_id = TopicId(Uuid::from_u128(*id));
        let topic = record::Topic {
            name: (*name).to_owned(),
            topic_id,
        };
        delta.replay(&MetadataRecord::Topic(topic)).unwrap();
        for partition_id in 0..*partitions {
            let partition = record::Partition {
                partition_id,
                topic_id,
                replicas: vec![NodeId(1)],
                isr: vec![NodeId(1)],
                removing_replicas: Vec::new(),
                adding_replicas: Vec::new(),
                leader: NodeId(1),
                leader_recovery_state: 0,
                leader_epoch: 0,
                partition_epoch: 0,
                directories: Vec::new(),
                eligible_leader_replicas: None,
                last_known_elr: None,
            };
            delta.replay(&MetadataRecord::Partition(partition)).unwrap();
        }
    }
    for (group, name, value) in settings {
        let setting = record::Config {
            resource_type: ResourceKind::Group.id(),
            resource_name: (*group).to_owned(),
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
        };
        delta.replay(&MetadataRecord::Config(setting)).unwrap();
    }
    Topics::of(Arc::new(delta.apply(version + 1)))
}

/// The same at some version.
pub fn topics(topics: &[(&str, u128, i32)]) -> Topics {
    topics_at(7, topics)
}

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
        names_ids: true,
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

/// Memory of so many bytes, and what is counted of it.
pub struct Bounded(pub usize, pub Rc<Cell<usize>>);

impl Memory for Bounded {
    fn can_take(&self, bytes: usize) -> bool {
        self.1.get() + bytes <= self.0
    }

    fn count(&mut self, bytes: usize) {
        self.1.set(bytes);
    }
}
