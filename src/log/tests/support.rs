//! Drives: what the log's tests share: batches, places, both disks.

use std::future::Future;
use std::path::{Path, PathBuf};

use crate::base::limits::UNPACKED_BYTES_MAX;
use crate::base::{Offset, WallMs};
use crate::io::budget::Budget;
use crate::io::buffer::Slice;
use crate::io::disk::Disk;
use crate::io::sim::{Random, World};
use crate::log::{Log, LogConfig, Logs, LogsOptions, Opening, ReadError, Recovered, Replay};
use crate::wire::batch::{BatchBuilder, Codec, NewRecord, Records, batches};
use crate::wire::compress::compress;

/// A batch of `count` records whose values are `bytes` long and tell `tag`.
pub fn batch(count: usize, bytes: usize, tag: u64, timestamp: WallMs) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for index in 0..count {
        let mut value = vec![(tag % 251) as u8 + 1; bytes.max(16)];
        value[..8].copy_from_slice(&tag.to_be_bytes());
        value[8..16].copy_from_slice(&(index as u64).to_be_bytes());
        builder.push(NewRecord::new(timestamp, None, Some(&value)));
    }
    builder.build()
}

/// A batch of one record whose value is zeros, more than may be unpacked.
pub fn bomb(key: Option<&[u8]>, timestamp: WallMs) -> Vec<u8> {
    let value = vec![0; UNPACKED_BYTES_MAX];
    let mut builder = BatchBuilder::new();
    builder.push(NewRecord::new(timestamp, key, Some(&value)));
    builder.build_compressed(Codec::Zstd, |plain| {
        let mut out = Vec::new();
        compress(Codec::Zstd, plain, &mut out).expect("compressed");
        out
    })
}

/// The end of a life: one in four is a kill, the others are power cuts.
pub fn killed_or_cut(world: World, random: &mut Random) -> World {
    let next = random.next();
    match random.one_in(4) {
        true => world.kill(next),
        false => world.crash(next),
    }
}

/// Small limits, so that bounds are met within small tests.
pub fn options() -> LogsOptions {
    LogsOptions {
        budget: Budget::new(64 << 20),
        cache_bytes: 64 << 10,
        cache_bytes_max: 64 << 10,
        queued_bytes_max: 4 << 20,
        read_bytes_max: 1 << 20,
        shared_write_bytes_min: 4 << 10,
        read_ahead_bytes: 16 << 10,
        entered_bytes_max: 16 << 10,
        away_bytes_max: 64 << 10,
        prepare_bytes: (16 << 10, 64 << 10),
        ..LogsOptions::default()
    }
}

/// Settings with segments of `segment_bytes`.
pub fn config(segment_bytes: u64) -> LogConfig {
    LogConfig {
        segment_bytes,
        index_interval_bytes: 512,
        ..LogConfig::default()
    }
}

/// Opens the log in `dir`.
pub async fn open(
    logs: &Logs,
    dir: &Path,
    config: LogConfig,
    opening: Opening,
) -> (Log, Recovered) {
    Log::open(logs, dir, config, opening, 1_000, &mut |_| {})
        .await
        .expect("the log opens")
}

/// What a replay showed, as text.
pub async fn open_replaying(
    logs: &Logs,
    dir: &Path,
    config: LogConfig,
    opening: Opening,
) -> (Log, Vec<String>) {
    let mut seen = Vec::new();
    let (log, _) = Log::open(logs, dir, config, opening, 1_000, &mut |replay| {
        seen.push(match replay {
            Replay::Snapshot(offset, content, _) => format!("{offset}: {} bytes", content.len()),
            Replay::Batch(bytes, _) => {
                let batch = batches(bytes).next().expect("one").expect("valid");
                format!("{}..={}", batch.base_offset(), batch.last_offset())
            }
        });
    })
    .await
    .expect("the log opens");
    (log, seen)
}

/// Waits until `offset` is acked.
pub async fn acked(log: &Log, offset: Offset) {
    log.wait_acked(offset).await.expect("the log does not fail");
}

/// Ends a log without closing it, as far as one process can: nothing of it runs any more.
pub async fn vanish(log: Log) {
    log.0.stop();
    log.0.upkeep_idle().await;
}

/// The bytes of slices, in a row.
pub fn joined(slices: &[Slice]) -> Vec<u8> {
    slices.iter().flat_map(|slice| slice.to_vec()).collect()
}

/// Reads all batches from `offset` up to the acked offset and checks that they are dense and
/// whole; returns base offset, count of records and tag of each.
pub async fn read_all(log: &Log, offset: Offset, max_bytes: usize) -> Vec<(Offset, u64, u64)> {
    let mut next = offset;
    let mut found = Vec::new();
    while next < log.acked_offset() {
        let mut out = Vec::new();
        let bytes = log
            .read(next, max_bytes, log.acked_offset(), &mut out)
            .await;
        let bytes = bytes.expect("what is acked can be read");
        let joined = joined(&out);
        assert_eq!(joined.len(), bytes);
        assert!(bytes > 0, "something is there at {next}");
        for batch in batches(&joined) {
            let batch = batch.expect("whole batches");
            batch.verify_crc().expect("as written");
            if found.is_empty() {
                // The offset may lie inside the first batch.
                assert!(batch.base_offset() <= next && next <= batch.last_offset());
                next = batch.base_offset();
            }
            assert_eq!(batch.base_offset(), next, "dense");
            let mut records = Records::of(&batch);
            let record = records.next().expect("a record").expect("valid");
            let tag = record.value.expect("a value")[..8]
                .try_into()
                .expect("8 bytes");
            let count = batch.last_offset() - batch.base_offset() + 1;
            found.push((next, count as u64, u64::from_be_bytes(tag)));
            next = batch.next_offset();
        }
    }
    found
}

/// Whether a read is out of range.
pub async fn is_out_of_range(log: &Log, offset: Offset) -> bool {
    let mut out = Vec::new();
    let read = log.read(offset, 1, Offset::MAX, &mut out).await;
    matches!(read, Err(ReadError::OutOfRange))
}

/// Runs `test` on a simulated disk and on the machine's, in an empty folder.
pub fn on_both_disks<F>(test: impl Fn(Disk, PathBuf) -> F + Clone + Send + 'static)
where
    F: Future<Output = ()> + 'static,
{
    for seed in 0..3 {
        let world = World::new(seed);
        let disk = Disk::simulated(world.disk().clone());
        world.run(test(disk, PathBuf::from("/data/topic-0")));
    }
    on_real_disk(test);
}

/// Runs `test` on the machine's disk, in an empty folder. The folder for temporary files may
/// lie in memory, where there is no direct I/O: the build's own is used.
pub fn on_real_disk<F>(test: impl Fn(Disk, PathBuf) -> F + Send + 'static)
where
    F: Future<Output = ()> + 'static,
{
    let target = std::env::current_exe().expect("a test program has a path");
    let folder = tempfile::tempdir_in(target.parent().expect("it lies in a folder"));
    let folder = folder.expect("the build's folder can be written to");
    let dir = folder.path().join("topic-0");
    let core = crate::io::cores::start(
        crate::io::cores::CoreOptions {
            name: "log-test".to_owned(),
            cpu: None,
            spin: std::time::Duration::ZERO,
            io_memory_bytes: 1 << 20,
        },
        move || async move { test(Disk::direct(), dir).await },
    );
    core.and_then(crate::io::cores::Core::join)
        .expect("the test does not panic");
}

/// What the tests share when they open logs.
pub fn logs(disk: &Disk) -> Logs {
    Logs::new(disk, options())
}

/// The seeds of random worlds: `SIM_RUNS` says how many, `SIM_SEED` the first of them.
pub fn runs(default: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("SIM_SEED").unwrap_or(0);
    first..first + number("SIM_RUNS").unwrap_or(default)
}
