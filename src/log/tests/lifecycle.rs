//! Drives: retention, deletion, times, producer snapshots, folders, on both disks.

use std::path::Path;
use std::rc::Rc;

use super::support::*;
use crate::io::disk::Disk;
use crate::io::sim::World;
use crate::log::{DeleteError, Folder, Log, LogConfig, Opening};
use crate::wire::batch::{BatchBuilder, NewRecord};

async fn names(disk: &Disk, dir: &Path, suffix: &str) -> Vec<String> {
    let listed = disk.list(dir).await.expect("there");
    let mut names: Vec<String> = listed.into_iter().map(|entry| entry.name).collect();
    names.retain(|name| name.ends_with(suffix));
    names.sort();
    names
}

/// Ten segments of two batches of two records each, a second apart.
async fn filled(disk: &Disk, dir: &Path, config: LogConfig) -> Log {
    let logs = logs(disk);
    let (log, _) = open(&logs, dir, config, Opening::default()).await;
    for tag in 0..20 {
        let bytes = batch(2, 500, tag, 1_000 * tag as i64);
        log.append(&bytes, 0, None, 1_000).expect("appended");
        acked(&log, log.end_offset()).await;
    }
    log
}

fn two_batches_each() -> LogConfig {
    config(batch(2, 500, 0, 0).len() as u64 * 2 + 100)
}

#[test]
fn a_log_emptied_before_its_flush_was_due_goes_on_where_it_was_and_closes() {
    on_both_disks(|disk, dir| async move {
        let settings = LogConfig {
            retention_ms: 10_000,
            flush_messages: 1_000,
            flush_ms: i64::MAX,
            ..two_batches_each()
        };
        let log = filled(&disk, &dir, settings.clone()).await;
        log.maintain(1_000_000).await.expect("maintained");
        assert_eq!((log.start_offset(), log.end_offset()), (40, 40));
        // The name of what follows is all that is left to tell a start after a crash.
        assert_eq!(
            names(&disk, &dir, ".log").await,
            ["00000000000000000040.log"]
        );
        log.close().await.expect("closed");
        let (log, _) = open(&logs(&disk), &dir, settings, Opening::default()).await;
        assert_eq!((log.start_offset(), log.end_offset()), (40, 40));
    });
}

#[test]
fn old_segments_go_by_age() {
    on_both_disks(|disk, dir| async move {
        let settings = LogConfig {
            retention_ms: 10_000,
            ..two_batches_each()
        };
        let log = filled(&disk, &dir, settings).await;
        log.maintain(13_000).await.expect("maintained");
        assert_eq!(
            log.start_offset(),
            4,
            "the first ends at 1 s, the second at 3 s"
        );
        log.maintain(13_001).await.expect("maintained");
        assert_eq!(log.start_offset(), 8);
        assert_eq!(names(&disk, &dir, ".log").await.len(), 8);
        assert!(is_out_of_range(&log, 7).await);
        assert_eq!(read_all(&log, 8, 1 << 20).await.len(), 16);
        // All of it, the active segment too: the log goes on behind its old end.
        log.maintain(1_000_000).await.expect("maintained");
        assert_eq!((log.start_offset(), log.end_offset()), (40, 40));
        log.append(&batch(1, 500, 77, 0), 0, None, 0)
            .expect("appended");
        acked(&log, 41).await;
        assert_eq!(read_all(&log, 40, 1 << 20).await, [(40, 1, 77)]);
    });
}

#[test]
fn old_segments_go_by_size_and_by_request() {
    on_both_disks(|disk, dir| async move {
        let settings = two_batches_each();
        let log = filled(&disk, &dir, settings.clone()).await;
        let segment_bytes = batch(2, 500, 0, 0).len() as i64 * 2;
        log.set_config(LogConfig {
            retention_bytes: 6 * segment_bytes,
            ..settings
        });
        log.maintain(0).await.expect("maintained");
        assert_eq!(log.start_offset(), 16);
        assert_eq!(log.size_bytes(), 6 * segment_bytes as u64);

        assert_eq!(log.delete_records_before(41), Err(DeleteError::OutOfRange));
        assert_eq!(log.delete_records_before(-1), Err(DeleteError::OutOfRange));
        assert_eq!(log.delete_records_before(10), Ok(16));
        assert_eq!(log.delete_records_before(30), Ok(30));
        assert!(is_out_of_range(&log, 29).await);
        log.maintain(0).await.expect("maintained");
        let first = names(&disk, &dir, ".log").await.remove(0);
        assert_eq!(first, "00000000000000000028.log", "30 lies inside it");
        assert_eq!(read_all(&log, 30, 1 << 20).await.len(), 5);
    });
}

#[test]
fn times_lead_to_offsets() {
    on_both_disks(|disk, dir| async move {
        let log = filled(&disk, &dir, two_batches_each()).await;
        let found = |timestamp| {
            let log = &log;
            async move {
                log.offset_for_time(timestamp)
                    .await
                    .expect("read")
                    .map(|it| it.offset)
            }
        };
        assert_eq!(found(0).await, Some(0));
        assert_eq!(found(1).await, Some(2));
        assert_eq!(found(1_000).await, Some(2));
        assert_eq!(found(9_001).await, Some(20));
        assert_eq!(found(19_000).await, Some(38));
        assert_eq!(found(19_001).await, None);
        let youngest = log.youngest().await.expect("read").expect("there is one");
        assert_eq!((youngest.timestamp, youngest.offset), (19_000, 38));
        log.close().await.expect("closed");

        // Inside a batch, and with the lookups gone.
        for name in names(&disk, &dir, "index").await {
            disk.remove(&dir.join(name)).await.expect("removed");
        }
        let logs = logs(&disk);
        let opening = Opening {
            clean: true,
            recovery_point: 40,
            ..Opening::default()
        };
        let (log, _) = open(&logs, &dir, two_batches_each(), opening).await;
        let mut builder = BatchBuilder::new();
        for timestamp in [19_500, 30_000, 25_000, 30_000] {
            builder.push(NewRecord::new(timestamp, None, Some(b"x")));
        }
        log.append(&builder.build(), 3, None, 0).expect("appended");
        let found = log
            .offset_for_time(19_501)
            .await
            .expect("read")
            .expect("there");
        assert_eq!(
            (found.offset, found.timestamp, found.leader_epoch),
            (41, 30_000, 3)
        );
        let found = log
            .offset_for_time(5_000)
            .await
            .expect("read")
            .expect("there");
        assert_eq!((found.offset, found.timestamp), (10, 5_000));
        assert_eq!(
            log.youngest().await.expect("read").expect("there").offset,
            41
        );
    });
}

#[test]
fn the_brokers_time_replaces_the_producers() {
    on_both_disks(|disk, dir| async move {
        let logs = logs(&disk);
        let (log, _) = open(&logs, &dir, config(1 << 20), Opening::default()).await;
        log.append(&batch(3, 100, 5, 1), 0, Some(7_777), 7_777)
            .expect("appended");
        acked(&log, 3).await;
        // Reading checks the checksum.
        assert_eq!(read_all(&log, 0, 1 << 20).await, [(0, 3, 5)]);
        let youngest = log.youngest().await.expect("read").expect("there is one");
        assert_eq!((youngest.timestamp, youngest.offset), (7_777, 0));
    });
}

#[test]
fn producer_state_comes_back_from_snapshot_and_batches() {
    on_both_disks(|disk, dir| async move {
        let replay = |clean, recovery_point| Opening {
            clean,
            recovery_point,
            replay: true,
            ..Opening::default()
        };
        let snapshot = Rc::new(|offset| vec![7; offset as usize]);
        {
            let shared = logs(&disk);
            let opening = replay(false, 0);
            let (log, seen) = open_replaying(&shared, &dir, two_batches_each(), opening).await;
            assert_eq!(seen, Vec::<String>::new());
            log.on_roll(snapshot.clone());
            for tag in 0..5 {
                log.append(&batch(2, 500, tag, 0), 0, None, 0)
                    .expect("appended");
            }
            acked(&log, 10).await;
            let is_there = async || !names(&disk, &dir, "8.snapshot").await.is_empty();
            while !is_there().await || log.recovery_point() < 8 {
                log.maintain(0).await.expect("maintained");
            }
            vanish(log).await;
        }
        {
            let shared = logs(&disk);
            let opening = replay(false, 8);
            let (log, seen) = open_replaying(&shared, &dir, two_batches_each(), opening).await;
            assert_eq!(seen, ["8: 8 bytes", "8..=9"]);
            log.on_roll(snapshot);
            log.close().await.expect("closed");
        }
        let shared = logs(&disk);
        let opening = replay(true, 10);
        let (_, seen) = open_replaying(&shared, &dir, two_batches_each(), opening).await;
        assert_eq!(seen, ["10: 10 bytes"]);
    });
}

#[test]
fn a_log_that_nothing_was_appended_to_has_nothing_to_close() {
    let world = World::new(11);
    let sim = world.disk().clone();
    let disk = Disk::simulated(sim.clone());
    world.run(async move {
        let dir = Path::new("/data/t-0");
        let log = filled(&disk, dir, two_batches_each()).await;
        log.on_roll(Rc::new(|_| b"state".to_vec()));
        assert!(log.close_in_batch().await.expect("closed"), "it has");
        let opening = |recovery_point| Opening {
            clean: true,
            replay: true,
            recovery_point,
            ..Opening::default()
        };
        let changes = ["write file", "rename", "remove", "truncate", "sync folder"];
        let changes = || changes.map(|change| sim.count(change));
        for end in [40, 42, 44] {
            for _ in 0..2 {
                let before = changes();
                let (log, _) = open(&logs(&disk), dir, two_batches_each(), opening(end)).await;
                log.on_roll(Rc::new(|_| b"state".to_vec()));
                assert!(log.is_as_closed());
                assert!(!log.close_in_batch().await.expect("closed"));
                assert_eq!(changes(), before);
            }
            let (log, _) = open(&logs(&disk), dir, two_batches_each(), opening(end)).await;
            log.on_roll(Rc::new(|_| b"state".to_vec()));
            assert_eq!(log.end_offset(), end);
            log.append(&batch(2, 500, 0, 1_000 * end), 0, None, 0)
                .expect("appended");
            assert!(!log.is_as_closed());
            match end {
                40 => assert!(log.close_in_batch().await.expect("closed")),
                _ => log.close().await.expect("closed"),
            }
        }
    });
}

#[test]
fn a_folder_knows_whether_it_was_closed() {
    on_both_disks(|disk, dir| async move {
        let root = dir.parent().expect("inside a folder").join("data");
        let trash = root.join("gone-0.00ff-delete");
        disk.create_dir(&trash).await.expect("made");
        let folder = Folder::open(&disk, &root).await.expect("opened");
        assert!(!folder.was_clean());
        folder.empty_trash().await.expect("deleted");
        assert!(disk.list(&trash).await.is_err());
        let shared = logs(&disk);
        let dir = folder.path("orders", 3);
        let opening = folder.opening("orders", 3);
        let (log, _) = open(&shared, &dir, config(4_000), opening).await;
        for tag in 0..10 {
            log.append(&batch(1, 1_000, tag, 0), 0, None, 0)
                .expect("appended");
        }
        acked(&log, 10).await;
        log.delete_records_before(4).expect("within");
        log.close().await.expect("closed");
        folder
            .checkpoint([("orders", 3, &log)].into_iter())
            .await
            .expect("written");
        folder.close_cleanly(-1).await.expect("written");

        let folder = Folder::open(&disk, &root).await.expect("opened");
        assert!(folder.was_clean());
        let opening = folder.opening("orders", 3);
        assert_eq!((opening.recovery_point, opening.start_offset), (10, 4));
        let (log, recovered) = open(&shared, &dir, config(4_000), opening).await;
        assert!(recovered.scanned_bytes < 4_000, "{recovered:?}");
        assert_eq!((log.start_offset(), log.end_offset()), (4, 10));
        let opening = folder.opening("orders", 4);
        assert_eq!((opening.recovery_point, opening.start_offset), (0, 0));

        let folder = Folder::open(&disk, &root).await.expect("opened");
        assert!(!folder.was_clean(), "it is in use");
        folder.forget(&[("orders", 3)]).await.expect("written");
        let folder = Folder::open(&disk, &root).await.expect("opened");
        assert_eq!(folder.opening("orders", 3).recovery_point, 0);
    });
}
