//! Drives: the markers that end transactions, from their coordinator to the partitions: those led
//! here at once, those of other shards over the mesh, those on other machines by WriteTxnMarkers
//! (KIP-98). A marker is not a client's record: it is made where the partition is.
//! May use: everything to the left of `shard`, and its files. Never: tries again by itself.

mod here;
mod there;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::join_all;

use super::Shard;
use crate::base::{NodeId, PartitionIndex};
use crate::coordinator::transaction::TopicPartition;
pub use crate::partition::Marker;
pub use here::write_here;
pub use there::HAS_EPOCHS_TAG;

/// Partitions, by topic.
pub type Targets = Vec<(Arc<str>, Vec<PartitionIndex>)>;

/// A partition, and what became of the marker there.
pub type Written = (Arc<str>, PartitionIndex, Result<(), MarkerError>);

/// Why a partition has no marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MarkerError {
    /// There is no such partition: its topic was deleted, perhaps.
    #[error("there is no such partition")]
    UnknownPartition,
    /// A newer epoch of the producer was there before.
    #[error("a newer epoch of the producer was there before")]
    OldEpoch,
    /// A newer coordinator was there before.
    #[error("a newer coordinator was there before")]
    OldCoordinator,
    /// Its leader is not known, or cannot be reached.
    #[error("its leader is not known, or cannot be reached")]
    NoLeader,
    /// Fewer replicas are in sync than `min.insync.replicas` asks for.
    #[error("too few replicas are in sync")]
    TooFewReplicas,
    /// Its log cannot be written.
    #[error("its log cannot be written")]
    Storage,
    /// The device, or other replicas, have not stored it in time.
    #[error("it was not stored in time")]
    Late,
}

impl MarkerError {
    /// Whether to try again: sooner or later the partition can be written, or is gone.
    pub fn may_pass(self) -> bool {
        !matches!(
            self,
            MarkerError::UnknownPartition | MarkerError::OldEpoch | MarkerError::OldCoordinator
        )
    }
}

/// Writes a marker into these partitions, wherever they are led. Returns when each has it, acked by
/// its replicas in sync, or will not have it by this attempt.
pub async fn write(
    shard: &Rc<Shard>,
    marker: Marker,
    partitions: &[TopicPartition],
) -> Vec<Written> {
    let mut by_leader: BTreeMap<NodeId, Targets> = BTreeMap::new();
    let mut written = Vec::new();
    let image = shard.image();
    for (topic, index) in partitions {
        let Some(partition) = image.topics.partition(topic, *index) else {
            let unknown = Err(MarkerError::UnknownPartition);
            written.push((topic.clone(), *index, unknown));
            continue;
        };
        let of_leader = by_leader.entry(partition.leader).or_default();
        match of_leader.last_mut() {
            Some((last, indexes)) if last == topic => indexes.push(*index),
            _ => of_leader.push((topic.clone(), vec![*index])),
        }
    }
    let writing = by_leader
        .into_iter()
        .map(|(leader, targets)| write_at(shard, leader, marker, targets));
    written.extend(join_all(writing).await.into_iter().flatten());
    written
}

async fn write_at(
    shard: &Rc<Shard>,
    leader: NodeId,
    marker: Marker,
    targets: Targets,
) -> Vec<Written> {
    if leader == shard.node {
        return write_here(shard, marker, targets).await;
    }
    if let Some(sibling) = shard.nodes.sibling(leader) {
        let written = sibling.write_markers(marker, targets.clone()).await;
        return written.unwrap_or_else(|_| unreached(targets));
    }
    match shard.image().brokers.is_alive(leader) {
        true => there::write(shard, leader, marker, targets).await,
        false => unreached(targets),
    }
}

fn unreached(targets: Targets) -> Vec<Written> {
    let mut written = Vec::new();
    for (topic, partitions) in targets {
        let each = partitions.into_iter();
        written.extend(each.map(|index| (topic.clone(), index, Err(MarkerError::NoLeader))));
    }
    written
}
