//! Drives: the journal with logs on a simulated disk.

mod damage;
mod failures;
mod home;
mod kept;
mod lives;
mod pinned;
mod removals;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::ids::Uuid;
use crate::base::{Offset, TopicId};
use crate::io::disk::Disk;
use crate::io::sim::{Data, End, Names, Random, Rest, SimDisk, World};
use crate::log::tests::support::{batch, config, logs, read_all};
use crate::log::{Folder, Log, LogConfig, Logs, Opening, Replay, Retired};
use crate::wire::batch::batches;

const ROOT: &str = "/data";
const CAPACITY: usize = 256 << 10;
const ID: TopicId = TopicId(Uuid::from_u128(7));

/// One start of the broker.
struct Start {
    disk: Disk,
    folder: Folder,
    shared: Logs,
}

/// Worlds of a few seeds.
fn worlds() -> impl Iterator<Item = World> {
    (0..8).map(World::new)
}

/// Lives in a world up to the end of `life`.
fn within<F: Future + 'static>(world: &World, life: impl FnOnce(SimDisk) -> F) -> F::Output {
    world.run(life(world.disk().clone()))
}

/// Lives in worlds of a few seeds.
fn in_worlds<F: Future<Output = ()> + 'static>(life: impl Fn(SimDisk) -> F) {
    for world in worlds() {
        within(&world, &life);
    }
}

/// The same, and after a power cut a second life.
fn with_a_power_cut<F, G>(first: impl Fn(SimDisk) -> F, second: impl Fn(SimDisk) -> G)
where
    F: Future<Output = ()> + 'static,
    G: Future<Output = ()> + 'static,
{
    for (seed, world) in (0..).zip(worlds()) {
        within(&world, &first);
        within(&world.crash(seed), &second);
    }
}

/// Starts from three states that a power cut may leave at each moment of what a world recorded: of
/// what was in doubt then nothing, all, or some. `start` is told the moment.
fn at_every_moment(world: &World, seed: u64, mut start: impl FnMut(&World, usize)) {
    let history = world.disk().history().expect("it was recorded");
    let mut moment = history.begin();
    let mut random = Random::new(seed);
    while moment.pass() {
        for end in [
            End::Cut(Data::None, Names::None, Rest::None),
            End::Cut(Data::All, Names::All, Rest::All),
            End::Cut(Data::Torn, Names::Some, Rest::Some),
        ] {
            start(&World::on(4, moment.left(end, &mut random)), moment.at());
        }
    }
}

/// Where the journal lies.
fn file() -> PathBuf {
    Path::new(ROOT).join(super::file::FILE)
}

fn in_use() -> PathBuf {
    Path::new(ROOT).join(super::file::IN_USE)
}

impl Start {
    /// Starts with a journal whose circle has `capacity` bytes, and waits until it is ready.
    async fn with(sim: &SimDisk, capacity: usize) -> Start {
        Start::begin(sim, capacity).await.expect("a folder")
    }

    /// The same; fails where the folder cannot be opened.
    async fn begin(sim: &SimDisk, capacity: usize) -> std::io::Result<Start> {
        let disk = Disk::simulated(sim.clone());
        let folder = Folder::open(&disk, Path::new(ROOT)).await?;
        let shared = folder.begin_journal(&logs(&disk), capacity);
        if let Some(journal) = shared.journal() {
            journal.prepared().await;
        }
        Ok(Start {
            disk,
            folder,
            shared,
        })
    }

    /// Opens the log `name`-0 of the topic with `id`; returns what its replay shows, too.
    async fn open(&self, name: &str, id: TopicId, config: LogConfig) -> (Log, Vec<String>) {
        let opening = Opening {
            topic_id: Some(id),
            replay: true,
            ..self.folder.opening(name, 0)
        };
        let mut seen = Vec::new();
        let dir = self.folder.path(name, 0);
        let mut see = |replay: Replay<'_>| {
            if let Replay::Batch(bytes, _) = replay {
                let batch = batches(bytes).next().expect("one").expect("valid");
                let header = batch.header();
                seen.push(format!("{} {}", header.base_offset(), header.producer_id()));
            }
        };
        let opened = Log::open(&self.shared, &dir, config, opening, 0, &mut see).await;
        (opened.expect("the log opens").0, seen)
    }

    /// Opens logs of these names.
    async fn open_all(&self, names: &[&str]) -> Vec<Log> {
        let mut opened = Vec::new();
        for name in names {
            opened.push(self.open(name, ID, config(200_000)).await.0);
        }
        opened
    }

    /// Takes the log `a`-0 out of use, as that of a deleted topic.
    async fn retire(&self, log: &Log) {
        let retired = [Retired {
            topic: "a",
            id: ID,
            index: 0,
            log: Some(log),
        }];
        let failed = self.folder.retire(&retired).await;
        assert!(failed.is_empty(), "{:?}", failed[0].1);
    }

    /// Closes all logs and the folder.
    async fn close(&self, logs: &[Log]) -> std::io::Result<()> {
        for log in logs {
            log.close().await?;
        }
        self.folder.close_cleanly(-1).await
    }

    /// Lets the logs live on for some seconds.
    async fn sleep(&self, seconds: u64) {
        let runtime = self.disk.runtime();
        runtime.sleep(Duration::from_secs(seconds)).await;
    }

    fn counts(&self) -> Counts {
        let probe = self.shared.probe();
        Counts {
            entries: probe.journal_entries_count.get(),
            writes: probe.writes_count.get(),
        }
    }
}

/// What was counted of a start's writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    entries: u64,
    writes: u64,
}

/// Appends one small record that tells `tag`.
fn append(log: &Log, tag: u64) {
    log.append(&batch(1, 100, tag, 0), 0, None, 0)
        .expect("appended");
}

/// Appends records that tell these tags, each once the one before is acked.
async fn append_all(log: &Log, tags: std::ops::Range<u64>) {
    for tag in tags {
        append(log, tag);
        all_acked(log).await;
    }
}

/// Waits until all that was appended to `log` is acked.
async fn all_acked(log: &Log) {
    log.wait_acked(log.end_offset())
        .await
        .expect("the log does not fail");
}

/// The tags of all records from `offset` on.
async fn tags(log: &Log, offset: Offset) -> Vec<u64> {
    let found = read_all(log, offset, 1 << 20).await;
    found.iter().map(|it| it.2).collect()
}

/// One life in which `a` and `b` get records in turns, each acked before the next; returns how
/// often that was.
async fn in_turns(start: &Start, rounds: u64) -> Vec<Log> {
    let opened = start.open_all(&["a", "b"]).await;
    for tag in opened[0].end_offset() as u64..rounds {
        for log in &opened {
            append(log, tag);
            all_acked(log).await;
        }
    }
    opened
}

/// Whether none of the logs has written anything of its own.
fn none_written(opened: &[Log]) -> bool {
    opened.iter().all(|log| log.written_offset() == 0)
}
