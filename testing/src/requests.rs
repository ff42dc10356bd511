//! Drives: the requests that most tests send: create a topic, produce, fetch, read to the end.

use std::io::{Error, Result};

use bytes::Bytes;
use corelane::wire::batch::{Records, batches};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, FetchRequest, ProduceRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::Client;
pub use crate::batches::batch;

/// Version of Produce that these requests are for: the last one that names topics.
pub const PRODUCE: i16 = 12;
/// Version of Fetch that these requests are for: the last one that names topics.
pub const FETCH: i16 = 12;
/// Version of CreateTopics that [`try_create_topic`] uses.
const CREATE_TOPICS: i16 = 7;

/// An error where an answer has an error code; `what` is the API.
pub fn good(what: &str, code: i16) -> Result<()> {
    match code {
        0 => Ok(()),
        code => Err(Error::other(format!(
            "{what} was answered with error {code}"
        ))),
    }
}

/// A string as messages want it.
pub fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

/// A topic name as messages want it.
pub fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// A topic to be created.
pub fn new_topic(name: &str, partitions: i32, configs: &[(&str, &str)]) -> CreatableTopic {
    let configs = configs.iter().map(|(name, value)| {
        CreatableTopicConfig::default()
            .with_name(text(*name))
            .with_value(Some(text(*value)))
    });
    CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(1)
        .with_configs(configs.collect())
}

/// Creates a topic; its error code.
pub fn create_topic(client: &mut Client, name: &str, partitions: i32) -> i16 {
    try_create_topic(client, name, partitions, &[]).unwrap()
}

/// As [`create_topic`], with settings; an error when the connection ends instead.
pub fn try_create_topic(
    client: &mut Client,
    name: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> Result<i16> {
    let request = CreateTopicsRequest::default()
        .with_timeout_ms(10_000)
        .with_topics(vec![new_topic(name, partitions, configs)]);
    let answer = client.try_call(CREATE_TOPICS, &request)?;
    Ok(answer.topics[0].error_code)
}

/// A request to append one batch to one partition.
pub fn produce(topic: &str, partition: i32, acks: i16, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(records));
    let topic = TopicProduceData::default()
        .with_name(topic_name(topic))
        .with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![topic])
}

/// A request for everything from `offset` on.
pub fn fetch(topic: &str, partition: i32, offset: i64) -> FetchRequest {
    let wanted = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(8 << 20);
    let topic = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![wanted]);
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(100)
        .with_min_bytes(1)
        .with_max_bytes(16 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

/// Reads a partition to its end: offsets and values.
pub fn read_all(client: &mut Client, topic: &str, partition: i32) -> Vec<(i64, Vec<u8>)> {
    let mut found = Vec::new();
    let mut next = 0;
    loop {
        let answer = client.call(FETCH, &fetch(topic, partition, next));
        let partition = &answer.responses[0].partitions[0];
        assert_eq!(partition.error_code, 0);
        let from = next;
        for batch in batches(partition.records.as_deref().unwrap_or_default()) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            for record in Records::of(&batch) {
                let record = record.unwrap();
                let offset = batch.base_offset() + i64::from(record.offset_delta);
                if offset >= from {
                    found.push((offset, record.value.unwrap_or_default().to_vec()));
                }
            }
            // A compacted batch may hold no records.
            next = batch.next_offset();
        }
        if next == from {
            return found;
        }
    }
}
