//! Drives: the checkpoints of a folder of logs: durable when they are said to be, shared by those
//! who want them at the same time, made up for where they could not be written, missed when lost.

use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;

use futures_util::future::join_all;

use super::finding::ROOT;
use super::support::*;
use crate::io::disk::Disk;
use crate::io::sim::{Fault, World};
use crate::log::{Folder, Log, Opening};

async fn opened(disk: &Disk) -> (Folder, Log) {
    let folder = Folder::open(disk, Path::new(ROOT)).await.expect("opened");
    let (opening, dir) = (folder.opening("t", 0), folder.path("t", 0));
    let (log, _) = open(&logs(disk), &dir, config(9_000), opening).await;
    (folder, log)
}

async fn filled(disk: &Disk, count: u64) -> (Folder, Log) {
    let (folder, log) = opened(disk).await;
    for tag in 0..count {
        log.append(&batch(1, 500, tag, 0), 0, None, 0)
            .expect("appended");
        acked(&log, log.end_offset()).await;
    }
    (folder, log)
}

#[test]
fn deleted_records_do_not_come_back_after_a_crash() {
    for seed in 0..40 {
        let world = World::new(seed);
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let (folder, log) = filled(&disk, 30).await;
            for before in [3, 17] {
                let start = log.delete_records_before(before).expect("within");
                folder.note_start("t", 0, start);
                folder.save_starts().await.expect("written");
            }
        });
        let world = match seed % 2 {
            0 => world.crash(seed),
            _ => world.kill(seed),
        };
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let (folder, log) = opened(&disk).await;
            assert!(folder.damaged().is_empty());
            assert_eq!((log.start_offset(), log.end_offset()), (17, 30));
        });
    }
}

#[test]
fn those_who_save_at_the_same_time_share_the_writes() {
    let world = World::new(1);
    let sim = world.disk().clone();
    let disk = Disk::simulated(sim.clone());
    world.run(async move {
        let (folder, _log) = filled(&disk, 3).await;
        let before = sim.count("write file");
        let savers = (0..200).map(|index| {
            let folder = &folder;
            async move {
                folder.note_start("many", index, 7);
                folder.save_starts().await.expect("written");
            }
        });
        join_all(savers).await;
        // Two files each time: the first comes alone, all others with the next.
        let writes = sim.count("write file") - before;
        assert!(writes <= 4, "{writes} files written");
        let again = Folder::open(&disk, Path::new(ROOT)).await.expect("opened");
        for index in 0..200 {
            assert_eq!(again.opening("many", index).start_offset, 7);
        }
        // What is there already is not written again.
        let before = sim.count("write file");
        folder.note_start("many", 5, 6);
        folder.save_starts().await.expect("written");
        assert_eq!(sim.count("write file"), before);
    });
}

#[test]
fn one_who_leaves_while_it_is_written_harms_no_later_write() {
    for seed in 0..200 {
        let world = World::new(seed);
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let (folder, _log) = filled(&disk, 3).await;
            folder.note_start("gone", 0, 5);
            {
                let mut leaver = pin!(folder.save_starts());
                for _ in 0..seed % 12 {
                    let step = poll_fn(|cx| Poll::Ready(leaver.as_mut().poll(cx).is_ready()));
                    if step.await {
                        break;
                    }
                    disk.runtime().yield_now().await;
                }
            }
            folder.note_start("stays", 0, 7);
            folder.save_starts().await.expect("written");
            for _ in 0..20 {
                disk.runtime().yield_now().await;
            }
            let again = Folder::open(&disk, Path::new(ROOT)).await.expect("opened");
            assert_eq!(again.damaged(), [""; 0], "seed {seed}");
            let start = |topic| again.opening(topic, 0).start_offset;
            assert_eq!((start("gone"), start("stays")), (5, 7), "seed {seed}");
        });
    }
}

#[test]
fn what_could_not_be_written_is_written_once_there_is_room() {
    let world = World::new(2);
    let sim = world.disk().clone();
    let disk = Disk::simulated(sim.clone());
    world.run(async move {
        let (folder, log) = filled(&disk, 30).await;
        sim.inject(Fault::Room);
        let checkpoint = || folder.checkpoint([("t", 0, &log)].into_iter());
        checkpoint().await.expect_err("no room");
        folder.set_cleaned("t", 0, 12).await.expect_err("no room");
        folder.note_start("t", 0, 4);
        folder.save_starts().await.expect_err("no room");
        log.delete_records_before(4).expect("within");
        sim.repair();
        // Nothing has changed since.
        checkpoint().await.expect("written");
        folder.set_cleaned("t", 0, 12).await.expect("written");
        let again = Folder::open(&disk, Path::new(ROOT)).await.expect("opened");
        let Opening {
            flushed_offset,
            start_offset,
            cleaned,
            ..
        } = again.opening("t", 0);
        assert_eq!((flushed_offset, start_offset, cleaned), (30, 4, Some(12)));
    });
}

#[test]
fn logs_that_are_set_aside_together_share_the_writes() {
    let world = World::new(4);
    let sim = world.disk().clone();
    let disk = Disk::simulated(sim.clone());
    world.run(async move {
        let (folder, log) = filled(&disk, 3).await;
        log.close().await.expect("closed");
        let logs = [("t", 0, &log)].into_iter();
        folder.checkpoint(logs).await.expect("written");
        for index in 1..100 {
            folder.note_start("t", index, 7);
            let dir = folder.path("t", index);
            disk.create_dir(&dir).await.expect("made");
        }
        folder.save_starts().await.expect("written");
        let before = sim.count("write file") + sim.count("sync folder");
        let names: Vec<_> = (0..100).map(|index| ("t", index)).collect();
        assert!(folder.set_aside(&names).await.is_empty());
        let changes = sim.count("write file") + sim.count("sync folder") - before;
        assert!(changes < 12, "{changes}");
        let again = Folder::open(&disk, Path::new(ROOT)).await.expect("opened");
        assert!(again.unclaimed().is_empty());
        assert_eq!(again.opening("t", 0).known_offset(), 0);
        assert_eq!(again.opening("t", 99).known_offset(), 0);
    });
}

#[test]
fn a_checkpoint_that_is_gone_or_empty_is_missed() {
    let world = World::new(3);
    let disk = Disk::simulated(world.disk().clone());
    world.run(async move {
        let (folder, log) = filled(&disk, 10).await;
        for round in 0..5 {
            log.delete_records_before(round).expect("within");
            log.append(&batch(1, 500, 0, 0), 0, None, 0)
                .expect("appended");
            acked(&log, log.end_offset()).await;
            let logs = [("t", 0, &log)].into_iter();
            folder.checkpoint(logs).await.expect("written");
        }
        for name in [
            "log-start-offset-checkpoint",
            "replication-offset-checkpoint",
        ] {
            let path = Path::new(ROOT).join(name);
            let content = disk.read(&path).await.expect("there");
            disk.remove(&path).await.expect("removed");
            let again = Folder::open(&disk, Path::new(ROOT)).await.expect("opened");
            assert_eq!(again.damaged(), [name]);
            disk.write(&path, Vec::new()).await.expect("written");
            let again = Folder::open(&disk, Path::new(ROOT)).await.expect("opened");
            assert_eq!(again.damaged(), [name]);
            disk.write(&path, content).await.expect("written");
        }
        let again = Folder::open(&disk, Path::new(ROOT)).await.expect("opened");
        assert_eq!(again.damaged(), [""; 0]);
    });
}
