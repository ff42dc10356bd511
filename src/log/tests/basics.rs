//! Drives: appends, acks, reads, rolls, clean stops and kills, on both disks.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use super::support::*;
use crate::io::disk::Disk;
use crate::log::{AppendError, Cached, Opening};

#[test]
fn what_is_appended_is_acked_and_read_back() {
    on_both_disks(|disk, dir| async move {
        let logs = logs(&disk);
        let (log, _) = open(&logs, &dir, config(1 << 20), Opening::default()).await;
        assert!(
            disk.list(&dir).await.is_err(),
            "nothing on disk before the first append"
        );
        let told = Rc::new(RefCell::new(Vec::new()));
        let telling = Rc::clone(&told);
        log.on_acked(Rc::new(move |offset| telling.borrow_mut().push(offset)));

        let first = log
            .append(&batch(3, 100, 1, 5_000), 4, None, 0)
            .expect("appended");
        assert_eq!((first.base_offset, first.last_offset), (0, 2));
        let two = [batch(1, 100, 2, 5_001), batch(2, 100, 3, 5_002)].concat();
        let second = log.append(&two, 4, None, 0).expect("appended");
        assert_eq!((second.base_offset, second.last_offset), (3, 5));
        assert_eq!((log.end_offset(), log.acked_offset()), (6, 0));
        acked(&log, 6).await;
        assert_eq!(told.borrow().last(), Some(&6));
        assert_eq!(
            read_all(&log, 0, 1 << 20).await,
            [(0, 3, 1), (3, 1, 2), (4, 2, 3)]
        );
        assert_eq!(log.latest_epoch(), Some(4));
        assert_eq!(log.epoch_end(4), (4, 6));
    });
}

#[test]
fn reads_keep_their_bounds() {
    on_both_disks(|disk, dir| async move {
        let logs = logs(&disk);
        let (log, _) = open(&logs, &dir, config(1 << 20), Opening::default()).await;
        let size = batch(2, 100, 0, 0).len();
        for tag in 0..10 {
            log.append(&batch(2, 100, tag, 0), 0, None, 0)
                .expect("appended");
        }
        acked(&log, 20).await;
        let cached = |offset, max_bytes, upto| {
            let mut out = Vec::new();
            let found = match log.read_cached(offset, max_bytes, upto, &mut out) {
                Cached::Hit(stretch) => Some(stretch.map_or(0, |it| it.bytes())),
                Cached::Miss | Cached::OutOfRange => None,
            };
            (found, joined(&out).len())
        };
        assert_eq!(cached(0, 3 * size, 20), (Some(3 * size), 3 * size));
        assert_eq!(cached(0, 3 * size + 1, 20), (Some(3 * size), 3 * size));
        assert_eq!(cached(5, 1, 20), (Some(size), size), "at least one");
        assert_eq!(cached(5, 1 << 20, 7), (Some(size), size), "not beyond");
        assert_eq!(cached(5, 1 << 20, 8), (Some(2 * size), 2 * size));
        assert_eq!(cached(20, 1 << 20, 20), (Some(0), 0));
        assert_eq!(cached(21, 1, 20), (None, 0));
        assert!(is_out_of_range(&log, -1).await);
        assert!(is_out_of_range(&log, 21).await);
    });
}

#[test]
fn segments_roll_and_a_clean_stop_scans_nothing() {
    on_both_disks(|disk, dir| async move {
        let mut expected = Vec::new();
        {
            let logs = logs(&disk);
            let (log, _) = open(&logs, &dir, config(20_000), Opening::default()).await;
            for tag in 0..60 {
                let appended = log.append(&batch(2, 600, tag, 10), 1, None, 0);
                expected.push((appended.expect("appended").base_offset, 2, tag));
                if tag % 7 == 0 {
                    acked(&log, log.end_offset()).await;
                }
            }
            acked(&log, 120).await;
            assert_eq!(read_all(&log, 0, 5_000).await, expected);
            log.close().await.expect("closed");
        }
        let listed = disk.list(&dir).await.expect("there");
        let logs_on_disk: Vec<_> = listed
            .iter()
            .filter(|it| it.name.ends_with(".log"))
            .collect();
        assert!(logs_on_disk.len() >= 4, "{listed:?}");
        assert!(
            listed.iter().all(|it| !it.name.ends_with(".next")),
            "{listed:?}"
        );
        let bytes: u64 = logs_on_disk.iter().map(|it| it.bytes).sum();

        let logs = logs(&disk);
        let opening = Opening {
            clean: true,
            recovery_point: 120,
            ..Opening::default()
        };
        let (log, recovered) = open(&logs, &dir, config(20_000), opening).await;
        assert!(recovered.scanned_bytes < 5_000, "{recovered:?}");
        assert_eq!((log.end_offset(), log.size_bytes()), (120, bytes));
        assert_eq!(read_all(&log, 0, 5_000).await, expected);
        assert_eq!(log.epoch_end(1), (1, 120));
        // It goes on where it ended.
        log.append(&batch(1, 600, 99, 10), 2, None, 0)
            .expect("appended");
        acked(&log, 121).await;
        expected.push((120, 1, 99));
        assert_eq!(read_all(&log, 0, 5_000).await, expected);
    });
}

/// A process that dies: its tasks are gone, its files are as the kernel has them.
async fn killed(disk: &Disk, dir: &Path, appends: u64) {
    let logs = logs(disk);
    let (log, _) = open(&logs, dir, config(20_000), Opening::default()).await;
    let before = log.end_offset() as u64;
    for tag in before..before + appends {
        log.append(&batch(1, 700, tag, 10), 1, None, 0)
            .expect("appended");
    }
    acked(&log, log.end_offset()).await;
    vanish(log).await;
}

#[test]
fn a_kill_loses_nothing_that_was_acked() {
    on_both_disks(|disk, dir| async move {
        killed(&disk, &dir, 50).await;
        killed(&disk, &dir, 1).await;
        killed(&disk, &dir, 30).await;
        let logs = logs(&disk);
        let (log, recovered) = open(&logs, &dir, config(20_000), Opening::default()).await;
        assert!(
            recovered.cut.is_none() && recovered.damage.is_none(),
            "{recovered:?}"
        );
        let found = read_all(&log, 0, 1 << 20).await;
        let tags: Vec<u64> = found.iter().map(|it| it.2).collect();
        assert_eq!(tags, (0..81).collect::<Vec<_>>());
    });
}

#[test]
fn what_cannot_be_appended_changes_nothing() {
    on_both_disks(|disk, dir| async move {
        let logs = logs(&disk);
        let (log, _) = open(&logs, &dir, config(4_000), Opening::default()).await;
        let append = |bytes: &[u8]| log.append(bytes, 0, None, 0);
        let whole = batch(1, 100, 0, 0);
        assert_eq!(append(&[]), Err(AppendError::Malformed));
        assert_eq!(
            append(&whole[..whole.len() - 1]),
            Err(AppendError::Malformed)
        );
        let large = batch(1, 4_000, 0, 0);
        assert_eq!(append(&large), Err(AppendError::LargerThanSegment(4_000)));
        assert_eq!(log.end_offset(), 0);
        assert!(disk.list(&dir).await.is_err());
        log.close().await.expect("closed");
        assert_eq!(append(&whole), Err(AppendError::Closed));
    });
}

#[test]
fn a_retired_log_leaves_its_name_to_the_next() {
    on_both_disks(|disk, dir| async move {
        let logs = logs(&disk);
        let (log, _) = open(&logs, &dir, config(4_000), Opening::default()).await;
        for tag in 0..10 {
            log.append(&batch(1, 1_000, tag, 0), 0, None, 0)
                .expect("appended");
        }
        acked(&log, 10).await;
        let trash = dir.with_file_name("topic-0.0123-delete");
        assert!(log.retire(&trash).await.expect("renamed"));
        assert!(disk.list(&dir).await.is_err());
        assert!(!disk.list(&trash).await.expect("there").is_empty());
    });
}
