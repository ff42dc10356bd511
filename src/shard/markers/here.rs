//! Drives: markers into the partitions that this shard leads.

use std::rc::Rc;

use futures_util::future::{join, join_all};

use super::{Marker, MarkerError, Targets, Written};
use crate::base::{Instant, PartitionIndex};
use crate::io::turn;
use crate::partition::append::{AppendError, Appended};
use crate::partition::producers::ProducerError;
use crate::partition::{Acks, Partition};
use crate::shard::Shard;
use crate::shard::coordinators::OFFSETS_TOPIC;
use crate::shard::partitions::LookupError;

/// How long all of it waits for devices and other replicas, in milliseconds: less than a
/// coordinator on another machine waits for the answer.
const WITHIN_MS: i64 = 20_000;
/// Partitions with offsets that are written to at the same time.
const AT_ONCE: usize = 64;

/// Appends a marker to these partitions, and waits until it is acked by their replicas in sync.
/// One that waits for other replicas does not hold the others up; one that waits for space does,
/// within the time that all have.
pub async fn write_here(shard: &Shard, marker: Marker, targets: Targets) -> Vec<Written> {
    let until = shard.runtime().now().after_ms(WITHIN_MS);
    let (offsets, records): (Vec<_>, Vec<_>) = targets
        .into_iter()
        .partition(|(topic, _)| **topic == *OFFSETS_TOPIC);
    let of_records = write_records(shard, marker, records, until);
    let of_offsets = write_offsets(shard, marker, offsets, until);
    let (mut written, of_offsets) = join(of_records, of_offsets).await;
    written.extend(of_offsets);
    written
}

async fn write_records(
    shard: &Shard,
    marker: Marker,
    targets: Targets,
    until: Instant,
) -> Vec<Written> {
    let mut appended = Vec::new();
    for (topic, partitions) in targets {
        for index in partitions {
            turn::pace().await;
            let result = append(shard, &topic, index, marker, until).await;
            appended.push((topic.clone(), index, result));
        }
    }
    let mut written = Vec::with_capacity(appended.len());
    for (topic, index, result) in appended {
        let result = match result {
            Ok((partition, appended)) => acked(shard, &partition, appended, until).await,
            Err(error) => Err(error),
        };
        written.push((topic, index, result));
    }
    written
}

/// Markers for the groups' topic go through the queue of its coordinator, behind the records that
/// it has made before.
async fn write_offsets(
    shard: &Shard,
    marker: Marker,
    targets: Targets,
    until: Instant,
) -> Vec<Written> {
    let groups = &shard.coordinators.groups;
    let end = async |index| {
        let looked_up = shard.partitions.lookup(OFFSETS_TOPIC, index);
        looked_up.map_err(lookup)?;
        let ended = groups.end_transaction(index, marker);
        let ended = within(shard, until, ended).await;
        ended.ok_or(MarkerError::Late)?.map_err(refused)
    };
    let mut written = Vec::new();
    for (topic, partitions) in targets {
        for some in partitions.chunks(AT_ONCE) {
            turn::pace().await;
            let results = join_all(some.iter().map(|index| end(*index))).await;
            let each = some.iter().zip(results);
            written.extend(each.map(|(index, result)| (topic.clone(), *index, result)));
        }
    }
    written
}

async fn within<F: Future>(shard: &Shard, until: Instant, future: F) -> Option<F::Output> {
    let runtime = shard.runtime();
    runtime.within(until.since(runtime.now()), future).await
}

/// The partition, and what is to be acked there.
async fn append(
    shard: &Shard,
    topic: &str,
    index: PartitionIndex,
    marker: Marker,
    until: Instant,
) -> Result<(Rc<Partition>, Appended), MarkerError> {
    let mut partition = shard.partitions.lookup(topic, index).map_err(lookup)?;
    partition.check_in_sync(Acks::All).map_err(refused)?;
    let runtime = shard.runtime();
    let appending = async {
        loop {
            match partition.append_marker(&marker, runtime.wall_ms()) {
                Err(AppendError::Busy) => {
                    partition.wait_for_space().await;
                    // It may have gone to another folder of this shard.
                    if let Some(successor) = partition.successor() {
                        partition = successor;
                    }
                }
                appended => return (partition, appended),
            }
        }
    };
    let appended = within(shard, until, appending).await;
    let (partition, appended) = appended.ok_or(MarkerError::Late)?;
    Ok((partition, appended.map_err(refused)?))
}

async fn acked(
    shard: &Shard,
    partition: &Partition,
    appended: Appended,
    until: Instant,
) -> Result<(), MarkerError> {
    let acked = partition.wait_acked(Acks::All, appended.upto, appended.tenure);
    let acked = within(shard, until, acked).await;
    acked.ok_or(MarkerError::Late)?.map_err(refused)
}

fn lookup(error: LookupError) -> MarkerError {
    match error {
        LookupError::UnknownTopicOrPartition | LookupError::UnknownTopicId => {
            MarkerError::UnknownPartition
        }
        LookupError::NotLeader { .. } => MarkerError::NoLeader,
        LookupError::Storage => MarkerError::Storage,
    }
}

fn refused(error: AppendError) -> MarkerError {
    match error {
        AppendError::Producer(ProducerError::InvalidProducerEpoch { .. }) => MarkerError::OldEpoch,
        AppendError::Producer(ProducerError::CoordinatorFenced { .. }) => {
            MarkerError::OldCoordinator
        }
        AppendError::TooFewReplicas | AppendError::TooFewReplicasAfterwards => {
            MarkerError::TooFewReplicas
        }
        AppendError::Closed => MarkerError::NoLeader,
        AppendError::Busy | AppendError::Long => MarkerError::Late,
        AppendError::InternalTopic
        | AppendError::Invalid(_)
        | AppendError::Producer(_)
        | AppendError::TooLarge
        | AppendError::Storage(_) => MarkerError::Storage,
    }
}
