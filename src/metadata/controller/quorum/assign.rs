//! Pure: where replicas lie, as an AssignReplicasToDirs request (KIP-858), and whether its answer
//! takes all of them.

use std::collections::BTreeMap;

use crate::base::{PartitionIndex, TopicId};
use crate::metadata::controller::request::AssignDirectories;
use crate::wire::codec::messages::assign_replicas_to_dirs_request::{
    DirectoryData, PartitionData, TopicData,
};
use crate::wire::codec::messages::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, BrokerId,
};

/// A request of version 0 of a node that is registered with `epoch`.
pub fn request(asked: &AssignDirectories, epoch: i64) -> AssignReplicasToDirsRequest {
    let mut topics: BTreeMap<TopicId, Vec<PartitionIndex>> = BTreeMap::new();
    for (topic, index) in &asked.partitions {
        topics.entry(*topic).or_default().push(*index);
    }
    let topics = topics.into_iter().map(|(id, partitions)| {
        let partitions = partitions.into_iter();
        let partitions = partitions.map(|it| PartitionData::default().with_partition_index(it));
        TopicData::default()
            .with_topic_id(id.0)
            .with_partitions(partitions.collect())
    });
    let directory = DirectoryData::default()
        .with_id(asked.directory)
        .with_topics(topics.collect());
    AssignReplicasToDirsRequest::default()
        .with_broker_id(BrokerId(asked.node.0))
        .with_broker_epoch(epoch)
        .with_directories(vec![directory])
}

/// Whether the controller has taken all of it.
pub fn is_all_taken(answer: &AssignReplicasToDirsResponse) -> bool {
    let topics = answer.directories.iter().flat_map(|it| &it.topics);
    let mut partitions = topics.flat_map(|it| &it.partitions);
    answer.error_code == 0 && partitions.all(|it| it.error_code == 0)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::base::NodeId;
    use crate::base::ids::Uuid;
    use crate::wire::codec::encode;
    use crate::wire::codec::messages::assign_replicas_to_dirs_response as answers;

    #[test]
    fn replicas_of_several_topics_are_one_request() {
        let topic = |number| TopicId(Uuid::from_u128(number));
        let asked = AssignDirectories {
            node: NodeId(4),
            directory: Uuid::from_u128(9),
            partitions: vec![(topic(2), 1), (topic(1), 0), (topic(2), 3)],
        };
        let request = request(&asked, 70);
        encode(&request, 0, &mut BytesMut::new()).unwrap();
        let topics = &request.directories[0].topics;
        let counts: Vec<_> = topics.iter().map(|it| it.partitions.len()).collect();
        assert_eq!(counts, [1, 2]);
        assert_eq!((request.broker_id.0, request.broker_epoch), (4, 70));
    }

    #[test]
    fn one_that_is_not_taken_shows() {
        let partition = |error| answers::PartitionData::default().with_error_code(error);
        let answer = |top, codes: [i16; 2]| {
            let topic = answers::TopicData::default()
                .with_partitions(codes.into_iter().map(partition).collect());
            let directory = answers::DirectoryData::default().with_topics(vec![topic]);
            AssignReplicasToDirsResponse::default()
                .with_error_code(top)
                .with_directories(vec![directory])
        };
        assert!(is_all_taken(&answer(0, [0, 0])));
        assert!(!is_all_taken(&answer(0, [0, 3])));
        assert!(!is_all_taken(&answer(41, [0, 0])));
    }
}
