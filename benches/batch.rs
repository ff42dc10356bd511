//! What is done to every batch before it reaches the log: reading its header, the checksum,
//! validation, stamping. What is done to requests is in `benches/requests.rs`.
//!
//! `cargo bench --bench batch`; under `cargo test` it runs small and checks only that it works.

use std::hint::black_box;

use corelane::partition::producers::{Producers, Verdict};
use corelane::partition::validate::{Origin, Rules, validate};
use corelane::wire::batch::{
    BatchBuilder, BatchView, Codec, NewRecord, Records, TimestampType, set_timestamp, stamp,
};
use corelane::wire::compress::decompress;
use corelane_testing::batches::compressed;
use corelane_testing::bench::{size, time};

const NOW: i64 = 1_700_000_000_000;

/// A batch of so many records with values of so many bytes, compressed or not.
fn batch(count: usize, value_bytes: usize, codec: Codec) -> Vec<u8> {
    let words = b"one core owns the partition and writes what it is given ";
    let value: Vec<u8> = words.iter().copied().cycle().take(value_bytes).collect();
    let mut builder = BatchBuilder::new();
    for i in 0..count {
        let key = i.to_be_bytes();
        builder.push(NewRecord::new(NOW + i as i64, Some(&key), Some(&value)));
    }
    compressed(builder, codec)
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
            set_timestamp(black_box(&mut bytes), TimestampType::LogAppendTime, now).unwrap();
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
        let verdict = producers.check(&batch, None);
        assert!(matches!(verdict, Ok(Verdict::Duplicate { .. })));
    });
}

fn main() {
    headers_and_checksums();
    validation();
    idempotence();
}
