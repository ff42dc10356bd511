//! Drives: the end of transactions whose coordinator is this shard: it has their markers written,
//! again and again until every partition has its own, and tells the coordinator.

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::markers::{self, Marker, MarkerError, Written};
use super::{Shard, producer_ids};
use crate::base::PartitionIndex;
use crate::coordinator::transaction::{Markers, TopicPartition, TransactionError};

/// The first pause before markers are written again to partitions that could not be reached.
const PAUSE_MIN: Duration = Duration::from_millis(5);
/// The longest pause before that.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// The longest pause before a coordinator is asked again that is not there yet.
const NOT_THERE_MAX: Duration = Duration::from_millis(200);

/// Looks after the partitions of `__transaction_state` that are led here, for ever.
pub async fn run(shard: Rc<Shard>) {
    let transactions = &shard.coordinators.transactions;
    let mut attended: Vec<PartitionIndex> = Vec::new();
    let mut attending = FuturesUnordered::new();
    loop {
        for index in transactions.led() {
            if !attended.contains(&index) {
                attended.push(index);
                attending.push(attend(&shard, index));
            }
        }
        let changed = pin!(transactions.wait_for_change());
        let ended = pin!(next_of(&mut attending));
        if let Either::Right((index, _)) = select(changed, ended).await {
            attended.retain(|one| *one != index);
        }
    }
}

/// The next output; waits for ever where there is none to come.
async fn next_of<F: Future>(running: &mut FuturesUnordered<F>) -> F::Output {
    match running.next().await {
        Some(output) => output,
        None => std::future::pending().await,
    }
}

/// Waits for `future` while others, which have no output, go on beside it.
async fn beside<T>(
    running: &mut FuturesUnordered<impl Future<Output = ()>>,
    future: impl Future<Output = T>,
) -> T {
    let mut future = pin!(future);
    loop {
        match select(&mut future, pin!(next_of(running))).await {
            Either::Left((output, _)) => return output,
            Either::Right(((), _)) => {}
        }
    }
}

/// Looks after one partition for as long as it is led here.
async fn attend(shard: &Rc<Shard>, index: PartitionIndex) -> PartitionIndex {
    let transactions = &shard.coordinators.transactions;
    let mut writing = FuturesUnordered::new();
    let mut spare_id = None;
    let mut pause = PAUSE_MIN;
    loop {
        let next = transactions.next_markers(index, spare_id.take());
        let wanted = beside(&mut writing, next).await;
        match wanted {
            Ok(wanted) => {
                pause = PAUSE_MIN;
                let each = wanted.transactions.into_iter();
                writing.extend(each.map(|one| write(shard, one)));
                if wanted.needs_producer_id {
                    // Without one it is asked for again later.
                    let fresh_id = beside(&mut writing, producer_ids::next(shard)).await;
                    spare_id = fresh_id.ok();
                }
            }
            Err(TransactionError::NotCoordinator) if !transactions.led().contains(&index) => {
                return index;
            }
            // It is loaded, for the first time or again: what is on its way is handed out anew.
            Err(_) => {
                writing.clear();
                shard.runtime().sleep(pause).await;
                pause = (pause * 2).min(NOT_THERE_MAX);
            }
        }
    }
}

/// Writes the markers of one transaction, until none is missing or its coordinator is elsewhere.
async fn write(shard: &Rc<Shard>, markers: Markers) {
    let transactions = &shard.coordinators.transactions;
    let mut left = markers.partitions.clone();
    let mut pause = PAUSE_MIN;
    while let Some(coordinator_epoch) = transactions.coordinator_epoch(&markers.id) {
        let marker = Marker {
            producer_id: markers.producer.id,
            producer_epoch: markers.producer.epoch,
            committed: markers.committed,
            coordinator_epoch,
            has_epochs: markers.has_epochs,
        };
        let sorted = sorted(markers::write(shard, marker, &left).await);
        if !transactions.marked(&markers, &sorted.done).await {
            return;
        }
        transactions.probe().marker_retries.add(1);
        left = sorted.missing;
        if sorted.is_refused {
            pause = PAUSE_MAX;
        }
        shard.runtime().sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// What became of some markers.
#[derive(Default)]
struct Sorted {
    /// Partitions that have their marker or are gone.
    done: Vec<TopicPartition>,
    /// Partitions that are to be tried again.
    missing: Vec<TopicPartition>,
    /// Whether one of these has refused it.
    is_refused: bool,
}

fn sorted(written: Vec<Written>) -> Sorted {
    let mut sorted = Sorted::default();
    for (topic, index, result) in written {
        match result {
            Ok(()) | Err(MarkerError::UnknownPartition) => sorted.done.push((topic, index)),
            Err(error) => {
                // A coordinator of a newer term has come up: if that is this shard, it tries with
                // it. A newer epoch of the producer is there to stay: Kafka goes no further with
                // such a transaction either.
                sorted.is_refused |= !error.may_pass();
                sorted.missing.push((topic, index));
            }
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_counts_as_done() {
        let results = |results: &[Result<(), MarkerError>]| {
            let results = (0..).zip(results).map(|(at, it)| ("t".into(), at, *it));
            sorted(results.collect())
        };
        let some = results(&[
            Ok(()),
            Err(MarkerError::UnknownPartition),
            Err(MarkerError::NoLeader),
            Err(MarkerError::Late),
        ]);
        assert_eq!(some.done, [("t".into(), 0), ("t".into(), 1)]);
        assert_eq!(some.missing, [("t".into(), 2), ("t".into(), 3)]);
        assert!(!some.is_refused);
        let refused = results(&[Err(MarkerError::OldEpoch)]);
        assert!(refused.is_refused && refused.missing.len() == 1);
    }
}
