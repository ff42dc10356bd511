//! Drives: what this host does at best: a loopback round trip, a direct overwrite, a flush.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use hdrhistogram::Histogram;

use crate::measure::latency::histogram;

/// Writes go round in a file of so many blocks.
const FILE_BLOCKS: u64 = 1024;
const BLOCK: usize = 4096;
/// The first rounds are not counted.
const WARMUP: u32 = 200;

/// How often each floor is measured beside a block of a run.
pub const COUNT_IN_A_RUN: u32 = 2_000;
/// How long the idle loop is watched, in nanoseconds.
const JITTER_NS: u64 = 500_000_000;

/// A floor's name and its durations in nanoseconds.
pub type Floor = (&'static str, Histogram<u64>);

/// Measures all of them, `count` times each: round trips of `size` bytes, and writes of the
/// blocks that hold as many, in `dir`. The writes with and without flush take turns, so that
/// other work of the host slows both alike. The first of `cores` is where loadgen's own threads
/// are.
pub fn measure(
    dir: Option<&Path>,
    size: usize,
    count: u32,
    cores: &[CoreId],
) -> io::Result<Vec<Floor>> {
    let own = cores.first().copied();
    let mut found = Vec::new();
    found.push(("loopback round trip", round_trip(size, count, own)?));
    if let Some(dir) = dir {
        let mut file = DirectFile::create(dir, size)?;
        let (mut writes, mut flushed) = (histogram(), histogram());
        for number in 0..count + WARMUP {
            let write = time(|| file.write())?;
            let both = time(|| file.write().and_then(|()| file.flush()))?;
            if number >= WARMUP {
                writes.saturating_record(write);
                flushed.saturating_record(both);
            }
        }
        found.push(("direct overwrite", writes));
        found.push(("direct overwrite + flush", flushed));
    }
    // The next two spin, so they get no more time than they need.
    let pinned = thread::spawn(move || {
        own.map(core_affinity::set_for_current);
        idle_jitter(JITTER_NS)
    });
    let panicked = |_| io::Error::other("a thread panicked");
    found.push(("idle jitter", pinned.join().map_err(panicked)?));
    if let Some(hop) = cross_core_hop(count, own)? {
        found.push(("cross-core hop", hop));
    }
    Ok(found)
}

/// How long the loop of a thread that does nothing else was interrupted: gaps between looks at
/// the clock of more than a microsecond.
fn idle_jitter(for_ns: u64) -> Histogram<u64> {
    let mut found = histogram();
    let begun = Instant::now();
    let mut last = 0;
    while last < for_ns {
        let now = begun.elapsed().as_nanos() as u64;
        if now - last > 1_000 {
            found.saturating_record(now - last);
        }
        last = now;
    }
    found
}

/// From one core's write to another core's look at it, there and back, halved; both spin.
/// `None` where there is one core.
fn cross_core_hop(count: u32, own: Option<CoreId>) -> io::Result<Option<Histogram<u64>>> {
    let other = core_affinity::get_core_ids().unwrap_or_default();
    let other = other.into_iter().find(|core| Some(*core) != own);
    let (Some(own), Some(other)) = (own, other) else {
        return Ok(None);
    };
    let ball = Arc::new(AtomicU32::new(0));
    let wall = ball.clone();
    let rounds = count + WARMUP;
    let returns = thread::spawn(move || {
        core_affinity::set_for_current(other);
        let begun = Instant::now();
        for round in 0..rounds {
            while wall.load(Ordering::Acquire) != 2 * round + 1 {
                std::hint::spin_loop();
                if begun.elapsed() > HOPS_MOST {
                    return;
                }
            }
            wall.store(2 * round + 2, Ordering::Release);
        }
    });
    let serves = thread::spawn(move || {
        core_affinity::set_for_current(own);
        let mut found = histogram();
        let begun = Instant::now();
        for round in 0..rounds {
            let thrown = Instant::now();
            ball.store(2 * round + 1, Ordering::Release);
            while ball.load(Ordering::Acquire) != 2 * round + 2 {
                std::hint::spin_loop();
                if begun.elapsed() > HOPS_MOST {
                    return found;
                }
            }
            if round >= WARMUP {
                found.saturating_record((thrown.elapsed().as_nanos() as u64 / 2).max(1));
            }
        }
        found
    });
    let panicked = |_| io::Error::other("a thread panicked");
    let found = serves.join().map_err(panicked)?;
    returns.join().map_err(panicked)?;
    Ok(Some(found))
}

/// On a busy machine the hops end after this time, with fewer than asked for.
const HOPS_MOST: Duration = Duration::from_secs(2);

fn time(work: impl FnOnce() -> io::Result<()>) -> io::Result<u64> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed().as_nanos() as u64)
}

/// One request of `size` bytes and an answer as short as an ack's, to a thread that waits in
/// `read`, on another core if there is one.
pub fn round_trip(size: usize, count: u32, own: Option<CoreId>) -> io::Result<Histogram<u64>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut stream = TcpStream::connect(listener.local_addr()?)?;
    stream.set_nodelay(true)?;
    let (mut served, _) = listener.accept()?;
    served.set_nodelay(true)?;
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let server_core = cores.into_iter().find(|core| Some(*core) != own);
    let echo = thread::spawn(move || {
        server_core.map(core_affinity::set_for_current);
        let (mut request, answer) = (vec![0; size], [0; ACK_BYTES]);
        while served.read_exact(&mut request).is_ok() && served.write_all(&answer).is_ok() {}
    });
    let found = thread::spawn(move || {
        own.map(core_affinity::set_for_current);
        let (request, mut answer) = (vec![1; size], [0; ACK_BYTES]);
        let mut found = histogram();
        for number in 0..count + WARMUP {
            let taken = time(|| {
                stream.write_all(&request)?;
                stream.read_exact(&mut answer)
            })?;
            if number >= WARMUP {
                found.saturating_record(taken);
            }
        }
        io::Result::Ok(found)
    });
    let panicked = |_| io::Error::other("a thread panicked");
    let found = found.join().map_err(panicked)?;
    echo.join().map_err(panicked)?;
    found
}

/// About what an answer to Produce has.
const ACK_BYTES: usize = 64;

/// A file whose blocks are all written, overwritten past the page cache; gone when dropped.
struct DirectFile {
    path: PathBuf,
    file: File,
    memory: Vec<u8>,
    /// Where in `memory` the aligned bytes begin.
    at: usize,
    bytes: usize,
    next: u64,
}

/// The error with the folder's name and what is needed of it.
fn cannot_write(dir: &Path, error: &io::Error) -> io::Error {
    let text = format!(
        "floors are measured in a folder that is there, best on the broker's own device, ext4 or \
         XFS; in {}: {error}",
        dir.display()
    );
    io::Error::new(error.kind(), text)
}

impl DirectFile {
    fn create(dir: &Path, size: usize) -> io::Result<DirectFile> {
        let path = dir.join(format!(".loadgen-floors-{}", std::process::id()));
        let bytes = size.div_ceil(BLOCK) * BLOCK;
        let mut plain = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| cannot_write(dir, &error))?;
        let memory = vec![0x5a; bytes + BLOCK];
        let at = memory.as_ptr().align_offset(BLOCK);
        let prepared = (|| {
            for _ in 0..FILE_BLOCKS {
                plain.write_all(&memory[..bytes])?;
            }
            plain.sync_all()?;
            OpenOptions::new()
                .write(true)
                .custom_flags(libc::O_DIRECT)
                .open(&path)
                .map_err(|error| cannot_write(dir, &error))
        })();
        match prepared {
            Ok(file) => Ok(DirectFile {
                path,
                file,
                memory,
                at,
                bytes,
                next: 0,
            }),
            Err(error) => {
                fs::remove_file(&path)?;
                Err(error)
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let position = self.next % FILE_BLOCKS * self.bytes as u64;
        self.next += 1;
        self.file
            .write_all_at(&self.memory[self.at..self.at + self.bytes], position)
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl Drop for DirectFile {
    fn drop(&mut self) {
        // A file that stays behind does no harm, and its name says that it is loadgen's.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_floors_are_measured_and_nothing_is_left() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let found = measure(
            Some(dir.path()),
            5_000,
            20,
            &crate::measure::ground::cores(&[]).unwrap(),
        )
        .unwrap();
        let names: Vec<_> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names[..4],
            [
                "loopback round trip",
                "direct overwrite",
                "direct overwrite + flush",
                "idle jitter"
            ]
        );
        assert!(
            found[..3]
                .iter()
                .all(|(_, times)| times.len() == 20 && times.min() > 0)
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
