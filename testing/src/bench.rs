//! Drives: what benchmarks share: small or large runs, percentiles, floors measured beside them.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{cpu_seconds, own_thread_cpu};

/// Whether this is a real run (`cargo bench` passes `--bench`) or the short one of `cargo test`.
pub fn is_large() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// `large` under `cargo bench`, else `small`.
pub fn size<T>(small: T, large: T) -> T {
    if is_large() { large } else { small }
}

/// Times `work` in blocks and prints the time of one call in the fastest and the median block:
/// the calls are too short to be timed one by one.
pub fn time(name: &str, bytes: usize, mut work: impl FnMut()) {
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

/// Durations of one kind, for percentiles.
#[derive(Default, Clone)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Times `work` `count` times.
    pub fn take(count: usize, mut work: impl FnMut()) -> Samples {
        let mut samples = Samples::default();
        for _ in 0..count {
            let begun = Instant::now();
            work();
            samples.0.push(begun.elapsed());
        }
        samples
    }

    /// Adds one.
    pub fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// Adds the samples of another block.
    pub fn merge(&mut self, other: Samples) {
        self.0.extend(other.0);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The `part` quantile in microseconds; 0.5 is the median.
    pub fn us(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = ((sorted.len() as f64 - 1.0) * part).round() as usize;
        sorted
            .get(at)
            .map_or(0.0, |sample| sample.as_secs_f64() * 1e6)
    }

    /// One line: name, p50, p99, max in microseconds, and the count.
    pub fn line(&self, name: &str) -> String {
        let (p50, p99, max) = (self.us(0.5), self.us(0.99), self.us(1.0));
        let count = self.0.len();
        format!("{name:<34} p50 {p50:>8.1}  p99 {p99:>8.1}  max {max:>9.1} µs  ({count} samples)")
    }
}

/// Durations of one kind, and what the thread that took them spent on them.
#[derive(Default, Clone)]
pub struct Trips {
    /// How long each took.
    pub samples: Samples,
    cpu: Duration,
}

impl Trips {
    /// Times `work` `count` times more.
    pub fn take(&mut self, count: usize, work: impl FnMut()) {
        let before = own_thread_cpu();
        self.samples.merge(Samples::take(count, work));
        self.cpu += own_thread_cpu() - before;
    }

    /// CPU time of the calling thread for one, in microseconds.
    pub fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.samples.0.len() as f64
    }
}

/// An answer of so many bytes as a client of the broker takes it: its length comes first.
fn answer_of(bytes: usize) -> Vec<u8> {
    let mut answer = vec![0; bytes];
    answer[..4].copy_from_slice(&(bytes as u32 - 4).to_be_bytes());
    answer
}

/// A server on a thread of its own that sends `answer` bytes for every `request` bytes. It has
/// the last CPU, where a broker's first shard runs, and the calling thread the first one: a
/// round trip within one CPU is no floor of one between two.
pub fn echo_server(request: usize, answer: usize) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let cpus = core_affinity::get_core_ids().unwrap_or_default();
    if let Some(first) = cpus.first() {
        core_affinity::set_for_current(*first);
    }
    thread::spawn(move || {
        if let Some(last) = cpus.last() {
            core_affinity::set_for_current(*last);
        }
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut received, sent) = (vec![0; request], answer_of(answer));
        while stream.read_exact(&mut received).is_ok() && stream.write_all(&sent).is_ok() {}
    });
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// What a broker that did nothing else would do for a durable ack, as a process of its own so that
/// its CPU time can be told: plain system calls take a request, overwrite a block, flush the device
/// and answer.
/// It has the last CPU, where a broker's first shard runs.
pub struct FloorServer {
    child: Child,
    /// Where it is asked.
    pub stream: TcpStream,
}

const FLOOR_SERVER: &str = "--floor-server";

impl FloorServer {
    /// Starts this program once more as the server.
    pub fn start(dir: &Path, request: usize, answer: usize) -> FloorServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .arg(FLOOR_SERVER)
            .arg(dir.join("floor-server"))
            .args([request.to_string(), answer.to_string()])
            .arg(listener.local_addr().unwrap().to_string())
            .spawn()
            .unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        FloorServer { child, stream }
    }

    /// CPU time used so far, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.child.id())
    }
}

impl Drop for FloorServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the server, if this program was started as one; to be called first of all.
pub fn serve_floor() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, word, path, request, answer, address] = &arguments[..] else {
        return;
    };
    if word != FLOOR_SERVER {
        return;
    }
    if let Some(last) = core_affinity::get_core_ids().unwrap_or_default().last() {
        core_affinity::set_for_current(*last);
    }
    let mut file = DirectFile::new(Path::new(path), 4_096);
    let mut stream = TcpStream::connect(address.as_str()).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut received = vec![0; request.parse().unwrap()];
    let sent = vec![0; answer.parse().unwrap()];
    while stream.read_exact(&mut received).is_ok() {
        file.write();
        file.flush();
        if stream.write_all(&sent).is_err() {
            break;
        }
    }
    std::process::exit(0);
}

/// A file of pre-written blocks for direct overwrites.
pub struct DirectFile {
    file: File,
    buffer: Vec<u8>,
    at: usize,
    blocks: u64,
    next: u64,
}

impl DirectFile {
    /// Makes and writes a file of `blocks` blocks of 4 KiB.
    pub fn new(path: &Path, blocks: u64) -> DirectFile {
        const O_DIRECT: i32 = 0x4000;
        std::fs::write(path, vec![0u8; (blocks * 4096) as usize]).unwrap();
        File::open(path).unwrap().sync_all().unwrap();
        let file = OpenOptions::new()
            .write(true)
            .custom_flags(O_DIRECT)
            .open(path)
            .unwrap();
        let buffer = vec![7u8; 8192];
        // Direct I/O wants its memory aligned: the first aligned address inside the buffer.
        let at = buffer.as_ptr().align_offset(4096);
        DirectFile {
            file,
            buffer,
            at,
            blocks,
            next: 0,
        }
    }

    /// Overwrites the next block.
    pub fn write(&mut self) {
        let block = &self.buffer[self.at..self.at + 4096];
        self.file.write_all_at(block, self.next * 4096).unwrap();
        self.next = (self.next + 1) % self.blocks;
    }

    /// Flushes the device.
    pub fn flush(&self) {
        self.file.sync_data().unwrap();
    }
}
