//! Drives: batches as a leader sent them: their offsets, epochs and gaps, through restarts.

use std::path::{Path, PathBuf};

use super::support::{acked, batch, config, joined, logs, on_both_disks, open, options, vanish};
use crate::base::{LeaderEpoch, Offset};
use crate::io::disk::Disk;
use crate::io::sim::World;
use crate::log::segment::file_name;
use crate::log::{AppendError, Appended, DeleteError, Log, LogConfig, Logs, LogsOptions, Opening};
use crate::wire::batch::{batches, stamp};

/// A batch of `count` records as a leader of `epoch` sends it.
pub fn sent(base: Offset, count: usize, epoch: LeaderEpoch) -> Vec<u8> {
    let mut bytes = batch(count, 100, base as u64, 7_000);
    stamp(&mut bytes, base, epoch);
    bytes
}

/// What a log is opened with that may follow others.
pub fn with_gaps() -> Opening {
    Opening {
        gaps: true,
        ..Opening::default()
    }
}

/// Base offset, last offset and epoch of all batches that are acked.
pub async fn found(log: &Log) -> Vec<(Offset, Offset, LeaderEpoch)> {
    let mut next = log.start_offset();
    let mut found = Vec::new();
    while next < log.acked_offset() {
        let mut out = Vec::new();
        let read = log.read(next, 2_000, log.acked_offset(), &mut out).await;
        assert!(read.expect("it can be read") > 0, "something is at {next}");
        for batch in batches(&joined(&out)) {
            let batch = batch.expect("whole");
            batch.verify_crc().expect("as it was sent");
            found.push((
                batch.base_offset(),
                batch.last_offset(),
                batch.leader_epoch(),
            ));
            next = batch.next_offset();
        }
    }
    found
}

const SENT: [(Offset, usize, LeaderEpoch); 5] =
    [(10, 3, 2), (13, 1, 2), (40, 2, 2), (42, 1, 5), (900, 4, 6)];

fn all_sent() -> Vec<u8> {
    SENT.map(|(base, count, epoch)| sent(base, count, epoch))
        .concat()
}

fn as_found() -> Vec<(Offset, Offset, LeaderEpoch)> {
    SENT.map(|(base, count, epoch)| (base, base + count as Offset - 1, epoch))
        .to_vec()
}

#[test]
fn batches_keep_what_the_leader_gave_them_also_over_restarts() {
    on_both_disks(|disk: Disk, dir: PathBuf| async move {
        // Segments so small that the call fills several.
        for segment_bytes in [1 << 20, 500] {
            let dir = dir.join(format!("{segment_bytes}"));
            disk.create_dir(&dir).await.expect("made");
            let dir = dir.join("t-0");
            let logs = logs(&disk);
            let (log, _) = open(&logs, &dir, config(segment_bytes), with_gaps()).await;
            let appended = log.append_replicated(&all_sent(), 1_000);
            let whole = Appended {
                base_offset: 10,
                last_offset: 903,
            };
            assert_eq!(appended, Ok(whole));
            assert_eq!((log.start_offset(), log.end_offset()), (0, 904));
            acked(&log, 904).await;
            check(&log).await;
            vanish(log).await;
            let (log, recovered) = open(&logs, &dir, config(segment_bytes), with_gaps()).await;
            assert!(recovered.damage.is_none() && recovered.cut.is_none());
            check(&log).await;
            log.append_replicated(&sent(1_000, 1, 6), 1_000)
                .expect("taken");
            log.close().await.expect("closed");
            let clean = Opening {
                clean: true,
                ..with_gaps()
            };
            let (log, _) = open(&logs, &dir, config(segment_bytes), clean).await;
            assert_eq!(log.end_offset(), 1_001);
            assert_eq!(found(&log).await.len(), 6);
        }
    });
}

async fn check(log: &Log) {
    assert_eq!(found(log).await, as_found());
    assert_eq!(log.end_offset(), 904);
    let ends = [1, 2, 4, 5, 6].map(|epoch| log.epoch_end(epoch));
    assert_eq!(ends, [(1, 10), (2, 42), (2, 42), (5, 900), (6, 904)]);
    // From within a gap one reads what follows it.
    for offset in [14, 39, 40, 41] {
        let mut out = Vec::new();
        log.read(offset, 100, 904, &mut out).await.expect("read");
        let bytes = joined(&out);
        let first = batches(&bytes).next().expect("one").expect("whole");
        assert_eq!(first.base_offset(), 40, "at {offset}");
    }
}

#[test]
fn what_does_not_continue_the_log_is_refused_as_a_whole() {
    on_both_disks(|disk: Disk, dir: PathBuf| async move {
        let (log, _) = open(&logs(&disk), &dir, config(1 << 20), with_gaps()).await;
        log.append_replicated(&sent(10, 3, 4), 0).expect("taken");
        let refused = |bytes: &[u8]| log.append_replicated(bytes, 0).expect_err("refused");
        let order = AppendError::OutOfOrder;
        assert_eq!(refused(&sent(12, 1, 4)), order);
        assert_eq!(refused(&sent(13, 1, 3)), order);
        assert_eq!(refused(&[sent(13, 2, 4), sent(14, 2, 4)].concat()), order);
        assert_eq!(refused(&[sent(13, 2, 5), sent(15, 2, 4)].concat()), order);
        let mut changed = [sent(13, 1, 4), sent(14, 1, 4)].concat();
        *changed.last_mut().expect("bytes") ^= 1;
        assert_eq!(refused(&changed), AppendError::Corrupt);
        let one = sent(13, 1, 4);
        assert_eq!(refused(&one[..one.len() - 1]), AppendError::Malformed);
        assert_eq!(refused(&[]), AppendError::Malformed);
        assert_eq!(
            refused(&sent(Offset::MAX - 1, 3, 4)),
            AppendError::Malformed
        );
        assert_eq!(log.end_offset(), 13);
        // Leaders send what fits, whole or not.
        let two = [sent(13, 1, 4), sent(14, 1, 4)].concat();
        let appended = log.append_replicated(&two[..two.len() - 1], 0);
        assert_eq!(appended.expect("taken").last_offset, 13);
        log.close().await.expect("closed");
        assert_eq!(refused(&sent(14, 1, 4)), AppendError::Closed);
        // One that was opened as a log without gaps would miss records at its next start.
        let other = dir.with_file_name("other-0");
        let (log, _) = open(&logs(&disk), &other, config(1 << 20), Opening::default()).await;
        assert_eq!(log.append_replicated(&sent(1, 1, 4), 0), Err(order));
        log.append_replicated(&sent(0, 1, 4), 0).expect("taken");
    });
}

#[test]
fn more_than_may_be_queued_is_taken_piece_by_piece() {
    let world = World::new(3);
    let disk = Disk::simulated(world.disk().clone());
    world.run(async move {
        let options = LogsOptions {
            queued_bytes_max: 2_000,
            ..options()
        };
        let logs = Logs::new(&disk, options);
        let (log, _) = open(&logs, Path::new("/data/t-0"), config(1_000), with_gaps()).await;
        let bases: Vec<Offset> = (0..40).map(|at| at * 10).collect();
        let bytes: Vec<u8> = bases.iter().flat_map(|base| sent(*base, 2, 0)).collect();
        let (mut left, mut calls) = (&bytes[..], 0);
        while !left.is_empty() {
            match log.append_replicated(left, 0) {
                Ok(appended) => {
                    calls += 1;
                    let taken = batches(left).flatten();
                    let taken = taken.take_while(|it| it.last_offset() <= appended.last_offset);
                    let taken: usize = taken.map(|it| it.size_bytes()).sum();
                    left = &left[taken..];
                }
                Err(AppendError::Busy) => log.wait_for_room().await,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(calls > 3, "{calls}");
        acked(&log, log.end_offset()).await;
        let found: Vec<Offset> = found(&log).await.iter().map(|it| it.0).collect();
        assert_eq!(found, bases);
    });
}

#[test]
fn a_batch_beyond_the_reach_of_a_segment_begins_one_of_its_own() {
    const FAR: Offset = 7 << 31;
    on_both_disks(|disk: Disk, dir: PathBuf| async move {
        let logs = logs(&disk);
        let (log, _) = open(&logs, &dir, config(1 << 20), with_gaps()).await;
        log.append_replicated(&sent(5, 1, 0), 0).expect("taken");
        let far = sent(FAR, 2, 1);
        assert_eq!(log.append_replicated(&far, 0), Err(AppendError::Busy));
        log.wait_for_room().await;
        log.append_replicated(&far, 0).expect("taken");
        log.append_replicated(&sent(FAR + 9, 2, 1), 0)
            .expect("taken");
        let all = [(5, 5, 0), (FAR, FAR + 1, 1), (FAR + 9, FAR + 10, 1)];
        acked(&log, FAR + 11).await;
        assert_eq!(found(&log).await, all);
        vanish(log).await;
        for clean in [false, true] {
            let opening = Opening {
                clean,
                flushed_offset: FAR + 11,
                ..with_gaps()
            };
            let (log, recovered) = open(&logs, &dir, config(1 << 20), opening).await;
            assert!(recovered.damage.is_none(), "{:?}", recovered.damage);
            assert_eq!(found(&log).await, all);
            log.close().await.expect("closed");
        }
    });
}

#[test]
fn such_a_batch_may_be_the_first_in_a_log_that_has_a_file_already() {
    const FAR: Offset = 7 << 31;
    on_both_disks(|disk: Disk, dir: PathBuf| async move {
        disk.create_dir(&dir).await.expect("made");
        let empty = dir.join(file_name(7, ".log"));
        disk.write(&empty, Vec::new()).await.expect("made");
        let logs = logs(&disk);
        let (log, _) = open(&logs, &dir, config(300), with_gaps()).await;
        assert_eq!((log.start_offset(), log.end_offset()), (7, 7));
        for base in [FAR, FAR + 50, FAR + 60] {
            log.append_replicated(&sent(base, 1, 0), 0).expect("taken");
        }
        acked(&log, FAR + 61).await;
        vanish(log).await;
        for clean in [false, true] {
            let opening = Opening {
                clean,
                flushed_offset: FAR + 61,
                ..with_gaps()
            };
            let (log, recovered) = open(&logs, &dir, config(300), opening).await;
            assert!(recovered.damage.is_none(), "{:?}", recovered.damage);
            assert_eq!(log.start_offset(), 7);
            let bases: Vec<Offset> = found(&log).await.iter().map(|it| it.0).collect();
            assert_eq!(bases, [FAR, FAR + 50, FAR + 60]);
            if clean {
                // The empty file holds up nothing.
                log.delete_records_before(FAR + 51).expect("deleted");
                log.maintain(0).await.expect("maintained");
                assert!(disk.open(&empty).await.is_err());
            }
            log.close().await.expect("closed");
        }
    });
}

#[test]
fn nothing_goes_that_is_not_committed() {
    on_both_disks(|disk: Disk, dir: PathBuf| async move {
        let settings = LogConfig {
            retention_bytes: 1,
            ..config(300)
        };
        let (log, _) = open(&logs(&disk), &dir, settings, with_gaps()).await;
        for base in 0..6 {
            log.append_replicated(&sent(base * 10, 2, 0), 0)
                .expect("taken");
        }
        log.set_committed(22);
        acked(&log, 52).await;
        let out_of_range = Err(DeleteError::OutOfRange);
        assert_eq!(log.delete_records_before(23), out_of_range);
        log.maintain(0).await.expect("maintained");
        assert_eq!(log.start_offset(), 22);
        assert_eq!(found(&log).await.first(), Some(&(30, 31, 0)));
        assert_eq!(log.delete_records_before(22), Ok(22));
        log.set_committed(52);
        assert_eq!(log.delete_records_before(33), Ok(33));
    });
}
