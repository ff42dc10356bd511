//! What a write and its flush cost in a file that was filled with zeros before, which they overwrite
//! in place, and in one that only has room, which the file system has to note as written; and a
//! flush of one file for many beside one of each. In interleaved blocks.
//!
//! `cargo bench --bench room`; under `cargo test` it runs small and checks only that it works.
//! `docs/decisions/` has a page on what follows.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane::io::cores::{self, CoreOptions};
use corelane::io::disk::Disk;
use corelane::io::file::File;
use corelane::io::semaphore::Semaphore;
use corelane_testing::bench::{Samples, size};

/// Bytes of a write.
const WRITES: [usize; 4] = [4 << 10, 16 << 10, 64 << 10, 900 << 10];
/// Files that are flushed at the same time, as the logs of a shard are.
const AT_ONCE: usize = 16;

/// How space behind a file's end was made ready.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ready {
    Zeros,
    Room,
}

fn main() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("room-bench");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let options = CoreOptions {
        name: "room-bench".to_owned(),
        cpu: None,
        spin: Duration::ZERO,
        io_memory_bytes: 1 << 20,
    };
    let place = dir.clone();
    let core = cores::start(options, move || async move { run(&place).await });
    core.unwrap().join().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
}

async fn run(dir: &Path) {
    let disk = Disk::direct();
    let kinds = [Ready::Zeros, Ready::Room];
    let (blocks, writes) = size((1, 4), (10, 100));
    for bytes in WRITES {
        let mut samples: [[Samples; 2]; 2] = Default::default();
        for block in 0..blocks {
            for turn in 0..kinds.len() {
                let kind = (turn + block) % kinds.len();
                let file = made(&disk, &dir.join("one"), kinds[kind], bytes * writes).await;
                for flushed in [false, true] {
                    // The flushed ones lie where nothing was written before, too.
                    let first = if flushed { writes / 2 } else { 0 };
                    for number in first..first + writes / 2 {
                        let begun = Instant::now();
                        write(&disk, &file, bytes, number).await;
                        if flushed {
                            file.flush().await.unwrap();
                        }
                        samples[usize::from(flushed)][kind].push(begun.elapsed());
                    }
                }
            }
        }
        println!("{} KiB", bytes >> 10);
        for (flushed, what) in ["write", "write and flush"].iter().enumerate() {
            for (kind, samples) in kinds.iter().zip(&samples[flushed]) {
                println!("  {}", samples.line(&format!("{what}, {kind:?}")));
            }
        }
    }
    for count in size([4, 8], [64, 1_000]) {
        let mut samples: [Samples; 2] = Default::default();
        let mut files = Vec::new();
        for kind in kinds {
            let mut of_kind = Vec::new();
            for number in 0..count {
                let path = dir.join(format!("{kind:?}-{number}"));
                of_kind.push(made(&disk, &path, kind, 16 << 12).await);
            }
            files.push(of_kind);
        }
        for round in 0..size(2, 12) {
            for turn in 0..kinds.len() {
                let kind = (turn + round) % kinds.len();
                for file in &files[kind] {
                    write(&disk, file, 4 << 10, round).await;
                }
                let begun = Instant::now();
                match kinds[kind] {
                    Ready::Zeros => files[kind][0].flush().await.unwrap(),
                    Ready::Room => flush_each(&files[kind]).await,
                }
                samples[kind].push(begun.elapsed());
            }
        }
        println!("flush of what was written to {count} files");
        println!("  {}", samples[0].line("one for all, Zeros"));
        println!("  {}", samples[1].line("one for each, Room"));
    }
}

async fn made(disk: &Disk, path: &Path, ready: Ready, bytes: usize) -> File {
    disk.remove(path).await.unwrap();
    let file = disk.create(path).await.unwrap();
    match ready {
        Ready::Zeros => file.prepare(0, bytes as u64).await.unwrap(),
        Ready::Room => file.reserve(0, bytes as u64).await.unwrap(),
    }
    file.flush().await.unwrap();
    file
}

async fn write(disk: &Disk, file: &File, bytes: usize, number: usize) {
    let mut buffer = disk.pool().write_buffer(bytes, true);
    buffer.bytes_mut().fill(7);
    let position = (number * bytes) as u64;
    file.write(position, buffer).await.unwrap();
}

async fn flush_each(files: &[File]) {
    let places = Semaphore::new(AT_ONCE);
    let mut tasks = Vec::new();
    for file in files {
        let (file, places) = (file.clone(), Rc::clone(&places));
        tasks.push(cores::spawn(async move {
            let _place = places.take(1).await;
            file.flush().await.unwrap();
        }));
    }
    for task in tasks {
        task.join().await;
    }
}
