//! Drives: power cuts and clean stops of a broker whose logs have a journal.

use super::*;
use crate::log::journal::Replayed;
use crate::wire::batch::{BatchBuilder, NewRecord};

const NAMES: [&str; 5] = ["a", "b", "c-with-a-longer-name", ".d", "e"];

/// A batch of one record of an idempotent producer.
fn of_producer(id: i64, sequence: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new().producer(id, 0, sequence);
    builder.push(NewRecord::new(0, None, Some(&[7; 60])));
    builder.build()
}

#[test]
fn what_is_acked_is_back_after_a_power_cut_though_no_segment_has_it() {
    with_a_power_cut(
        move |sim| async move {
            let start = Start::with(&sim, CAPACITY).await;
            let opened = start.open_all(&NAMES).await;
            let before = start.counts();
            for round in 0..4 {
                for (log, producer) in opened.iter().zip(1..) {
                    let bytes = of_producer(producer, round);
                    log.append(&bytes, 0, None, 0).expect("appended");
                }
                for log in &opened {
                    all_acked(log).await;
                }
            }
            let after = start.counts();
            assert!(after.entries - before.entries <= 20, "{after:?}");
            assert_eq!(after.writes, before.writes, "each in the journal alone");
            assert!(none_written(&opened));
        },
        move |sim| async move {
            let start = Start::with(&sim, CAPACITY).await;
            assert!(start.folder.replayed().entries >= 4);
            for (name, producer) in NAMES.iter().zip(1..) {
                let (log, seen) = start.open(name, ID, config(200_000)).await;
                assert_eq!(log.end_offset(), 4, "{name}");
                let wanted: Vec<String> = (0..4).map(|at| format!("{at} {producer}")).collect();
                assert_eq!(seen, wanted, "{name}");
                append(&log, 9);
                all_acked(&log).await;
            }
        },
    );
}

#[test]
fn a_replay_that_is_cut_off_at_any_moment_is_made_again() {
    let world = World::new(1);
    within(&world, move |sim| async move {
        let start = Start::with(&sim, CAPACITY).await;
        in_turns(&start, 3).await;
    });
    let left = world.stop();
    let starts = |world: &World| {
        within(world, move |sim| async move {
            let start = Start::with(&sim, CAPACITY).await;
            for log in start.open_all(&["a", "b"]).await {
                assert_eq!(tags(&log, 0).await, [0, 1, 2]);
            }
            start.folder.replayed()
        })
    };
    let world = World::on(2, left);
    world.disk().record();
    let replayed = starts(&world);
    assert!(replayed.entries == 6 && replayed.bytes > 600);
    let mut again = 0;
    at_every_moment(&world, 3, |world, _| {
        again += usize::from(starts(world).entries > 0);
    });
    assert!(again > 5, "some were cut off before the journal was empty");
}

#[test]
fn a_small_circle_closes_many_times_over_and_acks_go_on() {
    for (seed, world) in (0..).zip(worlds()) {
        let sim = world.disk().clone();
        let rounds = 300;
        world.run(async move {
            let start = Start::with(&sim, 64 << 10).await;
            in_turns(&start, rounds).await;
            let probe = start.shared.probe();
            // Each is a block at least.
            assert!(probe.journal_bytes.get() > 20 * (64 << 10));
            assert!(probe.journal_rounds_count.get() > 20);
        });
        let world = world.crash(seed);
        within(&world, move |sim| async move {
            let start = Start::with(&sim, 64 << 10).await;
            let wanted: Vec<u64> = (0..rounds).collect();
            for log in start.open_all(&["a", "b"]).await {
                assert_eq!(tags(&log, 0).await, wanted);
            }
        });
    }
}

#[test]
fn after_a_clean_stop_there_is_nothing_to_replay_and_the_file_serves_again() {
    in_worlds(move |sim| async move {
        let start = Start::with(&sim, CAPACITY).await;
        let opened = in_turns(&start, 3).await;
        assert!(sim.content(&in_use()).is_some());
        start.close(&opened).await.expect("closed");
        assert!(sim.content(&in_use()).is_none());

        let made = sim.count("create");
        let start = Start::with(&sim, CAPACITY).await;
        assert!(start.folder.was_clean());
        assert_eq!(start.folder.replayed(), Replayed::default());
        assert_eq!(sim.count("create"), made, "the same file");
        let opened = in_turns(&start, 6).await;
        assert_eq!(tags(&opened[0], 0).await, [0, 1, 2, 3, 4, 5]);
        start.close(&opened).await.expect("closed");
        let before = sim.content(&file()).expect("there").len();

        let start = Start::with(&sim, 2 * CAPACITY).await;
        let after = sim.content(&file()).expect("there").len();
        assert_eq!(after - before, CAPACITY, "one of another size");
        let opened = in_turns(&start, 8).await;
        assert_eq!(start.counts().entries, 4);
        start.close(&opened).await.expect("closed");
    });
}

#[test]
fn a_start_without_a_journal_or_with_another_one_replays_the_old() {
    for (capacity, world) in [0, 2 * CAPACITY, CAPACITY / 2].into_iter().zip(worlds()) {
        within(&world, move |sim| async move {
            in_turns(&Start::with(&sim, CAPACITY).await, 3).await;
        });
        let mut world = world.crash(1);
        for rounds in [3, 5] {
            within(&world, move |sim| async move {
                let start = Start::with(&sim, capacity).await;
                let wanted: Vec<u64> = (0..rounds).collect();
                let replays = rounds == 3 || capacity > 0;
                assert_eq!(start.folder.replayed().entries > 0, replays);
                let opened = in_turns(&start, rounds).await;
                assert_eq!(tags(&opened[1], 0).await, wanted);
                in_turns(&start, rounds + 2).await;
            });
            world = world.crash(2);
        }
    }
}

#[test]
fn the_file_of_a_journal_that_is_no_longer_wanted_is_removed() {
    let world = World::new(1);
    within(&world, move |sim| async move {
        in_turns(&Start::with(&sim, CAPACITY).await, 3).await;
    });
    let mut world = world.crash(1);
    for rounds in [5, 7] {
        within(&world, move |sim| async move {
            let start = Start::with(&sim, 0).await;
            assert_eq!(start.folder.replayed().entries > 0, rounds == 5);
            let opened = in_turns(&start, rounds).await;
            assert_eq!(tags(&opened[0], 0).await, (0..rounds).collect::<Vec<_>>());
            start.sleep(1).await;
            assert!(sim.content(&file()).is_none(), "nothing in it is needed");
        });
        world = world.crash(1);
    }
}

#[test]
fn what_is_left_of_a_file_that_was_being_made_is_removed() {
    let world = World::new(1);
    within(&world, move |sim| async move {
        let start = Start::with(&sim, CAPACITY).await;
        let left = Path::new(ROOT).join("corelane-journal.new");
        start.disk.write(&left, vec![0; 9]).await.expect("written");
        let start = Start::with(&sim, CAPACITY).await;
        assert!(start.folder.replayed() == Replayed::default() && sim.content(&left).is_none());
    });
}

#[test]
fn a_stop_does_not_wait_for_a_file_that_is_being_made() {
    in_worlds(move |sim| async move {
        let disk = Disk::simulated(sim.clone());
        let folder = Folder::open(&disk, Path::new(ROOT)).await.expect("opened");
        let shared = folder.begin_journal(&logs(&disk), 64 << 20);
        while sim.count("prepare") == 0 {
            disk.runtime().yield_now().await;
        }
        folder.close_cleanly(-1).await.expect("closed");
        assert!(sim.count("prepare") < 5, "{}", sim.count("prepare"));
        assert!(!shared.journal().expect("there").takes());
        let names = sim.paths();
        let is_left = |name: &PathBuf| name.to_string_lossy().contains("corelane-journal");
        assert!(!names.iter().any(is_left), "{names:?}");
    });
}
