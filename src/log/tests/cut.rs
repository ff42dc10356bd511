//! Drives: logs that part from their leader's: cut back, begun anew, and what a crash leaves.

use std::path::{Path, PathBuf};

use super::replicated::{found, sent};
use super::support::*;
use crate::base::ids::Uuid;
use crate::base::{LeaderEpoch, Offset, TopicId};
use crate::io::disk::Disk;
use crate::io::sim::World;
use crate::log::{CLEAN_SHUTDOWN, Folder, Log, Logs, Opening};

const ID: TopicId = TopicId(Uuid::from_u128(77));
/// Segments of two batches.
const SEGMENT_BYTES: u64 = 800;
/// Three records each.
const BASES: [Offset; 8] = [10, 13, 16, 30, 33, 36, 60, 63];

/// The folder and its only log, opened with what is known of it.
async fn opened(disk: &Disk, root: &Path) -> (Folder, Logs, Log) {
    let folder = Folder::open(disk, root).await.expect("the folder opens");
    let logs = folder.begin_journal(&logs(disk), 256 << 10);
    if let Some(journal) = logs.journal() {
        journal.prepared().await;
    }
    let opening = folder.opening("t", 0);
    let log = reopen(&folder, &logs, opening).await;
    (folder, logs, log)
}

async fn reopen(folder: &Folder, logs: &Logs, opening: Opening) -> Log {
    let opening = Opening {
        gaps: true,
        topic_id: Some(ID),
        ..opening
    };
    let dir = folder.path("t", 0);
    let (log, recovered) = open(logs, &dir, config(SEGMENT_BYTES), opening).await;
    assert!(recovered.damage.is_none(), "{:?}", recovered.damage);
    assert!(recovered.cut.is_none(), "{:?}", recovered.cut);
    folder.opened("t", 0);
    log
}

fn epoch_of(base: Offset) -> LeaderEpoch {
    match base {
        ..30 => 1,
        30..60 => 4,
        _ => 6,
    }
}

/// All batches that end before `to`.
fn until(to: Offset) -> Vec<(Offset, Offset, LeaderEpoch)> {
    let all = BASES.map(|base| (base, base + 2, epoch_of(base)));
    all.into_iter().filter(|it| it.1 < to).collect()
}

async fn fill(folder: &Folder, log: &Log) {
    for base in BASES {
        let bytes = sent(base, 3, epoch_of(base));
        log.append_replicated(&bytes, 1_000).expect("taken");
        acked(log, base + 3).await;
    }
    let logs = [("t", 0, log)];
    folder.checkpoint(logs.into_iter()).await.expect("written");
}

/// Closes the log and has it cut back to `to`.
async fn cut(folder: &Folder, logs: &Logs, log: Log, to: Offset) -> Log {
    log.close().await.expect("closed");
    let opening = folder.cut_back("t", 0, &log, to).await.expect("prepared");
    drop(log);
    reopen(folder, logs, opening).await
}

#[test]
fn a_log_ends_with_the_last_batch_before_the_cut() {
    on_both_disks(|disk: Disk, dir: PathBuf| async move {
        for to in [
            10, 11, 12, 13, 14, 16, 20, 30, 33, 34, 36, 39, 50, 60, 63, 65, 66, 90,
        ] {
            let root = dir.join(format!("cut-{to}"));
            disk.create_dir(root.parent().expect("one"))
                .await
                .expect("made");
            let (folder, logs, log) = opened(&disk, &root).await;
            fill(&folder, &log).await;
            let log = cut(&folder, &logs, log, to).await;
            let left = until(to);
            assert_eq!(found(&log).await, left, "cut at {to}");
            let end = left.last().map_or(0, |last| last.1 + 1);
            let end = if to >= 66 {
                66
            } else {
                end.max(log.end_offset().min(to))
            };
            assert_eq!(log.end_offset(), end, "cut at {to}");
            assert_eq!(log.latest_epoch(), left.last().map(|last| last.2));
            // It goes on with what its leader has, of an epoch between.
            let epoch = left.last().map_or(0, |last| last.2);
            let more = sent(end + 1, 2, epoch);
            log.append_replicated(&more, 1_000).expect("taken");
            acked(&log, end + 3).await;
            let mut all = left.clone();
            all.push((end + 1, end + 2, epoch));
            assert_eq!(found(&log).await, all, "cut at {to}");
            vanish(log).await;
            drop((folder, logs));
            let (_folder, _logs, log) = opened(&disk, &root).await;
            assert_eq!(found(&log).await, all, "cut at {to}, after a restart");
            assert_eq!(log.latest_epoch(), Some(epoch));
            vanish(log).await;
        }
    });
}

#[test]
fn a_log_begins_anew_where_it_is_told_to() {
    on_both_disks(|disk: Disk, dir: PathBuf| async move {
        let (folder, logs, log) = opened(&disk, &dir).await;
        // One that holds nothing yet, one that does, one cut before its beginning.
        let mut log = log;
        for at in [100, 500, 0] {
            let opening = folder.begin_anew("t", 0, Some(ID), Some(&log), at);
            let opening = opening.await.expect("begun");
            log = reopen(&folder, &logs, opening).await;
            assert_eq!((log.start_offset(), log.end_offset()), (at, at));
            assert_eq!(log.latest_epoch(), None);
            let bytes = sent(at + 10, 1, 3);
            log.append_replicated(&bytes, 1_000).expect("taken");
            acked(&log, at + 11).await;
            folder
                .checkpoint([("t", 0, &log)].into_iter())
                .await
                .expect("written");
        }
        folder.empty_trash().await.expect("emptied");
        let opening = folder.begin_anew("t", 0, Some(ID), Some(&log), 70);
        opening.await.expect("begun");
        drop(log);
        vanish(reopen(&folder, &logs, folder.opening("t", 0)).await).await;
        drop((folder, logs));
        let (folder, logs, log) = opened(&disk, &dir).await;
        assert_eq!((log.start_offset(), log.end_offset()), (70, 70));
        log.append_replicated(&sent(75, 1, 3), 1_000)
            .expect("taken");
        // Nothing of it lies before the cut.
        let log = cut(&folder, &logs, log, 40).await;
        assert_eq!((log.start_offset(), log.end_offset()), (40, 40));
        assert_eq!(found(&log).await, []);
    });
}

#[test]
fn a_folder_with_a_log_that_was_cut_and_not_opened_does_not_count_as_closed() {
    let world = World::new(1);
    let disk = Disk::simulated(world.disk().clone());
    world.run(async move {
        let root = Path::new("/data");
        let (folder, logs, log) = opened(&disk, root).await;
        fill(&folder, &log).await;
        log.close().await.expect("closed");
        let opening = folder.cut_back("t", 0, &log, 33).await.expect("prepared");
        // Readers that are still there do not meet the cut.
        assert!(is_out_of_range(&log, 30).await);
        drop(log);
        // A checkpoint meanwhile does not forget what is known of it.
        folder.checkpoint([].into_iter()).await.expect("written");
        assert_eq!(
            folder.opening("t", 0).recovery_point,
            opening.recovery_point
        );
        folder.close_cleanly(-1).await.expect("closed");
        assert!(disk.read(&root.join(CLEAN_SHUTDOWN)).await.is_err());
        drop((folder, logs));
        let (folder, logs, log) = opened(&disk, root).await;
        assert!(!folder.was_clean());
        assert_eq!(
            found(&log).await,
            until(Offset::MAX),
            "the cut was not done"
        );
        let log = cut(&folder, &logs, log, 33).await;
        assert_eq!(found(&log).await, until(33));
        log.close().await.expect("closed");
        folder
            .checkpoint([("t", 0, &log)].into_iter())
            .await
            .expect("written");
        folder.close_cleanly(-1).await.expect("closed");
        drop((folder, logs, log));
        let (folder, _logs, log) = opened(&disk, root).await;
        assert!(folder.was_clean());
        assert_eq!(found(&log).await, until(33));
    });
}
