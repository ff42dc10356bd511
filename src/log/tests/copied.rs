//! Drives: logs that go to folders on other file systems and back, while they are appended to, and
//! what a crash leaves of that.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::handed_over::{Place, Promised, append, crashes, is_whole, place, two_places};
use super::replicated::found;
use super::support::*;
use crate::base::ids::Uuid;
use crate::base::{LeaderEpoch, Offset};
use crate::io::disk::Disk;
use crate::io::sim::World;
use crate::log::mutant::{Mutant, plant};
use crate::log::{CopyError, FutureLog, Log};

pub const ROOTS: [&str; 2] = ["/data/a", "/data/b"];
/// How often the log goes over in one life.
const TIMES: usize = 4;
/// Of the executor, until all of that is done.
const STEPS: usize = 6_000;

/// Runs a test on a simulated disk with two folders in use.
pub fn with_two(test: impl AsyncFnOnce(Disk, [Place; 2]) + 'static) {
    let world = World::new(1);
    let disk = Disk::simulated(world.disk().clone());
    world.run(async move {
        let places = two_places(&disk, ROOTS).await;
        test(disk, places).await;
    });
}

pub async fn begin(to: &Place, unique: usize) -> FutureLog {
    let unique = Uuid::from_u128(unique as u128 + 1);
    let begun = to.folder.begin_future("t", 0, unique).await;
    begun.expect("begun")
}

/// Waits until sealed segments have come into their own files, from the journal.
pub async fn until_sealed(log: &Log, before: Offset) {
    while log.recovery_point() < before {
        let runtime = log.disk().runtime().clone();
        runtime.sleep(Duration::from_millis(20)).await;
    }
}

pub async fn follow(future: &mut FutureLog, log: &Log) -> u64 {
    let followed = future.follow(log, 1_000, &mut async |_| true).await;
    followed.expect("copied")
}

/// Closes the log and has it go over; returns it as it is opened there.
async fn go_over(from: &Place, to: &Place, log: Log, mut future: FutureLog) -> Log {
    log.close().await.expect("closed");
    let gone = from
        .folder
        .hand_over_copied(("t", 0), &log, &mut future, &to.folder)
        .await;
    gone.expect("goes");
    // Before anything else is known of it a round of checkpoints may come.
    from.checkpoint(&log).await;
    let end = log.end_offset();
    drop(log);
    let log = to.open().await;
    assert_eq!(log.end_offset(), end);
    log
}

/// A log that goes to and fro while it is appended to.
async fn live(disk: Disk, promised: Promised) {
    let places = two_places(&disk, ROOTS).await;
    let mut log = places[0].open().await;
    for time in 0..TIMES {
        let (from, to) = (&places[time % 2], &places[(time + 1) % 2]);
        let epoch = time as LeaderEpoch + 1;
        append(&log, 5, epoch, &promised).await;
        from.checkpoint(&log).await;
        let mut future = begin(to, time).await;
        until_sealed(&log, log.end_offset() - 8).await;
        follow(&mut future, &log).await;
        append(&log, 3, epoch, &promised).await;
        follow(&mut future, &log).await;
        append(&log, 1, epoch, &promised).await;
        log = go_over(from, to, log, future).await;
        from.folder.empty_trash().await.expect("deleted");
        append(&log, 1, epoch, &promised).await;
    }
    vanish(log).await;
}

/// Whether after a crash the log lies whole in one of the folders. Where it lies in both, it is the
/// same in both: either may be taken.
async fn check(disk: Disk, promised: Vec<(Offset, LeaderEpoch)>) -> Result<(), String> {
    let mut lies = Vec::new();
    for root in ROOTS {
        let place = place(&disk, root).await;
        place.folder.empty_trash().await.expect("deleted");
        let dir: PathBuf = place.folder.path("t", 0);
        let files = disk.list(&dir).await.unwrap_or_default();
        if files.iter().any(|file| file.name.ends_with(".log")) {
            let log = place.open().await;
            lies.push(found(&log).await);
            vanish(log).await;
        }
        let left = disk.list(Path::new(root)).await.expect("there");
        let mut names = left.iter().map(|entry| &entry.name);
        if let Some(name) = names.find(|it| it.ends_with("-future") || it.ends_with("-delete")) {
            return Err(format!("{name} is left"));
        }
    }
    let is_there = promised.is_empty() || !lies.is_empty();
    match is_there && lies.iter().all(|it| is_whole(it, &promised)) {
        true => Ok(()),
        false => Err(format!("{promised:?}: {lies:?}")),
    }
}

#[test]
fn a_log_is_copied_while_it_is_appended_to_and_goes_on_from_there() {
    on_both_disks(|disk: Disk, dir: PathBuf| async move {
        let root = |at: usize| dir.join(format!("shard-{at}"));
        let places = two_places(&disk, [root(0), root(1)]).await;
        let mut log = places[0].open().await;
        for time in 0..4 {
            let (from, to) = (&places[time % 2], &places[(time + 1) % 2]);
            append(&log, 12, 1, &Promised::default()).await;
            until_sealed(&log, log.end_offset() - 10).await;
            let mut future = begin(to, time).await;
            let missing = follow(&mut future, &log).await;
            assert!(missing < log.size_bytes(), "sealed segments are copied");
            let upto = future.end_offset(&log);
            assert!(upto > 0 && upto < log.end_offset());
            append(&log, 3, 1, &Promised::default()).await;
            log.delete_records_before(4).expect("deleted");
            log = go_over(from, to, log, future).await;
            assert_eq!(log.end_offset(), 45 * (time as Offset + 1));
            assert_eq!(log.start_offset(), 4, "what was deleted stays so");
            // Until the controller knows where it lies, a start may look for it here.
            assert_eq!(from.folder.opening("t", 0).start_offset, 4);
            from.folder
                .forget_gone(&[("t", 0)])
                .await
                .expect("forgotten");
            assert_eq!(from.folder.opening("t", 0).known_offset(), 0);
            from.folder.empty_trash().await.expect("deleted");
            let left = disk.list(&root(time % 2)).await.expect("there");
            assert!(!left.iter().any(|entry| entry.name.starts_with("t-0")));
        }
        assert_eq!(found(&log).await.last().expect("batches").0, 177);
        vanish(log).await;
    });
}

#[test]
fn what_is_deleted_while_it_is_copied_is_not_in_the_copy() {
    with_two(async |disk, places| {
        let log = places[0].open().await;
        append(&log, 20, 1, &Promised::default()).await;
        until_sealed(&log, 40).await;
        let mut future = begin(&places[1], 0).await;
        follow(&mut future, &log).await;
        log.delete_records_before(30).expect("deleted");
        log.maintain(1_000).await.expect("deleted");
        let log = go_over(&places[0], &places[1], log, future).await;
        assert_eq!(log.start_offset(), 30);
        let first = found(&log).await[0].0;
        assert!((20..=30).contains(&first), "{first}");
        let files = disk.list(log.dir()).await.expect("there");
        assert!(files.iter().all(|it| it.name != "00000000000000000000.log"));
        vanish(log).await;
    });
}

#[test]
fn a_copy_that_is_not_wanted_any_more_stops_and_goes_with_the_trash() {
    with_two(async |disk, places| {
        let log = places[0].open().await;
        append(&log, 12, 1, &Promised::default()).await;
        until_sealed(&log, 20).await;
        let mut future = begin(&places[1], 0).await;
        let followed = future.follow(&log, 1_000, &mut async |_| false).await;
        assert!(matches!(followed, Err(CopyError::Stopped)));
        drop(future);
        places[1].folder.empty_trash().await.expect("deleted");
        let left = disk.list(Path::new(ROOTS[1])).await.expect("there");
        assert!(!left.iter().any(|entry| entry.name.starts_with("t-0")));
        append(&log, 1, 1, &Promised::default()).await;
        vanish(log).await;
    });
}

#[test]
fn where_the_name_is_taken_the_log_stays_as_it_is() {
    with_two(async |disk, places| {
        let log = places[0].open().await;
        append(&log, 12, 1, &Promised::default()).await;
        let taken = Path::new(ROOTS[1]).join("t-0");
        disk.create_dir(&taken).await.expect("made");
        let file = taken.join("x");
        disk.write(&file, b"x".to_vec()).await.expect("written");
        let mut future = begin(&places[1], 0).await;
        log.close().await.expect("closed");
        let (from, to) = (&places[0].folder, &places[1].folder);
        let gone = from.hand_over_copied(("t", 0), &log, &mut future, to).await;
        assert!(gone.is_err());
        assert_eq!(to.opening("t", 0).flushed_offset, 0);
        let log = places[0].open().await;
        assert_eq!(found(&log).await.len(), 12);
        assert_eq!(disk.read(&file).await.expect("there"), b"x");
        vanish(log).await;
    });
}

#[test]
fn a_crash_leaves_the_log_whole_and_of_a_copy_nothing() {
    let seeds = std::env::var("SIM_RUNS")
        .ok()
        .and_then(|it| it.parse().ok());
    assert_eq!(crashes(seeds.unwrap_or(400), STEPS, live, check), None);
}

#[test]
fn a_copy_that_is_not_durable_is_found() {
    plant(Some(Mutant::CopyNotFlushed));
    // What lies there may not be readable at all.
    let found = std::panic::catch_unwind(|| crashes(400, STEPS, live, check));
    plant(None);
    assert!(!matches!(found, Ok(None)));
}
