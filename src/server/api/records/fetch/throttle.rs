//! Pure: followers that catch up are slowed down by their leader (KIP-73): while they have been
//! given more than `leader.replication.throttled.rate`, the partitions that are throttled are
//! answered without records, as Kafka's `ReplicaManager.shouldLeaderThrottle` has it.

use super::part::{Asker, Part};
use crate::base::{Instant, NodeId};
use crate::partition::Partition;
use crate::partition::read::Reader;
use crate::server::api::Context;

/// What slows a follower down.
#[derive(Clone, Copy)]
pub(super) struct Throttling {
    /// Bytes a second.
    rate: u64,
    /// This node.
    leader: NodeId,
    follower: NodeId,
}

// === impl Throttling ===

impl Throttling {
    /// `None` where a consumer asks, or nothing is to be slowed down.
    pub fn of(cx: &Context, asker: Asker) -> Option<Throttling> {
        let Reader::Follower(fetch) = asker.reader else {
            return None;
        };
        Some(Throttling {
            rate: cx.shard.config().leader_throttle_rate?,
            leader: asker.node,
            follower: fetch.node,
        })
    }

    /// When throttled partitions are answered with records again, where that is not now.
    pub fn free_at(&self, cx: &Context) -> Option<Instant> {
        let now = cx.shard.runtime().now();
        cx.shard.replication.gives_at(self.rate, now)
    }

    /// Whether a partition is throttled for this follower: one in sync is not.
    pub fn has(&self, partition: &Partition) -> bool {
        let config = partition.config();
        let throttled = &config.throttled_leaders;
        throttled.has(partition.name().index, self.leader) && !partition.is_in_sync(self.follower)
    }

    /// Counts what is sent of those that are throttled.
    pub fn spend(&self, cx: &Context, parts: &[Part]) {
        let sent = parts.iter().filter(|part| part.found.bytes > 0);
        let throttled = sent.filter(|part| part.partition.as_ref().is_some_and(|it| self.has(it)));
        let bytes: usize = throttled.map(|part| part.found.bytes).sum();
        if bytes > 0 {
            let now = cx.shard.runtime().now();
            cx.shard.replication.gave(bytes, self.rate, now);
        }
    }
}
