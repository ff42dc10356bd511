//! Drives: ListPartitionReassignments, version 0 (KIP-455). In a cluster the controllers answer.
//! Alone these are the partitions that are to go from one shard to another and have not gone yet.

use std::sync::Arc;

use crate::base::{NodeId, PartitionIndex};
use crate::io::turn;
use crate::metadata::image::{Partition, Topic};
use crate::server::api::{Api, Context};
use crate::server::state::codes::codes;
use crate::wire::codec::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use crate::wire::codec::messages::{
    BrokerId, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

/// The API.
pub struct ListPartitionReassignments;

/// What a partition of the answer takes of the shard's memory, in bytes.
const PARTITION_BYTES: usize = 128;

codes!(ListPartitionReassignmentsResponse: []);

impl Api for ListPartitionReassignments {
    type Request = ListPartitionReassignmentsRequest;
    const VERSIONS: (i16, i16) = (0, 0);
    const NAME: &'static str = "ListPartitionReassignments";
    const FORWARDED: bool = true;

    async fn handle(
        cx: &Context,
        request: ListPartitionReassignmentsRequest,
    ) -> ListPartitionReassignmentsResponse {
        let answer = ListPartitionReassignmentsResponse::default().with_error_message(None);
        let image = cx.image();
        let mut found: Vec<(&Arc<Topic>, Vec<PartitionIndex>)> = Vec::new();
        match &request.topics {
            Some(topics) => {
                for topic in topics {
                    let Some(known) = image.topics.named(&topic.name) else {
                        continue;
                    };
                    let mut moving = Vec::new();
                    for &index in &topic.partition_indexes {
                        cx.pace().await;
                        moving.extend(known.partition(index).filter(is_moving).map(|_| index));
                    }
                    moving.sort_unstable();
                    moving.dedup();
                    found.push((known, moving));
                }
            }
            None => {
                for topic in image.topics.sorted() {
                    cx.pace().await;
                    let partitions = topic.partitions.iter().zip(0..);
                    let moving = partitions.filter(|(partition, _)| is_moving(partition));
                    found.push((topic, moving.map(|(_, index)| index).collect()));
                }
            }
        }
        found.retain(|(_, moving)| !moving.is_empty());
        let count: usize = found.iter().map(|(_, moving)| moving.len()).sum();
        if !cx.claim(count * PARTITION_BYTES).await {
            return answer;
        }
        let topics = found.into_iter().map(|(topic, moving)| {
            let partitions = moving.into_iter();
            let partitions = partitions.filter_map(|at| Some(of(topic.partition(at)?, at)));
            OngoingTopicReassignment::default()
                .with_name(super::name(&topic.name))
                .with_partitions(partitions.collect())
        });
        answer.with_topics(turn::collect(topics).await)
    }
}

fn is_moving(partition: &&Arc<Partition>) -> bool {
    !partition.adding.is_empty()
}

fn of(partition: &Partition, index: i32) -> OngoingPartitionReassignment {
    let ids = |nodes: &[NodeId]| {
        nodes
            .iter()
            .map(|node| BrokerId(node.0))
            .collect::<Vec<_>>()
    };
    // Kafka counts those on their way in among the replicas.
    let mut replicas = ids(&partition.replicas);
    replicas.extend(ids(&partition.adding));
    OngoingPartitionReassignment::default()
        .with_partition_index(index)
        .with_replicas(replicas)
        .with_adding_replicas(ids(&partition.adding))
        .with_removing_replicas(ids(&partition.removing))
}
