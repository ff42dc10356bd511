//! Drives: the bound on what all partitions of a shard remember of idempotent producers.

use super::Shard;
use crate::base::limits;
use crate::io::budget::Reserved;
use crate::io::turn;
use crate::partition::producers::PRODUCER_BYTES;

/// Counts what is remembered, and has partitions forget the producers that are idle longest, those
/// with the most producers first, until it is within the bound. A producer that is forgotten may
/// go on: what it sends next is taken as from one that is new. `held` is what was counted before.
pub async fn bound(shard: &Shard, held: &mut Reserved) {
    let most = shard.budget.total_bytes() / limits::PRODUCERS_SHARE / PRODUCER_BYTES;
    loop {
        let mut count = 0;
        let mut largest = None;
        for partition in shard.partitions.local() {
            let own = partition.producers().count();
            count += own;
            if largest.as_ref().is_none_or(|(most, _)| own > *most) {
                largest = Some((own, partition));
            }
            turn::pace().await;
        }
        held.resize(count * PRODUCER_BYTES);
        let Some((_, partition)) = largest.filter(|_| count > most) else {
            return;
        };
        let forgotten = partition.forget_idle_producers();
        if forgotten == 0 {
            // Only producers with open transactions are left.
            return;
        }
        shard.probe.forgotten_producers.add(forgotten as u64);
    }
}
