//! Drives: logs that are about to go to another folder and do not, or go while other work is under
//! way.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join;

use super::copied::{ROOTS, begin, follow, until_sealed, with_two};
use super::handed_over::{Place, Promised, append, place, two_places};
use super::support::*;
use crate::base::Offset;
use crate::base::ids::Uuid;
use crate::io::disk::Disk;
use crate::io::sim::{Fault, World};
use crate::log::{FutureLog, Log, LogConfig, NotHandedOver, Opening};

/// Where the log begins by DeleteRecords: within a segment.
const START: Offset = 4;

/// A log that begins with [`START`], and a copy of it if one is wanted.
async fn begun(places: &[Place; 2], is_copied: bool) -> (Log, Option<FutureLog>) {
    let log = places[0].open().await;
    append(&log, 12, 1, &Promised::default()).await;
    until_sealed(&log, 20).await;
    log.delete_records_before(START).expect("deleted");
    places[0].checkpoint(&log).await;
    if !is_copied {
        return (log, None);
    }
    let mut future = begin(&places[1], 0).await;
    follow(&mut future, &log).await;
    (log, Some(future))
}

/// Closes the log and has it go over, while rounds of checkpoints come.
async fn go(
    places: &[Place; 2],
    log: &Log,
    future: &mut Option<FutureLog>,
) -> Result<(), NotHandedOver> {
    log.close().await.expect("closed");
    let (from, to) = (&places[0].folder, &places[1].folder);
    let going = async {
        match future {
            Some(future) => from.hand_over_copied(("t", 0), log, future, to).await,
            None => from.hand_over_within(("t", 0), log, to).await,
        }
    };
    let rounds = async {
        for _ in 0..50 {
            // The disk may fail.
            let _ = from.checkpoint([("t", 0, log)].into_iter()).await;
            let _ = to.checkpoint(std::iter::empty()).await;
            log.disk().runtime().yield_now().await;
        }
    };
    join(going, rounds).await.0
}

#[test]
fn a_log_that_cannot_go_keeps_its_start_and_the_other_folder_knows_nothing_of_it() {
    for is_copied in [false, true] {
        let world = World::new(1);
        let sim = world.disk().clone();
        let disk = Disk::simulated(sim.clone());
        world.run(async move {
            let places = two_places(&disk, ROOTS).await;
            let (log, mut future) = begun(&places, is_copied).await;
            sim.inject_below(Path::new(ROOTS[1]), Fault::Room);
            let gone = go(&places, &log, &mut future).await;
            assert!(matches!(gone, Err(NotHandedOver::Stays(_))), "{gone:?}");
            sim.repair();
            let other = places[1].folder.opening("t", 0);
            assert!(!other.clean && other.known_offset() == 0, "{other:?}");
            drop(log);
            let log = places[0].open().await;
            assert_eq!((log.start_offset(), log.end_offset()), (START, 36));
            vanish(log).await;
        });
    }
}

/// Has the log go over while what takes a descriptor fails from some turn on, and says how it went:
/// 0 for well, 1 where it stays, 2 where that is unclear.
fn goes_without_descriptors(turns: usize, is_copied: bool) -> usize {
    let world = World::new(1);
    let sim = world.disk().clone();
    let disk = Disk::simulated(sim.clone());
    world.run(async move {
        let places = two_places(&disk, ROOTS).await;
        let (log, mut future) = begun(&places, is_copied).await;
        let failing = async {
            for _ in 0..turns {
                disk.runtime().yield_now().await;
            }
            sim.inject_below(Path::new(ROOTS[0]), Fault::Descriptors);
        };
        log.close().await.expect("closed");
        let (gone, ()) = join(go(&places, &log, &mut future), failing).await;
        sim.repair();
        for place in &places {
            let none = std::iter::empty();
            place.folder.checkpoint(none).await.expect("written");
        }
        let starts = places
            .each_ref()
            .map(|it| it.folder.opening("t", 0).start_offset);
        vanish(log).await;
        match gone {
            Ok(()) => {
                assert_eq!(starts, [START, START], "{turns}");
                0
            }
            Err(NotHandedOver::Stays(_)) => {
                assert_eq!(starts, [START, 0], "{turns}");
                1
            }
            Err(NotHandedOver::Unclear(_)) => {
                assert_eq!(starts, [START, START], "{turns}");
                2
            }
        }
    })
}

#[test]
fn wherever_a_log_may_lie_the_checkpoints_there_say_what_is_known_of_it() {
    for is_copied in [false, true] {
        let mut counts = [0; 3];
        for turns in 0..400 {
            counts[goes_without_descriptors(turns, is_copied)] += 1;
        }
        // A change of name alone goes on to its end, or it is not known whether it is durable.
        let can_be = [true, is_copied, true];
        assert_eq!(counts.map(|count| count > 0), can_be, "{counts:?}");
    }
}

/// Where the log begins that a start finds, in the folder that it looks into first.
async fn found_start(disk: Disk) -> Option<Offset> {
    for root in ROOTS {
        let place = place(&disk, root).await;
        let files = disk.list(&place.folder.path("t", 0)).await;
        let files = files.unwrap_or_default();
        if files.iter().any(|file| file.name.ends_with(".log")) {
            let log = place.open().await;
            let start = log.start_offset();
            vanish(log).await;
            return Some(start);
        }
    }
    None
}

#[test]
fn no_crash_on_the_way_brings_back_records_that_were_deleted() {
    let mut ends = 0;
    for seed in 0..400u64 {
        let is_copied = seed % 2 == 0;
        let world = World::new(seed);
        let disk = || Disk::simulated(world.disk().clone());
        let (living, is_begun) = (disk(), Rc::new(Cell::new(false)));
        let told = is_begun.clone();
        let live = async move {
            let places = two_places(&living, ROOTS).await;
            let (log, mut future) = begun(&places, is_copied).await;
            told.set(true);
            go(&places, &log, &mut future).await.expect("goes");
            vanish(log).await;
        };
        let _ = world.run_for(1 + (seed as usize * 7919) % 3_000, live);
        if !is_begun.get() {
            continue;
        }
        ends += 1;
        let world = match seed % 4 {
            0 | 1 => world.kill(seed),
            _ => world.crash(seed),
        };
        let disk = Disk::simulated(world.disk().clone());
        let start = world.run(found_start(disk));
        assert_eq!(start, Some(START), "seed {seed}");
    }
    assert!(ends > 50, "{ends} on the way");
}

/// The names in a folder that begin with that of the log.
async fn left_in(disk: &Disk, root: &str) -> Vec<String> {
    let left = disk.list(Path::new(root)).await.expect("there");
    let names = left.into_iter().map(|entry| entry.name);
    names.filter(|name| name.starts_with("t-0")).collect()
}

#[test]
fn of_a_log_without_records_and_of_a_copy_that_was_hardly_begun_nothing_is_left() {
    with_two(async |disk, places| {
        let log = places[0].open().await;
        let mut future = Some(begin(&places[1], 0).await);
        go(&places, &log, &mut future).await.expect("goes");
        drop(future);
        let folder = &places[1].folder;
        assert!(
            folder
                .begin_future("t", 0, Uuid::from_u128(9))
                .now_or_never()
                .is_none()
        );
        disk.runtime().sleep(Duration::from_secs(1)).await;
        folder.empty_trash().await.expect("deleted");
        assert_eq!(left_in(&disk, ROOTS[1]).await, Vec::<String>::new());
        vanish(log).await;
    });
}

#[test]
fn a_segment_without_an_index_is_copied_all_the_same() {
    with_two(async |disk, places| {
        let log = places[0].open().await;
        append(&log, 12, 1, &Promised::default()).await;
        until_sealed(&log, 20).await;
        for name in [
            "00000000000000000000.index",
            "00000000000000000006.timeindex",
        ] {
            disk.remove(&log.dir().join(name)).await.expect("removed");
        }
        let mut future = begin(&places[1], 0).await;
        follow(&mut future, &log).await;
        assert!(future.end_offset(&log) >= 20);
        go(&places, &log, &mut Some(future)).await.expect("goes");
        drop(log);
        let log = places[1].open().await;
        assert_eq!((log.start_offset(), log.end_offset()), (0, 36));
        vanish(log).await;
    });
}

#[test]
fn once_a_log_is_closed_retention_is_not_at_its_files_any_more() {
    for turns in 0..200 {
        let world = World::new(turns);
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let dir = Path::new("/data/t-0");
            let config = LogConfig {
                retention_bytes: 5_000,
                ..config(2_000)
            };
            let (log, _) = open(&logs(&disk), dir, config, Opening::default()).await;
            for tag in 0..20 {
                log.append(&batch(2, 500, tag, 0), 0, None, 0)
                    .expect("appended");
                acked(&log, log.end_offset()).await;
            }
            let names = async || {
                let listed = disk.list(dir).await.expect("there");
                listed
                    .into_iter()
                    .map(|entry| entry.name)
                    .collect::<Vec<_>>()
            };
            let closing = async {
                for _ in 0..turns {
                    disk.runtime().yield_now().await;
                }
                log.close().await.expect("closed");
                names().await
            };
            let (maintained, closed) = join(log.maintain(1_000_000), closing).await;
            maintained.expect("maintained");
            assert_eq!(names().await, closed, "after {turns} turns");
        });
    }
}
