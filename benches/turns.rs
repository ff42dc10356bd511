//! How long one large batch keeps its core from other work: the longest turn of the executor
//! while a log of batches of 1 MiB is compacted, and what a produce request takes that brings one.
//!
//! `cargo bench --bench turns`; under `cargo test` it runs small and checks only that it works.

use std::cell::Cell;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane::io::cores::{self, CoreOptions};
use corelane::io::cpus;
use corelane::io::disk::Disk;
use corelane::log::{Cleaning, LastRecords, Log, LogConfig, Logs, LogsOptions, Opening};
use corelane::partition::validate::{Origin, Rules, validate};
use corelane::wire::batch::{BatchBuilder, Codec, NewRecord, TimestampType};
use corelane_testing::batches::compressed;
use corelane_testing::bench::{Samples, size};
use fastrand::Rng;

const CODECS: [Codec; 5] = [
    Codec::None,
    Codec::Lz4,
    Codec::Snappy,
    Codec::Zstd,
    Codec::Gzip,
];
/// Records in a batch of 1 MiB, uncompressed.
const RECORDS: usize = 1_000;
/// Of a record's value; half of it does not compress.
const VALUE_BYTES: usize = 1_024;
/// Batches of the log that is compacted.
const BATCHES: usize = 16;

fn main() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("turns-bench");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let options = CoreOptions {
        name: "turns-bench".to_owned(),
        cpu: cpus::allowed().last().copied(),
        spin: Duration::ZERO,
        io_memory_bytes: 4 << 20,
    };
    let place = dir.clone();
    let core = cores::start(options, move || run(place));
    core.unwrap().join().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
}

async fn run(dir: PathBuf) {
    println!("batches of 1 MiB uncompressed, {RECORDS} records, ms");
    for codec in CODECS {
        let validated = validated(codec);
        let mut turns = Samples::default();
        for round in 0..size(1, 15) {
            let dir = dir.join(format!("{}-{round}", codec.name()));
            turns.push(longest_turn(&dir, codec).await);
        }
        println!(
            "  {:<7} validated in {:>6.2} (p50) {:>6.2} (p99)   longest turn while compacting \
             {:>6.2} (best of {} runs) {:>6.2} (p50)",
            codec.name(),
            validated.us(0.5) / 1e3,
            validated.us(0.99) / 1e3,
            turns.us(0.0) / 1e3,
            size(1, 15),
            turns.us(0.5) / 1e3,
        );
    }
}

/// A batch in which every second key comes again in the next batch.
fn batch(codec: Codec, number: usize, random: &mut Rng) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    let mut value = vec![b'x'; VALUE_BYTES];
    for record in 0..RECORDS {
        let key = match record % 2 {
            0 => record,
            _ => number * RECORDS + record,
        };
        random.fill(&mut value[..VALUE_BYTES / 2]);
        builder.push(NewRecord::new(0, Some(&key.to_be_bytes()), Some(&value)));
    }
    compressed(builder, codec)
}

fn validated(codec: Codec) -> Samples {
    let rules = Rules {
        max_message_bytes: 2 << 20,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
        compacted: false,
        compression: None,
        compression_level: 0,
    };
    let bytes = batch(codec, 1, &mut Rng::with_seed(7));
    let mut rewritten = Vec::new();
    Samples::take(size(2, 200), || {
        let valid = validate(black_box(&bytes), &rules, Origin::Client, 0, &mut rewritten);
        assert!(valid.is_ok());
    })
}

/// Compacts a log, and looks how long another task on the core has to wait meanwhile.
async fn longest_turn(dir: &Path, codec: Codec) -> Duration {
    let logs = Logs::new(&Disk::direct(), LogsOptions::default());
    let config = LogConfig {
        compact: true,
        segment_bytes: 2 << 20,
        ..LogConfig::default()
    };
    let opened = Log::open(&logs, dir, config, Opening::default(), 0, &mut |_| {}).await;
    let log = opened.unwrap().0;
    let mut random = Rng::with_seed(7);
    for number in 0..size(8, BATCHES) {
        log.append(&batch(codec, number, &mut random), 0, None, 0)
            .unwrap();
        log.wait_acked(log.end_offset()).await.unwrap();
    }
    let (longest, over) = (
        Rc::new(Cell::new(Duration::ZERO)),
        Rc::new(Cell::new(false)),
    );
    let watching = cores::spawn({
        let (longest, over) = (Rc::clone(&longest), Rc::clone(&over));
        async move {
            while !over.get() {
                let begun = Instant::now();
                cores::yield_now().await;
                longest.set(longest.get().max(begun.elapsed()));
            }
        }
    });
    let job = Cleaning {
        map_bytes_max: 16 << 20,
        map_load_factor: 0.9,
        buffer_bytes: 512 << 10,
        bytes_per_second: f64::MAX,
        last_records: &LastRecords::default,
        now: 0,
    };
    let mut moved = 0;
    for _ in 0..100 {
        // Segments can be cleaned once they are sealed, which takes a moment.
        let dirt = log.dirt(None, i64::MAX, 0).await.unwrap().expect("dirty");
        moved += log.clean(&dirt, &job).await.unwrap().moved_bytes.0;
        if moved > 0 {
            break;
        }
        cores::sleep(Duration::from_millis(20)).await;
    }
    over.set(true);
    assert!(moved > 0);
    watching.cancel().await;
    log.close().await.unwrap();
    longest.get()
}
