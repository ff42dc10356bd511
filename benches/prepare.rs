//! What getting the next segment ready costs: zeros written into a new file, or an old file
//! renamed; and what a durable overwrite takes beside each. In interleaved blocks.
//!
//! `cargo bench --bench prepare`; under `cargo test` it runs small and checks only that it works.
//! `docs/decisions/` has a page on what follows.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane::io::buffer::BLOCK_BYTES;
use corelane::io::cores::{self, CoreOptions};
use corelane::io::disk::Disk;
use corelane::io::file::File;
use corelane_testing::bench::{Samples, size};

/// Bytes of the file that hot writes go to.
const HOT_BYTES: u64 = 8 << 20;
/// A step as the upkeep of a log takes it, in bytes.
const STEP_BYTES: u64 = 8 << 20;

/// What goes on beside the hot writes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Beside {
    Nothing,
    Zeros,
    Renames,
}

fn main() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prepare-bench");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let options = CoreOptions {
        name: "prepare-bench".to_owned(),
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
    let hot = disk.create(&dir.join("hot")).await.unwrap();
    hot.prepare(0, HOT_BYTES).await.unwrap();
    let kinds = [Beside::Nothing, Beside::Zeros, Beside::Renames];
    let mut hot_samples: [Samples; 3] = Default::default();
    let mut work_samples: [Samples; 3] = Default::default();
    let (blocks, writes) = size((1, 20), (12, 1_500));
    for block in 0..blocks {
        for turn in 0..kinds.len() {
            let kind = (turn + block) % kinds.len();
            let beside = background(&disk, dir, kinds[kind]);
            for write in 0..writes {
                let begun = Instant::now();
                overwrite(&disk, &hot, write).await;
                hot_samples[kind].push(begun.elapsed());
            }
            work_samples[kind].merge(beside.stop().await);
        }
    }
    println!("write and flush of 4 KiB, beside");
    for (kind, samples) in kinds.iter().zip(&hot_samples) {
        println!("  {}", samples.line(&format!("{kind:?}")));
    }
    println!("getting {} MiB ready by", STEP_BYTES >> 20);
    for (kind, samples) in kinds.iter().zip(&work_samples).skip(1) {
        println!("  {}", samples.line(&format!("{kind:?}")));
    }
}

async fn overwrite(disk: &Disk, file: &File, write: usize) {
    let position = (write * BLOCK_BYTES) as u64 % HOT_BYTES;
    let mut buffer = disk.pool().write_buffer(BLOCK_BYTES, true);
    buffer.bytes_mut().fill(7);
    file.write(position, buffer).await.unwrap();
    file.flush().await.unwrap();
}

/// Work that goes on until it is stopped.
struct Background {
    stopped: Rc<Cell<bool>>,
    task: cores::Task<Samples>,
}

impl Background {
    async fn stop(self) -> Samples {
        self.stopped.set(true);
        self.task.join().await
    }
}

fn background(disk: &Disk, dir: &Path, kind: Beside) -> Background {
    let stopped = Rc::new(Cell::new(false));
    let (disk, dir, until) = (disk.clone(), dir.to_owned(), Rc::clone(&stopped));
    let task = cores::spawn(async move {
        let mut samples = Samples::default();
        let old = disk.create(&dir.join("old")).await.unwrap();
        old.prepare(0, STEP_BYTES).await.unwrap();
        while kind != Beside::Nothing && !until.get() {
            let begun = Instant::now();
            ready(&disk, &dir, kind).await;
            samples.push(begun.elapsed());
            // As often as a log would that appends some 100 MB a second.
            cores::sleep(Duration::from_millis(80)).await;
        }
        disk.remove(&dir.join("old")).await.unwrap();
        samples
    });
    Background { stopped, task }
}

/// Makes the next file ready once.
async fn ready(disk: &Disk, dir: &Path, kind: Beside) {
    let path = |name: &str| -> PathBuf { dir.join(name) };
    match kind {
        Beside::Nothing => {}
        Beside::Zeros => {
            let file = disk.create(&path("next")).await.unwrap();
            file.prepare(0, STEP_BYTES).await.unwrap();
            disk.sync_dir(dir).await.unwrap();
            disk.remove(&path("next")).await.unwrap();
        }
        Beside::Renames => {
            disk.rename(&path("old"), &path("next")).await.unwrap();
            disk.sync_dir(dir).await.unwrap();
            disk.rename(&path("next"), &path("old")).await.unwrap();
        }
    }
}
