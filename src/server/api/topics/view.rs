//! Pure: partitions as answers show them: who leads, who is in sync, who is away.

use crate::base::NodeId;
use crate::metadata::image::{Brokers, Partition};
use crate::wire::codec::messages::BrokerId;

/// The nodes of a list, as answers have them.
pub(super) fn ids(nodes: &[NodeId]) -> Vec<BrokerId> {
    nodes.iter().map(|node| BrokerId(node.0)).collect()
}

/// The nodes of a list that serve.
pub(super) fn alive(brokers: &Brokers, nodes: &[NodeId]) -> Vec<BrokerId> {
    let alive = nodes.iter().filter(|node| brokers.is_alive(**node));
    alive.map(|node| BrokerId(node.0)).collect()
}

/// The replicas of a partition that do not serve.
pub(super) fn offline(brokers: &Brokers, partition: &Partition) -> Vec<BrokerId> {
    let away = partition
        .replicas
        .iter()
        .filter(|node| !brokers.is_alive(**node));
    away.map(|node| BrokerId(node.0)).collect()
}

/// The leader of a partition, if there is one and clients can be told where it is.
pub(super) fn leader(brokers: &Brokers, partition: &Partition) -> Option<BrokerId> {
    brokers
        .get(partition.leader)
        .map(|broker| BrokerId(broker.id.0))
}
