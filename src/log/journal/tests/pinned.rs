//! Drives: logs that cannot be brought home.

use std::time::Duration;

use super::*;
use crate::io::sim::Fault;

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
    with_a_power_cut(
        move |sim| async move {
            let (_start, opened) = without_room(&sim).await;
            assert_eq!(opened[0].written_offset(), 0);
            assert!(opened[0].failure().is_none());
        },
        move |sim| async move {
            let start = Start::with(&sim, 64 << 10).await;
            let opened = start.open_all(&["a", "b"]).await;
            assert_eq!(tags(&opened[0], 0).await, [0]);
            assert_eq!(tags(&opened[1], 0).await, (0..100).collect::<Vec<_>>());
        },
    );
}

#[test]
fn a_log_that_has_room_again_is_brought_home() {
    in_worlds(move |sim| async move {
        let (start, opened) = without_room(&sim).await;
        let pinned = start.counts().entries;
        append_all(&opened[1], 100..101).await;
        assert_eq!(start.counts().entries, pinned, "it went past the journal");
        sim.repair();
        opened[0].seek_room();
        start.sleep(5).await;
        assert_eq!(opened[0].written_offset(), 1);
        // The first goes past still: there was no flush to know of what went past before.
        append_all(&opened[1], 101..110).await;
        assert!(start.counts().entries > pinned, "it takes entries again");
        start.close(&opened).await.expect("closed");
    });
}

#[test]
fn a_log_that_has_failed_can_be_removed_and_holds_the_journal_up_no_more() {
    in_worlds(move |sim| async move {
        let start = Start::with(&sim, 64 << 10).await;
        let opened = start.open_all(&["a", "b"]).await;
        append(&opened[0], 0);
        all_acked(&opened[0]).await;
        sim.inject_below(&start.folder.path("a", 0), Fault::Write);
        while opened[0].failure().is_none() {
            start.sleep(1).await;
        }
        sim.repair();
        start.retire(&opened[0]).await;
        start.sleep(5).await;
        append_all(&opened[1], 0..100).await;
        assert!(start.counts().entries > 50, "the circle is given back");
        start.close(&opened[1..]).await.expect("closed");
    });
}

/// A log has more at once than the circle has, and a cut is asked for so much later; returns how
/// often an entry waited for its place.
fn cut_beside_data(world: World, delay: Duration) -> u64 {
    within(&world, move |sim| async move {
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
