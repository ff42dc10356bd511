//! Pure: changes of replicas in sync as one AlterPartition request, and its answer as results of
//! each change.

use std::collections::BTreeMap;

use crate::base::{ErrorCode, NodeId, PartitionIndex, TopicId};
use crate::metadata::controller::request::{
    AlterPartitionError, AlterPartitionFailure, AlterPartitionReply, AlteredPartition, IsrChange,
};
use crate::wire::codec::messages::alter_partition_request::{
    BrokerState, PartitionData, TopicData,
};
use crate::wire::codec::messages::{AlterPartitionRequest, AlterPartitionResponse, BrokerId};

/// A request of version 3 of `node`, which is registered with `epoch`.
pub fn request<'a>(
    node: NodeId,
    epoch: i64,
    changes: impl Iterator<Item = &'a IsrChange>,
) -> AlterPartitionRequest {
    let mut topics: BTreeMap<TopicId, Vec<PartitionData>> = BTreeMap::new();
    for change in changes {
        let isr = change.isr.iter().map(|(node, epoch)| {
            BrokerState::default()
                .with_broker_id(BrokerId(node.0))
                .with_broker_epoch(*epoch)
        });
        let partition = PartitionData::default()
            .with_partition_index(change.index)
            .with_leader_epoch(change.leader_epoch)
            .with_new_isr_with_epochs(isr.collect())
            .with_partition_epoch(change.partition_epoch);
        topics.entry(change.topic_id).or_default().push(partition);
    }
    let topics = topics.into_iter().map(|(id, partitions)| {
        TopicData::default()
            .with_topic_id(id.0)
            .with_partitions(partitions)
    });
    AlterPartitionRequest::default()
        .with_broker_id(BrokerId(node.0))
        .with_broker_epoch(epoch)
        .with_topics(topics.collect())
}

/// The results of an answer, by partition.
type ByPartition =
    BTreeMap<(TopicId, PartitionIndex), Result<AlteredPartition, AlterPartitionError>>;

/// The results of an answer; an error where it says nothing about any partition.
pub struct Results(Result<ByPartition, AlterPartitionFailure>);

impl Results {
    /// The request was not answered.
    pub fn none() -> Results {
        Results(Err(AlterPartitionFailure::Unanswered))
    }

    /// Reads an answer.
    pub fn read(answer: AlterPartitionResponse) -> Results {
        if ErrorCode(answer.error_code).is_error() {
            return Results::none();
        }
        let mut results = BTreeMap::new();
        for topic in answer.topics {
            for partition in topic.partitions {
                let key = (TopicId(topic.topic_id), partition.partition_index);
                let error = AlterPartitionError::from_code(ErrorCode(partition.error_code));
                let state = AlteredPartition {
                    leader: NodeId(partition.leader_id.0),
                    leader_epoch: partition.leader_epoch,
                    partition_epoch: partition.partition_epoch,
                    isr: partition.isr.iter().map(|node| NodeId(node.0)).collect(),
                };
                results.insert(key, error.map_or(Ok(state), Err));
            }
        }
        Results(Ok(results))
    }

    /// Those of `changes`, in their order. Of one that the answer does not mention nothing is
    /// known.
    pub fn of(&self, changes: &[IsrChange]) -> AlterPartitionReply {
        let results = self.0.as_ref().map_err(|failure| *failure)?;
        let unknown = Err(AlterPartitionError::Other(ErrorCode::UNKNOWN_SERVER_ERROR));
        let of = |change: &IsrChange| {
            let found = results.get(&(change.topic_id, change.index));
            found.cloned().unwrap_or(unknown.clone())
        };
        Ok(changes.iter().map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::base::ids::Uuid;
    use crate::wire::codec::encode;
    use crate::wire::codec::messages::alter_partition_response as answers;

    fn change(topic: u128, index: PartitionIndex) -> IsrChange {
        IsrChange {
            topic_id: TopicId(Uuid::from_u128(topic)),
            index,
            leader_epoch: 4,
            partition_epoch: 9,
            isr: vec![(NodeId(1), 70), (NodeId(2), -1)],
        }
    }

    #[test]
    fn changes_of_several_topics_are_one_request() {
        let changes = [change(2, 0), change(1, 5), change(2, 1)];
        let request = request(NodeId(1), 70, changes.iter());
        encode(&request, 3, &mut BytesMut::new()).unwrap();
        let counts: Vec<_> = request
            .topics
            .iter()
            .map(|it| it.partitions.len())
            .collect();
        assert_eq!(counts, [1, 2]);
        let asked = &request.topics[1].partitions[1];
        assert_eq!((asked.partition_index, asked.leader_epoch), (1, 4));
        assert_eq!(asked.new_isr_with_epochs[1].broker_epoch, -1);
    }

    #[test]
    fn results_come_back_in_the_order_of_the_changes() {
        let partition = |index, error| {
            answers::PartitionData::default()
                .with_partition_index(index)
                .with_error_code(error)
                .with_leader_id(BrokerId(1))
                .with_isr(vec![BrokerId(1)])
                .with_partition_epoch(10)
        };
        let topic = answers::TopicData::default()
            .with_topic_id(Uuid::from_u128(2))
            .with_partitions(vec![partition(1, 0), partition(0, 107)]);
        let answer = AlterPartitionResponse::default().with_topics(vec![topic]);
        let results = Results::read(answer);
        let of = results
            .of(&[change(2, 0), change(2, 1), change(3, 0)])
            .unwrap();
        assert_eq!(of[0], Err(AlterPartitionError::IneligibleReplica));
        assert_eq!(of[1].as_ref().unwrap().partition_epoch, 10);
        let unknown = AlterPartitionError::Other(ErrorCode::UNKNOWN_SERVER_ERROR);
        assert_eq!(of[2], Err(unknown));
        let stale = AlterPartitionResponse::default().with_error_code(77);
        let unanswered = Err(AlterPartitionFailure::Unanswered);
        assert_eq!(Results::read(stale).of(&[change(2, 0)]), unanswered);
        assert_eq!(Results::none().of(&[]), unanswered);
    }
}
