//! Pure: partitions that go from one node of this machine to another (AlterPartitionReassignments,
//! KIP-455): first it is noted where they shall go, and once their logs lie there it is so.

use std::collections::BTreeMap;

use crate::base::{NodeId, PartitionIndex, TopicId};
use crate::metadata::controller::request::{EndMove, Reassign, Reassignment};
use crate::metadata::image::{Image, Partition};
use crate::metadata::record::PartitionChange;

use super::assign::{AssignmentError, check_manual};
use super::{Deciding, Decision};

/// Why a partition does not go where it shall. The text is Kafka's, where Kafka has one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReassignError {
    /// There is no such topic.
    #[error("Unable to find a topic named {0}.")]
    UnknownTopic(String),
    /// The topic has no such partition.
    #[error("Unable to find partition {0}:{1}.")]
    UnknownPartition(String, PartitionIndex),
    /// Its move shall be given up, and there is none.
    #[error("No partition reassignment is in progress.")]
    NotMoving,
    /// The list of nodes is not right.
    #[error("{0}")]
    Assignment(AssignmentError),
    /// It shall be on more nodes than now, or fewer, and the client wants neither.
    #[error("The replication factor is changed from {0} to {1}")]
    OtherFactor(usize, usize),
}

/// Decides on a whole request. What the partition is to become stands in `adding` and `removing`;
/// `replicas` stays until the log has gone, since no node has a second copy meanwhile.
pub fn reassign(
    with: &Deciding<'_>,
    request: &Reassign,
) -> Decision<Vec<Result<(), ReassignError>>> {
    // The last entry of a partition counts, as each is a change of the state before.
    let mut changes: BTreeMap<(TopicId, PartitionIndex), Option<PartitionChange>> = BTreeMap::new();
    let mut answer = Vec::with_capacity(request.partitions.len());
    for wanted in &request.partitions {
        let change = plan(with.image, wanted, request.any_factor);
        answer.push(change.map(|(key, change)| drop(changes.insert(key, change))));
    }
    Decision {
        records: changes.into_values().flatten().map(Into::into).collect(),
        answer,
    }
}

/// A partition, and how it is to change, if at all.
type Planned = ((TopicId, PartitionIndex), Option<PartitionChange>);

fn plan(image: &Image, wanted: &Reassignment, any_factor: bool) -> Result<Planned, ReassignError> {
    let topic = image.topics.named(&wanted.topic);
    let topic = topic.ok_or_else(|| ReassignError::UnknownTopic(wanted.topic.to_string()))?;
    let index = wanted.index;
    let unknown = || ReassignError::UnknownPartition(wanted.topic.to_string(), index);
    let partition = topic.partition(index).ok_or_else(unknown)?;
    let key = (topic.id, index);
    let stays = PartitionChange {
        adding_replicas: Some(Vec::new()),
        removing_replicas: Some(Vec::new()),
        ..PartitionChange::none(topic.id, index)
    };
    let is_moving = !partition.adding.is_empty();
    let Some(replicas) = &wanted.replicas else {
        return match is_moving {
            true => Ok((key, Some(stays))),
            false => Err(ReassignError::NotMoving),
        };
    };
    check_manual(image, index, replicas, None).map_err(|error| match error {
        AssignmentError::OneMachine if !any_factor => {
            ReassignError::OtherFactor(partition.replicas.len(), replicas.len())
        }
        error => ReassignError::Assignment(error),
    })?;
    if *replicas == partition.replicas {
        return Ok((key, is_moving.then_some(stays)));
    }
    let change = PartitionChange {
        adding_replicas: Some(replicas.clone()),
        removing_replicas: Some(partition.replicas.clone()),
        ..stays
    };
    Ok((key, (partition.adding != *replicas).then_some(change)))
}

/// The node that a partition is to go to, and the one that has it.
pub fn is_to_move(partition: &Partition) -> Option<(NodeId, NodeId)> {
    match (&partition.replicas[..], &partition.adding[..]) {
        ([from], [to]) => Some((*from, *to)),
        _ => None,
    }
}

/// Has the node lead that the log of a partition has gone to.
pub fn end_move(with: &Deciding<'_>, done: &EndMove) -> Decision<bool> {
    let topic = with.image.topics.with_id(done.topic_id);
    let partition = topic.and_then(|topic| topic.partition(done.index));
    let planned = partition.and_then(|it| is_to_move(it));
    let answer = planned.is_some_and(|(_, to)| to == done.to);
    let change = PartitionChange {
        isr: Some(vec![done.to]),
        leader: done.to,
        replicas: Some(vec![done.to]),
        adding_replicas: Some(Vec::new()),
        removing_replicas: Some(Vec::new()),
        eligible_leader_replicas: Some(Vec::new()),
        directories: Some(vec![done.directory]),
        ..PartitionChange::none(done.topic_id, done.index)
    };
    Decision {
        records: answer.then(|| change.into()).into_iter().collect(),
        answer,
    }
}
