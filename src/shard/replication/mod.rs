//! Drives: how the replicas of a shard follow their leaders on other nodes, and how the followers
//! of those that it leads come into sync and out of it.
//! May use: everything to the left of `shard`, and its files. Never: hands a record to another
//! core.

mod answers;
mod ask;
mod assign;
mod fetcher;
mod following;
mod isr;
mod reshape;
mod session;
mod throttle;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::Shard;
use super::numbers::give_way;
use crate::base::ids::Uuid;
use crate::base::metrics::{Counter, Snapshot};
use crate::base::{Instant, NodeId, PartitionIndex, TopicId};
use crate::io::event::Event;
pub use assign::tell_of_folders;
use fetcher::Fetcher;
use following::Followed;
pub use isr::keep_in_sync;
use throttle::Throttle;

/// What a shard knows of its work as a follower, and as a leader of others.
#[derive(Default)]
pub struct Replication {
    /// Partitions have come or gone, or have another leader.
    changed: Event,
    /// Replicas that lie in other directories than the metadata says, by directory.
    moved: RefCell<BTreeMap<(TopicId, PartitionIndex), Uuid>>,
    /// There are more of them.
    more_moved: Event,
    /// What throttled replicas here have fetched.
    taken: Throttle,
    /// What throttled replicas on other nodes have fetched here.
    given: Throttle,
    /// Fetches that leaders have answered.
    fetches_count: Counter,
    /// Fetches that have failed, and answers about single partitions with an error.
    failures_count: Counter,
    /// Logs that were cut back since they had parted from their leaders'.
    cuts_count: Counter,
    /// Changes of replicas in sync that the controller has made, by direction.
    shrinks_count: Counter,
    expands_count: Counter,
}

impl Replication {
    /// The partitions are not those that they were, or have other leaders.
    pub(super) fn partitions_changed(&self) {
        self.changed.call();
    }

    /// The replica of a partition lies in this directory: the controller is to be told.
    pub(super) fn lies_in(&self, directory: Uuid, topic: TopicId, index: PartitionIndex) {
        self.moved.borrow_mut().insert((topic, index), directory);
        self.more_moved.call();
    }

    /// When followers that catch up may have more of the partitions that are throttled here, where
    /// that is not now and `leader.replication.throttled.rate` is `rate` (KIP-73).
    pub fn gives_at(&self, rate: u64, now: Instant) -> Option<Instant> {
        self.given.free_at(rate, now)
    }

    /// Followers that catch up have been given so much of such partitions.
    pub fn gave(&self, bytes: usize, rate: u64, now: Instant) {
        self.given.spend(bytes, rate, now);
    }

    /// Adds its numbers to a snapshot.
    pub(super) fn export(&self, shard: &Shard, to: &mut Snapshot) {
        let shared = &shard.replicas;
        for (name, help, counter) in [
            (
                "corelane_replication_in_bytes_total",
                "Bytes of batches that came from leaders on other nodes. \
                 Kafka: kafka.server:type=BrokerTopicMetrics,name=ReplicationBytesInPerSec",
                &shared.bytes_in,
            ),
            (
                "corelane_replication_out_bytes_total",
                "Bytes of batches that were sent to followers. \
                 Kafka: kafka.server:type=BrokerTopicMetrics,name=ReplicationBytesOutPerSec",
                &shared.bytes_out,
            ),
            (
                "corelane_throttled_replication_in_bytes_total",
                "Bytes of batches that replicas took from leaders while they caught up and \
                 follower.replication.throttled.rate was a bound. \
                 Kafka: kafka.server:type=FollowerReplication,name=byte-rate",
                &self.taken.bytes,
            ),
            (
                "corelane_throttled_replication_out_bytes_total",
                "Bytes of batches that were sent to followers while they caught up and \
                 leader.replication.throttled.rate was a bound. \
                 Kafka: kafka.server:type=LeaderReplication,name=byte-rate",
                &self.given.bytes,
            ),
            (
                "corelane_replica_fetches_total",
                "Fetches of this node that leaders have answered. \
                 Kafka: kafka.server:type=ReplicaFetcherManager",
                &self.fetches_count,
            ),
            (
                "corelane_replica_fetch_failures_total",
                "Fetches from leaders that have failed, and errors of single partitions in their \
                 answers. Kafka: kafka.server:type=FetcherStats",
                &self.failures_count,
            ),
            (
                "corelane_replica_cuts_total",
                "Logs that were cut back because they had parted from their leaders'.",
                &self.cuts_count,
            ),
            (
                "corelane_isr_shrinks_total",
                "Times that replicas went out of sync. \
                 Kafka: kafka.server:type=ReplicaManager,name=IsrShrinksPerSec",
                &self.shrinks_count,
            ),
            (
                "corelane_isr_expands_total",
                "Times that replicas came into sync. \
                 Kafka: kafka.server:type=ReplicaManager,name=IsrExpandsPerSec",
                &self.expands_count,
            ),
        ] {
            to.counter(name, help, counter.get());
        }
    }
}

/// Follows the leaders on other nodes, each on a connection of its own, for ever.
pub async fn follow(shard: Rc<Shard>) {
    let mut fetchers: BTreeMap<NodeId, Rc<Fetcher>> = BTreeMap::new();
    let mut running = FuturesUnordered::new();
    loop {
        let mut by_leader = followed(&shard).await;
        for (leader, fetcher) in &fetchers {
            let partitions = by_leader.remove(leader).unwrap_or_default();
            fetcher.follow(partitions);
        }
        for (leader, partitions) in by_leader {
            let fetcher = Fetcher::new(shard.clone(), leader);
            fetcher.follow(partitions);
            fetchers.insert(leader, fetcher.clone());
            running.push(fetcher.run());
        }
        loop {
            if running.is_empty() {
                shard.replication.changed.wait().await;
                break;
            }
            let changed = pin!(shard.replication.changed.wait());
            match select(changed, running.next()).await {
                Either::Left(_) => break,
                Either::Right((Some(leader), _)) => drop(fetchers.remove(&leader)),
                Either::Right((None, _)) => {}
            }
        }
    }
}

/// The partitions that follow a leader, by leader.
async fn followed(shard: &Shard) -> BTreeMap<NodeId, Vec<Followed>> {
    let mut by_leader: BTreeMap<NodeId, Vec<Followed>> = BTreeMap::new();
    let mut looked = 0;
    for partition in shard.partitions.local() {
        give_way(shard, &mut looked).await;
        let leader = partition.leader();
        if partition.is_follower() && leader.0 >= 0 {
            let followed = Followed::new(partition);
            by_leader.entry(leader).or_default().push(followed);
        }
    }
    by_leader
}
