//! Drives: who fetches: a follower as far as this node knows it, or a consumer, which may be sent
//! to a replica in its rack (KIP-392, KIP-903).

use super::part::Found;
use super::scratch::Scratch;
use super::{Head, pace_at};
use crate::base::NodeId;
use crate::partition::Isolation;
use crate::partition::read::Reader;
use crate::partition::replicas::FollowerFetch;
use crate::server::api::Context;

impl Scratch {
    /// Sends a consumer to the replicas near it, for those partitions of which there are such.
    pub(super) async fn send_elsewhere(&mut self, isolation: Isolation) {
        if self.near.is_empty() {
            return;
        }
        for at in 0..self.parts.len() {
            pace_at(at + 1).await;
            let part = &mut self.parts[at];
            let Some(partition) = &part.partition else {
                continue;
            };
            if let Some(node) = partition.nearer_replica(part.wanted.offset, &self.near) {
                part.found = Found::elsewhere(node, partition.told_offsets(isolation));
                part.partition = None;
            }
        }
    }
}

/// The nodes in a consumer's rack, where consumers are to read from such ones.
pub(super) fn near(cx: &Context, rack: &str) -> Vec<NodeId> {
    let config = cx.shard.config();
    let cluster = config.cluster.as_ref();
    if rack.is_empty() || !cluster.is_some_and(|cluster| cluster.replica.selects_by_rack) {
        return Vec::new();
    }
    let image = cx.shard.image();
    let near = image
        .brokers
        .alive()
        .filter(|it| it.rack.as_deref() == Some(rack));
    near.map(|it| it.id).collect()
}

/// The follower that asks, as far as this node knows it.
pub(super) fn follower(cx: &Context, head: &Head) -> Reader {
    let (node, epoch) = (NodeId(head.replica_id), head.replica_epoch);
    let image = cx.shard.image();
    match image.brokers.get(node) {
        Some(broker) if epoch == -1 || epoch >= broker.epoch => Reader::Follower(FollowerFetch {
            node,
            broker_epoch: epoch,
            is_eligible: image.brokers.may_be_in_sync(node)
                && (epoch == -1 || epoch == broker.epoch),
        }),
        Some(_) => Reader::OldFollower,
        // Its registration may be on its way; what it does not lead to is being in sync.
        None => Reader::Follower(FollowerFetch {
            node,
            broker_epoch: epoch,
            is_eligible: false,
        }),
    }
}
