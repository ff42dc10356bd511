//! Drives: what a write and a flush take in a folder, made as the broker makes them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::report::{Timing, Timings};
use crate::io::buffer::BLOCK_BYTES;
use crate::io::cores::{self, CoreOptions};
use crate::io::disk::Disk;
use crate::io::file::File;

/// Bytes that the writes go round in.
const FILE_BYTES: u64 = 4 << 20;
/// Writes of one kind before the other has its turn.
const BLOCK_WRITES: usize = 50;

/// Overwrites blocks of a file of its own in `dir` for `length`, half of them with a flush
/// behind each, and removes it.
pub fn device(dir: &Path, length: Duration) -> io::Result<Timings> {
    let path = dir.join(format!(".write-check-{}", std::process::id()));
    let options = CoreOptions {
        name: "check".to_owned(),
        cpu: None,
        spin: Duration::ZERO,
        io_memory_bytes: 256 << 10,
    };
    cores::start(options, move || run(path, length))?.join()?
}

async fn run(path: PathBuf, length: Duration) -> io::Result<Timings> {
    let disk = Disk::direct();
    // Of a check that was interrupted, whose process number has come round.
    disk.remove(&path).await?;
    let file = disk.create(&path).await?;
    let timings = overwrite(&disk, &file, length).await;
    disk.remove(&path).await?;
    timings
}

async fn overwrite(disk: &Disk, file: &File, length: Duration) -> io::Result<Timings> {
    file.prepare(0, FILE_BYTES).await?;
    let [mut write, mut flushed] = [Vec::new(), Vec::new()];
    let runtime = disk.runtime();
    let begun = runtime.now();
    let mut position = 0;
    while runtime.now().since(begun) < length {
        for (samples, flush) in [(&mut write, false), (&mut flushed, true)] {
            for _ in 0..BLOCK_WRITES {
                let mut buffer = disk.pool().write_buffer(BLOCK_BYTES, true);
                buffer.bytes_mut().fill(1);
                let from = runtime.now();
                file.write(position, buffer).await?;
                if flush {
                    file.flush().await?;
                }
                samples.push(runtime.now().since(from));
                position = (position + BLOCK_BYTES as u64) % FILE_BYTES;
            }
        }
    }
    Ok(Timings {
        write: timing(write),
        flushed: timing(flushed),
    })
}

fn timing(mut samples: Vec<Duration>) -> Timing {
    samples.sort_unstable();
    let at = |part: f64| {
        let index = ((samples.len() as f64 - 1.0) * part).round() as usize;
        samples.get(index).map_or(0.0, |it| it.as_secs_f64() * 1e6)
    };
    Timing {
        p50_us: at(0.5),
        p99_us: at(0.99),
        count: samples.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_takes_time_a_flush_more_and_nothing_is_left() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let timings = device(dir.path(), Duration::from_millis(50)).unwrap();
        let Timings { write, flushed } = timings;
        assert!(write.p50_us > 0.0 && write.p50_us <= write.p99_us);
        assert!(write.count >= BLOCK_WRITES && flushed.count >= BLOCK_WRITES);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(device(&dir.path().join("gone"), Duration::ZERO).is_err());
    }
}
