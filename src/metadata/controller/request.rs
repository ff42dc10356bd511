//! Pure: what the controller can be asked. Plain values: they cross cores.

use std::sync::Arc;

use crate::base::ids::Uuid;
use crate::base::{ErrorCode, LeaderEpoch, NodeId, PartitionIndex, TopicId};
use crate::metadata::image::QuotaEntity;

/// Topics to be created.
#[derive(Clone, Debug, Default)]
pub struct CreateTopics {
    /// Whether it shall only be said what would happen.
    pub validate_only: bool,
    /// The topics. Their results come in this order, but those of names that stand here more
    /// than once come last, once each.
    pub topics: Vec<NewTopic>,
}

/// A topic to be created.
#[derive(Clone, Debug)]
pub struct NewTopic {
    /// Its name, as it was sent.
    pub name: String,
    /// Count of partitions; -1 for `num.partitions`.
    pub partitions: i32,
    /// Count of replicas of each; -1 for `default.replication.factor`.
    pub replication_factor: i16,
    /// Partitions with the nodes they shall be on; empty to have them placed. The two counts
    /// must be -1 otherwise.
    pub assignments: Vec<(PartitionIndex, Vec<NodeId>)>,
    /// Settings; the last value of a name counts.
    pub configs: Vec<(String, Option<String>)>,
}

/// Topics to be deleted.
#[derive(Clone, Debug)]
pub struct DeleteTopics(pub Vec<TopicRef>);

/// A topic as a request names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicRef {
    /// Its name, unless it is given by id.
    pub name: Option<String>,
    /// Its id; zero unless it is given by id.
    pub id: TopicId,
}

/// Partitions to be added.
#[derive(Clone, Debug, Default)]
pub struct CreatePartitions {
    /// Whether it shall only be said what would happen.
    pub validate_only: bool,
    /// The topics. Names that stand here more than once get one result each, before the others.
    pub topics: Vec<MorePartitions>,
}

/// A topic to which partitions are to be added.
#[derive(Clone, Debug)]
pub struct MorePartitions {
    /// Its name.
    pub name: String,
    /// Count of partitions that it shall have.
    pub count: i32,
    /// The nodes of each new partition; `None` to have them placed.
    pub assignments: Option<Vec<Vec<NodeId>>>,
}

/// Dynamic settings to be changed.
#[derive(Clone, Debug)]
pub struct AlterConfigs {
    /// The node that was asked: only this one's own settings can be changed through it.
    pub node: NodeId,
    /// Whether it shall only be said what would happen.
    pub validate_only: bool,
    /// The resources.
    pub resources: Vec<ResourceChange>,
}

/// Changes of one resource's settings.
#[derive(Clone, Debug)]
pub struct ResourceChange {
    /// The kind of resource, as it was sent.
    pub kind: i8,
    /// The resource's name.
    pub name: String,
    /// What changes.
    pub change: ConfigChange,
}

/// What changes of a resource's settings.
#[derive(Clone, Debug)]
pub enum ConfigChange {
    /// All of them: these shall be the settings, and no others.
    Replace(Vec<(String, Option<String>)>),
    /// Some of them: name, operation (0 set, 1 delete, 2 append, 3 subtract; KIP-339), value.
    Each(Vec<(String, i8, Option<String>)>),
}

/// Limits of users, clients and addresses to be changed.
#[derive(Clone, Debug, Default)]
pub struct AlterClientQuotas {
    /// Whether it shall only be said what would happen.
    pub validate_only: bool,
    /// The changes, an entity each.
    pub changes: Vec<QuotaChange>,
}

/// Limits of one entity to be changed.
#[derive(Clone, Debug)]
pub struct QuotaChange {
    /// Whose.
    pub entity: QuotaEntity,
    /// Each limit's name, and its new value; `None` removes it.
    pub ops: Vec<(String, Option<f64>)>,
}

/// Levels of features to be changed: all of them, or none.
#[derive(Clone, Debug, Default)]
pub struct UpdateFeatures {
    /// Whether it shall only be said what would happen.
    pub validate_only: bool,
    /// The changes.
    pub changes: Vec<FeatureChange>,
}

/// The level of a feature to be changed.
#[derive(Clone, Debug)]
pub struct FeatureChange {
    /// Its name.
    pub name: String,
    /// The level; 0 switches it off.
    pub level: i16,
    /// 1 up, 2 down if nothing is lost by it, 3 down in any case (KIP-584).
    pub upgrade_type: i8,
}

/// Partitions that shall be on other nodes, or stay where they are (KIP-455).
#[derive(Clone, Debug)]
pub struct Reassign {
    /// Whether the count of replicas may change.
    pub any_factor: bool,
    /// The partitions, at most as many as a decision may have records; their results come in this
    /// order.
    pub partitions: Vec<Reassignment>,
}

/// A partition that shall be on other nodes.
#[derive(Clone, Debug)]
pub struct Reassignment {
    /// The topic's name.
    pub topic: Arc<str>,
    /// Its partition.
    pub index: PartitionIndex,
    /// The nodes; `None` to give up a move that is not done yet.
    pub replicas: Option<Vec<NodeId>>,
}

/// The log of a partition lies with the node that it was to go to: that one leads from now on.
#[derive(Clone, Copy, Debug)]
pub struct EndMove {
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub index: PartitionIndex,
    /// The node.
    pub to: NodeId,
    /// The node's log directory.
    pub directory: Uuid,
}

/// A block of producer ids is to be given to this node.
#[derive(Clone, Copy, Debug)]
pub struct AllocateProducerIds(pub NodeId);

/// A new leadership term is to begin for every partition that this node leads: its logs may have
/// lost records that were not flushed, and readers shall be able to tell (KIP-320).
#[derive(Clone, Copy, Debug)]
pub struct RenewLeaders(pub NodeId);

/// Log directories of a node have failed: partitions in them lose their leader.
#[derive(Clone, Debug)]
pub struct FailDirectories {
    /// The node.
    pub node: NodeId,
    /// Their ids.
    pub directories: Vec<Uuid>,
}

/// Replicas of a node lie in this log directory, whatever the metadata says (Kafka's
/// AssignReplicasToDirs).
#[derive(Clone, Debug)]
pub struct AssignDirectories {
    /// The node.
    pub node: NodeId,
    /// The directory's id.
    pub directory: Uuid,
    /// The partitions.
    pub partitions: Vec<(TopicId, PartitionIndex)>,
}

/// The replicas in sync of partitions that one node leads shall change (Kafka's AlterPartition).
/// At most one change of a partition is under way at a time.
#[derive(Clone, Debug)]
pub struct AlterPartition {
    /// The node that leads them.
    pub node: NodeId,
    /// The changes; their results come in this order.
    pub changes: Vec<IsrChange>,
}

/// The replicas in sync of one partition shall change. The leader counts as recovered: one that
/// was elected uncleanly has recovered by the time it asks for anything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IsrChange {
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub index: PartitionIndex,
    /// The term in which the node leads.
    pub leader_epoch: LeaderEpoch,
    /// The state of the partition that the change is made from.
    pub partition_epoch: i32,
    /// The replicas that shall be in sync, the leader among them, each with the broker epoch that
    /// it was last seen with; -1 where it was not seen yet, which the controller does not check
    /// (KIP-903).
    pub isr: Vec<(NodeId, i64)>,
}

/// A partition's state after a change, or as it was where the change had no effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlteredPartition {
    /// The leader.
    pub leader: NodeId,
    /// Its term.
    pub leader_epoch: LeaderEpoch,
    /// Count of the partition's changes.
    pub partition_epoch: i32,
    /// The replicas in sync.
    pub isr: Vec<NodeId>,
}

/// Why the controller did not change a partition's replicas in sync, or does not say how it is now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AlterPartitionError {
    /// A replica of the new set is fenced, shuts down, or is registered with another epoch.
    #[error("a replica that shall be in sync is not eligible")]
    IneligibleReplica,
    /// It was refused before it was looked at.
    #[error("the change was not attempted")]
    NotAttempted,
    /// The asker's state is older than the controller's: the metadata log says what is true.
    #[error("the leader's state of the partition is not the newest")]
    Outdated,
    /// The change was made and another replica leads now: the metadata log says which.
    #[error("the change was made, and another replica leads now")]
    NewLeaderElected,
    /// This controller is not the active one, or not up to date.
    #[error("the controller is not the active one")]
    NotController,
    /// Another error, which a later try may not get.
    #[error("error {0:?}")]
    Other(ErrorCode),
}

/// Why no controller answered a request at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AlterPartitionFailure {
    /// The controller is part of this process, where each partition has one replica.
    #[error("this broker is no part of a cluster: replicas in sync cannot change")]
    NoCluster,
    /// No active controller could be reached, or it does not know this node's registration (yet).
    #[error("no active controller has taken the request")]
    Unanswered,
}

/// The answer to [`AlterPartition`]: a result for each change, in the order of the request.
pub type AlterPartitionReply =
    Result<Vec<Result<AlteredPartition, AlterPartitionError>>, AlterPartitionFailure>;

impl AlterPartitionError {
    /// The error that a code of a partition in Kafka's answer stands for; `None` for success.
    pub fn from_code(code: ErrorCode) -> Option<AlterPartitionError> {
        Some(match code {
            ErrorCode::NONE => return None,
            ErrorCode::INELIGIBLE_REPLICA => AlterPartitionError::IneligibleReplica,
            ErrorCode::OPERATION_NOT_ATTEMPTED => AlterPartitionError::NotAttempted,
            ErrorCode::FENCED_LEADER_EPOCH
            | ErrorCode::INVALID_UPDATE_VERSION
            | ErrorCode::UNKNOWN_TOPIC_ID
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::INVALID_REQUEST => AlterPartitionError::Outdated,
            ErrorCode::NEW_LEADER_ELECTED => AlterPartitionError::NewLeaderElected,
            ErrorCode::NOT_CONTROLLER => AlterPartitionError::NotController,
            other => AlterPartitionError::Other(other),
        })
    }
}

impl CreateTopics {
    /// Shall be created.
    pub fn new(topics: Vec<NewTopic>) -> CreateTopics {
        CreateTopics {
            validate_only: false,
            topics,
        }
    }
}

impl NewTopic {
    /// A topic of `partitions` partitions with the default count of replicas.
    pub fn new(name: &str, partitions: i32) -> NewTopic {
        NewTopic {
            name: name.to_owned(),
            partitions,
            replication_factor: -1,
            assignments: Vec::new(),
            configs: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_alter_partition_are_what_kafka_means_by_them() {
        let error = |code| AlterPartitionError::from_code(ErrorCode(code));
        assert_eq!(error(0), None);
        assert_eq!(error(107), Some(AlterPartitionError::IneligibleReplica));
        assert_eq!(error(55), Some(AlterPartitionError::NotAttempted));
        for outdated in [74, 95, 100, 3, 42] {
            assert_eq!(error(outdated), Some(AlterPartitionError::Outdated));
        }
        assert_eq!(error(108), Some(AlterPartitionError::NewLeaderElected));
        assert_eq!(error(41), Some(AlterPartitionError::NotController));
        let other = AlterPartitionError::Other(ErrorCode(29));
        assert_eq!(error(29), Some(other));
    }
}
