//! What was answered stays done: a broker that is killed at once after its answer.

use corelane_testing::Client;
use corelane_testing::requests::{FETCH, PRODUCE, batch, create_topic, fetch, produce, topic_name};
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{DeleteRecordsRequest, ListOffsetsRequest};

use crate::HERE;

const TOPIC: &str = "deleted";
const PARTITIONS: i32 = 8;
const EARLIEST: i64 = -2;
const OFFSET_OUT_OF_RANGE: i16 = 1;

/// Deletes what lies before these offsets; the low watermarks.
fn delete(client: &mut Client, before: impl Iterator<Item = (i32, i64)>) -> Vec<i64> {
    let partition = |(index, offset)| {
        DeleteRecordsPartition::default()
            .with_partition_index(index)
            .with_offset(offset)
    };
    let topic = DeleteRecordsTopic::default()
        .with_name(topic_name(TOPIC))
        .with_partitions(before.map(partition).collect());
    let request = DeleteRecordsRequest::default()
        .with_timeout_ms(10_000)
        .with_topics(vec![topic]);
    let answer = client.call(2, &request);
    let partitions = answer.topics[0].partitions.iter();
    let marks = partitions.map(|partition| {
        assert_eq!(partition.error_code, 0);
        partition.low_watermark
    });
    marks.collect()
}

/// The first offset of a partition that may be read.
pub fn earliest(client: &mut Client, topic: &str, partition: i32) -> i64 {
    let partition = ListOffsetsPartition::default()
        .with_partition_index(partition)
        .with_timestamp(EARLIEST);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_topics(vec![topic]);
    client.call(7, &request).topics[0].partitions[0].offset
}

#[test]
fn deleted_records_stay_deleted_after_a_kill() {
    let dir = HERE.data_dir();
    let start = HERE.start(dir.path());
    let mut broker = start.ready();
    assert_eq!(create_topic(&mut broker.client(), TOPIC, PARTITIONS), 0);
    let client = &mut broker.client();
    for partition in 0..PARTITIONS {
        for _ in 0..10 {
            let request = produce(TOPIC, partition, -1, batch(&[b"one"]));
            let answer = client.call(PRODUCE, &request);
            assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
        }
    }
    for round in 0..3 {
        let before = |partition| i64::from(partition) + round;
        let marks = delete(
            &mut broker.client(),
            (0..PARTITIONS).map(|partition| (partition, before(partition))),
        );
        assert_eq!(marks, (0..PARTITIONS).map(before).collect::<Vec<_>>());
        broker.kill();
        broker = start.ready();
        let client = &mut broker.client();
        for partition in 0..PARTITIONS {
            let first = before(partition);
            assert_eq!(earliest(client, TOPIC, partition), first, "of {partition}");
            let answer = client.call(FETCH, &fetch(TOPIC, partition, first - 1));
            let code = answer.responses[0].partitions[0].error_code;
            assert_eq!(code, OFFSET_OUT_OF_RANGE, "before {first} of {partition}");
        }
    }
    broker.stop();
}
