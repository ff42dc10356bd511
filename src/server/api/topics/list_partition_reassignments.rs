//! Drives: ListPartitionReassignments, version 0 (KIP-455). In a cluster the controllers answer.
//! Alone these are the partitions that are to go from one shard to another and have not gone yet.

use crate::base::{ErrorCode, NodeId};
use crate::metadata::image::{Image, Partition, Topic};
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
        let mut found = Vec::new();
        match &request.topics {
            Some(topics) => {
                for topic in topics {
                    let wanted = |index: i32| topic.partition_indexes.contains(&index);
                    if let Some(known) = image.topics.named(&topic.name) {
                        found.extend(moving(known, wanted));
                    }
                    cx.pace().await;
                }
            }
            None => {
                for topic in sorted(&image) {
                    found.extend(moving(topic, |_| true));
                    cx.pace().await;
                }
            }
        }
        let count: usize = found.iter().map(|topic| topic.partitions.len()).sum();
        if !cx.claim(count * PARTITION_BYTES).await {
            let code = ErrorCode::REQUEST_TIMED_OUT;
            return answer.with_error_code(code.0);
        }
        answer.with_topics(found)
    }
}

fn sorted(image: &Image) -> impl Iterator<Item = &Topic> {
    image.topics.sorted().into_iter().map(|topic| &**topic)
}

/// The partitions of a topic that are to go elsewhere, of those that are wanted.
fn moving(topic: &Topic, is_wanted: impl Fn(i32) -> bool) -> Option<OngoingTopicReassignment> {
    let partitions = topic.partitions.iter().zip(0..);
    let partitions =
        partitions.filter(|(partition, index)| !partition.adding.is_empty() && is_wanted(*index));
    let partitions: Vec<_> = partitions.map(|(it, index)| of(it, index)).collect();
    (!partitions.is_empty()).then(|| {
        OngoingTopicReassignment::default()
            .with_name(super::name(&topic.name))
            .with_partitions(partitions)
    })
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
