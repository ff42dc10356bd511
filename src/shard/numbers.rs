//! Drives: the numbers of a shard's partitions, gathered in steps: a scrape holds up no request,
//! however many partitions there are.

use std::sync::Arc;

use super::Shard;
use super::partitions::Place;
use super::topic_numbers::TopicNow;
use crate::base::config::Facts;
use crate::base::metrics::{SampleValue, Snapshot};
use crate::base::{Offset, PartitionIndex, WallMs, limits};
use crate::partition::Partition;
use crate::partition::traffic::Volume;
use crate::wire::otlp::Samples;

/// A partition of some topic, by name.
pub type Named = (Arc<str>, PartitionIndex);

/// The newest numbers of a client instance (KIP-714).
#[derive(Clone, Debug)]
pub struct ClientNumbers {
    /// What is known of the client.
    pub facts: Arc<Facts>,
    /// When it pushed them, in ms since 1970.
    pub pushed_at: WallMs,
    /// The numbers.
    pub samples: Arc<Samples>,
}

/// How the replicas on this node are.
#[derive(Default)]
struct States {
    /// They lead.
    serving: u64,
    /// They follow leaders on other nodes.
    following: u64,
    /// Their logs take no more writes.
    failed: u64,
    /// Their logs could not be opened, or lie in a folder that has failed.
    offline: u64,
    /// Led here, with fewer replicas in sync than there are.
    under_replicated: u64,
    /// Bytes that are appended and not written.
    queued_bytes: u64,
}

/// Adds the numbers of all partitions to a snapshot.
pub async fn export(shard: &Shard, to: &mut Snapshot) {
    let mut states = States::default();
    let mut topics = Vec::new();
    let mut looked = 0;
    for topic in shard.partitions.all() {
        let mut now = TopicNow {
            id: topic.id,
            name: topic.name.clone(),
            volume: Volume::default(),
            log_bytes: 0,
            partitions: 0,
        };
        for place in &topic.partitions {
            give_way(shard, &mut looked).await;
            match place {
                Place::Here(partition) => {
                    states.count(partition);
                    now.volume += partition.traffic().read();
                    now.log_bytes += partition.size_bytes();
                    now.partitions += 1;
                }
                Place::Broken { .. } => states.offline += 1,
                Place::There { .. } => {}
            }
        }
        if now.partitions > 0 {
            topics.push(now);
        }
    }
    states.export(to);
    export_topics(shard, topics, to).await;
}

/// Adds the numbers by topic, beside the core: with many topics to take in it takes long.
async fn export_topics(shard: &Shard, topics: Vec<TopicNow>, to: &mut Snapshot) {
    let mut known = shard.topic_numbers.lock().await;
    let mut numbers = std::mem::take(&mut *known);
    let taken_in = shard.runtime().offload(move || {
        let mut part = Snapshot::default();
        numbers.export(&topics, limits::METRICS_TOPICS_MAX, &mut part);
        (numbers, part)
    });
    // It does not panic; if it did the counts would begin anew, as after a start.
    if let Ok((numbers, part)) = taken_in.await {
        *known = numbers;
        to.0.extend(part.0);
    }
}

/// Where the records of these partitions that may be read end; `None` for one that another node
/// leads.
pub async fn ends(shard: &Shard, wanted: &[Named]) -> Vec<Option<Offset>> {
    let mut ends = Vec::with_capacity(wanted.len());
    let mut looked = 0;
    for (topic, index) in wanted {
        give_way(shard, &mut looked).await;
        let found = shard.partitions.lookup(topic, *index);
        ends.push(found.ok().map(|partition| partition.high_watermark()));
    }
    ends
}

/// Lets others have their turn after every few partitions that were looked at.
pub(super) async fn give_way(shard: &Shard, looked: &mut usize) {
    *looked += 1;
    if looked.is_multiple_of(limits::METRICS_PARTITIONS_AT_ONCE) {
        shard.runtime().yield_now().await;
    }
}

// === impl States ===

impl States {
    fn count(&mut self, partition: &Partition) {
        self.queued_bytes += partition.queued_bytes();
        if partition.failure().is_some() {
            self.failed += 1;
        } else if partition.is_follower() {
            self.following += 1;
        } else {
            self.serving += 1;
        }
        let under_replicated = partition.in_sync().is_some_and(|(count, all)| count < all);
        self.under_replicated += u64::from(under_replicated);
    }

    fn export(&self, to: &mut Snapshot) {
        for (state, count) in [
            ("serving", self.serving),
            ("following", self.following),
            ("failed", self.failed),
            ("offline", self.offline),
        ] {
            to.push(
                "corelane_partitions",
                "Replicas on this node, by state: serving (they lead), following, failed (their \
                 logs take no more writes) or offline (their logs cannot be opened). \
                 Kafka: kafka.server:type=ReplicaManager,name=LeaderCount",
                vec![("state", state.to_owned())],
                SampleValue::Gauge(count as f64),
            );
        }
        to.gauge(
            "corelane_under_replicated_partitions",
            "Partitions led here of which some replicas are not in sync. \
             Kafka: kafka.server:type=ReplicaManager,name=UnderReplicatedPartitions",
            self.under_replicated as f64,
        );
        to.gauge(
            "corelane_log_queued_bytes",
            "Bytes that were appended to logs and are not written yet.",
            self.queued_bytes as f64,
        );
    }
}
