//! Drives: the log of a follower cut off where it parts from its leader's. It is taken out of
//! service and closed for that, and opened again.

use std::rc::Rc;

use crate::base::LeaderEpoch;
use crate::partition::Partition;
use crate::shard::Shard;
use crate::shard::handover::put;
use crate::shard::partitions::Place;
use crate::shard::placing::{self, Cut};

/// Cuts the log of a partition that follows in this term; whether that was done. Where it could
/// not be, the partition is offline, and the log says why.
pub async fn cut(
    shard: &Shard,
    partition: &Rc<Partition>,
    leader_epoch: LeaderEpoch,
    cut: Cut,
) -> bool {
    let _turn = shard.changes.lock().await;
    let name = partition.name();
    let known = shard.partitions.topic_by_id(name.topic_id);
    let at = name.index as usize;
    let is_known = known.is_some_and(|topic| {
        matches!(topic.partitions.get(at), Some(Place::Here(here)) if Rc::ptr_eq(here, partition))
    });
    if !is_known || !partition.is_follower() || partition.leader_epoch() != leader_epoch {
        return false;
    }
    tell(shard, partition, cut);
    let place = placing::reopen(shard, partition, cut).await;
    let is_here = matches!(place, Place::Here(_));
    put(shard, name.topic_id, name.index, place);
    shard.replication.partitions_changed();
    is_here
}

fn tell(shard: &Shard, partition: &Partition, cut: Cut) {
    let (topic, index) = (&partition.name().topic, partition.name().index);
    let (end, committed) = (partition.end_offset(), partition.high_watermark());
    let leader = partition.leader();
    match cut {
        Cut::Back(to) if to < committed => {
            tracing::error!(node = %shard.node, %leader, %topic, partition = index, end,
                committed, to,
                "the leader lacks records that were committed: they are cut off here, too; an \
                 unclean election, or disks that lost what they had flushed, do that");
        }
        Cut::Back(to) => {
            tracing::info!(node = %shard.node, %leader, %topic, partition = index, end, to,
                "cut off records that the leader does not have: they were never committed");
        }
        Cut::Anew(at) => {
            tracing::warn!(node = %shard.node, %leader, %topic, partition = index, end, at,
                "the leader's log begins behind the end of this one: beginning anew from there");
        }
    }
}
