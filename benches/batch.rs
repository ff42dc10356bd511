//! What every produced batch costs before it reaches the log: header, checksum, stamps,
//! validation, producers.
//!
//! `cargo bench --bench batch`; under `cargo test` it runs small and checks only that it works.

mod harness;

use std::hint::black_box;
use std::time::Instant;

use corelane::partition::producers::{Producers, Verdict};
use corelane::partition::validate::{Origin, Rules, validate};
use corelane::wire::batch::{
    BatchBuilder, BatchView, Codec, NewRecord, TimestampType, set_log_append_time, stamp,
};
use corelane::wire::compress::compress;
use harness::size;

const NOW: i64 = 1_700_000_000_000;

const RULES: Rules = Rules {
    max_message_bytes: 4 << 20,
    timestamp_type: TimestampType::CreateTime,
    timestamp_before_max_ms: i64::MAX,
    timestamp_after_max_ms: 3_600_000,
    compacted: false,
    compression: None,
};

/// A batch of `count` records whose values are `value_bytes` of something like text.
fn batch(count: usize, value_bytes: usize, codec: Codec) -> Vec<u8> {
    let words = [
        "offset", "leader", "epoch", "shard", "segment", "batch", "record",
    ];
    let mut state = 7usize;
    let mut builder = BatchBuilder::new().producer(1, 0, 0);
    let mut value = Vec::new();
    for i in 0..count {
        value.clear();
        while value.len() < value_bytes {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            value.extend_from_slice(words[(state >> 33) % words.len()].as_bytes());
            value.push(b'0' + (state >> 50) as u8 % 10);
        }
        value.truncate(value_bytes);
        let key = i.to_be_bytes();
        builder.push(NewRecord::new(NOW + i as i64, Some(&key), Some(&value)));
    }
    builder.build_compressed(codec, |records| {
        let mut packed = Vec::new();
        compress(codec, records, &mut packed).unwrap();
        packed
    })
}

/// Runs `work` often enough to be timed, in blocks; prints the fastest and the middle one, and
/// the rate if it reads `bytes`, not 0.
fn line(name: &str, bytes: usize, mut work: impl FnMut()) {
    let (blocks, rounds) = size((2, 3), (21, (64 << 20) / bytes.max(4096)));
    let mut nanos: Vec<f64> = (0..blocks)
        .map(|_| {
            let begun = Instant::now();
            (0..rounds).for_each(|_| work());
            begun.elapsed().as_nanos() as f64 / rounds as f64
        })
        .collect();
    nanos.sort_by(f64::total_cmp);
    let (best, middle) = (nanos[0], nanos[blocks / 2]);
    let rate = bytes as f64 / middle * 1e9 / f64::from(1 << 20);
    let rate = if bytes > 0 {
        format!("  {rate:>7.0} MiB/s")
    } else {
        String::new()
    };
    println!("{name:<44} best {best:>10.1}  middle {middle:>10.1} ns{rate}");
}

fn check(bytes: &[u8]) {
    let mut rewritten = Vec::new();
    let valid = validate(bytes, &RULES, Origin::Client, NOW, &mut rewritten).unwrap();
    black_box(valid.batch.record_count());
}

fn main() {
    println!("per batch; rates count the batch's bytes as they came");
    for (count, value_bytes) in [(1, 1024), (16, 1024), (1000, 16), (1000, 1024)] {
        let mut bytes = batch(count, value_bytes, Codec::None);
        let len = bytes.len();
        let what = |work: &str| format!("{work}, {count} x {value_bytes} B");
        line(&what("header"), 0, || {
            let batch = BatchView::parse(black_box(&bytes)).unwrap();
            black_box((batch.last_offset(), batch.producer_id()));
        });
        let batch = BatchView::parse(&bytes).unwrap();
        line(&what("checksum"), len, || batch.verify_crc().unwrap());
        line(&what("validate"), len, || check(black_box(&bytes)));
        line(&what("stamp"), 0, || stamp(black_box(&mut bytes), 0, 3));
        let mut now = NOW;
        line(&what("stamp with the broker's clock"), len, || {
            now += 1;
            set_log_append_time(&mut bytes, now).unwrap();
        });
    }
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        for (count, value_bytes) in [(1, 1024), (100, 1024), (1000, 1024)] {
            let bytes = batch(count, value_bytes, codec);
            let name = format!("validate {}, {count} x {value_bytes} B", codec.name());
            line(&name, bytes.len(), || check(black_box(&bytes)));
        }
    }
    producers();
}

fn producers() {
    let known = size(10, 10_000);
    let mut producers = Producers::default();
    let batch_of = |id, sequence| {
        let mut builder = BatchBuilder::new().producer(id, 0, sequence);
        builder.push(NewRecord::new(NOW, None, None));
        builder.build()
    };
    for id in 0..known {
        let bytes = batch_of(id, 0);
        producers.record(&BatchView::parse(&bytes).unwrap(), id, None);
    }
    let batches: Vec<Vec<u8>> = (0..known).map(|id| batch_of(id, 0)).collect();
    let mut next = 0;
    line("duplicate found among many producers", 0, || {
        next = (next + 7919) % batches.len();
        let batch = BatchView::parse(&batches[next]).unwrap();
        let verdict = producers.check(&batch).unwrap();
        assert!(matches!(verdict, Verdict::Duplicate { .. }));
    });
    line("record", 0, || {
        next = (next + 7919) % batches.len();
        let batch = BatchView::parse(&batches[next]).unwrap();
        producers.record(&batch, 7, None);
    });
}
