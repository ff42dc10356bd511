//! Drives: DescribeProducers, version 0 (KIP-664): what a partition knows of its idempotent and
//! transactional producers. Tools find transactions that hang by it.

use crate::base::ErrorCode;
use crate::partition::producers::Producer;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use crate::wire::codec::messages::{
    DescribeProducersRequest, DescribeProducersResponse, ProducerId,
};

/// The API.
pub struct DescribeProducers;

/// What one producer takes in an answer, in bytes.
const PRODUCER_BYTES: usize = 64;

codes!(DescribeProducersResponse: [topics partitions]);

impl Api for DescribeProducers {
    type Request = DescribeProducersRequest;
    const VERSIONS: (i16, i16) = (0, 0);
    const NAME: &'static str = "DescribeProducers";

    async fn handle(cx: &Context, request: DescribeProducersRequest) -> DescribeProducersResponse {
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
            for &index in &topic.partition_indexes {
                cx.pace().await;
                let Some(described) = describe(cx, &topic.name, index).await else {
                    // There is no memory for the answer.
                    return DescribeProducersResponse::default();
                };
                partitions.push(described);
            }
            let topic = TopicResponse::default().with_name(topic.name.clone());
            topics.push(topic.with_partitions(partitions));
        }
        DescribeProducersResponse::default().with_topics(topics)
    }
}

async fn describe(cx: &Context, topic: &str, index: i32) -> Option<PartitionResponse> {
    let answer = PartitionResponse::default().with_partition_index(index);
    let refused = |code: ErrorCode| Some(answer.clone().with_error_code(code.0));
    let partition = match cx.shard.partitions.lookup(topic, index) {
        Ok(partition) => partition,
        // Kafka has words only for a topic that is not there at all.
        Err(error) if cx.image().topics.named(topic).is_none() => {
            let text = "This server does not host this topic-partition.";
            let text = Some(StrBytes::from_static_str(text));
            let code = errors::lookup(error);
            return Some(answer.with_error_code(code.0).with_error_message(text));
        }
        Err(error) => return refused(errors::lookup(error)),
    };
    let count = partition.producers().count();
    if !cx.claim(count.saturating_mul(PRODUCER_BYTES)).await {
        return None;
    }
    let producers = partition.producers();
    let producers = producers.iter().take(count);
    let states = producers.map(|(id, producer)| state(id, producer));
    Some(answer.with_active_producers(states.collect()))
}

fn state(id: i64, producer: &Producer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(id))
        .with_producer_epoch(producer.epoch().into())
        .with_last_sequence(producer.last_sequence())
        .with_last_timestamp(producer.last_timestamp())
        .with_coordinator_epoch(producer.coordinator_epoch())
        .with_current_txn_start_offset(producer.transaction_start().unwrap_or(-1))
}
