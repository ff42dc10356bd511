//! How flat the tail stays: durable appends at a constant rate to one log, by the journal of its
//! folder, while something else goes on in its shard, beside quiet stretches of the same run and
//! the device's own floor.
//!
//! An append counts from when it was due, not from when it was made. `cargo bench --bench flat`;
//! under `cargo test` it runs small and checks only that it works.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use corelane::io::channel::{self, Receiver};
use corelane::io::cores::{self, CoreOptions, TaskClass};
use corelane::io::cpus;
use corelane::log::{
    AppendError, Cleaning, LastRecords, Log, LogConfig, Logs, LogsOptions, Opening, Scrubbed,
};
use corelane::wire::batch::{BatchBuilder, NewRecord};
use corelane_testing::batches::filled;
use corelane_testing::bench::{DirectFile, Samples, size};
use corelane_testing::journaled;

/// Appends in a second.
const RATE: u32 = 2_000;
/// Small enough that a segment is full some eight times in a second.
const SMALL_SEGMENT: u64 = 256 << 10;
/// As the broker does by default.
const SCRUB_BYTES_PER_SECOND: f64 = 8.0 * 1048576.0;
/// The broker's own default.
const JOURNAL_BYTES: usize = 64 << 20;
/// Of each round of the floor.
const FLOOR_BLOCKS: u64 = 512;

/// What goes on beside the appends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    Rolling,
    Deleting,
    Compacting,
    Scrubbing,
    Recovering,
    ColdReader,
}

const ALL: [Beside; 7] = [
    Beside::Nothing,
    Beside::Rolling,
    Beside::Deleting,
    Beside::Compacting,
    Beside::Scrubbing,
    Beside::Recovering,
    Beside::ColdReader,
];

fn main() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("flat-bench");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let options = CoreOptions {
        name: "flat-bench".to_owned(),
        cpu: cpus::allowed().last().copied(),
        spin: Duration::ZERO,
        io_memory_bytes: 4 << 20,
    };
    let place = dir.clone();
    let core = cores::start(options, move || run(place));
    core.unwrap().join().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
}

/// The measured log and what disturbs it.
struct Scene {
    dir: PathBuf,
    logs: Logs,
    log: Rc<Log>,
    bytes: Rc<[u8]>,
    background: TaskClass,
    /// As the broker's: it has the rest of the time.
    compaction: TaskClass,
    /// What disturbed did so often in the block, in its own unit.
    done: Rc<Cell<u64>>,
    /// Where the log ends that is compacted: it was closed cleanly once, and interrupted since.
    keyed_end: Cell<i64>,
}

async fn run(dir: PathBuf) {
    let options = LogsOptions {
        // A reader of old records finds none of them in memory.
        cache_bytes: 8 << 20,
        cache_bytes_max: 8 << 20,
        ..LogsOptions::default()
    };
    let dir = dir.join("logs");
    let (_folder, logs) = journaled::folder(&dir, JOURNAL_BYTES, options).await;
    let scene = Scene {
        log: Rc::new(open(&logs, dir.join("measured-0")).await),
        logs,
        bytes: filled(1024).into(),
        background: cores::background("housekeeping", 100),
        compaction: cores::background("compaction", 20),
        done: Rc::default(),
        keyed_end: Cell::new(0),
        dir,
    };
    let old = scene.fill("old-0", size(4, 128), || filled(64 << 10)).await;
    old.close().await.unwrap();
    let cold = scene
        .fill("cold-0", size(4, 128), || filled(64 << 10))
        .await;
    cold.close().await.unwrap();
    let mut number = 0u32;
    let keyed = || {
        let mut builder = BatchBuilder::new();
        for _ in 0..64 {
            // Of three records two have a key that comes again.
            number += 1;
            let key = if number.is_multiple_of(3) {
                number
            } else {
                number % 10_000
            };
            builder.push(NewRecord::new(
                0,
                Some(&key.to_be_bytes()),
                Some(&[7; 1024]),
            ));
        }
        builder.build()
    };
    let log = scene.fill("keyed-0", size(4, 128), keyed).await;
    log.close().await.unwrap();
    scene.keyed_end.set(log.end_offset());
    let mut plain = DirectFile::new(&scene.dir.join("floor"), FLOOR_BLOCKS);
    // The device takes some time for what was filled in.
    cores::sleep(Duration::from_millis(size(0, 10_000))).await;
    let (rounds, length) = size((1, 150), (8, 4_000));
    let length = Duration::from_millis(length);
    let mut samples: [Samples; ALL.len()] = Default::default();
    let mut floor = Samples::default();
    let mut done = [0; ALL.len()];
    for round in 0..rounds {
        // Rotated, so that nothing always follows the same other.
        for turn in 0..ALL.len() {
            let index = (turn + round) % ALL.len();
            floor.merge(Samples::take(size(5, 100), || {
                plain.write();
                plain.flush();
            }));
            scene.done.set(0);
            samples[index].merge(scene.block(ALL[index], length).await);
            done[index] += scene.done.get();
        }
    }
    print(&samples, &floor, &done, rounds);
    scene.log.close().await.unwrap();
}

async fn open(logs: &Logs, dir: PathBuf) -> Log {
    let config = LogConfig {
        segment_bytes: size(1 << 20, 16 << 20),
        ..LogConfig::default()
    };
    let opened = Log::open(logs, &dir, config, Opening::default(), 0, &mut |_| {}).await;
    opened.unwrap().0
}

fn print(samples: &[Samples], floor: &Samples, done: &[u64], rounds: usize) {
    let quiet = samples[0].us(0.999);
    println!("durable appends of 1 KiB, {RATE} a second, {rounds} interleaved rounds, µs");
    println!("{}", line("floor: direct overwrite, flush", floor));
    for ((beside, samples), done) in ALL.iter().zip(samples).zip(done) {
        let ratio = samples.us(0.999) / quiet;
        println!(
            "{}  p99.9 {ratio:.2} x quiet  {}",
            line(beside.name(), samples),
            beside.unit(*done)
        );
    }
}

fn line(name: &str, samples: &Samples) -> String {
    let [p50, p99, p999, max] = [0.5, 0.99, 0.999, 1.0].map(|part| samples.us(part));
    format!("  {name:<31} p50 {p50:>7.0}  p99 {p99:>7.0}  p99.9 {p999:>7.0}  max {max:>7.0}")
}

// === impl Beside ===

impl Beside {
    fn name(self) -> &'static str {
        match self {
            Beside::Nothing => "quiet",
            Beside::Rolling => "rolling segments",
            Beside::Deleting => "rolling, deleting segments",
            Beside::Compacting => "compacting another log",
            Beside::Scrubbing => "scrubbing another log",
            Beside::Recovering => "recovering another log",
            Beside::ColdReader => "a cold reader at full speed",
        }
    }

    fn unit(self, count: u64) -> String {
        match self {
            Beside::Nothing => String::new(),
            Beside::Rolling | Beside::Deleting => format!("({count} rolls)"),
            Beside::Compacting => format!("({count} MB compacted)"),
            Beside::Scrubbing | Beside::Recovering => format!("({count} MB checked)"),
            Beside::ColdReader => format!("({count} MB read)"),
        }
    }
}

// === impl Scene ===

impl Scene {
    /// A log of `mb` megabytes that is not closed yet.
    async fn fill(&self, name: &str, mb: usize, mut batch: impl FnMut() -> Vec<u8>) -> Log {
        let log = open(&self.logs, self.dir.join(name)).await;
        for _ in 0..mb * 16 {
            let bytes = batch();
            while let Err(AppendError::Busy) = log.append(&bytes, 0, None, 0) {
                log.wait_for_room().await;
            }
        }
        log.wait_acked(log.end_offset()).await.unwrap();
        log
    }

    async fn block(&self, beside: Beside, length: Duration) -> Samples {
        let small = matches!(beside, Beside::Rolling | Beside::Deleting);
        self.log.set_config(LogConfig {
            segment_bytes: if small { SMALL_SEGMENT } else { 1 << 30 },
            retention_bytes: if beside == Beside::Deleting {
                1 << 20
            } else {
                -1
            },
            ..LogConfig::default()
        });
        let rolls = self.logs.probe().rolls_count.get();
        let class = match beside {
            Beside::Compacting => self.compaction,
            _ => self.background,
        };
        let disturbing = cores::spawn_into(class, self.disturb(beside));
        let samples = self.measure(length).await;
        disturbing.cancel().await;
        if small {
            self.done.set(self.logs.probe().rolls_count.get() - rolls);
        }
        samples
    }

    fn disturb(&self, beside: Beside) -> Pin<Box<dyn Future<Output = ()>>> {
        let (logs, dir) = (self.logs.clone(), self.dir.join("old-0"));
        let (log, done) = (Rc::clone(&self.log), Rc::clone(&self.done));
        match beside {
            Beside::Nothing | Beside::Rolling => Box::pin(async {}),
            Beside::Deleting => Box::pin(async move {
                loop {
                    log.maintain(0).await.unwrap();
                    cores::sleep(Duration::from_millis(100)).await;
                }
            }),
            Beside::Compacting => {
                let dir = self.dir.join("keyed-0");
                let opening = Opening {
                    recovery_point: self.keyed_end.get(),
                    ..Opening::default()
                };
                Box::pin(async move {
                    let config = LogConfig {
                        compact: true,
                        segment_bytes: 4 << 20,
                        ..LogConfig::default()
                    };
                    let log = Log::open(&logs, &dir, config, opening, 0, &mut |_| {}).await;
                    let log = log.unwrap().0;
                    let job = Cleaning {
                        map_bytes_max: 16 << 20,
                        map_load_factor: 0.9,
                        buffer_bytes: 512 << 10,
                        bytes_per_second: f64::MAX,
                        last_records: &LastRecords::default,
                        now: 0,
                    };
                    // Each round as if it were the first: all of it is read and written.
                    while let Some(dirt) = log.dirt(None, i64::MAX, 0).await.unwrap() {
                        let cleaned = log.clean(&dirt, &job).await.unwrap();
                        done.set(done.get() + cleaned.moved_bytes.0 / 1_000_000);
                    }
                })
            }
            Beside::Scrubbing => {
                let dir = self.dir.join("cold-0");
                Box::pin(async move {
                    let config = LogConfig::default();
                    let log = Log::open(&logs, &dir, config, clean(), 0, &mut |_| {}).await;
                    let log = log.unwrap().0;
                    let (mut after, mut read) = (-1, 0);
                    loop {
                        let Some(mut scrub) = log.scrub_after(after).await.unwrap() else {
                            after = -1;
                            cores::sleep(Duration::from_millis(10)).await;
                            continue;
                        };
                        after = scrub.base_offset();
                        while let Scrubbed::On(bytes) = scrub.step().await.unwrap() {
                            read += bytes as u64;
                            done.set(read / 1_000_000);
                            let length = bytes as f64 / SCRUB_BYTES_PER_SECOND;
                            cores::sleep(Duration::from_secs_f64(length)).await;
                        }
                    }
                })
            }
            Beside::Recovering => Box::pin(async move {
                loop {
                    let found = recover(&logs, &dir).await;
                    done.set(done.get() + found / 1_000_000);
                }
            }),
            Beside::ColdReader => {
                let dir = self.dir.join("cold-0");
                Box::pin(async move {
                    let log =
                        Log::open(&logs, &dir, LogConfig::default(), clean(), 0, &mut |_| {}).await;
                    let (log, mut offset, mut read) = (log.unwrap().0, 0, 0);
                    loop {
                        let mut out = Vec::new();
                        let end = log.end_offset();
                        read += log.read(offset, 1 << 20, end, &mut out).await.unwrap();
                        done.set(read as u64 / 1_000_000);
                        // One batch of one record is some 64 KiB.
                        offset = (offset + 16) % (end - 16);
                    }
                })
            }
        }
    }

    /// Open loop: a thread of its own says when an append is due.
    async fn measure(&self, length: Duration) -> Samples {
        let (due, dues) = channel::channel();
        let pacer = thread::spawn(move || {
            let begun = Instant::now();
            let count = (RATE as f64 * length.as_secs_f64()) as u32;
            for number in 0..count {
                let at = begun + Duration::from_secs(1) / RATE * number;
                thread::sleep(at.saturating_duration_since(Instant::now()));
                due.send(at).unwrap();
            }
        });
        let samples = self.append_when_due(dues).await;
        pacer.join().unwrap();
        samples
    }

    async fn append_when_due(&self, mut dues: Receiver<Instant>) -> Samples {
        let samples = Rc::new(RefCell::new(Samples::default()));
        let mut last = None;
        while let Some(at) = dues.next().await {
            let appended = self.log.append(&self.bytes, 0, None, 0).unwrap();
            let (log, samples) = (Rc::clone(&self.log), Rc::clone(&samples));
            last = Some(cores::spawn(async move {
                log.wait_acked(appended.last_offset + 1).await.unwrap();
                samples.borrow_mut().push(at.elapsed());
            }));
        }
        if let Some(last) = last {
            last.join().await;
        }
        samples.take()
    }
}

fn clean() -> Opening {
    Opening {
        clean: true,
        ..Opening::default()
    }
}

async fn recover(logs: &Logs, dir: &Path) -> u64 {
    let config = LogConfig::default();
    let opened = Log::open(logs, dir, config, Opening::default(), 0, &mut |_| {}).await;
    opened.unwrap().1.scanned_bytes
}
