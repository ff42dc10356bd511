//! Pure: log directories (KIP-858): which one a new partition goes to, and what follows when one
//! is lost or comes back.

use std::collections::BTreeMap;

use crate::base::NodeId;
use crate::base::ids::Uuid;
use crate::metadata::controller::request::AssignDirectories;
use crate::metadata::image::{Image, Partition};
use crate::metadata::record::{self, BrokerRegistrationChange, MetadataRecord, PartitionChange};

use super::nodes::NodeStart;
use super::{Deciding, Decision};

/// Kafka's `DirectoryId.RESERVED`: ids below this one name no directory.
const RESERVED: u128 = 100;

/// How many partitions each log directory holds, of the nodes that have several.
#[derive(Debug, Default)]
pub(super) struct Directories {
    /// The directories of each node that has several, with their counts, in the node's order.
    of_node: BTreeMap<NodeId, Vec<(Uuid, usize)>>,
}

impl Directories {
    /// Counts what is in `image`; at no cost where no node has several directories.
    pub fn new(image: &Image) -> Directories {
        let several = image.brokers.iter().filter(|one| one.log_dirs.len() > 1);
        let empty = |id: &Uuid| (*id, 0);
        let of_node = several.map(|broker| {
            let counts = broker.log_dirs.iter().map(empty).collect();
            (broker.id, counts)
        });
        let mut directories = Directories {
            of_node: of_node.collect(),
        };
        if !directories.of_node.is_empty() {
            let topics = image.topics.iter();
            for partition in topics.flat_map(|topic| &topic.partitions) {
                for (node, id) in partition.replicas.iter().zip(&partition.directories) {
                    directories.count(*node, *id);
                }
            }
        }
        directories
    }

    /// The same, with only those directories of a node to choose from that `near` holds for,
    /// where there are any.
    pub fn only(&self, near: &dyn Fn(Uuid) -> bool) -> Directories {
        let mut of_node = self.of_node.clone();
        for all in of_node.values_mut() {
            if all.iter().any(|(id, _)| near(*id)) {
                all.retain(|(id, _)| near(*id));
            }
        }
        Directories { of_node }
    }

    /// Counts a partition that was placed.
    pub fn note(&mut self, partition: &record::Partition) {
        for (node, id) in partition.replicas.iter().zip(&partition.directories) {
            self.count(*node, *id);
        }
    }

    fn count(&mut self, node: NodeId, id: Uuid) {
        let counts = self.of_node.get_mut(&node);
        let held = counts.and_then(|all| all.iter_mut().find(|(one, _)| *one == id));
        if let Some((_, count)) = held {
            *count += 1;
        }
    }

    /// The directory of `node` with the fewest partitions, the first of them, for one more;
    /// `only` is its directory where it has one.
    pub fn take(&mut self, node: NodeId, only: Option<Uuid>) -> Uuid {
        let counts = self.of_node.get_mut(&node);
        let least = counts.and_then(|all| all.iter_mut().min_by_key(|(_, count)| *count));
        match least {
            Some((id, count)) => {
                *count += 1;
                *id
            }
            None => only.unwrap_or(Uuid::nil()),
        }
    }
}

/// Whether an id stands for no directory in particular: not assigned, lost, being migrated.
pub fn is_reserved(id: Uuid) -> bool {
    id.as_u128() < RESERVED
}

/// The records that follow from the directories with which nodes start: a partition in a directory
/// that is missing has no leader until the directory is back.
pub fn follow_directories(image: &Image, nodes: &[NodeStart]) -> Vec<MetadataRecord> {
    let usable = |node: NodeId, id: Uuid| {
        let start = nodes.iter().find(|start| start.id == node);
        start.is_some_and(|start| is_reserved(id) || start.log_dirs.contains(&id))
    };
    elect(image, usable)
}

/// Takes directories of `node` that have failed out of its registration, and the leader from
/// every partition in one of them. The answer is how many partitions that was.
pub fn fail_directories(with: &Deciding<'_>, node: NodeId, failed: &[Uuid]) -> Decision<usize> {
    let image = with.image;
    let usable = |of: NodeId, id: Uuid| {
        let known = image.brokers.get(of);
        let known = known.is_some_and(|broker| broker.log_dirs.contains(&id));
        (known || is_reserved(id)) && !(of == node && failed.contains(&id))
    };
    let mut records = elect(image, usable);
    let answer = records.len();
    if let Some(broker) = image.brokers.get(node) {
        let left = broker.log_dirs.iter().filter(|id| !failed.contains(id));
        let change = BrokerRegistrationChange {
            broker_id: node,
            broker_epoch: broker.epoch,
            fenced: 0,
            in_controlled_shutdown: 0,
            log_dirs: left.copied().collect(),
            cordoned_log_dirs: None,
        };
        if change.log_dirs.len() < broker.log_dirs.len() {
            records.insert(0, change.into());
        }
    }
    Decision { records, answer }
}

/// Notes where replicas lie; those that are there lead, where nothing does. Whether all of that
/// could be noted; partitions that are not there, or not with the node, do not count.
pub fn assign_directories(with: &Deciding<'_>, asked: &AssignDirectories) -> Decision<bool> {
    let broker = with.image.brokers.get(asked.node);
    let is_known = broker.is_some_and(|broker| broker.log_dirs.contains(&asked.directory));
    let assigned = asked.partitions.iter().filter_map(|(topic_id, index)| {
        let topic = with.image.topics.with_id(*topic_id)?;
        let partition = topic.partition(*index)?;
        let at = partition.replicas.iter().position(|it| *it == asked.node)?;
        let mut directories = partition.directories.clone();
        directories.resize(partition.replicas.len(), Uuid::nil());
        if std::mem::replace(&mut directories[at], asked.directory) == asked.directory {
            return None;
        }
        let none = PartitionChange {
            directories: Some(directories),
            ..PartitionChange::none(*topic_id, *index)
        };
        Some(MetadataRecord::from(match partition.leader {
            NodeId(-1) => PartitionChange {
                isr: Some(vec![asked.node]),
                leader: asked.node,
                eligible_leader_replicas: Some(Vec::new()),
                ..none
            },
            _ => none,
        }))
    });
    Decision {
        records: assigned.filter(|_| is_known).collect(),
        answer: is_known,
    }
}

/// Elects where the leader has lost its directory, or where there is none and a replica could.
fn elect(image: &Image, usable: impl Fn(NodeId, Uuid) -> bool) -> Vec<MetadataRecord> {
    let mut topics: Vec<_> = image.topics.iter().collect();
    topics.sort_unstable_by_key(|topic| topic.id);
    let mut records = Vec::new();
    for topic in topics {
        for (partition, index) in topic.partitions.iter().zip(0..) {
            let none = PartitionChange::none(topic.id, index);
            records.extend(change(partition, none, &usable).map(MetadataRecord::from));
        }
    }
    records
}

fn change(
    partition: &Partition,
    none: PartitionChange,
    usable: impl Fn(NodeId, Uuid) -> bool,
) -> Option<PartitionChange> {
    let directory = |at: usize| partition.directories.get(at).copied().unwrap_or_default();
    let serves = |at: usize| usable(partition.replicas[at], directory(at));
    let able = (0..partition.replicas.len()).find(|at| serves(*at));
    let leads = partition
        .replicas
        .iter()
        .position(|node| *node == partition.leader);
    if leads.is_some_and(serves) {
        return None;
    }
    match able.map(|at| partition.replicas[at]) {
        // There is one replica of each partition: the node that has it has all records.
        Some(node) => Some(PartitionChange {
            isr: Some(vec![node]),
            leader: node,
            eligible_leader_replicas: Some(Vec::new()),
            ..none
        }),
        None if partition.leader == NodeId(-1) => None,
        // As Kafka does with eligible leader replicas (KIP-966): the last in sync may lead again.
        None => Some(PartitionChange {
            isr: Some(Vec::new()),
            leader: NodeId(-1),
            eligible_leader_replicas: Some(partition.isr.clone()),
            ..none
        }),
    }
}
