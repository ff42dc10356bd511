//! Drives: devices that fail, and logs that cannot be brought home.

use std::time::Duration;

use super::*;
use crate::io::sim::{Data, End, Fault, Names, Random, Rest};
use crate::log::FailedOperation;
use crate::log::journal::Replayed;
use crate::log::tests::support::open;

async fn sleep(start: &Start, seconds: u64) {
    let runtime = start.disk.runtime();
    runtime.sleep(Duration::from_secs(seconds)).await;
}

/// Appends these to a log, each once the one before is acked.
async fn append_all(log: &Log, tags: std::ops::Range<u64>) {
    for tag in tags {
        append(log, tag);
        all_acked(log).await;
    }
}

/// The log `a` has a record in the journal and no room for it at home; `b` has more than the circle.
async fn without_room(sim: &SimDisk) -> (Start, Vec<Log>) {
    let start = Start::with(sim, 64 << 10).await;
    let opened = start.open_all(&["a", "b"]).await;
    sim.inject_below(&start.folder.path("a", 0), Fault::Room);
    append_all(&opened[0], 0..1).await;
    append_all(&opened[1], 0..100).await;
    (start, opened)
}

#[test]
fn a_log_without_room_holds_no_other_back_and_loses_nothing() {
    for (seed, world) in (0..).zip(worlds()) {
        let sim = world.disk().clone();
        world.run(async move {
            let (_start, opened) = without_room(&sim).await;
            assert_eq!(opened[0].written_offset(), 0);
            assert!(opened[0].failure().is_none());
        });
        let world = world.crash(seed);
        let sim = world.disk().clone();
        world.run(async move {
            let start = Start::with(&sim, 64 << 10).await;
            let opened = start.open_all(&["a", "b"]).await;
            assert_eq!(tags(&opened[0], 0).await, [0]);
            assert_eq!(tags(&opened[1], 0).await, (0..100).collect::<Vec<_>>());
        });
    }
}

#[test]
fn a_log_that_has_room_again_is_brought_home() {
    for world in worlds() {
        let sim = world.disk().clone();
        world.run(async move {
            let (start, opened) = without_room(&sim).await;
            let pinned = start.counts().entries;
            append_all(&opened[1], 100..101).await;
            assert_eq!(start.counts().entries, pinned, "it went past the journal");
            sim.repair();
            opened[0].seek_room();
            sleep(&start, 5).await;
            assert_eq!(opened[0].written_offset(), 1);
            // The first goes past still: there was no flush to know of what went past before.
            append_all(&opened[1], 101..110).await;
            assert!(start.counts().entries > pinned, "it takes entries again");
            start.close(&opened).await.expect("closed");
        });
    }
}

/// A log has more at once than the circle has, and a cut is asked for so much later; returns how
/// often an entry waited for its place.
fn cut_beside_data(world: World, delay: Duration) -> u64 {
    let sim = world.disk().clone();
    world.run(async move {
        let start = Start::with(&sim, 64 << 10).await;
        let opened = start.open_all(&["a", "b", "c", "d", "e"]).await;
        sim.inject_below(&start.folder.path("a", 0), Fault::Room);
        append_all(&opened[0], 0..1).await;
        append_all(&opened[1], 0..1).await;
        for log in &opened[1..] {
            let large = batch(1, 12_000, 1, 0);
            log.append(&large, 0, None, 0).expect("appended");
        }
        start.disk.runtime().sleep(delay).await;
        // One that voids nothing: b has its records in the segment, or needs them in the journal.
        opened[1].0.void_in_journal(0).await.expect("entered");
        for log in &opened[1..] {
            all_acked(log).await;
        }
        let probe = start.shared.probe();
        assert_eq!(probe.journal_pinned_count.get(), 1);
        probe.journal_waits_count.get()
    })
}

#[test]
fn a_cut_is_entered_though_the_data_beside_it_finds_no_place() {
    let mut waits = 0;
    for delay in (0..400).step_by(20) {
        for world in worlds() {
            waits += cut_beside_data(world, Duration::from_micros(delay));
        }
    }
    assert!(waits > 0, "data waited for a place");
}

/// The journal's file fails in this way while `a` and `b` go into one entry; the machine stops at
/// once, or some seconds later.
fn fails(fault: Fault, waits: bool) {
    for (seed, world) in (0..).zip(worlds()) {
        let sim = world.disk().clone();
        world.run(async move {
            let start = Start::with(&sim, CAPACITY).await;
            let opened = start.open_all(&["a", "b", "c"]).await;
            for log in &opened {
                append_all(log, 0..1).await;
            }
            sim.inject_below(&file(), fault);
            for log in &opened[..2] {
                append(log, 1);
            }
            for log in &opened[..2] {
                all_acked(log).await;
                assert_eq!(log.written_offset(), 2, "in its own file");
            }
            assert_eq!(start.shared.probe().journal_failed_count.get(), 1);
            append_all(&opened[2], 1..20).await;
            assert_eq!(opened[2].written_offset(), 20);
            if waits {
                sleep(&start, 3).await;
                assert!(opened.iter().all(|log| !log.0.is_in_journal()));
                assert!(sim.content(&in_use()).is_none(), "it counts for nothing");
            }
        });
        let world = world.crash(seed);
        let sim = world.disk().clone();
        world.run(async move {
            let start = Start::with(&sim, CAPACITY).await;
            if waits {
                assert_eq!(start.folder.replayed(), Replayed::default());
            }
            let opened = start.open_all(&["a", "b", "c"]).await;
            for log in &opened[..2] {
                assert_eq!(tags(log, 0).await, [0, 1]);
            }
            assert_eq!(tags(&opened[2], 0).await, (0..20).collect::<Vec<_>>());
            let before = start.counts().entries;
            append_all(&opened[2], 20..21).await;
            assert_eq!(start.counts().entries, before + 1, "it serves again");
        });
    }
}

#[test]
fn after_a_failed_write_of_an_entry_all_logs_go_on_past_the_journal() {
    fails(Fault::Write, false);
    fails(Fault::Write, true);
}

#[test]
fn after_a_failed_flush_of_an_entry_all_logs_go_on_past_the_journal() {
    fails(Fault::Flush, false);
    fails(Fault::Flush, true);
}

#[test]
fn a_failed_flush_of_an_entry_fails_each_log_whose_write_it_may_have_dropped() {
    for world in worlds() {
        let sim = world.disk().clone();
        world.run(async move {
            let start = Start::with(&sim, CAPACITY).await;
            let relaxed = LogConfig {
                flush_messages: 100,
                ..config(200_000)
            };
            let (relaxed, _) = start.open("r", ID, relaxed).await;
            let opened = start.open_all(&["a"]).await;
            append(&relaxed, 0);
            relaxed.0.write_out(1).await;
            assert_eq!(relaxed.flushed_offset(), 0);
            sim.inject_below(&file(), Fault::Flush);
            append_all(&opened[0], 0..1).await;
            sim.repair();
            // The device says that all is well; whether the write is there is not known.
            relaxed.0.flush();
            while relaxed.failure().is_none() && relaxed.flushed_offset() == 0 {
                sleep(&start, 1).await;
            }
            assert_eq!(relaxed.flushed_offset(), 0);
        });
    }
}

#[test]
fn a_journal_that_has_failed_counts_until_all_logs_are_home() {
    let world = World::new(1);
    let sim = world.disk().clone();
    world.run(async move {
        let start = Start::with(&sim, CAPACITY).await;
        let opened = start.open_all(&["a", "b", "c"]).await;
        for log in &opened {
            append_all(log, 0..1).await;
        }
        sim.inject_below(&start.folder.path("c", 0), Fault::Room);
        sim.inject_below(&file(), Fault::Write);
        append_all(&opened[0], 1..2).await;
        let voided = opened[1].0.void_in_journal(1).await;
        assert!(voided.is_err(), "c has its record there alone");
        assert!(start.folder.close_cleanly().await.is_err());
        assert!(sim.content(&in_use()).is_some());
    });
    let world = World::new(1);
    let sim = world.disk().clone();
    world.run(async move {
        let start = Start::with(&sim, CAPACITY).await;
        let opened = start.open_all(&["a", "b", "c"]).await;
        for log in &opened {
            append_all(log, 0..1).await;
        }
        sim.inject_below(&file(), Fault::Write);
        append_all(&opened[0], 1..2).await;
        // At once, not a second later: a cut has all logs brought home.
        opened[1].0.void_in_journal(1).await.expect("voided");
        assert!(sim.content(&in_use()).is_none());
        start.close(&opened).await.expect("closed cleanly");
    });
}

#[test]
fn a_front_that_cannot_be_written_ends_the_journal() {
    for fault in [Fault::Write, Fault::Flush] {
        let world = World::new(1);
        let sim = world.disk().clone();
        world.run(async move {
            let start = Start::with(&sim, CAPACITY).await;
            let opened = start.open_all(&["a"]).await;
            append_all(&opened[0], 0..1).await;
            sim.inject_below(&file(), fault);
            sleep(&start, 5).await;
            assert_eq!(start.shared.probe().journal_failed_count.get(), 1);
            assert!(!opened[0].0.is_in_journal() && sim.content(&in_use()).is_none());
            append_all(&opened[0], 1..9).await;
            start.close(&opened).await.expect("closed cleanly");
        });
    }
}

/// What `a` has promised at some moment of its life: how many records, and whether those before
/// `begin` are removed.
#[derive(Clone, Copy)]
struct Promise {
    moment: usize,
    acked: u64,
    begin: Option<Offset>,
}

/// A life in which the journal fails and retention removes records that it holds; what was promised
/// in it.
fn removes_what_a_failed_journal_holds(world: &World, fault: Fault) -> Vec<Promise> {
    let sim = world.disk().clone();
    world.run(async move {
        let start = Start::with(&sim, CAPACITY).await;
        let (log, _) = start.open("a", ID, config(1_000)).await;
        let other = start.open_all(&["b"]).await.remove(0);
        let mut promises = Vec::new();
        let mut begin = None;
        for tag in 0..16 {
            match tag {
                8 => sim.inject_below(&file(), fault),
                12 => {
                    log.set_config(LogConfig {
                        retention_bytes: 500,
                        ..config(1_000)
                    });
                    log.maintain(0).await.expect("maintained");
                    begin = Some(log.start_offset());
                }
                _ => append_all(&other, tag..tag + 1).await,
            }
            append_all(&log, tag..tag + 1).await;
            promises.push(Promise {
                moment: sim.moment(),
                acked: tag + 1,
                begin,
            });
        }
        assert!(begin > Some(0), "some were removed");
        promises
    })
}

#[test]
fn what_was_removed_after_the_journal_failed_is_not_back_whenever_the_machine_stops() {
    for (seed, fault) in [(1, Fault::Write), (2, Fault::Flush)] {
        let world = World::new(seed);
        world.disk().record();
        let promises = removes_what_a_failed_journal_holds(&world, fault);
        let history = world.disk().history().expect("recorded");
        let mut moment = history.begin();
        let mut random = Random::new(seed);
        while moment.pass() {
            let held = promises.iter().rfind(|it| it.moment <= moment.at());
            for end in [
                End::Cut(Data::None, Names::None, Rest::None),
                End::Cut(Data::All, Names::All, Rest::All),
                End::Cut(Data::Torn, Names::Some, Rest::Some),
            ] {
                let world = World::on(4, moment.left(end, &mut random));
                let sim = world.disk().clone();
                let (found, start) = world.run(async move {
                    let start = Start::with(&sim, 0).await;
                    let (log, _) = start.open("a", ID, config(1_000)).await;
                    (tags(&log, log.start_offset()).await, log.start_offset())
                });
                let wanted: Vec<u64> = (start as u64..).take(found.len()).collect();
                assert_eq!(found, wanted, "no hole");
                if let Some(Promise { acked, begin, .. }) = held {
                    let end = start as u64 + found.len() as u64;
                    assert!(end >= *acked, "{end} of {acked}");
                    assert!(begin.is_none_or(|begin| start >= begin), "{start}");
                }
            }
        }
    }
}

#[test]
fn a_log_that_has_failed_can_be_removed_and_holds_the_journal_up_no_more() {
    for world in worlds() {
        let sim = world.disk().clone();
        world.run(async move {
            let start = Start::with(&sim, 64 << 10).await;
            let opened = start.open_all(&["a", "b"]).await;
            append(&opened[0], 0);
            all_acked(&opened[0]).await;
            sim.inject_below(&start.folder.path("a", 0), Fault::Write);
            while opened[0].failure().is_none() {
                sleep(&start, 1).await;
            }
            sim.repair();
            start.retire(&opened[0]).await;
            sleep(&start, 5).await;
            append_all(&opened[1], 0..100).await;
            assert!(start.counts().entries > 50, "the circle is given back");
            start.close(&opened[1..]).await.expect("closed");
        });
    }
}

/// Larger than what goes into the journal.
fn append_past(log: &Log) {
    log.append(&batch(1, 17_000, 0, 0), 0, None, 0)
        .expect("appended");
}

/// A log `x` with room in its file for one more append that goes past the journal.
async fn with_room(start: &Start) -> Log {
    let log = start.open_all(&["x"]).await.remove(0);
    for _ in 0..4 {
        append_past(&log);
        all_acked(&log).await;
        sleep(start, 1).await;
    }
    log
}

/// Has a flush of this log alone fail.
async fn fail_a_flush(start: &Start, sim: &SimDisk, other: &Log) {
    sim.inject_below(&start.folder.path("x", 0), Fault::Flush);
    append_past(other);
    let end = other.end_offset();
    let failure = other.wait_acked(end).await.expect_err("not acked");
    assert_eq!(failure.operation, FailedOperation::Flush);
    sim.repair();
}

#[test]
fn what_a_failed_flush_may_have_dropped_on_its_way_home_stays_in_the_journal() {
    for (seed, world) in (0..).zip(worlds()) {
        let sim = world.disk().clone();
        world.run(async move {
            let start = Start::with(&sim, CAPACITY).await;
            let other = with_room(&start).await;
            let opened = start.open_all(&["a"]).await;
            let journal = start.shared.journal().expect("there").clone();
            let no_round_meanwhile = journal.0.bringing.take(1).await;
            append(&opened[0], 0);
            all_acked(&opened[0]).await;
            opened[0].0.write_out(1).await;
            fail_a_flush(&start, &sim, &other).await;
            drop(no_round_meanwhile);
            sleep(&start, 3).await;
            let failure = opened[0].failure().expect("its write may be gone");
            assert_eq!(failure.operation, FailedOperation::Flush);
            assert!(opened[0].0.is_in_journal());
        });
        let world = world.crash(seed);
        let sim = world.disk().clone();
        world.run(async move {
            let start = Start::with(&sim, CAPACITY).await;
            assert_eq!(tags(&start.open_all(&["a"]).await[0], 0).await, [0]);
        });
    }
}

#[test]
fn no_entry_counts_as_flushed_that_a_failed_flush_may_have_dropped() {
    for world in worlds() {
        let sim = world.disk().clone();
        world.run(async move {
            let start = Start::with(&sim, CAPACITY).await;
            let relaxed = LogConfig {
                flush_messages: 2,
                ..config(200_000)
            };
            let other = with_room(&start).await;
            let journal = start.shared.journal().expect("there").clone();
            let _no_round_meanwhile = journal.0.bringing.take(1).await;
            let (relaxed, _) = start.open("r", ID, relaxed).await;
            append(&relaxed, 0);
            all_acked(&relaxed).await;
            let entries = start.counts().entries;
            fail_a_flush(&start, &sim, &other).await;
            assert_eq!(relaxed.written_offset(), 0, "in the journal alone");
            append(&relaxed, 1);
            all_acked(&relaxed).await;
            sleep(&start, 3).await;
            // The entry before may be gone: both records were flushed in the log's own file.
            assert_eq!(start.counts().entries, entries + 1);
            assert_eq!(start.shared.probe().journal_failed_count.get(), 1);
            assert_eq!(relaxed.0.stored_offset.get(), 2);
        });
    }
}

#[test]
fn a_journal_is_closed_only_once_a_round_under_way_has_brought_its_logs_home() {
    for world in worlds() {
        for turns in 0..40 {
            let sim = world.disk().clone();
            let root = format!("/data/{turns}");
            world.run(async move {
                let disk = Disk::simulated(sim);
                let folder = Folder::open(&disk, Path::new(&root)).await.expect("opened");
                let shared = folder.begin_journal(&logs(&disk), CAPACITY);
                let journal = shared.journal().expect("there").clone();
                journal.prepared().await;
                let opening = folder.opening("a", 0);
                let dir = folder.path("a", 0);
                let (log, _) = open(&shared, &dir, config(200_000), opening).await;
                append(&log, 0);
                all_acked(&log).await;
                journal.hurry();
                for _ in 0..turns {
                    disk.runtime().yield_now().await;
                }
                journal.close().await.expect("closed");
                assert_eq!(log.0.stored_offset.get(), 1, "after {turns} turns");
            });
        }
    }
}

/// More logs than are flushed one by one, each with a record in the journal alone.
async fn with_many(sim: &SimDisk) -> (Start, Vec<Log>) {
    let start = Start::with(sim, CAPACITY).await;
    let names: Vec<String> = (0..70).map(|it| format!("n{it}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let opened = start.open_all(&names).await;
    for log in &opened {
        append(log, 0);
    }
    for log in &opened {
        all_acked(log).await;
    }
    (start, opened)
}

#[test]
fn many_logs_come_home_with_one_flush_of_the_file_system() {
    for world in worlds() {
        let sim = world.disk().clone();
        world.run(async move {
            let (start, opened) = with_many(&sim).await;
            let synced = sim.count("sync all");
            sleep(&start, 3).await;
            assert_eq!(sim.count("sync all"), synced + 1);
            assert!(opened.iter().all(|it| it.0.stored_offset.get() == 1));
            assert!(!opened[0].0.is_in_journal(), "the circle is given back");
            start.close(&opened).await.expect("closed");
        });
    }
}

#[test]
fn a_file_system_that_cannot_be_flushed_leaves_all_in_the_journal() {
    for (seed, world) in (0..).zip(worlds()) {
        let sim = world.disk().clone();
        world.run(async move {
            let (start, opened) = with_many(&sim).await;
            sim.inject_below(Path::new("/"), Fault::Flush);
            sleep(&start, 3).await;
            for log in &opened {
                let failure = log.failure().expect("its write may be gone");
                assert!(log.0.stored_offset.get() == 0, "{failure}");
            }
            assert!(opened[0].0.is_in_journal());
        });
        let world = world.crash(seed);
        let sim = world.disk().clone();
        world.run(async move {
            let start = Start::with(&sim, CAPACITY).await;
            let found = start.open_all(&["n0", "n69"]).await;
            assert_eq!(tags(&found[0], 0).await, [0]);
            assert_eq!(tags(&found[1], 0).await, [0]);
        });
    }
}
