//! Drives: a journal's file that is torn, damaged, gone, or cannot be read.

use super::*;
use crate::io::sim::Fault;
use crate::log::journal::Replayed;
use crate::log::journal::entry::{FRONT_BYTES, Head};

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
        within(&world, move |sim| async move {
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
fn a_journal_that_is_gone_or_damaged_after_an_unclean_stop_is_named() {
    let live = || {
        let world = World::new(5);
        within(&world, move |sim| async move {
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
    within(&world, move |sim| async move {
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
fn where_the_mark_of_use_cannot_be_read_the_folder_is_not_opened() {
    let world = World::new(5);
    within(&world, move |sim| async move {
        in_turns(&Start::with(&sim, CAPACITY).await, 4).await;
    });
    let world = world.crash(3);
    within(&world, move |sim| async move {
        sim.inject_below(&in_use(), Fault::Read);
        assert!(Start::begin(&sim, CAPACITY).await.is_err());
        sim.repair();
        let start = Start::with(&sim, CAPACITY).await;
        let opened = in_turns(&start, 4).await;
        assert_eq!(tags(&opened[0], 0).await, [0, 1, 2, 3]);
    });
}

#[test]
fn after_a_clean_stop_a_damaged_journal_does_not_matter() {
    for damage in 0..4 {
        let world = World::new(5);
        within(&world, move |sim| async move {
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
