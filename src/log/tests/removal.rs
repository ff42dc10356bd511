//! Drives: deleted topics: what their removal costs, and what is left of them.

use std::path::Path;

use super::support::*;
use crate::base::TopicId;
use crate::base::ids::Uuid;
use crate::io::disk::Disk;
use crate::io::sim::World;
use crate::log::{Folder, Log, Logs, Retired};

const ROOT: &str = "/data";
const ID: TopicId = TopicId(Uuid::from_u128(7));

async fn open_log(folder: &Folder, shared: &Logs, index: i32) -> Log {
    let dir = folder.path("t", index);
    open(shared, &dir, config(9_000), folder.opening("t", index))
        .await
        .0
}

fn retired(index: i32, log: &Log) -> Retired<'_> {
    Retired {
        topic: "t",
        id: ID,
        index,
        log: Some(log),
    }
}

/// Logs with a record each that the checkpoints know.
async fn filled(folder: &Folder, shared: &Logs, count: i32) -> Vec<Log> {
    let mut logs = Vec::new();
    for index in 0..count {
        let log = open_log(folder, shared, index).await;
        log.append(&batch(1, 900, 1, 0), 0, None, 0)
            .expect("appended");
        acked(&log, 1).await;
        logs.push(log);
    }
    let known = (0..).zip(&logs).map(|(index, log)| ("t", index, log));
    folder.checkpoint(known).await.expect("written");
    for index in 0..count {
        let cleaned = folder.set_cleaned("t", index, 1).await;
        cleaned.expect("written");
    }
    logs
}

#[test]
fn many_logs_are_out_of_the_way_for_the_price_of_one() {
    let costs = [1, 40].map(|count| {
        let world = World::new(3);
        let sim = world.disk().clone();
        world.run(async move {
            let disk = Disk::simulated(sim.clone());
            let folder = Folder::open(&disk, Path::new(ROOT)).await.expect("opened");
            let shared = logs(&disk);
            let logs = filled(&folder, &shared, count).await;
            let gone: Vec<_> = (0..).zip(&logs).map(|(at, log)| retired(at, log)).collect();
            let counted = ["write file", "sync folder"];
            let before = counted.map(|name| sim.count(name));
            let failed = folder.retire(&gone).await;
            assert!(failed.is_empty());
            let after = counted.map(|name| sim.count(name));
            // The next topic of the name begins anew, before the files of the last one are gone.
            for index in 0..count {
                assert_eq!(folder.opening("t", index).known_offset(), 0);
                assert_eq!(folder.cleaned("t", index), None);
            }
            let next = open_log(&folder, &shared, 0).await;
            assert_eq!(next.end_offset(), 0);
            next.append(&batch(1, 900, 2, 0), 0, None, 0)
                .expect("appended");
            acked(&next, 1).await;
            folder.empty_trash().await.expect("deleted");
            let left = disk.list(Path::new(ROOT)).await.expect("there");
            let mut left = left.iter().filter(|entry| entry.is_dir);
            assert_eq!(left.next().map(|entry| &*entry.name), Some("t-0"));
            assert_eq!(left.next(), None);
            [after[0] - before[0], after[1] - before[1]]
        })
    });
    assert_eq!(costs[0], costs[1], "for 1 and for 40");
}

#[test]
fn a_start_finds_the_trash_of_the_last_one() {
    on_both_disks(|disk, dir| async move {
        let root = dir.parent().expect("inside a folder").join("data");
        let folder = Folder::open(&disk, &root).await.expect("opened");
        let shared = logs(&disk);
        let logs = filled(&folder, &shared, 2).await;
        let gone = [retired(0, &logs[0]), retired(1, &logs[1])];
        assert!(folder.retire(&gone).await.is_empty());
        drop(folder);
        let folder = Folder::open(&disk, &root).await.expect("opened");
        assert_eq!(folder.unclaimed(), []);
        let log = open_log(&folder, &shared, 1).await;
        assert_eq!(log.end_offset(), 0);
        folder.empty_trash().await.expect("deleted");
        let left = disk.list(&root).await.expect("there");
        assert_eq!(left.iter().filter(|entry| entry.is_dir).count(), 0);
    });
}
