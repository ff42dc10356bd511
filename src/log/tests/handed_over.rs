//! Drives: logs that go from one folder to another and back, and what a crash leaves of that.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::replicated::{found, sent};
use super::support::*;
use crate::base::{LeaderEpoch, Offset};
use crate::io::disk::Disk;
use crate::io::sim::World;
use crate::log::mutant::{Mutant, plant};
use crate::log::{Folder, Log, Logs, Opening};

/// Segments of two batches.
const SEGMENT_BYTES: u64 = 800;
const ROOTS: [&str; 2] = ["/data/shard-0", "/data/shard-1"];
/// How often the log goes over in one life.
const TIMES: usize = 4;
/// Of the executor, until all of that is done.
const STEPS: usize = 4_000;

/// A folder in use.
pub struct Place {
    pub folder: Folder,
    pub logs: Logs,
}

pub async fn place(disk: &Disk, root: impl AsRef<Path>) -> Place {
    disk.create_dir(Path::new("/data")).await.expect("made");
    let folder = Folder::open(disk, root.as_ref()).await.expect("opens");
    let logs = folder.begin_journal(&logs(disk), 256 << 10);
    if let Some(journal) = logs.journal() {
        journal.prepared().await;
    }
    Place { folder, logs }
}

/// Two folders in use.
pub async fn two_places<R: AsRef<Path>>(disk: &Disk, [one, other]: [R; 2]) -> [Place; 2] {
    [place(disk, one).await, place(disk, other).await]
}

impl Place {
    pub async fn open(&self) -> Log {
        self.reopen(self.folder.opening("t", 0)).await
    }

    async fn reopen(&self, opening: Opening) -> Log {
        let opening = Opening {
            gaps: true,
            ..opening
        };
        let dir = self.folder.path("t", 0);
        let (log, recovered) = open(&self.logs, &dir, config(SEGMENT_BYTES), opening).await;
        assert!(recovered.damage.is_none(), "{:?}", recovered.damage);
        assert!(recovered.cut.is_none(), "{:?}", recovered.cut);
        self.folder.opened("t", 0);
        log
    }

    pub async fn checkpoint(&self, log: &Log) {
        let written = self.folder.checkpoint([("t", 0, log)].into_iter()).await;
        written.expect("written");
    }
}

/// Batches that have to be there: their bases and the epochs that wrote them.
pub type Promised = Rc<RefCell<Vec<(Offset, LeaderEpoch)>>>;

pub async fn append(log: &Log, count: usize, epoch: LeaderEpoch, promised: &Promised) {
    for _ in 0..count {
        let base = log.end_offset();
        log.append_replicated(&sent(base, 3, epoch), 1_000)
            .expect("taken");
        acked(log, base + 3).await;
        promised.borrow_mut().push((base, epoch));
    }
}

/// Whether a log that was found holds all that has to be there.
pub fn is_whole(
    found: &[(Offset, Offset, LeaderEpoch)],
    promised: &[(Offset, LeaderEpoch)],
) -> bool {
    let all: Vec<_> = found.iter().map(|it| (it.0, it.2)).collect();
    all.starts_with(promised)
}

/// What went wrong in the first of so many crashes that did not go well: each stops `live` within
/// `steps` of the executor, and what is left is looked at by `check`.
pub fn crashes<L, C>(
    seeds: u64,
    steps: usize,
    live: impl Fn(Disk, Promised) -> L,
    check: impl Fn(Disk, Vec<(Offset, LeaderEpoch)>) -> C,
) -> Option<String>
where
    L: Future<Output = ()> + 'static,
    C: Future<Output = Result<(), String>> + 'static,
{
    (0..seeds).find_map(|seed| {
        let world = World::new(seed);
        let disk = || Disk::simulated(world.disk().clone());
        let promised = Promised::default();
        let steps = 1 + (seed as usize * 7919) % steps;
        let _ = world.run_for(steps, live(disk(), promised.clone()));
        let promised = promised.take();
        let world = match seed % 4 {
            0 => world.kill(seed),
            _ => world.crash(seed),
        };
        let disk = Disk::simulated(world.disk().clone());
        let checked = world.run(check(disk, promised));
        checked.err().map(|wrong| format!("seed {seed}: {wrong}"))
    })
}

/// A log that goes to and fro, and loses its last batches each time.
async fn live(disk: Disk, promised: Promised) {
    let places = two_places(&disk, ROOTS).await;
    let mut log = places[0].open().await;
    for time in 0..TIMES {
        let (from, to) = (&places[time % 2], &places[(time + 1) % 2]);
        let epoch = 2 * time as LeaderEpoch + 1;
        append(&log, 3, epoch, &promised).await;
        from.checkpoint(&log).await;
        append(&log, 2, epoch, &promised).await;
        log.close().await.expect("closed");
        let root = Path::new(ROOTS[(time + 1) % 2]);
        let given = from.folder.hand_over("t", 0, &log, root).await;
        let given = given.expect("goes");
        // Before anything else is known of it a round of checkpoints may come.
        from.checkpoint(&log).await;
        let end = log.end_offset();
        let taken = to.folder.take_over("t", 0, given).await;
        taken.expect("taken over");
        drop(log);
        log = to.open().await;
        assert_eq!(log.end_offset(), end);
        promised.borrow_mut().retain(|batch| batch.0 < end - 6);
        log.close().await.expect("closed");
        let cut = to.folder.cut_back("t", 0, &log, end - 6).await;
        let opening = cut.expect("prepared");
        drop(log);
        log = to.reopen(opening).await;
        append(&log, 1, epoch + 1, &promised).await;
    }
    vanish(log).await;
}

/// Whether after a crash the log lies whole in one place, and in no other.
async fn check(disk: Disk, promised: Vec<(Offset, LeaderEpoch)>) -> Result<(), String> {
    let mut lies = Vec::new();
    for root in ROOTS {
        let place = place(&disk, root).await;
        let dir: PathBuf = place.folder.path("t", 0);
        let files = disk.list(&dir).await.unwrap_or_default();
        if files.iter().any(|file| file.name.ends_with(".log")) {
            let log = place.open().await;
            lies.push((root, found(&log).await));
            vanish(log).await;
        }
    }
    match &lies[..] {
        [] if promised.is_empty() => Ok(()),
        [(_, batches)] if is_whole(batches, &promised) => Ok(()),
        _ => Err(format!("{promised:?}: {lies:?}")),
    }
}

#[test]
fn a_log_goes_to_another_folder_and_back_with_all_that_it_has() {
    on_both_disks(|disk: Disk, dir: PathBuf| async move {
        let root = |at: usize| dir.join(format!("shard-{at}"));
        let places = two_places(&disk, [root(0), root(1)]).await;
        let mut log = places[0].open().await;
        for time in 0..4 {
            append(&log, 3, 1, &Promised::default()).await;
            log.close().await.expect("closed");
            let (from, to) = (&places[time % 2], &places[(time + 1) % 2]);
            let target = root((time + 1) % 2);
            let given = from.folder.hand_over("t", 0, &log, &target).await;
            let given = given.expect("goes");
            assert!(
                is_out_of_range(&log, 1).await,
                "who reads here finds nothing"
            );
            to.folder
                .take_over("t", 0, given)
                .await
                .expect("taken over");
            log = to.open().await;
            assert_eq!(log.end_offset(), 9 * (time as Offset + 1));
            assert_eq!(from.folder.opening("t", 0).flushed_offset, 0);
        }
        // The name is taken there: the log stays, and nothing of it is lost.
        log.close().await.expect("closed");
        disk.create_dir(&root(1).join("t-0")).await.expect("made");
        let other = root(1).join("t-0").join("x");
        disk.write(&other, b"x".to_vec()).await.expect("written");
        let refused = places[0].folder.hand_over("t", 0, &log, &root(1)).await;
        assert!(refused.is_err());
        let log = places[0].open().await;
        assert_eq!(log.end_offset(), 36);
        assert_eq!(found(&log).await.len(), 12);
        vanish(log).await;
    });
}

#[test]
fn a_crash_leaves_the_log_whole_in_one_of_the_two_folders() {
    let seeds = std::env::var("SIM_RUNS")
        .ok()
        .and_then(|it| it.parse().ok());
    assert_eq!(crashes(seeds.unwrap_or(400), STEPS, live, check), None);
}

#[test]
fn a_journal_that_still_holds_what_has_gone_is_found() {
    plant(Some(Mutant::HandedOverInJournal));
    // What lies there may not be readable at all.
    let found = std::panic::catch_unwind(|| crashes(400, STEPS, live, check));
    plant(None);
    assert!(!matches!(found, Ok(None)));
}
