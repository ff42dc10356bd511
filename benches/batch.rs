//! What is done to every produce request before it reaches the log: reading the request and the
//! batch's header, the checksum, validation, stamping; and the shape check of other requests.
//!
//! `cargo bench --bench batch`; under `cargo test` it runs small and checks only that it works.

mod harness;

use std::hint::black_box;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use corelane::partition::producers::{Producers, Verdict};
use corelane::partition::validate::{Origin, Rules, validate};
use corelane::wire::batch::{
    BatchBuilder, BatchView, Codec, NewRecord, Records, TimestampType, set_log_append_time, stamp,
};
use corelane::wire::codec::Encodable;
use corelane::wire::compress::{compress, decompress};
use corelane::wire::{produce, shape};
use harness::size;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{MetadataRequest, ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

const NOW: i64 = 1_700_000_000_000;

/// Times `work` in blocks and prints the time of one call in the fastest and the median block:
/// the calls are too short to be timed one by one.
fn time(name: &str, bytes: usize, mut work: impl FnMut()) {
    let (blocks, calls) = size((3, 2), (51, 2_000_000 / bytes.max(100)));
    let mut took: Vec<f64> = (0..blocks)
        .map(|_| {
            let begun = Instant::now();
            (0..calls).for_each(|_| work());
            begun.elapsed().as_secs_f64() * 1e9 / calls as f64
        })
        .collect();
    took.sort_by(f64::total_cmp);
    let (best, median) = (took[0], took[blocks / 2]);
    let rate = bytes as f64 / median;
    println!("{name:<44} {best:>10.1} ns best {median:>10.1} ns median {rate:>7.2} GB/s");
}

/// A batch of so many records with values of so many bytes, compressed or not.
fn batch(count: usize, value_bytes: usize, codec: Codec) -> Vec<u8> {
    let words = b"one core owns the partition and writes what it is given ";
    let value: Vec<u8> = words.iter().copied().cycle().take(value_bytes).collect();
    let mut builder = BatchBuilder::new();
    for i in 0..count {
        let key = i.to_be_bytes();
        builder.push(NewRecord::new(NOW + i as i64, Some(&key), Some(&value)));
    }
    builder.build_compressed(codec, |records| {
        let mut packed = Vec::new();
        compress(codec, records, &mut packed).unwrap();
        packed
    })
}

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
    let one = batch(1, 1024, Codec::None);
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
    for topics in [1, 100] {
        let body = metadata_request(topics);
        let name = format!("shape check, metadata of {topics} topics");
        time(&name, body.len(), || {
            assert!(shape::check(3, 12, black_box(&body)).is_ok());
        });
    }
}

fn headers_and_checksums() {
    for (name, mut bytes) in [
        ("1 KiB", batch(1, 1024 - 80, Codec::None)),
        ("64 KiB", batch(64, 1024 - 18, Codec::None)),
    ] {
        let size = bytes.len();
        time(&format!("header parse, {name}"), 0, || {
            let batch = BatchView::parse(black_box(&bytes)).unwrap();
            black_box((
                batch.record_count(),
                batch.last_offset(),
                batch.producer_id(),
            ));
        });
        time(&format!("checksum, {name}"), size, || {
            let batch = BatchView::parse(black_box(&bytes)).unwrap();
            assert!(batch.verify_crc().is_ok());
        });
        time(&format!("records, {name}"), size, || {
            let batch = BatchView::parse(black_box(&bytes)).unwrap();
            assert!(Records::of(&batch).all(|record| record.is_ok()));
        });
        let mut offset = 0;
        time(&format!("stamp, {name}"), 0, || {
            offset += 1;
            stamp(black_box(&mut bytes), offset, 3);
        });
        let mut now = NOW;
        time(&format!("stamp with log append time, {name}"), size, || {
            now += 1;
            set_log_append_time(black_box(&mut bytes), now).unwrap();
        });
    }
}

fn validation() {
    let rules = Rules {
        max_message_bytes: 1 << 20,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
        compacted: false,
        compression: None,
        compression_level: 0,
    };
    for (count, value_bytes) in [(1, 1024), (64, 1024), (640, 100)] {
        let plain = count * value_bytes;
        for codec in [
            Codec::None,
            Codec::Gzip,
            Codec::Snappy,
            Codec::Lz4,
            Codec::Zstd,
        ] {
            let bytes = batch(count, value_bytes, codec);
            let mut rewritten = Vec::new();
            let name = format!("validate {count} x {value_bytes} bytes, {}", codec.name());
            time(&name, plain, || {
                let valid = validate(
                    black_box(&bytes),
                    &rules,
                    Origin::Client,
                    NOW,
                    &mut rewritten,
                );
                assert!(valid.is_ok());
            });
        }
    }
    let bytes = batch(64, 1024, Codec::Lz4);
    let packed = BatchView::parse(&bytes).unwrap().records_bytes();
    let mut out = Vec::new();
    time("decompress 64 KiB, lz4", 64 << 10, || {
        out.clear();
        decompress(Codec::Lz4, black_box(packed), 1 << 20, &mut out).unwrap();
    });
}

fn idempotence() {
    let known = size(10, 10_000);
    let batches: Vec<Vec<u8>> = (0..known)
        .map(|id| {
            let mut builder = BatchBuilder::new().producer(id, 0, 0);
            builder.push(NewRecord::new(NOW, None, None));
            builder.build()
        })
        .collect();
    let mut producers = Producers::default();
    let mut next = 0;
    time(&format!("record a batch, {known} producers"), 0, || {
        next = (next + 7919) % batches.len();
        let batch = BatchView::parse(&batches[next]).unwrap();
        producers.record(&batch, 7, None);
    });
    for bytes in &batches {
        producers.record(&BatchView::parse(bytes).unwrap(), 7, None);
    }
    time(&format!("find a duplicate, {known} producers"), 0, || {
        next = (next + 7919) % batches.len();
        let batch = BatchView::parse(&batches[next]).unwrap();
        let verdict = producers.check(&batch);
        assert!(matches!(verdict, Ok(Verdict::Duplicate { .. })));
    });
}

fn main() {
    requests();
    headers_and_checksums();
    validation();
    idempotence();
}
