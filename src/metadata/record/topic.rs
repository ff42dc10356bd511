//! Pure: records about topics and their partitions.

use crate::base::ids::Uuid;
use crate::base::{NodeId, TopicId};

use super::field::fields;

/// In [`PartitionChange::leader`]: the leader stays and its epoch too.
pub const NO_LEADER_CHANGE: NodeId = NodeId(-2);

fields! {
    /// Key 2: a topic comes into being. Its configs and partitions follow in the same batch.
    Topic {
        /// Unique among the topics that exist.
        name: String,
        /// Unique for ever.
        topic_id: TopicId,
    }
}

fields! {
    /// Key 3, versions 0-2: a partition comes into being.
    Partition {
        /// Index within the topic.
        partition_id: i32,
        /// The topic.
        topic_id: TopicId,
        /// All replicas, the preferred leader first.
        replicas: Vec<NodeId>,
        /// Those in sync.
        isr: Vec<NodeId>,
        /// Those on their way out.
        removing_replicas: Vec<NodeId>,
        /// Those on their way in.
        adding_replicas: Vec<NodeId>,
        /// The leader; -1 for none.
        leader: NodeId,
        /// Count of leadership terms so far.
        leader_epoch: i32,
        /// Count of changes so far.
        partition_epoch: i32,
        /// The log directory of each replica, in the replicas' order (KIP-858).
        directories: Vec<Uuid> [since 1],
    }
    tagged {
        /// 1 while the leader recovers from an unclean election, else 0.
        0 leader_recovery_state: i8 = 0,
        /// Replicas that may lead although out of sync (KIP-966).
        1 eligible_leader_replicas: Option<Vec<NodeId>> [since 2] = None,
        /// The last known such replicas.
        2 last_known_elr: Option<Vec<NodeId>> [since 2] = None,
    }
}

fields! {
    /// Key 5, versions 0-2: what of a partition changed; all else stays. Each of these raises
    /// the partition's epoch by one, and one that names a leader also the leader's.
    PartitionChange {
        /// Index within the topic.
        partition_id: i32,
        /// The topic.
        topic_id: TopicId,
    }
    tagged {
        /// Replicas in sync.
        0 isr: Option<Vec<NodeId>> = None,
        /// The leader; -1 for none, [`NO_LEADER_CHANGE`] for no change.
        1 leader: NodeId = NO_LEADER_CHANGE,
        /// All replicas.
        2 replicas: Option<Vec<NodeId>> = None,
        /// Those on their way out.
        3 removing_replicas: Option<Vec<NodeId>> = None,
        /// Those on their way in.
        4 adding_replicas: Option<Vec<NodeId>> = None,
        /// As in [`Partition`]; -1 for no change.
        5 leader_recovery_state: i8 = -1,
        /// As in [`Partition`].
        6 eligible_leader_replicas: Option<Vec<NodeId>> [since 2] = None,
        /// As in [`Partition`].
        7 last_known_elr: Option<Vec<NodeId>> [since 2] = None,
        /// As in [`Partition`].
        8 directories: Option<Vec<Uuid>> [since 1] = None,
    }
}

fields! {
    /// Key 9: a topic is gone, its configs too.
    RemoveTopic {
        /// The topic.
        topic_id: TopicId,
    }
}

fields! {
    /// Key 28: the eligible leader replicas of a topic's partitions are forgotten, because its
    /// `min.insync.replicas` changed.
    ClearElr {
        /// The topic's name; empty for all topics.
        topic_name: String,
    }
}

impl PartitionChange {
    /// A change of nothing, to be filled in.
    pub fn none(topic_id: TopicId, partition_id: i32) -> PartitionChange {
        PartitionChange {
            partition_id,
            topic_id,
            isr: None,
            leader: NO_LEADER_CHANGE,
            replicas: None,
            removing_replicas: None,
            adding_replicas: None,
            leader_recovery_state: -1,
            eligible_leader_replicas: None,
            last_known_elr: None,
            directories: None,
        }
    }
}
