//! Drives: devices that fail, on the simulated disk.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use super::support::*;
use crate::base::Offset;
use crate::io::disk::Disk;
use crate::io::sim::{Fault, SimDisk, World};
use crate::log::{AppendError, FailedOperation, Log, LogConfig, Opening};

const DIR: &str = "/data/t-0";
const OTHER: &str = "/data/u-0";

/// Breaks the disk under one of two logs; it must fail alone, and keep what it had acked.
async fn breaks(sim: SimDisk, fault: Fault, operation: FailedOperation) {
    let shared = logs(&Disk::simulated(sim.clone()));
    let dir = Path::new(DIR);
    let (log, _) = open(&shared, dir, config(20_000), Opening::default()).await;
    let (other, _) = open(
        &shared,
        Path::new(OTHER),
        config(20_000),
        Opening::default(),
    )
    .await;
    for tag in 0..5 {
        log.append(&batch(1, 1_000, tag, 0), 0, None, 0)
            .expect("appended");
    }
    acked(&log, 5).await;
    let told = Rc::new(Cell::new(0));
    let telling = Rc::clone(&told);
    log.on_acked(Rc::new(move |offset| telling.set(offset)));

    sim.inject_below(dir, fault);
    let mut end = 5;
    while log.failure().is_none() && end < 200 {
        // A large one needs new space, and so meets the fault of preparing it.
        let appended = log.append(&batch(1, 15_000, end, 0), 0, None, 0);
        end += u64::from(appended.is_ok());
        other
            .append(&batch(1, 100, end, 0), 0, None, 0)
            .expect("the other goes on");
        let _ = log.wait_acked(log.end_offset()).await;
    }
    let failure = log.failure().expect("it failed");
    assert_eq!(failure.operation, operation, "{failure}");
    assert!(log.acked_offset() >= 5 && told.get() == log.acked_offset());
    let again = log.append(&batch(1, 100, 0, 0), 0, None, 0);
    assert_eq!(again, Err(AppendError::Closed));
    assert_eq!(shared.probe().failed_logs_count.get(), 1);
    assert!(log.close().await.is_err());
    acked(&other, other.end_offset()).await;
    other
        .append(&batch(1, 100, end, 0), 0, None, 0)
        .expect("the other goes on");
    acked(&other, other.end_offset()).await;

    // What was acked is there after a restart, once the device works again.
    let acked_before = log.acked_offset();
    drop(log);
    sim.repair();
    let (log, recovered) = open(&shared, dir, config(20_000), Opening::default()).await;
    assert!(recovered.damage.is_none());
    assert!(log.end_offset() >= acked_before);
    let tags: Vec<u64> = read_all(&log, 0, 1 << 20)
        .await
        .iter()
        .map(|it| it.2)
        .collect();
    assert_eq!(tags, (0..log.end_offset() as u64).collect::<Vec<_>>());
}

fn in_worlds<F: Future<Output = ()> + 'static>(test: impl Fn(SimDisk) -> F) {
    for seed in 0..20 {
        let world = World::new(seed);
        world.run(test(world.disk().clone()));
    }
}

/// Appends to `log` until the device has no room for more; what it took is returned.
async fn fill_up(log: &Log) -> u64 {
    for tag in log.end_offset() as u64..500 {
        match log.append(&batch(1, 15_000, tag, 0), 0, None, 0) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error, AppendError::NoRoom);
                return tag;
            }
        }
        while log.acked_offset() < log.end_offset() && log.stuck().is_none() {
            yield_now().await;
        }
    }
    panic!("it always found room");
}

/// Lets other tasks of the world run.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

#[test]
fn a_full_disk_refuses_what_needs_room_and_goes_on_when_there_is_some() {
    in_worlds(|sim| async move {
        let shared = logs(&Disk::simulated(sim.clone()));
        let dir = Path::new(DIR);
        let (log, _) = open(&shared, dir, config(20_000), Opening::default()).await;
        let other_dir = Path::new(OTHER);
        let (other, _) = open(&shared, other_dir, config(20_000), Opening::default()).await;
        for _ in 0..3 {
            sim.inject_below(dir, Fault::Room);
            let end = fill_up(&log).await;
            let lack = log.lack_of_room().expect("it says so");
            assert!(lack.reason.contains("free space"), "{lack}");
            assert!(log.failure().is_none());
            // What is acked can be read, and the other log has not noticed.
            let acked_before = log.acked_offset();
            let found = read_all(&log, 0, 1 << 20).await;
            assert!(found.len() as Offset >= acked_before);
            other
                .append(&batch(1, 100, 0, 0), 0, None, 0)
                .expect("the other goes on");
            acked(&other, other.end_offset()).await;
            // Still none: nothing changes.
            log.seek_room();
            let again = log.append(&batch(1, 15_000, 0, 0), 0, None, 0);
            assert_eq!(again, Err(AppendError::NoRoom));
            sim.repair();
            log.seek_room();
            acked(&log, end as Offset).await;
            while log.lack_of_room().is_some() {
                yield_now().await;
            }
        }
        let end = log.end_offset() as u64;
        log.append(&batch(1, 15_000, end, 0), 0, None, 0)
            .expect("there is room");
        acked(&log, end as Offset + 1).await;
        log.close().await.expect("closed");
        let (log, _) = open(&shared, dir, config(20_000), Opening::default()).await;
        let found = read_all(&log, 0, 1 << 20).await;
        let tags: Vec<u64> = found.iter().map(|it| it.2).collect();
        assert_eq!(tags, (0..=end).collect::<Vec<_>>());
    });
}

#[test]
fn old_segments_are_deleted_while_there_is_no_room() {
    in_worlds(|sim| async move {
        let shared = logs(&Disk::simulated(sim.clone()));
        let dir = Path::new(DIR);
        let config = LogConfig {
            retention_ms: 1_000,
            ..config(20_000)
        };
        let (log, _) = open(&shared, dir, config, Opening::default()).await;
        for tag in 0..10 {
            log.append(&batch(1, 15_000, tag, 0), 0, None, 0)
                .expect("appended");
            acked(&log, log.end_offset()).await;
        }
        sim.inject_below(dir, Fault::Room);
        let end = fill_up(&log).await;
        let acked_before = log.acked_offset();
        log.maintain(10_000).await.expect("maintained");
        let start = log.start_offset();
        assert!(start > 0 && start <= acked_before, "{log:?}");
        let paths = sim.paths();
        let data = paths.iter().filter(|path| path.starts_with(dir));
        let first = data.filter(|path| path.extension().is_some_and(|it| it == "log"));
        assert_eq!(first.count() as Offset, log.end_offset() - start - 1);
        sim.repair();
        log.seek_room();
        acked(&log, end as Offset).await;
    });
}

#[test]
fn a_log_that_waits_for_room_closes_without_it() {
    in_worlds(|sim| async move {
        let shared = logs(&Disk::simulated(sim.clone()));
        let dir = Path::new(DIR);
        let (log, _) = open(&shared, dir, config(20_000), Opening::default()).await;
        sim.inject_below(dir, Fault::Room);
        log.append(&batch(1, 100, 0, 0), 0, None, 0)
            .expect("taken before it is known");
        while log.stuck().is_none() {
            yield_now().await;
        }
        let closed = log.close().await.expect_err("not all is written");
        assert!(closed.to_string().contains("free space"), "{closed}");
        assert_eq!(log.acked_offset(), 0);
    });
}

#[test]
fn a_full_disk_stops_one_log_and_loses_nothing() {
    in_worlds(|sim| breaks(sim, Fault::Prepare, FailedOperation::Prepare));
}

#[test]
fn a_failed_write_stops_one_log_and_loses_nothing() {
    in_worlds(|sim| breaks(sim, Fault::Write, FailedOperation::Write));
}

#[test]
fn a_failed_flush_acks_no_append() {
    in_worlds(|sim| async move {
        let shared = logs(&Disk::simulated(sim.clone()));
        let (one, _) = open(&shared, Path::new(DIR), config(1 << 20), Opening::default()).await;
        let (two, _) = open(
            &shared,
            Path::new(OTHER),
            config(1 << 20),
            Opening::default(),
        )
        .await;
        for log in [&one, &two] {
            log.append(&batch(1, 100, 0, 0), 0, None, 0)
                .expect("appended");
            acked(log, 1).await;
        }
        sim.inject(Fault::Flush);
        for log in [&one, &two] {
            log.append(&batch(1, 100, 1, 0), 0, None, 0)
                .expect("appended");
        }
        for log in [&one, &two] {
            let failure = log.wait_acked(2).await.expect_err("not flushed");
            assert_eq!(failure.operation, FailedOperation::Flush);
            assert_eq!(log.acked_offset(), 1);
        }
    });
}

#[test]
fn each_file_is_flushed_before_what_is_in_it_is_acked() {
    in_worlds(|sim| async move {
        let shared = logs(&Disk::simulated(sim.clone()));
        let settings = LogConfig {
            flush_messages: 7,
            ..config(400)
        };
        let (relaxed, _) = open(&shared, Path::new(DIR), settings, Opening::default()).await;
        let (other, _) = open(
            &shared,
            Path::new(OTHER),
            config(1 << 20),
            Opening::default(),
        )
        .await;
        // Batches of about 300 bytes: each has a segment of its own, and none is flushed alone.
        for tag in 0..6 {
            let bytes = batch(1, 200, tag, 0);
            relaxed.append(&bytes, 0, None, 0).expect("appended");
            acked(&relaxed, relaxed.end_offset()).await;
        }
        assert_eq!(shared.probe().flushes_count.get(), 0);
        other
            .append(&batch(1, 200, 0, 0), 0, None, 0)
            .expect("appended");
        relaxed
            .append(&batch(1, 200, 6, 0), 0, None, 0)
            .expect("appended");
        acked(&other, 1).await;
        while relaxed.0.flushed_offset.get() < 7 {
            relaxed.0.progress.wait().await;
        }
        // One for the other log, seven for the files of this one.
        assert_eq!(shared.probe().flushes_count.get(), 8);
    });
}

#[test]
fn a_relaxed_log_acks_at_the_write_and_flushes_later() {
    in_worlds(|sim| async move {
        let shared = logs(&Disk::simulated(sim.clone()));
        let settings = LogConfig {
            flush_messages: 5,
            flush_ms: 1_000,
            ..config(1 << 20)
        };
        let (log, _) = open(&shared, Path::new(DIR), settings, Opening::default()).await;
        for tag in 0..4 {
            log.append(&batch(1, 100, tag, 0), 0, None, 50)
                .expect("appended");
            acked(&log, log.end_offset()).await;
        }
        assert_eq!(shared.probe().flushes_count.get(), 0);
        log.append(&batch(1, 100, 4, 0), 0, None, 50)
            .expect("appended");
        while log.0.flushed_offset.get() < 5 {
            log.0.progress.wait().await;
        }
        log.append(&batch(1, 100, 5, 0), 0, None, 60)
            .expect("appended");
        acked(&log, 6).await;
        log.maintain(1_059).await.expect("maintained");
        assert_eq!(log.0.flushed_offset.get(), 5);
        log.maintain(1_060).await.expect("maintained");
        while log.0.flushed_offset.get() < 6 {
            log.0.progress.wait().await;
        }
    });
}
