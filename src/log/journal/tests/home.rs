//! Drives: how records come from the journal to the logs' own files, and what a flush that fails on
//! the way may have dropped.

use super::*;
use crate::io::buffer::BLOCK_BYTES;
use crate::io::sim::Fault;
use crate::log::FailedOperation;
use crate::log::journal::Replayed;
use crate::log::tests::support::open;

#[test]
fn records_are_in_their_own_files_a_second_later() {
    let world = World::new(1);
    within(&world, move |sim| async move {
        let start = Start::with(&sim, CAPACITY).await;
        let opened = in_turns(&start, 3).await;
        assert!(none_written(&opened));
        start.sleep(2).await;
        assert!(opened.iter().all(|log| log.written_offset() == 3));
    });
    let world = world.crash(1);
    within(&world, move |sim| async move {
        let start = Start::with(&sim, CAPACITY).await;
        assert_eq!(start.folder.replayed(), Replayed::default());
        let opened = start.open_all(&["a", "b"]).await;
        assert_eq!(tags(&opened[0], 0).await, [0, 1, 2]);
    });
}

#[test]
fn a_segment_that_was_sealed_in_the_journal_gets_its_final_form_once_it_is_home() {
    in_worlds(|sim| async move {
        let start = Start::with(&sim, CAPACITY).await;
        let (log, _) = start.open("a", ID, config(400)).await;
        // From here on its folder is there for good, and its upkeep runs.
        append_all(&log, 0..4).await;
        start.sleep(5).await;
        let journal = start.shared.journal().expect("there").clone();
        let no_round_meanwhile = journal.0.bringing.take(1).await;
        append_all(&log, 4..30).await;
        start.sleep(5).await;
        assert!(log.0.is_in_journal());
        drop(no_round_meanwhile);
        start.sleep(5).await;
        let state = log.0.state.borrow();
        let sealed = state.segments.iter().rev().skip(1);
        let settled: Vec<bool> = sealed.map(|it| it.settled.get()).collect();
        assert!(settled.len() > 2, "the log has rolled");
        assert!(!settled.contains(&false), "{settled:?}");
    });
}

#[test]
fn a_segment_that_was_sealed_in_the_journal_gets_no_more_room_than_it_needs() {
    in_worlds(|sim| async move {
        let start = Start::with(&sim, CAPACITY).await;
        let rolls = LogConfig {
            segment_ms: 1,
            segment_jitter_ms: 0,
            ..config(1 << 20)
        };
        let (log, _) = start.open("a", ID, rolls).await;
        let room = || start.shared.probe().prepared_bytes.get();
        append_all(&log, 0..1).await;
        start.sleep(5).await;
        let before = room();
        for time in (10..500).step_by(10) {
            log.append(&batch(1, 100, 0, time), 0, None, 0)
                .expect("appended");
            all_acked(&log).await;
        }
        start.sleep(5).await;
        assert_eq!(log.0.state.borrow().segments.len(), 50);
        let blocks = (room() - before) / BLOCK_BYTES as u64;
        assert!(blocks < 49 + 2 * 16, "each has a block: {blocks} in all");
    });
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
    in_worlds(move |sim| async move {
        let (start, opened) = with_many(&sim).await;
        let synced = sim.count("sync all");
        start.sleep(3).await;
        assert_eq!(sim.count("sync all"), synced + 1);
        assert!(opened.iter().all(|it| it.0.stored_offset.get() == 1));
        assert!(!opened[0].0.is_in_journal(), "the circle is given back");
        start.close(&opened).await.expect("closed");
    });
}

#[test]
fn a_file_system_that_cannot_be_flushed_leaves_all_in_the_journal() {
    with_a_power_cut(
        move |sim| async move {
            let (start, opened) = with_many(&sim).await;
            sim.inject_below(Path::new("/"), Fault::Flush);
            start.sleep(3).await;
            for log in &opened {
                let failure = log.failure().expect("its write may be gone");
                assert!(log.0.stored_offset.get() == 0, "{failure}");
            }
            assert!(opened[0].0.is_in_journal());
        },
        move |sim| async move {
            let start = Start::with(&sim, CAPACITY).await;
            let found = start.open_all(&["n0", "n69"]).await;
            assert_eq!(tags(&found[0], 0).await, [0]);
            assert_eq!(tags(&found[1], 0).await, [0]);
        },
    );
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
        start.sleep(1).await;
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
    with_a_power_cut(
        move |sim| async move {
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
            start.sleep(3).await;
            let failure = opened[0].failure().expect("its write may be gone");
            assert_eq!(failure.operation, FailedOperation::Flush);
            assert!(opened[0].0.is_in_journal());
        },
        move |sim| async move {
            let start = Start::with(&sim, CAPACITY).await;
            assert_eq!(tags(&start.open_all(&["a"]).await[0], 0).await, [0]);
        },
    );
}

#[test]
fn no_entry_counts_as_flushed_that_a_failed_flush_may_have_dropped() {
    in_worlds(move |sim| async move {
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
        start.sleep(3).await;
        // The entry before may be gone: both records were flushed in the log's own file.
        assert_eq!(start.counts().entries, entries + 1);
        assert_eq!(start.shared.probe().journal_failed_count.get(), 1);
        assert_eq!(relaxed.0.stored_offset.get(), 2);
    });
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
