//! What is done to every request before it is acted on: its header, Produce and Fetch in place,
//! the shape check of all others; and what it takes to look through the codecs.
//!
//! `cargo bench --bench requests`; under `cargo test` it runs small and checks only that it works.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use corelane::wire::batch::Codec;
use corelane::wire::codec::Encodable;
use corelane::wire::compress::{compress, decompress};
use corelane::wire::header::RequestHeader;
use corelane::wire::{fetch, produce, shape};
use corelane_testing::bench::time;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{FetchRequest, MetadataRequest, ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

fn produce_request(version: i16, batch: &[u8]) -> BytesMut {
    let partition = PartitionProduceData::default()
        .with_index(3)
        .with_records(Some(Bytes::copy_from_slice(batch)));
    let mut topic = TopicProduceData::default().with_partition_data(vec![partition]);
    if version < produce::TOPIC_ID_FROM {
        topic.name = TopicName(StrBytes::from_static_str("orders"));
    }
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic]);
    let mut body = BytesMut::new();
    request.encode(&mut body, version).unwrap();
    body
}

/// A consumer's first fetch: so many partitions of one topic.
fn fetch_request(partitions: i32) -> BytesMut {
    let partition = |index| FetchPartition::default().with_partition(index);
    let topic = FetchTopic::default().with_partitions((0..partitions).map(partition).collect());
    let request = FetchRequest::default().with_topics(vec![topic]);
    let mut body = BytesMut::new();
    request.encode(&mut body, 17).unwrap();
    body
}

fn metadata_request(topics: usize) -> BytesMut {
    let topic = |i| {
        let name = TopicName(StrBytes::from_string(format!("topic-{i}")));
        MetadataRequestTopic::default().with_name(Some(name))
    };
    let request = MetadataRequest::default().with_topics(Some((0..topics).map(topic).collect()));
    let mut body = BytesMut::new();
    request.encode(&mut body, 12).unwrap();
    body
}

fn requests() {
    let one = vec![7; 1024];
    let frame = [
        &[0, 0, 0, 13, 0, 0, 0, 9, 0, 10][..],
        b"producer-1",
        &[0],
        &one,
    ];
    let frame = frame.concat();
    time("request header", 0, || {
        let header = RequestHeader::parse(black_box(&frame)).unwrap();
        assert_eq!(header.body.len(), one.len());
    });
    for version in [7, 9, 13] {
        let body = produce_request(version, &one);
        time(
            &format!("produce parse, v{version}, one partition"),
            0,
            || {
                let mut bytes = 0;
                let head = produce::walk(black_box(&body), version, |item| {
                    if let produce::Item::Partition { records, .. } = item {
                        bytes += records.unwrap_or_default().len();
                    }
                });
                assert!(black_box(head).is_ok() && bytes == one.len());
            },
        );
    }
    for partitions in [1, 100] {
        let body = fetch_request(partitions);
        let name = format!("fetch parse, v17, {partitions} partitions");
        time(&name, body.len(), || {
            let mut offsets = 0;
            let head = fetch::walk(black_box(&body), 17, |item| {
                if let fetch::Item::Partition { offset, .. } = item {
                    offsets += offset + 1;
                }
            });
            assert!(black_box(head).is_ok() && offsets == i64::from(partitions));
        });
    }
    for topics in [1, 100] {
        let body = metadata_request(topics);
        let name = format!("shape check, metadata of {topics} topics");
        time(&name, body.len(), || {
            assert!(shape::check(3, 12, black_box(&body)).is_ok());
        });
    }
}

fn codecs() {
    let words = b"one core owns the partition and writes what it is given ";
    for bytes in [1 << 10, 64 << 10] {
        let plain: Vec<u8> = words.iter().copied().cycle().take(bytes).collect();
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let (mut packed, mut out) = (Vec::new(), Vec::new());
            compress(codec, &plain, &mut packed).unwrap();
            let name = format!("decompress to {} KiB, {}", bytes >> 10, codec.name());
            time(&name, bytes, || {
                out.clear();
                decompress(codec, black_box(&packed), bytes, &mut out).unwrap();
            });
        }
    }
}

fn main() {
    requests();
    codecs();
}
