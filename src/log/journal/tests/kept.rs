//! Drives: logs that have failed at their device: what the journal holds of them is kept for the
//! next start, and does not hold the journal up.

use std::time::Duration;

use super::*;
use crate::io::sim::Fault;

const SMALL: usize = 64 << 10;

fn kept() -> PathBuf {
    Path::new(ROOT).join(crate::log::journal::file::KEPT)
}

/// Has the device under these logs fail, each with a record in the journal alone, and waits until
/// that shows.
async fn fail(start: &Start, sim: &SimDisk, logs: &[(&Log, &str)]) {
    for (log, name) in logs {
        let tag = log.end_offset() as u64;
        append_all(log, tag..tag + 1).await;
        sim.inject_below(&start.folder.path(name, 0), Fault::Write);
    }
    let runtime = start.disk.runtime();
    for _ in 0..50 {
        runtime.sleep(Duration::from_millis(100)).await;
    }
    assert!(logs.iter().all(|(log, _)| log.failure().is_some()));
    start.sleep(2).await;
    sim.repair();
}

/// Two logs fail one after the other, then `b` gets more than the circle holds.
async fn two_fail(sim: &SimDisk) -> (Start, Vec<Log>) {
    let start = Start::with(sim, SMALL).await;
    let opened = start.open_all(&["a", "b", "c"]).await;
    append_all(&opened[1], 0..1).await;
    fail(&start, sim, &[(&opened[0], "a")]).await;
    fail(&start, sim, &[(&opened[2], "c")]).await;
    append_all(&opened[1], 1..100).await;
    (start, opened)
}

#[test]
fn a_log_that_has_failed_does_not_hold_the_journal_up_and_loses_nothing() {
    with_a_power_cut(
        move |sim| async move {
            let (start, opened) = two_fail(&sim).await;
            assert!(start.counts().entries > 50, "the circle is given back");
            assert!(opened[0].0.is_in_journal() && sim.content(&kept()).is_some());
        },
        move |sim| async move {
            let start = Start::with(&sim, SMALL).await;
            assert!(sim.content(&kept()).is_none());
            let opened = start.open_all(&["a", "b", "c"]).await;
            assert_eq!(tags(&opened[0], 0).await, [0]);
            assert_eq!(tags(&opened[1], 0).await, (0..100).collect::<Vec<_>>());
            assert_eq!(tags(&opened[2], 0).await, [0]);
            append_all(&opened[0], 1..5).await;
            start.close(&opened).await.expect("closed");
        },
    );
}

#[test]
fn what_is_kept_of_a_log_that_is_removed_is_not_back() {
    with_a_power_cut(
        move |sim| async move {
            let (start, opened) = two_fail(&sim).await;
            start.retire(&opened[0]).await;
            assert!(!opened[0].0.is_in_journal() && opened[2].0.is_in_journal());
        },
        move |sim| async move {
            let start = Start::with(&sim, SMALL).await;
            start.folder.empty_trash().await.expect("deleted");
            let of_log = |path: &PathBuf| path.starts_with("/data/a-0");
            assert!(!sim.paths().iter().any(of_log));
            let opened = start.open_all(&["c"]).await;
            assert_eq!(tags(&opened[0], 0).await, [0]);
        },
    );
}

#[test]
fn what_is_kept_is_there_whenever_the_machine_stops() {
    let world = World::new(1);
    let sim = world.disk().clone();
    sim.record();
    let promises = world.run(async move {
        let start = Start::with(&sim, SMALL).await;
        let opened = start.open_all(&["a", "b"]).await;
        let mut promises = Vec::new();
        append_all(&opened[0], 0..1).await;
        promises.push((sim.moment(), 0));
        fail(&start, &sim, &[(&opened[0], "a")]).await;
        for tag in 0..30 {
            append_all(&opened[1], tag..tag + 1).await;
            promises.push((sim.moment(), tag + 1));
        }
        promises
    });
    let mut put_back = 0;
    at_every_moment(&world, 1, |world, moment| {
        put_back += usize::from(world.disk().content(&kept()).is_some());
        let found = within(world, |sim| async move {
            let start = Start::with(&sim, SMALL).await;
            let opened = start.open_all(&["a", "b"]).await;
            [tags(&opened[0], 0).await, tags(&opened[1], 0).await]
        });
        for found in &found {
            assert_eq!(*found, (0..found.len() as u64).collect::<Vec<_>>());
        }
        if let Some((_, of_b)) = promises.iter().rfind(|it| it.0 <= moment) {
            assert!(!found[0].is_empty() && found[1].len() as u64 >= *of_b);
        }
    });
    assert!(put_back > 50, "{put_back}");
}

#[test]
fn damage_of_what_is_kept_is_named() {
    let world = World::new(1);
    within(&world, move |sim| async move {
        two_fail(&sim).await;
    });
    let world = world.crash(1);
    let sim = world.disk().clone();
    sim.damage(&kept(), |bytes| bytes[60] ^= 1);
    world.run(async move {
        let error = Start::begin(&sim, SMALL).await.err().expect("damage");
        let named = "/data/corelane-journal.kept is damaged, and records of logs";
        assert!(error.to_string().starts_with(named), "{error}");
        let disk = Disk::simulated(sim.clone());
        disk.remove(&kept()).await.expect("removed");
        let opened = Start::with(&sim, SMALL).await.open_all(&["b"]).await;
        assert_eq!(opened[0].end_offset(), 100);
    });
}
