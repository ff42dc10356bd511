//! Logs with a journal beside logs that write to their own files before each ack, in interleaved
//! blocks: acks a second, their latency, CPU, and what the device has to write for a byte of a batch.
//!
//! `cargo bench --bench journal`; under `cargo test` it runs small and checks only that it works.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane::io::cores::{self, CoreOptions};
use corelane::log::{Folder, Log, LogConfig, LogsOptions, Opening};
use corelane_testing::batches::filled;
use corelane_testing::bench::{Samples, size};
use corelane_testing::device;
use corelane_testing::journaled;
use corelane_testing::process::own_cpu_seconds;

/// Bytes of the journal's circle, as by default.
const JOURNAL_BYTES: usize = 64 << 20;
/// Time in which what the last block wrote comes to the logs' own files: it counts to that block.
const HOME: Duration = Duration::from_millis(1_500);

fn main() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("journal-bench");
    let _ = std::fs::remove_dir_all(&dir);
    let options = CoreOptions {
        name: "journal-bench".to_owned(),
        cpu: None,
        spin: Duration::ZERO,
        io_memory_bytes: 1 << 20,
    };
    let place = dir.clone();
    let core = cores::start(options, move || async move {
        let large = vec![(64, 100), (64, 1024), (1000, 100), (1000, 1024)];
        for (logs, bytes) in size(vec![(8, 100)], large) {
            compare(&place, logs, bytes).await;
            std::fs::remove_dir_all(&place).unwrap();
        }
    });
    core.unwrap().join().unwrap();
}

/// Logs of one kind, and what their blocks gave.
struct Side {
    name: &'static str,
    folder: Folder,
    logs: Vec<Rc<Log>>,
    samples: Samples,
    took: Duration,
    cpu_seconds: f64,
    device_bytes: u64,
    rates: Vec<f64>,
}

impl Side {
    async fn new(name: &'static str, dir: &Path, journal_bytes: usize, count: usize) -> Side {
        let (folder, shared) = journaled::folder(dir, journal_bytes, LogsOptions::default()).await;
        let mut logs = Vec::new();
        for index in 0..count {
            let config = LogConfig {
                segment_bytes: 64 << 20,
                ..LogConfig::default()
            };
            let dir = folder.path("log", index as i32);
            let opening = Opening::default();
            let log = Log::open(&shared, &dir, config, opening, 0, &mut |_| {}).await;
            logs.push(Rc::new(log.unwrap().0));
        }
        Side {
            name,
            folder,
            logs,
            samples: Samples::default(),
            took: Duration::ZERO,
            cpu_seconds: 0.0,
            device_bytes: 0,
            rates: Vec::new(),
        }
    }

    async fn block(&mut self, dir: &Path, lasts: Duration, batch: &Rc<[u8]>) {
        let before = (own_cpu_seconds(), device::write_bytes(dir));
        let begun = Instant::now();
        let samples = run(&self.logs, lasts, batch).await;
        let took = begun.elapsed();
        cores::sleep(HOME).await;
        self.took += took;
        self.rates.push(samples.count() as f64 / took.as_secs_f64());
        self.cpu_seconds += own_cpu_seconds() - before.0;
        self.device_bytes += device::write_bytes(dir) - before.1;
        self.samples.merge(samples);
    }

    fn line(&self, batch_bytes: usize) -> String {
        let count = self.samples.count() as f64;
        format!(
            "  {:<22} {:>8.0} acks/s  p50 {:>8.1}  p99 {:>9.1} µs  {:>5.1} µs CPU an ack  \
             {:>5.1} device bytes for a byte",
            self.name,
            count / self.took.as_secs_f64(),
            self.samples.us(0.5),
            self.samples.us(0.99),
            self.cpu_seconds * 1e6 / count,
            self.device_bytes as f64 / count / batch_bytes as f64,
        )
    }

    async fn close(self) {
        for log in &self.logs {
            log.close().await.unwrap();
        }
        self.folder.close_cleanly(-1).await.unwrap();
    }
}

async fn compare(dir: &Path, count: usize, bytes: usize) {
    let mut sides = [
        Side::new("a write for each log", &dir.join("own"), 0, count).await,
        Side::new("journal", &dir.join("journal"), JOURNAL_BYTES, count).await,
    ];
    let batch: Rc<[u8]> = filled(bytes).into();
    let (blocks, seconds) = size((1, 0.05), (8, 1.5));
    let lasts = Duration::from_secs_f64(seconds);
    for side in &sides {
        // Uncounted: files and space ahead come into being.
        run(&side.logs, lasts, &batch).await;
    }
    cores::sleep(HOME).await;
    for block in 0..blocks {
        for turn in 0..2 {
            sides[(turn + block) % 2].block(dir, lasts, &batch).await;
        }
    }
    println!(
        "{count} logs, each with one append of {bytes} bytes in flight, {blocks} interleaved blocks"
    );
    sides
        .iter()
        .for_each(|side| println!("{}", side.line(batch.len())));
    let pairs = sides[1].rates.iter().zip(&sides[0].rates);
    let mut ratios: Vec<f64> = pairs.map(|(with, without)| with / without).collect();
    ratios.sort_by(f64::total_cmp);
    let (low, high) = (ratios[0], ratios[ratios.len() - 1]);
    let median = ratios[ratios.len() / 2];
    println!("  acks/s, with over without: {low:.2} to {high:.2}, median {median:.2}");
    for side in sides {
        side.close().await;
    }
}

/// One task for each log appends and waits, over and over.
async fn run(logs: &[Rc<Log>], lasts: Duration, batch: &Rc<[u8]>) -> Samples {
    let begun = Instant::now();
    let task = |log: &Rc<Log>| {
        let (log, batch) = (Rc::clone(log), Rc::clone(batch));
        cores::spawn(async move {
            let mut samples = Samples::default();
            while begun.elapsed() < lasts {
                let sent = Instant::now();
                let appended = log.append(&batch, 0, None, 0).unwrap();
                log.wait_acked(appended.last_offset + 1).await.unwrap();
                samples.push(sent.elapsed());
            }
            samples
        })
    };
    let tasks: Vec<_> = logs.iter().map(task).collect();
    let mut samples = Samples::default();
    for task in tasks {
        samples.merge(task.join().await);
    }
    samples
}
