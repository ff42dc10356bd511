//! Drives: rare meetings: a full disk and a roll, a stop and retention, what a torn end leaves.

use std::path::Path;

use futures_util::future::join;

use super::support::*;
use crate::base::Offset;
use crate::io::disk::Disk;
use crate::io::sim::{Fault, SimDisk, World};
use crate::log::segment::{NEXT_SUFFIX, file_name};
use crate::log::{AppendError, Folder, Log, LogConfig, Logs, Opening};

const DIR: &str = "/data/t-0";

/// Runs `test` in so many worlds.
fn in_worlds<F: Future<Output = ()> + 'static>(count: u64, test: impl Fn(SimDisk) -> F) {
    for seed in 0..count {
        let world = World::new(seed);
        world.run(test(world.disk().clone()));
    }
}

async fn opened(disk: &Disk, settings: LogConfig) -> (Logs, Log) {
    let shared = logs(disk);
    let (log, _) = open(&shared, Path::new(DIR), settings, Opening::default()).await;
    (shared, log)
}

/// Lets other tasks run and I/O be done for a while, until `done`; whether that came to pass.
async fn soon(disk: &Disk, done: impl Fn() -> bool) -> bool {
    for _ in 0..200 {
        if done() {
            return true;
        }
        disk.runtime().yield_now().await;
    }
    done()
}

#[test]
fn what_was_written_is_acked_though_the_next_segment_finds_no_room() {
    in_worlds(20, |sim| async move {
        let disk = Disk::simulated(sim.clone());
        let (_shared, log) = opened(&disk, config(20_000)).await;
        log.append(&batch(1, 15_000, 0, 0), 0, None, 0)
            .expect("appended");
        acked(&log, 1).await;
        sim.inject_below(Path::new(DIR), Fault::Room);
        // A small one that the segment takes, and a large one that begins the next.
        for tag in 1.. {
            let size = [15_000, 2_000][tag % 2];
            match log.append(&batch(1, size, tag as u64, 0), 0, None, 0) {
                Ok(_) if tag % 2 == 1 => continue,
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error, AppendError::NoRoom);
                    break;
                }
            }
            let waits = || log.acked_offset() < log.end_offset() && log.stuck().is_none();
            assert!(soon(&disk, || !waits()).await);
            if log.stuck().is_some() {
                break;
            }
        }
        let is_acked = || log.acked_offset() == log.written_offset();
        assert!(soon(&disk, is_acked).await, "{log:?}");
        // What the segments before have too much is given back.
        log.seek_room();
        assert!(soon(&disk, || sim.count("truncate") > 0).await);
    });
}

#[test]
fn a_log_that_is_stuck_with_much_queued_is_full_and_not_busy() {
    in_worlds(20, |sim| async move {
        let disk = Disk::simulated(sim.clone());
        let (_shared, log) = opened(&disk, config(64 << 20)).await;
        log.append(&batch(1, 15_000, 0, 0), 0, None, 0)
            .expect("appended");
        acked(&log, 1).await;
        sim.inject_below(Path::new(DIR), Fault::Room);
        let append = |tag: u64| log.append(&batch(1, 500_000, tag, 0), 0, None, 0);
        let refused = (1..).find_map(|tag| append(tag).err());
        assert_eq!(refused, Some(AppendError::Busy));
        assert!(soon(&disk, || log.stuck().is_some()).await);
        // It does not wait for what does not come; who asks again must not be sent back here.
        log.wait_for_room().await;
        assert_eq!(append(1_000).err(), Some(AppendError::NoRoom));
    });
}

#[test]
fn a_log_that_was_to_be_emptied_without_room_for_more_closes() {
    for flush_messages in [1, 1_000] {
        in_worlds(20, move |sim| async move {
            let disk = Disk::simulated(sim.clone());
            let settings = LogConfig {
                retention_ms: 1_000,
                flush_messages,
                flush_ms: i64::MAX,
                ..config(1 << 20)
            };
            let (_shared, log) = opened(&disk, settings.clone()).await;
            log.append(&batch(1, 1_000, 7, 0), 0, None, 0)
                .expect("appended");
            acked(&log, 1).await;
            sim.inject_below(Path::new(DIR), Fault::Room);
            log.maintain(1_000_000).await.expect("maintained");
            sim.repair();
            log.close().await.expect("all that there is is on disk");
            drop(log);
            let shared = logs(&disk);
            let opening = Opening {
                clean: true,
                ..Opening::default()
            };
            let (log, _) = open(&shared, Path::new(DIR), settings, opening).await;
            assert_eq!(read_all(&log, 0, 1 << 20).await, [(0, 1, 7)]);
        });
    }
}

#[test]
fn a_log_that_grows_while_its_length_is_looked_at_has_not_shrunk() {
    in_worlds(60, |sim| async move {
        let (_shared, log) = opened(&Disk::simulated(sim), config(4 << 20)).await;
        for tag in 0..20 {
            log.append(&batch(4, 8 << 10, tag, 0), 0, None, 0)
                .expect("appended");
            let (maintained, acked) = join(log.maintain(0), log.wait_acked(log.end_offset())).await;
            maintained.expect("maintained");
            acked.expect("nothing is wrong with it");
        }
    });
}

#[test]
fn a_flush_that_failed_counts_for_all_that_was_written_before_it() {
    in_worlds(20, |sim| async move {
        let disk = Disk::simulated(sim.clone());
        let shared = logs(&disk);
        let settings = LogConfig {
            flush_messages: 3,
            flush_ms: i64::MAX,
            ..config(1 << 20)
        };
        let (late, _) = open(&shared, Path::new(DIR), settings, Opening::default()).await;
        let other = Path::new("/data/u-0");
        let (other, _) = open(&shared, other, config(1 << 20), Opening::default()).await;
        for log in [&late, &other] {
            log.append(&batch(1, 100, 0, 0), 0, None, 0)
                .expect("appended");
            acked(log, 1).await;
        }
        sim.inject(Fault::Flush);
        other
            .append(&batch(1, 100, 1, 0), 0, None, 0)
            .expect("appended");
        other.wait_acked(2).await.expect_err("it is not flushed");
        // The device may have dropped what it had of the log that was not waiting.
        sim.repair();
        for tag in 1..3 {
            log_on(&late, tag).await;
        }
        let told = || late.flushed_offset() == 3 || late.failure().is_some();
        assert!(soon(&disk, told).await);
        assert_eq!(late.flushed_offset(), 0);
        // Who had nothing to lose goes on.
        let (third, _) = open(
            &shared,
            Path::new("/data/v-0"),
            config(1 << 20),
            Opening::default(),
        )
        .await;
        log_on(&third, 0).await;
        assert_eq!(third.flushed_offset(), 1);
    });
}

async fn log_on(log: &Log, tag: u64) {
    let end = log.end_offset() + 1;
    log.append(&batch(1, 100, tag, 0), 0, None, 0)
        .expect("appended");
    let _ = log.wait_acked(end as Offset).await;
}

#[test]
fn a_segment_that_ends_in_its_last_block_takes_what_still_fits() {
    on_both_disks(|disk, dir| async move {
        let shared = logs(&disk);
        let settings = config(8_192);
        let (log, _) = open(&shared, &dir, settings.clone(), Opening::default()).await;
        log.append(&batch(1, 7_900, 0, 0), 0, None, 0)
            .expect("appended");
        acked(&log, 1).await;
        log.close().await.expect("closed");
        let opening = Opening {
            clean: true,
            ..Opening::default()
        };
        let (log, _) = open(&shared, &dir, settings, opening).await;
        log.append(&batch(1, 16, 1, 0), 0, None, 0)
            .expect("appended");
        acked(&log, 2).await;
        assert_eq!(log.0.state.borrow().segments.len(), 1);
        assert_eq!(read_all(&log, 0, 1 << 20).await.len(), 2);
    });
}

#[test]
fn lookups_get_no_more_memory_than_batches_can_fill() {
    in_worlds(3, |sim| async move {
        let settings = LogConfig {
            index_interval_bytes: 0,
            ..config(64 << 20)
        };
        let (_shared, log) = opened(&Disk::simulated(sim), settings).await;
        log.append(&batch(1, 1 << 20, 0, 0), 0, None, 0)
            .expect("appended");
        acked(&log, 1).await;
        let segment = log.0.active().expect("a segment");
        let (prepared, room) = (segment.prepared.get(), segment.offsets.borrow().room());
        assert!(room as u64 <= prepared / 61 * 2, "{room} of {prepared}");
    });
}

#[test]
fn a_log_that_was_filled_fast_takes_what_room_a_nearly_full_disk_has() {
    in_worlds(20, |sim| async move {
        let disk = Disk::simulated(sim.clone());
        let (_shared, log) = opened(&disk, config(4 << 20)).await;
        for tag in 0..16 {
            log.append(&batch(4, 8 << 10, tag, 0), 0, None, 0)
                .expect("appended");
            if tag % 8 == 7 {
                acked(&log, log.end_offset()).await;
            }
        }
        assert!(sim.count("reserve") > 0);
        sim.inject_below(Path::new(DIR), Fault::RoomBeyond(16 << 10));
        for tag in 16..40 {
            let refused = log.append(&batch(1, 8 << 10, tag, 0), 0, None, 0).is_err();
            let goes_on = || match refused {
                true => log.lack_of_room().is_none(),
                false => log.acked_offset() == log.end_offset(),
            };
            for _ in 0..5 {
                // Housekeeping does so every two seconds.
                log.seek_room();
                if soon(&disk, goes_on).await {
                    break;
                }
            }
            assert!(goes_on(), "{log:?}");
        }
        assert!(log.end_offset() >= 64 + 12, "{log:?}");
    });
}

#[test]
fn a_log_that_nobody_appends_to_after_a_start_stays_as_it_was_closed() {
    in_worlds(3, |sim| async move {
        let disk = Disk::simulated(sim.clone());
        let (_shared, log) = opened(&disk, config(1 << 20)).await;
        log_on(&log, 0).await;
        log.close().await.expect("closed");
        let prepared = sim.count("prepare");
        let shared = logs(&disk);
        let opening = Opening {
            clean: true,
            ..Opening::default()
        };
        let (log, _) = open(&shared, Path::new(DIR), config(1 << 20), opening).await;
        for now in 0..3 {
            log.maintain(now).await.expect("maintained");
            assert!(!soon(&disk, || sim.count("prepare") > prepared).await);
        }
        assert!(log.0.active().expect("a segment").opened().is_none());
        log_on(&log, 1).await;
        assert_eq!(log.acked_offset(), 2);
    });
}

#[test]
fn the_file_that_older_versions_made_for_the_next_segment_is_taken_up_with_its_records() {
    for has_records in [true, false] {
        in_worlds(5, move |sim| async move {
            let disk = Disk::simulated(sim);
            let dir = Path::new(DIR);
            let (shared, log) = opened(&disk, config(20_000)).await;
            for tag in 0..6 {
                log.append(&batch(1, 5_000, tag, 0), 0, None, 0)
                    .expect("appended");
                acked(&log, log.end_offset()).await;
            }
            vanish(log).await;
            drop(shared);
            let next = |base| dir.join(file_name(base, NEXT_SUFFIX));
            if has_records {
                let own = dir.join(file_name(3, ".log"));
                disk.rename(&own, &next(0)).await.expect("renamed");
            } else {
                let file = disk.create(&next(3)).await.expect("made");
                file.prepare(0, 64 << 10).await.expect("zeros");
            }
            let shared = logs(&disk);
            let (log, recovered) = open(&shared, dir, config(20_000), Opening::default()).await;
            assert!(recovered.damage.is_none());
            assert_eq!(read_all(&log, 0, 1 << 20).await.len(), 6);
            let listed = disk.list(dir).await.expect("there");
            assert!(!listed.iter().any(|it| it.name.ends_with(NEXT_SUFFIX)));
        });
    }
}

/// What went past the journal and was not flushed is gone after a power cut, with its segment. What
/// the journal holds of the next segment must not become the beginning of the log then.
#[test]
fn a_log_does_not_begin_with_what_the_journal_has_of_a_later_segment() {
    for seed in 0..60 {
        let world = World::new(seed);
        let disk = Disk::simulated(world.disk().clone());
        let lived = async move {
            let (folder, logs) = with_journal(&disk).await;
            let log = relaxed(&folder, &logs).await;
            for bytes in [20_000, 500] {
                let batch = batch(1, bytes, 7, 1_000);
                let offset = log
                    .append(&batch, 0, None, 1_000)
                    .expect("taken")
                    .base_offset;
                acked(&log, offset + 1).await;
            }
            vanish(log).await;
        };
        world.run(lived);
        let world = world.crash(seed);
        let disk = Disk::simulated(world.disk().clone());
        let start = world.run(async move {
            let (folder, logs) = with_journal(&disk).await;
            relaxed(&folder, &logs).await.start_offset()
        });
        assert_eq!(start, 0, "seed {seed}");
    }
}

async fn with_journal(disk: &Disk) -> (Folder, Logs) {
    let folder = Folder::open(disk, Path::new("/data")).await.expect("opens");
    let logs = folder.begin_journal(&logs(disk), 256 << 10);
    logs.journal().expect("one").prepared().await;
    (folder, logs)
}

/// A log whose acks wait for no flush, in segments of some 20 KB.
async fn relaxed(folder: &Folder, logs: &Logs) -> Log {
    let config = LogConfig {
        flush_messages: 1_000,
        ..config(20_200)
    };
    let opening = folder.opening("t", 0);
    open(logs, &folder.path("t", 0), config, opening).await.0
}
