//! Drives: markers into the partitions that this shard leads.

use std::rc::Rc;
use std::time::Duration;

use super::{Marker, MarkerError, Targets, Written};
use crate::base::{Offset, PartitionIndex};
use crate::io::turn;
use crate::partition::append::AppendError;
use crate::partition::producers::ProducerError;
use crate::partition::{Acks, Partition};
use crate::shard::Shard;
use crate::shard::coordinators::OFFSETS_TOPIC;
use crate::shard::partitions::LookupError;

/// How long an append waits for the device, and its ack for other replicas (`request.timeout.ms`).
const WITHIN: Duration = Duration::from_secs(30);

/// Appends a marker to these partitions, and waits until it is acked by their replicas in sync.
pub async fn write_here(shard: &Shard, marker: Marker, targets: Targets) -> Vec<Written> {
    let mut appended = Vec::new();
    for (topic, partitions) in targets {
        for index in partitions {
            turn::pace().await;
            let result = append(shard, &topic, index, marker).await;
            appended.push((topic.clone(), index, result));
        }
    }
    let mut written = Vec::with_capacity(appended.len());
    for (topic, index, result) in appended {
        let result = match result {
            Ok(Waiting::For(partition, upto)) => acked(shard, &partition, upto).await,
            Ok(Waiting::No) => Ok(()),
            Err(error) => Err(error),
        };
        written.push((topic, index, result));
    }
    written
}

/// What a marker that was appended waits for.
enum Waiting {
    /// It is acked.
    No,
    /// Everything before this offset is to be acked.
    For(Rc<Partition>, Offset),
}

async fn append(
    shard: &Shard,
    topic: &str,
    index: PartitionIndex,
    marker: Marker,
) -> Result<Waiting, MarkerError> {
    let partition = shard.partitions.lookup(topic, index).map_err(lookup)?;
    if topic == OFFSETS_TOPIC {
        // The groups there must hear of it, behind what they have decided before.
        let groups = &shard.coordinators.groups;
        let ended = groups.end_transaction(index, marker).await;
        return ended.map(|()| Waiting::No).map_err(refused);
    }
    partition.check_in_sync(Acks::All).map_err(refused)?;
    let runtime = shard.runtime();
    let appending = async {
        loop {
            match partition.append_marker(&marker, runtime.wall_ms()) {
                Err(AppendError::Busy) => partition.wait_for_space().await,
                appended => return appended,
            }
        }
    };
    let appended = runtime.within(WITHIN, appending).await;
    let appended = appended.ok_or(MarkerError::Late)?.map_err(refused)?;
    Ok(Waiting::For(partition, appended.upto))
}

async fn acked(shard: &Shard, partition: &Partition, upto: Offset) -> Result<(), MarkerError> {
    let acked = partition.wait_acked(Acks::All, upto, partition.tenure());
    let acked = shard.runtime().within(WITHIN, acked).await;
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
