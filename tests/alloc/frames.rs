//! The requests that are counted, as they come from the wire.

use corelane::wire::batch::{BatchBuilder, NewRecord};
use corelane::wire::codec::Encodable;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{FetchRequest, ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::{PARTITIONS, TOPIC};

/// A request as it follows its length on the wire.
fn frame(api_key: i16, api_version: i16, body: &impl Encodable) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(api_key.to_be_bytes());
    frame.extend(api_version.to_be_bytes());
    frame.extend(5i32.to_be_bytes());
    frame.extend([0, 6]);
    frame.extend(b"client");
    // No tagged fields: all versions used here are flexible.
    frame.push(0);
    body.encode(&mut frame, api_version)
        .expect("a good request");
    frame
}

/// A batch of an idempotent producer.
fn batch(sequence: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.push(NewRecord::new(0, Some(b"key"), Some(&[7; 1024])));
    builder.producer(9, 0, sequence).build()
}

/// A produce of one batch to each of so many partitions.
pub fn produce_frame(version: i16, partitions: i32, sequence: i32) -> Vec<u8> {
    let data = |index| {
        PartitionProduceData::default()
            .with_index(index)
            .with_records(Some(batch(sequence).into()))
    };
    let mut topic = TopicProduceData::default();
    topic = match version {
        13.. => topic.with_topic_id(TOPIC.0),
        _ => topic.with_name(TopicName(StrBytes::from_static_str("orders"))),
    };
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(1_000)
        .with_topic_data(vec![
            topic.with_partition_data((0..partitions).map(data).collect()),
        ]);
    frame(0, version, &request)
}

/// A fetch in a session, of partition 0 from `offset` on; the session's first names them all.
pub fn fetch_frame(session: i32, epoch: i32, offset: i64) -> Vec<u8> {
    let wanted = |index| {
        FetchPartition::default()
            .with_partition(index)
            .with_fetch_offset(if index == 0 { offset } else { 0 })
            .with_partition_max_bytes(1 << 20)
    };
    let named = if epoch == 0 { PARTITIONS } else { 1 };
    let topic = FetchTopic::default()
        .with_topic_id(TOPIC.0)
        .with_partitions((0..named).map(wanted).collect());
    let request = FetchRequest::default()
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_id(session)
        .with_session_epoch(epoch)
        .with_topics(vec![topic]);
    frame(1, 17, &request)
}
