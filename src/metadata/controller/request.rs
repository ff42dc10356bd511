//! Pure: what the controller can be asked. Plain values: they cross cores.

use crate::base::ids::Uuid;
use crate::base::{NodeId, PartitionIndex, TopicId};

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
