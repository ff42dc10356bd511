//! Drives: asks the controller for changes of replicas in sync, and finds those that lag.

use std::rc::Rc;
use std::time::Duration;

use crate::metadata::controller::{AlterPartition, AlterPartitionFailure};
use crate::partition::Partition;
use crate::shard::Shard;
use crate::shard::numbers::give_way;

/// The pause before a change is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Keeps the replicas in sync of the partitions that the shard leads, for ever.
pub async fn keep_in_sync(shard: Rc<Shard>) {
    // Kafka looks as often.
    let period = shard.replicas.lag_time_max / 2;
    let mut looked_at = shard.runtime().now();
    loop {
        let left = period.saturating_sub(shard.runtime().now().since(looked_at));
        let more = shard.replicas.more_changes.wait();
        if shard.runtime().within(left, more).await.is_none() {
            looked_at = shard.runtime().now();
            find_lagging(&shard).await;
        }
        if ask(&shard).await {
            shard.runtime().sleep(ASK_AGAIN).await;
        }
    }
}

async fn find_lagging(shard: &Shard) {
    let mut looked = 0;
    for partition in shard.partitions.local() {
        partition.shrink_isr();
        give_way(shard, &mut looked).await;
    }
}

/// Asks for all changes that are wanted; whether some are to be asked for again.
async fn ask(shard: &Shard) -> bool {
    let image = shard.image();
    let own_epoch = image.brokers.get(shard.node).map_or(-1, |own| own.epoch);
    let wanted = shard.replicas.take_changes();
    let partitions = wanted.into_iter().filter_map(|(topic, index)| {
        let partition = shard.partitions.lookup_id(topic, index).ok()?;
        let change = partition.isr_change(own_epoch)?;
        Some((partition, change))
    });
    let (partitions, changes): (Vec<Rc<Partition>>, Vec<_>) = partitions.unzip();
    if changes.is_empty() {
        return false;
    }
    let before: Vec<usize> = partitions.iter().map(in_sync).collect();
    let request = AlterPartition {
        node: shard.node,
        changes: changes.clone(),
    };
    match shard.control.alter_partition(request).await {
        Ok(results) => {
            let mut again = false;
            let asked = changes.iter().zip(&results).zip(before);
            for (partition, ((asked, result), before)) in partitions.iter().zip(asked) {
                if partition.isr_altered(asked, result) {
                    partition.ask_for_change();
                    again = true;
                } else if result.is_ok() {
                    tell(shard, partition, before);
                }
            }
            again
        }
        Err(AlterPartitionFailure::Unanswered | AlterPartitionFailure::NoCluster) => {
            partitions.iter().for_each(|it| it.ask_for_change());
            true
        }
    }
}

fn in_sync(partition: &Rc<Partition>) -> usize {
    partition.in_sync().map_or(0, |(count, _)| count)
}

fn tell(shard: &Shard, partition: &Rc<Partition>, before: usize) {
    let after = in_sync(partition);
    let (topic, index) = (&partition.name().topic, partition.name().index);
    let replication = &shard.replication;
    if after < before {
        replication.shrinks_count.add(1);
        tracing::warn!(%topic, partition = index, in_sync = after, before,
            "replicas are out of sync: they lag for longer than replica.lag.time.max.ms");
    } else if after > before {
        replication.expands_count.add(1);
        tracing::info!(%topic, partition = index, in_sync = after, before,
            "replicas are in sync again");
    }
}
