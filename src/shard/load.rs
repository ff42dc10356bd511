//! Drives: how busy a shard is, and which of its partitions make it so: numbers for the balancer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::Shard;
use super::numbers::give_way;
use crate::base::{Instant, PartitionIndex, TopicId, limits};

/// How busy a shard is.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// How long its core has been at work since it started.
    pub busy: Duration,
    /// When that was read, by its clock.
    pub at: Instant,
    /// The work of all its partitions since it was last asked, in no unit.
    pub work: u64,
    /// Of that, the work of those that were most of it and may go to another shard.
    pub partitions: Vec<Work>,
}

/// What work a partition was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Work {
    /// As in [`Load::work`].
    pub work: u64,
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub index: PartitionIndex,
}

/// How busy `shard` is. Looks at its partitions in steps, and names a bounded number of them. What
/// the broker itself writes is work too, and stays where it is: it is not named.
pub async fn current(shard: &Shard) -> Load {
    let mut work = 0;
    let mut busiest = BinaryHeap::with_capacity(limits::BALANCED_PARTITIONS_MAX + 1);
    let mut looked = 0;
    for topic in shard.partitions.all() {
        for partition in topic.local() {
            give_way(shard, &mut looked).await;
            let one = Work {
                work: partition.traffic().new_work(),
                topic_id: topic.id,
                index: partition.name().index,
            };
            work += one.work;
            if one.work > 0 && !partition.is_internal() {
                busiest.push(Reverse(one));
                if busiest.len() > limits::BALANCED_PARTITIONS_MAX {
                    busiest.pop();
                }
            }
        }
    }
    let runtime = shard.runtime();
    Load {
        busy: runtime.busy(),
        at: runtime.now(),
        work,
        partitions: busiest.into_iter().map(|Reverse(one)| one).collect(),
    }
}
