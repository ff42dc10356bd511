//! A log's append to ack, by the journal of its folder, beside the floors of the same run, in
//! interleaved blocks: plain direct overwrites with and without a flush; 64 logs that share the
//! journal; long appends in a row, which go past it.
//!
//! `cargo bench --bench append`; under `cargo test` it runs small and checks only that it works.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane::io::buffer::BLOCK_BYTES;
use corelane::io::cores::{self, CoreOptions};
use corelane::io::disk::Disk;
use corelane::io::file::File;
use corelane::log::{AppendError, Folder, Log, LogConfig, Logs, LogsOptions, Opening};
use corelane_testing::batches::filled;
use corelane_testing::bench::{DirectFile, Samples, size};
use corelane_testing::journaled;

/// Logs that are appended to at once.
const SHARING_LOGS: usize = 64;
/// The broker's own default.
const JOURNAL_BYTES: usize = 64 << 20;
/// Blocks of a floor's file.
const FLOOR_BLOCKS: u64 = 2048;

fn main() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("append-bench");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let options = CoreOptions {
        name: "append-bench".to_owned(),
        cpu: None,
        spin: Duration::ZERO,
        io_memory_bytes: 1 << 20,
    };
    let place = dir.clone();
    let core = cores::start(options, move || async move {
        one_in_flight(&place).await;
        many_logs(&place).await;
        long_appends(&place).await;
    });
    core.unwrap().join().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
}

async fn shared(dir: &Path) -> (Folder, Logs) {
    journaled::folder(dir, JOURNAL_BYTES, LogsOptions::default()).await
}

async fn open(logs: &Logs, dir: PathBuf, flush_messages: i64) -> Log {
    let config = LogConfig {
        flush_messages,
        segment_bytes: 64 << 20,
        ..LogConfig::default()
    };
    let opened = Log::open(logs, &dir, config, Opening::default(), 0, &mut |_| {}).await;
    opened.unwrap().0
}

/// A floor under the runtime that the log uses: one file, one block at a time.
struct Floor {
    disk: Disk,
    file: File,
    next: u64,
}

impl Floor {
    async fn new(disk: &Disk, path: &Path) -> Floor {
        let file = disk.create(path).await.unwrap();
        let len = FLOOR_BLOCKS * BLOCK_BYTES as u64;
        file.prepare(0, len).await.unwrap();
        Floor {
            disk: disk.clone(),
            file,
            next: 0,
        }
    }

    async fn write(&mut self) {
        let buffer = self.disk.pool().write_buffer(BLOCK_BYTES, true);
        let position = self.next % FLOOR_BLOCKS * BLOCK_BYTES as u64;
        self.next += 1;
        self.file.write(position, buffer).await.unwrap();
    }
}

async fn append_and_wait(log: &Log, bytes: &[u8], now: i64) {
    let appended = log.append(bytes, 0, None, now).unwrap();
    log.wait_acked(appended.last_offset + 1).await.unwrap();
}

macro_rules! timed {
    ($count:expr, $work:expr) => {{
        let mut samples = Samples::default();
        for _ in 0..$count {
            let begun = Instant::now();
            $work;
            samples.push(begun.elapsed());
        }
        samples
    }};
}

async fn one_in_flight(dir: &Path) {
    let (folder, logs) = shared(&dir.join("one")).await;
    let disk = logs.disk().clone();
    let durable = open(&logs, folder.path("durable", 0), 1).await;
    let relaxed = open(&logs, folder.path("relaxed", 0), i64::MAX).await;
    let mut floor = Floor::new(&disk, &dir.join("floor")).await;
    let mut plain = DirectFile::new(&dir.join("plain"), FLOOR_BLOCKS);
    let bytes = filled(1024);
    let (blocks, count) = size((2, 20), (20, 500));
    let mut all: [Samples; 6] = Default::default();
    for block in 0..blocks {
        // Shuffled by rotation, so that no kind always follows the same other.
        for turn in 0..all.len() {
            let kind = (turn + block) % all.len();
            let samples = match kind {
                0 => Samples::take(count, || plain.write()),
                1 => Samples::take(count, || {
                    plain.write();
                    plain.flush();
                }),
                2 => timed!(count, floor.write().await),
                3 => timed!(count, {
                    floor.write().await;
                    floor.file.flush().await.unwrap();
                }),
                4 => timed!(count, append_and_wait(&relaxed, &bytes, 0).await),
                _ => timed!(count, append_and_wait(&durable, &bytes, 0).await),
            };
            all[kind].merge(samples);
        }
    }
    println!("append of 1 KiB, one in flight, {blocks} interleaved blocks");
    let names = [
        "floor: pwrite",
        "floor: pwrite, fdatasync",
        "floor: ring write",
        "floor: ring write, flush",
        "log: ack at the write",
        "log: ack at the flush",
    ];
    for (name, samples) in names.iter().zip(&all) {
        println!("  {}", samples.line(name));
    }
    let ratio = |log: usize, floor: usize| all[log].us(0.5) / all[floor].us(0.5);
    println!(
        "  p50 over the ring's floors: write {:.2}, write and flush {:.2} ({:+.1} µs)",
        ratio(4, 2),
        ratio(5, 3),
        all[5].us(0.5) - all[3].us(0.5)
    );
    let waits = logs.probe().unprepared_waits_count.get();
    println!("  waits for prepared space: {waits}\n");
    durable.close().await.unwrap();
    relaxed.close().await.unwrap();
}

async fn many_logs(dir: &Path) {
    let (folder, logs) = shared(&dir.join("many")).await;
    let bytes: Rc<[u8]> = filled(1024).into();
    let mut opened = Vec::new();
    for index in 0..SHARING_LOGS {
        let log = open(&logs, folder.path("shared", index as i32), 1).await;
        append_and_wait(&log, &bytes, 0).await;
        opened.push(Rc::new(log));
    }
    let mut floor = Floor::new(logs.disk(), &dir.join("floor-shared")).await;
    let (blocks, count) = size((2, 5), (20, 100));
    let (mut acks, mut one_by_one) = (Samples::default(), Samples::default());
    let mut took = Duration::ZERO;
    let entries = logs.probe().journal_entries_count.get();
    for _ in 0..blocks {
        one_by_one.merge(timed!(count, {
            floor.write().await;
            floor.file.flush().await.unwrap();
        }));
        let begun = Instant::now();
        let tasks: Vec<_> = opened
            .iter()
            .map(|log| {
                let (log, bytes) = (Rc::clone(log), Rc::clone(&bytes));
                cores::spawn(async move { timed!(count, append_and_wait(&log, &bytes, 0).await) })
            })
            .collect();
        for task in tasks {
            acks.merge(task.join().await);
        }
        took += begun.elapsed();
    }
    let entries = (logs.probe().journal_entries_count.get() - entries) as f64;
    let total = (blocks * count * SHARING_LOGS) as f64;
    let rate = total / took.as_secs_f64();
    println!("{SHARING_LOGS} logs, each with one append of 1 KiB in flight");
    println!("  {}", one_by_one.line("floor: write, flush, one by one"));
    println!("  {}", acks.line("log: ack at the flush"));
    let serial = 1e6 / one_by_one.us(0.5);
    println!(
        "  {rate:.0} acks/s, {:.1} times one flush after another; {:.1} acks for an entry of the \
         journal\n",
        rate / serial,
        total / entries
    );
    for log in &opened {
        log.close().await.unwrap();
    }
}

async fn long_appends(dir: &Path) {
    let (folder, logs) = shared(&dir.join("long")).await;
    let disk = logs.disk().clone();
    let log = open(&logs, folder.path("long", 0), i64::MAX).await;
    let bytes = filled(64 << 10);
    let file = disk.create(&dir.join("floor-long")).await.unwrap();
    let (blocks, per_block) = size((2, 8), (12, 512));
    let len = (per_block * (64 << 10)) as u64;
    file.prepare(0, len).await.unwrap();
    let (mut plain, mut through) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..blocks {
        // The floor writes as much at once as the log may: the device likes it long.
        let begun = Instant::now();
        let mut position = 0;
        while position < len {
            let step = (len - position).min(1 << 20);
            let buffer = disk.pool().write_buffer(step as usize, true);
            file.write(position, buffer).await.unwrap();
            position += step;
        }
        plain += begun.elapsed();
        let begun = Instant::now();
        for _ in 0..per_block {
            while let Err(AppendError::Busy) = log.append(&bytes, 0, None, 0) {
                log.wait_for_room().await;
            }
        }
        log.wait_acked(log.end_offset()).await.unwrap();
        through += begun.elapsed();
    }
    let mb = (blocks as u64 * len) as f64 / 1e6;
    let rates = [plain, through].map(|took| mb / took.as_secs_f64());
    println!("appends of 64 KiB in a row, ack at the write");
    println!(
        "  floor: direct overwrites of 1 MiB {:.0} MB/s, log {:.0} MB/s: {:.0} %",
        rates[0],
        rates[1],
        rates[1] / rates[0] * 100.0
    );
    let probe = logs.probe();
    println!(
        "  waits for prepared space: {}, bytes written per byte appended: {:.3}",
        probe.unprepared_waits_count.get(),
        probe.write_bytes.get() as f64 / probe.append_bytes.get() as f64
    );
    log.close().await.unwrap();
}
