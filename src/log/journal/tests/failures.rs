//! Drives: a journal whose own file fails.

use super::*;
use crate::io::sim::Fault;
use crate::log::journal::Replayed;

/// The journal's file fails in this way while `a` and `b` go into one entry; the machine stops at
/// once, or some seconds later.
fn fails(fault: Fault, waits: bool) {
    with_a_power_cut(
        move |sim| async move {
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
                start.sleep(3).await;
                assert!(opened.iter().all(|log| !log.0.is_in_journal()));
                assert!(sim.content(&in_use()).is_none(), "it counts for nothing");
            }
        },
        move |sim| async move {
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
        },
    );
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
    in_worlds(move |sim| async move {
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
            start.sleep(1).await;
        }
        assert_eq!(relaxed.flushed_offset(), 0);
    });
}

#[test]
fn a_journal_that_has_failed_counts_until_all_logs_are_home() {
    let world = World::new(1);
    within(&world, move |sim| async move {
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
        assert!(start.folder.close_cleanly(-1).await.is_err());
        assert!(sim.content(&in_use()).is_some());
    });
    let world = World::new(1);
    within(&world, move |sim| async move {
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
        within(&world, move |sim| async move {
            let start = Start::with(&sim, CAPACITY).await;
            let opened = start.open_all(&["a"]).await;
            append_all(&opened[0], 0..1).await;
            sim.inject_below(&file(), fault);
            start.sleep(5).await;
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
    within(world, move |sim| async move {
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
        at_every_moment(&world, seed, |world, moment| {
            let (found, start) = within(world, |sim| async move {
                let start = Start::with(&sim, 0).await;
                let (log, _) = start.open("a", ID, config(1_000)).await;
                (tags(&log, log.start_offset()).await, log.start_offset())
            });
            let wanted: Vec<u64> = (start as u64..).take(found.len()).collect();
            assert_eq!(found, wanted, "no hole");
            let held = promises.iter().rfind(|it| it.moment <= moment);
            if let Some(Promise { acked, begin, .. }) = held {
                let end = start as u64 + found.len() as u64;
                assert!(end >= *acked, "{end} of {acked}");
                assert!(begin.is_none_or(|begin| start >= begin), "{start}");
            }
        });
    }
}
