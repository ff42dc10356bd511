//! One write for the appends of many logs, beside a write for each log: what a journal would give.
//! The journal here is a prototype of the write path alone; its logs copy what is appended into
//! memory, have it written to the journal together with that of all others, and to files of their
//! own in the background.
//!
//! `cargo bench --bench journal`; under `cargo test` it runs small and checks only that it works.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane::io::buffer::{WRITE_BYTES_MAX, block_down, block_up};
use corelane::io::cores::{self, CoreOptions};
use corelane::io::disk::Disk;
use corelane::io::event::{Bell, Event};
use corelane::io::file::File;
use corelane::log::{Log, LogConfig, Logs, LogsOptions, Opening};
use corelane_testing::batches::filled;
use corelane_testing::bench::{Samples, size};
use corelane_testing::device::write_bytes as device_write_bytes;
use corelane_testing::process::own_cpu_seconds;

/// Bytes of the journal's file, written in a circle.
const JOURNAL_BYTES: u64 = 128 << 20;
/// Bytes in front of the batches of one log in an entry: which log, where, how many.
const PIECE_HEAD_BYTES: usize = 40;
/// Bytes in front of an entry: sequence number, length, checksum.
const ENTRY_HEAD_BYTES: usize = 32;
/// A log with so much that is not in its own file is written there at once.
const LARGE_BYTES: usize = 64 << 10;
/// What is not in its own file for so long is written there.
const WRITE_BACK: Duration = Duration::from_secs(1);
/// Bytes of a log's own file.
const OWN_FILE_BYTES: u64 = 64 << 20;

fn main() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("journal-bench");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let options = CoreOptions {
        name: "journal-bench".to_owned(),
        cpu: None,
        spin: Duration::ZERO,
        io_memory_bytes: 1 << 20,
    };
    let place = dir.clone();
    let core = cores::start(options, move || async move {
        for (logs, bytes) in size(
            vec![(8, 100)],
            vec![(64, 100), (64, 1024), (1000, 100), (1000, 1024)],
        ) {
            compare(&place, logs, bytes).await;
        }
    });
    core.unwrap().join().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
}

/// What blocks of one way gave.
#[derive(Default)]
struct Seen {
    samples: Samples,
    took: Duration,
    cpu_seconds: f64,
    device_bytes: u64,
    rates: Vec<f64>,
}

impl Seen {
    fn line(&self, name: &str, record_bytes: usize) -> String {
        let count = self.samples.count() as f64;
        format!(
            "  {name:<28} {:>8.0} acks/s  p50 {:>8.1}  p99 {:>9.1} µs  {:>6.1} µs CPU an ack  {:>5.1} device bytes a record byte",
            count / self.took.as_secs_f64(),
            self.samples.us(0.5),
            self.samples.us(0.99),
            self.cpu_seconds * 1e6 / count,
            self.device_bytes as f64 / count / record_bytes as f64,
        )
    }
}

async fn compare(dir: &Path, count: usize, bytes: usize) {
    let disk = Disk::direct();
    let logs = Logs::new(&disk, LogsOptions::default());
    let mut today = Vec::new();
    for index in 0..count {
        today.push(Rc::new(open(&logs, dir.join(format!("own-{index}"))).await));
    }
    let journal = Journal::new(&disk, &dir.join("journal")).await;
    let mut proposed = Vec::new();
    for index in 0..count {
        let file = disk
            .create(&dir.join(format!("behind-{index}")))
            .await
            .unwrap();
        file.reserve(0, OWN_FILE_BYTES.min((8 << 30) / count as u64))
            .await
            .unwrap();
        proposed.push(Rc::new(ProtoLog::new(file)));
    }
    journal.start();
    let batch: Rc<[u8]> = filled(bytes).into();
    let (blocks, seconds) = size((1, 0.05), (10, 1.5));
    let lasts = Duration::from_secs_f64(seconds);
    let mut seen: [Seen; 2] = Default::default();
    // Uncounted: files and zeros of the present way come into being.
    for log in &today {
        append_and_wait(log, &batch).await;
    }
    run(&today, lasts, &batch, |log, batch| async move {
        append_and_wait(&log, &batch).await
    })
    .await;
    for block in 0..blocks {
        for turn in 0..2 {
            let kind = (turn + block) % 2;
            let before = (own_cpu_seconds(), device_write_bytes(dir), Instant::now());
            let samples = if kind == 0 {
                run(&today, lasts, &batch, |log, batch| async move {
                    append_and_wait(&log, &batch).await;
                })
                .await
            } else {
                let journal_of_run = Rc::clone(&journal);
                let samples = run(&proposed, lasts, &batch, move |log, batch| {
                    let journal = Rc::clone(&journal_of_run);
                    async move { journal.append_and_wait(&log, &batch).await }
                })
                .await;
                journal.write_all_back().await;
                samples
            };
            let it = &mut seen[kind];
            it.took += before.2.elapsed();
            it.rates
                .push(samples.count() as f64 / before.2.elapsed().as_secs_f64());
            it.cpu_seconds += own_cpu_seconds() - before.0;
            it.device_bytes += device_write_bytes(dir) - before.1;
            it.samples.merge(samples);
        }
    }
    println!(
        "{count} logs, each with one append of {bytes} bytes in flight, {blocks} interleaved blocks"
    );
    println!("{}", seen[0].line("a write for each log", batch.len()));
    println!(
        "{}",
        seen[1].line("one write for all (journal)", batch.len())
    );
    let mut ratios: Vec<f64> = seen[1]
        .rates
        .iter()
        .zip(&seen[0].rates)
        .map(|(a, b)| a / b)
        .collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "  acks/s, journal over today: {:.2} to {:.2}, median {:.2}; entries {}, waits for the circle {}",
        ratios[0],
        ratios[ratios.len() - 1],
        ratios[ratios.len() / 2],
        journal.entries.get(),
        journal.waits.get()
    );
    for log in &today {
        log.close().await.unwrap();
    }
    journal.ended.set(true);
    journal.work.call();
    drop(today);
    std::fs::read_dir(dir).unwrap().for_each(|entry| {
        let path = entry.unwrap().path();
        let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path));
    });
}

async fn open(logs: &Logs, dir: PathBuf) -> Log {
    let config = LogConfig {
        segment_bytes: 64 << 20,
        ..LogConfig::default()
    };
    Log::open(logs, &dir, config, Opening::default(), 0, &mut |_| {})
        .await
        .unwrap()
        .0
}

async fn append_and_wait(log: &Log, batch: &[u8]) {
    let appended = log.append(batch, 0, None, 0).unwrap();
    log.wait_acked(appended.last_offset + 1).await.unwrap();
}

/// One task for each log appends and waits, over and over.
async fn run<L: 'static, F: Future<Output = ()> + 'static>(
    logs: &[Rc<L>],
    lasts: Duration,
    batch: &Rc<[u8]>,
    append: impl Fn(Rc<L>, Rc<[u8]>) -> F + Clone + 'static,
) -> Samples {
    let begun = Instant::now();
    let tasks: Vec<_> = logs
        .iter()
        .map(|log| {
            let (log, batch, append) = (Rc::clone(log), Rc::clone(batch), append.clone());
            cores::spawn(async move {
                let mut samples = Samples::default();
                while begun.elapsed() < lasts {
                    let sent = Instant::now();
                    append(Rc::clone(&log), Rc::clone(&batch)).await;
                    samples.push(sent.elapsed());
                }
                samples
            })
        })
        .collect();
    let mut samples = Samples::default();
    for task in tasks {
        samples.merge(task.join().await);
    }
    samples
}

/// A log whose appends go through the journal.
struct ProtoLog {
    file: File,
    /// What is appended and not in the log's own file, from the block of `written` on.
    tail: RefCell<Vec<u8>>,
    size: Cell<u64>,
    acked: Cell<u64>,
    written: Cell<u64>,
    /// Whether it is in the list of those that are to be written back.
    listed: Cell<bool>,
    progress: Bell,
}

/// What one write to the journal takes.
struct Entry {
    bytes: Vec<u8>,
    /// Logs that wait for it, and how far each has come with it.
    waiting: Vec<(Rc<ProtoLog>, u64)>,
}

struct Journal {
    disk: Disk,
    file: File,
    /// Bytes written to it so far, and up to where all is in the logs' own files.
    end: Cell<u64>,
    freed: Cell<u64>,
    /// What is appended and not on its way to the journal: an entry in each.
    pending: RefCell<VecDeque<Entry>>,
    work: Event,
    /// Logs with bytes that are not in their own files.
    dirty: RefCell<VecDeque<Rc<ProtoLog>>>,
    all_is_due: Cell<bool>,
    large: RefCell<VecDeque<Rc<ProtoLog>>>,
    back: Event,
    room: Bell,
    entries: Cell<u64>,
    waits: Cell<u64>,
    ended: Cell<bool>,
}

impl ProtoLog {
    fn new(file: File) -> ProtoLog {
        ProtoLog {
            file,
            tail: RefCell::default(),
            size: Cell::new(0),
            acked: Cell::new(0),
            written: Cell::new(0),
            listed: Cell::new(false),
            progress: Bell::default(),
        }
    }

    /// Writes what is appended to the log's own file.
    async fn write_back(&self, disk: &Disk) {
        self.listed.set(false);
        let (from, to) = (self.written.get(), self.size.get());
        let mut position = block_down(from);
        while position < to {
            let len = (block_up(to) - position).min(WRITE_BYTES_MAX as u64) as usize;
            let mut buffer = disk.pool().write_buffer(len, true);
            {
                let tail = self.tail.borrow();
                let at = (position - block_down(from)) as usize;
                let count = len.min(tail.len() - at);
                let bytes = buffer.bytes_mut();
                bytes[..count].copy_from_slice(&tail[at..at + count]);
                bytes[count..].fill(0);
            }
            let place = position % ((OWN_FILE_BYTES / 8) & !(WRITE_BYTES_MAX as u64 - 1));
            self.file.write(place, buffer).await.unwrap();
            position += len as u64;
        }
        let kept = (block_down(to) - block_down(from)) as usize;
        self.tail.borrow_mut().drain(..kept);
        self.written.set(to);
    }
}

impl Journal {
    async fn new(disk: &Disk, path: &Path) -> Rc<Journal> {
        let file = disk.create(path).await.unwrap();
        file.prepare(0, JOURNAL_BYTES).await.unwrap();
        Rc::new(Journal {
            disk: disk.clone(),
            file,
            end: Cell::new(0),
            freed: Cell::new(0),
            pending: RefCell::default(),
            work: Event::default(),
            dirty: RefCell::default(),
            all_is_due: Cell::new(false),
            large: RefCell::default(),
            back: Event::default(),
            room: Bell::default(),
            entries: Cell::new(0),
            waits: Cell::new(0),
            ended: Cell::new(false),
        })
    }

    fn start(self: &Rc<Self>) {
        let (writer, back) = (Rc::clone(self), Rc::clone(self));
        drop(cores::spawn(async move { writer.write_on().await }));
        drop(cores::spawn(async move { back.write_back_on().await }));
    }

    async fn append_and_wait(&self, log: &Rc<ProtoLog>, batch: &[u8]) {
        let position = log.size.get();
        log.tail.borrow_mut().extend_from_slice(batch);
        let end = position + batch.len() as u64;
        log.size.set(end);
        {
            let mut pending = self.pending.borrow_mut();
            let fits = |entry: &Entry| {
                entry.bytes.len() + PIECE_HEAD_BYTES + batch.len() <= WRITE_BYTES_MAX
            };
            if !pending.back().is_some_and(fits) {
                pending.push_back(Entry {
                    bytes: vec![0; ENTRY_HEAD_BYTES],
                    waiting: Vec::new(),
                });
            }
            let entry = pending.back_mut().unwrap();
            let mut head = [0; PIECE_HEAD_BYTES];
            head[..8].copy_from_slice(&position.to_be_bytes());
            head[8..16].copy_from_slice(&(batch.len() as u64).to_be_bytes());
            entry.bytes.extend_from_slice(&head);
            entry.bytes.extend_from_slice(batch);
            entry.waiting.push((Rc::clone(log), end));
        }
        self.work.call();
        while log.acked.get() < end {
            log.progress.wait().await;
        }
    }

    async fn write_on(&self) {
        while !self.ended.get() {
            let entry = self.pending.borrow_mut().pop_front();
            let Some(Entry {
                bytes: mut entry,
                waiting,
            }) = entry
            else {
                self.work.wait().await;
                continue;
            };
            let len = block_up(entry.len() as u64);
            while self.end.get() + len > self.freed.get() + JOURNAL_BYTES {
                self.waits.set(self.waits.get() + 1);
                self.back.call();
                self.room.wait().await;
            }
            let crc = crc32c::crc32c(&entry[ENTRY_HEAD_BYTES..]);
            entry[..4].copy_from_slice(&crc.to_be_bytes());
            let mut buffer = self.disk.pool().write_buffer(len as usize, true);
            buffer.bytes_mut()[..entry.len()].copy_from_slice(&entry);
            buffer.bytes_mut()[entry.len()..].fill(0);
            let end = self.end.get();
            let place = end % JOURNAL_BYTES;
            // An entry does not go over the end of the file: the next one begins at its front.
            let skipped = if place + len > JOURNAL_BYTES {
                JOURNAL_BYTES - place
            } else {
                0
            };
            self.file
                .write((end + skipped) % JOURNAL_BYTES, buffer)
                .await
                .unwrap();
            self.file.flush().await.unwrap();
            self.end.set(end + skipped + len);
            self.entries.set(self.entries.get() + 1);
            for (log, end_of_log) in waiting {
                log.acked.set(end_of_log);
                log.progress.ring();
                if !log.listed.replace(true) {
                    self.dirty.borrow_mut().push_back(Rc::clone(&log));
                }
                if log.tail.borrow().len() >= LARGE_BYTES {
                    self.large.borrow_mut().push_back(log);
                    self.back.call();
                }
            }
        }
    }

    async fn write_back_on(self: Rc<Self>) {
        let ticker = Rc::clone(&self);
        drop(cores::spawn(async move {
            while !ticker.ended.get() {
                cores::sleep(WRITE_BACK).await;
                ticker.all_is_due.set(true);
                ticker.back.call();
            }
        }));
        while !self.ended.get() {
            self.back.wait().await;
            let is_half_full = self.end.get() - self.freed.get() > JOURNAL_BYTES / 2;
            if self.all_is_due.replace(false) || is_half_full {
                let end = self.end.get();
                let dirty = std::mem::take(&mut *self.dirty.borrow_mut());
                for log in dirty {
                    log.write_back(&self.disk).await;
                }
                self.freed.set(end);
                self.room.ring();
            }
            loop {
                let Some(log) = self.large.borrow_mut().pop_front() else {
                    break;
                };
                if log.tail.borrow().len() >= LARGE_BYTES {
                    log.write_back(&self.disk).await;
                }
            }
        }
    }

    /// Returns when all that was appended before is in the logs' own files.
    async fn write_all_back(&self) {
        let end = self.end.get();
        self.all_is_due.set(true);
        self.back.call();
        while self.freed.get() < end {
            self.room.wait().await;
        }
    }
}
