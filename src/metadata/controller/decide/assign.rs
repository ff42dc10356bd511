//! Pure: which nodes a partition is on.

use std::collections::BTreeMap;

use crate::base::ids::Uuid;
use crate::base::{NodeId, PartitionIndex, TopicId};
use crate::metadata::image::{Brokers, Image, Topic};
use crate::metadata::record;

use super::directories::Directories;
use super::random::Random;

/// Why partitions could not be placed. Its text is Kafka's where Kafka has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlacementError {
    /// A replica count below 1.
    #[error("Invalid replication factor {0}: the replication factor must be positive.")]
    NotPositive(i16),
    /// No node serves.
    #[error("All brokers are currently fenced, or have all their log directories cordoned.")]
    AllFenced,
    /// More replicas than nodes.
    #[error(
        "The target replication factor of {replicas} cannot be reached because only {nodes} \
         broker(s) are registered or some brokers have all their log directories cordoned."
    )]
    TooFewNodes {
        /// Replicas asked for.
        replicas: i16,
        /// Nodes registered.
        nodes: usize,
    },
    /// More than one replica although all nodes are shards of one machine.
    #[error(
        "The target replication factor of {replicas} cannot be reached because the {nodes} \
         broker(s) are shards of one machine, where copies are lost together."
    )]
    OneMachine {
        /// Replicas asked for.
        replicas: i16,
        /// Nodes registered.
        nodes: usize,
    },
}

/// Why a list of nodes cannot be a partition's. Its text is Kafka's where Kafka has one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AssignmentError {
    /// It is empty.
    #[error("The manual partition assignment includes an empty replica list.")]
    Empty,
    /// It names a node that is not registered.
    #[error(
        "The manual partition assignment includes broker {0}, but no such broker is registered."
    )]
    UnknownNode(NodeId),
    /// It names a node twice.
    #[error("The manual partition assignment includes the broker {0} more than once.")]
    Twice(NodeId),
    /// It is longer or shorter than those of the partitions before.
    #[error(
        "The manual partition assignment includes a partition with {replicas} replica(s), but this \
         is not consistent with previous partitions, which have {expected} replica(s)."
    )]
    Inconsistent {
        /// Its length.
        replicas: usize,
        /// Theirs.
        expected: usize,
    },
    /// None of its nodes serves.
    #[error(
        "All brokers specified in the manual partition assignment for partition {0} are fenced or \
         in controlled shutdown."
    )]
    AllFenced(PartitionIndex),
    /// It has several nodes, and all nodes are shards of one machine.
    #[error(
        "The manual partition assignment includes more than one replica, but the brokers are \
         shards of one machine, where copies are lost together."
    )]
    OneMachine,
}

/// Places the partitions of a new topic: one after the other on the nodes in turn, starting with
/// one of those that lead the fewest partitions, so that leaders stay even within each topic and
/// over all of them.
pub(super) fn place_new(
    image: &Image,
    count: i32,
    replicas: i16,
    random: &mut Random,
    placed: &BTreeMap<NodeId, usize>,
) -> Result<Vec<Vec<NodeId>>, PlacementError> {
    let nodes = usable(&image.brokers, replicas)?;
    let load = |node: &NodeId| placed.get(node).copied().unwrap_or(0);
    let least = nodes.iter().map(load).min().unwrap_or(0);
    let idle: Vec<usize> = (0..nodes.len())
        .filter(|at| load(&nodes[*at]) == least)
        .collect();
    let start = idle[(random.number() % idle.len() as u64) as usize];
    Ok(in_turn(&nodes, start, count))
}

/// Places partitions to be added to `topic`: its round goes on after its last partition.
pub(super) fn place_more(
    image: &Image,
    topic: &Topic,
    count: i32,
    replicas: i16,
) -> Result<Vec<Vec<NodeId>>, PlacementError> {
    let nodes = usable(&image.brokers, replicas)?;
    let last = topic
        .partitions
        .last()
        .and_then(|partition| partition.replicas.first());
    let start = last.map_or(0, |last| nodes.partition_point(|node| node <= last));
    Ok(in_turn(&nodes, start, count))
}

/// How many partitions each node leads.
pub(super) fn leaders_by_node(image: &Image) -> BTreeMap<NodeId, usize> {
    let mut leaders = BTreeMap::new();
    for topic in image.topics.iter() {
        for partition in &topic.partitions {
            *leaders.entry(partition.leader).or_default() += 1;
        }
    }
    leaders
}

fn in_turn(nodes: &[NodeId], start: usize, count: i32) -> Vec<Vec<NodeId>> {
    let turn = nodes.iter().cycle().skip(start);
    turn.take(count.max(0) as usize)
        .map(|node| vec![*node])
        .collect()
}

/// The nodes that partitions with so many replicas may be on, by rising ids. Never empty.
fn usable(brokers: &Brokers, replicas: i16) -> Result<Vec<NodeId>, PlacementError> {
    let nodes = brokers.len();
    if replicas < 1 {
        return Err(PlacementError::NotPositive(replicas));
    }
    let alive: Vec<NodeId> = brokers.alive().map(|broker| broker.id).collect();
    if alive.is_empty() {
        return Err(PlacementError::AllFenced);
    }
    if replicas as usize > nodes {
        return Err(PlacementError::TooFewNodes { replicas, nodes });
    }
    if replicas > 1 {
        return Err(PlacementError::OneMachine { replicas, nodes });
    }
    Ok(alive)
}

/// Whether a partition can be on these nodes; `expected` is how many the ones before are on.
pub(super) fn check_manual(
    image: &Image,
    partition: PartitionIndex,
    nodes: &[NodeId],
    expected: Option<usize>,
) -> Result<(), AssignmentError> {
    if nodes.is_empty() {
        return Err(AssignmentError::Empty);
    }
    let mut sorted = nodes.to_vec();
    sorted.sort_unstable();
    for (at, node) in sorted.iter().enumerate() {
        if image.brokers.get(*node).is_none() {
            return Err(AssignmentError::UnknownNode(*node));
        }
        if at > 0 && sorted[at - 1] == *node {
            return Err(AssignmentError::Twice(*node));
        }
    }
    let replicas = nodes.len();
    if let Some(expected) = expected.filter(|expected| *expected != replicas) {
        return Err(AssignmentError::Inconsistent { replicas, expected });
    }
    if !nodes.iter().any(|node| image.brokers.is_alive(*node)) {
        return Err(AssignmentError::AllFenced(partition));
    }
    if replicas > 1 {
        return Err(AssignmentError::OneMachine);
    }
    Ok(())
}

/// The record of a new partition on these nodes, of which at least one serves.
pub(super) fn new_partition(
    brokers: &Brokers,
    topic_id: TopicId,
    partition_id: PartitionIndex,
    nodes: Vec<NodeId>,
    directories: &mut Directories,
) -> record::Partition {
    let isr: Vec<NodeId> = nodes
        .iter()
        .copied()
        .filter(|node| brokers.is_alive(*node))
        .collect();
    let mut directory = |node: &NodeId| {
        let dirs = brokers.get(*node).map(|broker| broker.log_dirs.as_slice());
        let first = dirs.and_then(<[Uuid]>::first);
        directories.take(*node, first.copied())
    };
    record::Partition {
        partition_id,
        topic_id,
        leader: isr.first().copied().unwrap_or(NodeId(-1)),
        directories: nodes.iter().map(&mut directory).collect(),
        replicas: nodes,
        isr,
        removing_replicas: Vec::new(),
        adding_replicas: Vec::new(),
        leader_epoch: 0,
        partition_epoch: 0,
        leader_recovery_state: 0,
        eligible_leader_replicas: None,
        last_known_elr: None,
    }
}
