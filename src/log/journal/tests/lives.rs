//! Drives: power cuts and clean stops of a broker whose logs have a journal.

use std::time::Duration;

use super::*;
use crate::io::sim::{Data, End, Fault, Names, Random, Rest};
use crate::log::journal::Replayed;
use crate::log::journal::entry::{FRONT_BYTES, Head};
use crate::wire::batch::{BatchBuilder, NewRecord};

const NAMES: [&str; 5] = ["a", "b", "c-with-a-longer-name", ".d", "e"];

/// A batch of one record of an idempotent producer.
fn of_producer(id: i64, sequence: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new().producer(id, 0, sequence);
    builder.push(NewRecord::new(0, None, Some(&[7; 60])));
    builder.build()
}

/// Whether none of the logs has written anything of its own.
fn none_written(opened: &[Log]) -> bool {
    opened.iter().all(|log| log.written_offset() == 0)
}

#[test]
fn what_is_acked_is_back_after_a_power_cut_though_no_segment_has_it() {
    for (seed, world) in (0..).zip(worlds()) {
        let sim = world.disk().clone();
        world.run(async move {
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
        });
        let world = world.crash(seed);
        let sim = world.disk().clone();
        world.run(async move {
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
        });
    }
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

/// What a start finds in the journal after a power cut and a change of its file.
fn replayed_after(world: World, change: impl FnOnce(&mut Vec<u8>)) -> Replayed {
    let world = world.crash(3);
    let sim = world.disk().clone();
    sim.damage(&file(), change);
    world.run(async move { Start::with(&sim, CAPACITY).await.folder.replayed() })
}

/// Changes the file of the journal, as the power cut leaves it, and returns what the start finds of
/// `a` and `b`, or why it does not start.
fn found_after(world: World, change: impl FnOnce(&mut Vec<u8>)) -> Result<Vec<Vec<u64>>, String> {
    let world = world.crash(3);
    let sim = world.disk().clone();
    sim.damage(&file(), change);
    world.run(async move {
        let start = Start::begin(&sim, CAPACITY).await;
        let start = start.map_err(|error| error.to_string())?;
        let mut found = Vec::new();
        for log in start.open_all(&["a", "b"]).await {
            found.push(tags(&log, 0).await);
            let next = log.end_offset();
            append(&log, next as u64);
            all_acked(&log).await;
            assert_eq!(log.end_offset(), next + 1, "the log goes on");
        }
        Ok(found)
    })
}

/// Where the entries begin in a journal's file that was begun anew, and how long they are.
fn entries(file: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = FRONT_BYTES as usize;
    while let Some(head) = Head::of(&file[at..]) {
        found.push((at, head.space as usize));
        at += head.space as usize;
    }
    found
}

#[test]
fn an_entry_that_is_torn_at_any_block_takes_only_itself_away() {
    let live = || {
        let world = World::new(5);
        let sim = world.disk().clone();
        world.run(async move {
            let start = Start::with(&sim, CAPACITY).await;
            let opened = in_turns(&start, 4).await;
            // One of many blocks, the last, whose flush is still to come.
            for log in &opened {
                log.append(&batch(1, 14_000, 4, 0), 0, None, 0)
                    .expect("appended");
            }
            opened[1].wait_acked(5).await.expect("acked");
        });
        world
    };
    let content = live().disk().content(&file()).expect("there");
    let all = entries(&content);
    let (at, len) = *all.last().expect("an entry");
    assert!(all.len() >= 9 && len > 6 * 4096, "{all:?}");
    for block in (at..at + len).step_by(4096) {
        let found = found_after(live(), |bytes| bytes[block..block + 4096].fill(0));
        let found = found.expect("a torn end is no damage");
        assert_eq!(found, [[0, 1, 2, 3], [0, 1, 2, 3]], "block at {block}");
        let told = replayed_after(live(), |bytes| bytes[block..block + 4096].fill(0)).torn;
        // Without its head there is no entry to tell of.
        assert_eq!(told, (block > at).then_some(at as u64));
    }
    assert_eq!(replayed_after(live(), |_| {}).torn, None);
    let whole = found_after(live(), |_| {}).expect("it starts");
    assert_eq!(whole, [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]);
}

#[test]
fn a_replay_that_is_cut_off_at_any_moment_is_made_again() {
    let world = World::new(1);
    let sim = world.disk().clone();
    world.run(async move {
        let start = Start::with(&sim, CAPACITY).await;
        in_turns(&start, 3).await;
    });
    let left = world.stop();
    let starts = |world: &World| {
        let sim = world.disk().clone();
        world.run(async move {
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
    let history = world.disk().history().expect("recorded");
    let mut moment = history.begin();
    let mut random = Random::new(3);
    let mut again = 0;
    while moment.pass() {
        for end in [
            End::Cut(Data::None, Names::None, Rest::None),
            End::Cut(Data::All, Names::All, Rest::All),
            End::Cut(Data::Torn, Names::Some, Rest::Some),
        ] {
            let world = World::on(4, moment.left(end, &mut random));
            again += usize::from(starts(&world).entries > 0);
        }
    }
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
        let sim = world.disk().clone();
        world.run(async move {
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
    for world in worlds() {
        let sim = world.disk().clone();
        world.run(async move {
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
}

#[test]
fn a_start_without_a_journal_or_with_another_one_replays_the_old() {
    for (capacity, world) in [0, 2 * CAPACITY, CAPACITY / 2].into_iter().zip(worlds()) {
        let sim = world.disk().clone();
        world.run(async move {
            in_turns(&Start::with(&sim, CAPACITY).await, 3).await;
        });
        let mut world = world.crash(1);
        for rounds in [3, 5] {
            let sim = world.disk().clone();
            world.run(async move {
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
    let sim = world.disk().clone();
    world.run(async move {
        in_turns(&Start::with(&sim, CAPACITY).await, 3).await;
    });
    let mut world = world.crash(1);
    for rounds in [5, 7] {
        let sim = world.disk().clone();
        world.run(async move {
            let start = Start::with(&sim, 0).await;
            assert_eq!(start.folder.replayed().entries > 0, rounds == 5);
            let opened = in_turns(&start, rounds).await;
            assert_eq!(tags(&opened[0], 0).await, (0..rounds).collect::<Vec<_>>());
            start.disk.runtime().sleep(Duration::from_secs(1)).await;
            assert!(sim.content(&file()).is_none(), "nothing in it is needed");
        });
        world = world.crash(1);
    }
}

#[test]
fn what_is_left_of_a_file_that_was_being_made_is_removed() {
    let world = World::new(1);
    let sim = world.disk().clone();
    world.run(async move {
        let start = Start::with(&sim, CAPACITY).await;
        let left = Path::new(ROOT).join("corelane-journal.new");
        start.disk.write(&left, vec![0; 9]).await.expect("written");
        let start = Start::with(&sim, CAPACITY).await;
        assert!(start.folder.replayed() == Replayed::default() && sim.content(&left).is_none());
    });
}

#[test]
fn a_stop_does_not_wait_for_a_file_that_is_being_made() {
    for world in worlds() {
        let sim = world.disk().clone();
        world.run(async move {
            let disk = Disk::simulated(sim.clone());
            let folder = Folder::open(&disk, Path::new(ROOT)).await.expect("opened");
            let shared = folder.begin_journal(&logs(&disk), 64 << 20);
            while sim.count("prepare") == 0 {
                disk.runtime().yield_now().await;
            }
            folder.close_cleanly().await.expect("closed");
            assert!(sim.count("prepare") < 5, "{}", sim.count("prepare"));
            assert!(!shared.journal().expect("there").takes());
            let names = sim.paths();
            let is_left = |name: &PathBuf| name.to_string_lossy().contains("corelane-journal");
            assert!(!names.iter().any(is_left), "{names:?}");
        });
    }
}

#[test]
fn where_the_mark_of_use_cannot_be_read_the_folder_is_not_opened() {
    let world = World::new(5);
    let sim = world.disk().clone();
    world.run(async move {
        in_turns(&Start::with(&sim, CAPACITY).await, 4).await;
    });
    let world = world.crash(3);
    let sim = world.disk().clone();
    world.run(async move {
        sim.inject_below(&in_use(), Fault::Read);
        assert!(Start::begin(&sim, CAPACITY).await.is_err());
        sim.repair();
        let start = Start::with(&sim, CAPACITY).await;
        let opened = in_turns(&start, 4).await;
        assert_eq!(tags(&opened[0], 0).await, [0, 1, 2, 3]);
    });
}

#[test]
fn records_are_in_their_own_files_a_second_later() {
    let world = World::new(1);
    let sim = world.disk().clone();
    world.run(async move {
        let start = Start::with(&sim, CAPACITY).await;
        let opened = in_turns(&start, 3).await;
        assert!(none_written(&opened));
        start.disk.runtime().sleep(Duration::from_secs(2)).await;
        assert!(opened.iter().all(|log| log.written_offset() == 3));
    });
    let world = world.crash(1);
    let sim = world.disk().clone();
    world.run(async move {
        let start = Start::with(&sim, CAPACITY).await;
        assert_eq!(start.folder.replayed(), Replayed::default());
        let opened = start.open_all(&["a", "b"]).await;
        assert_eq!(tags(&opened[0], 0).await, [0, 1, 2]);
    });
}

#[test]
fn a_journal_that_is_gone_or_damaged_after_an_unclean_stop_is_named() {
    let live = || {
        let world = World::new(5);
        let sim = world.disk().clone();
        world.run(async move {
            in_turns(&Start::with(&sim, CAPACITY).await, 4).await;
        });
        world
    };
    let all = entries(&live().disk().content(&file()).expect("there"));
    assert_eq!(all.len(), 8);
    // All but the last: that is no other than a torn end.
    for (at, _) in &all[..7] {
        let found = found_after(live(), |bytes| bytes[at + 100] ^= 1);
        let error = found.expect_err("it was flushed");
        let named = format!("/data/corelane-journal is damaged at byte {at}, and records");
        assert!(error.starts_with(&named), "{error}");
    }
    let error = found_after(live(), |bytes| bytes[..8192].fill(0)).expect_err("no front");
    let named = "/data/corelane-journal has lost its beginning, and records";
    assert!(error.starts_with(named), "{error}");
    // One of the two is enough.
    for front in [0, 4096] {
        let found = found_after(live(), |bytes| bytes[front..front + 4096].fill(0));
        assert_eq!(found.expect("it starts")[0], [0, 1, 2, 3]);
    }

    let world = live().crash(3);
    let sim = world.disk().clone();
    world.run(async move {
        let disk = Disk::simulated(sim.clone());
        disk.remove(&file()).await.expect("removed");
        let error = Start::begin(&sim, CAPACITY).await.err().expect("missed");
        let named = "/data/corelane-journal is gone, and records";
        assert!(error.to_string().starts_with(named), "{error}");
        assert!(error.to_string().contains("remove corelane-journal-in-use"));
        disk.remove(&in_use()).await.expect("removed");
        let start = Start::with(&sim, CAPACITY).await;
        let opened = in_turns(&start, 2).await;
        assert_eq!(tags(&opened[0], 0).await, [0, 1]);
    });
}

#[test]
fn after_a_clean_stop_a_damaged_journal_does_not_matter() {
    for damage in 0..4 {
        let world = World::new(5);
        let sim = world.disk().clone();
        world.run(async move {
            let start = Start::with(&sim, CAPACITY).await;
            let opened = in_turns(&start, 4).await;
            start.close(&opened).await.expect("closed");
            match damage {
                0 => sim.damage(&file(), |bytes| bytes[..8192].fill(0)),
                1 => sim.damage(&file(), |bytes| bytes[8_300] ^= 1),
                2 => sim.inject_below(&file(), Fault::Read),
                _ => {
                    let removed = Disk::simulated(sim.clone()).remove(&file()).await;
                    removed.expect("removed");
                }
            }
            let start = Start::with(&sim, CAPACITY).await;
            let opened = in_turns(&start, 6).await;
            assert_eq!(tags(&opened[0], 0).await, [0, 1, 2, 3, 4, 5]);
            assert_eq!(start.counts().entries, 4, "it serves again");
        });
    }
}

#[test]
fn a_segment_that_was_sealed_in_the_journal_gets_its_final_form_once_it_is_home() {
    for world in worlds() {
        let sim = world.disk().clone();
        world.run(async move {
            let start = Start::with(&sim, CAPACITY).await;
            let (log, _) = start.open("a", ID, config(400)).await;
            for tag in 0..60 {
                append(&log, tag);
                all_acked(&log).await;
                if tag == 30 {
                    // From here on its folder is there for good.
                    start.disk.runtime().sleep(Duration::from_secs(5)).await;
                }
            }
            let sealed = || {
                let state = log.0.state.borrow();
                let newest_first = state.segments.iter().rev().skip(1);
                newest_first.map(|it| it.settled.get()).collect::<Vec<_>>()
            };
            assert!(sealed().len() > 2, "the log has rolled");
            start.disk.runtime().sleep(Duration::from_secs(5)).await;
            assert!(!sealed().contains(&false), "{:?}", sealed());
            start.close(&[log]).await.expect("closed");
        });
    }
}
