//! Drives: hosts that are short of descriptors or memory, and files that are removed: the
//! first is no fault of a disk, the second one that no write tells of.

use std::path::{Path, PathBuf};

use super::support::*;
use crate::io::cause::Cause;
use crate::io::disk::Disk;
use crate::io::sim::{Fault, Random, SimDisk, World};
use crate::log::{AppendError, FailedOperation, Log, LogConfig, Opening};

const DIR: &str = "/data/t-0";
const CODES: [i32; 6] = [
    libc::EMFILE,
    libc::ENFILE,
    libc::ENOMEM,
    libc::ENOBUFS,
    libc::EINTR,
    libc::EAGAIN,
];

fn in_worlds<F: Future<Output = ()> + 'static>(test: impl Fn(SimDisk, u64) -> F) {
    for seed in 0..20 {
        let world = World::new(seed);
        world.run(test(world.disk().clone(), seed));
    }
}

fn segments_of(bytes: u64) -> LogConfig {
    LogConfig {
        retention_ms: -1,
        ..config(bytes)
    }
}

async fn holds(log: &Log, count: u64) {
    let found = read_all(log, 0, 1 << 20).await;
    let tags: Vec<u64> = found.iter().map(|it| it.2).collect();
    assert_eq!(tags, (0..count).collect::<Vec<_>>());
}

#[test]
fn calls_that_the_host_refuses_are_made_again_and_no_log_fails() {
    for code in CODES {
        in_worlds(move |sim, seed| async move {
            let shared = logs(&Disk::simulated(sim.clone()));
            let dir = Path::new(DIR);
            let (log, _) = open(&shared, dir, segments_of(20_000), Opening::default()).await;
            let mut random = Random::new(seed);
            for tag in 0..60 {
                sim.repair();
                sim.inject(Fault::Errno(code, random.below(6)));
                log.append(&batch(1, 1_000, tag, 0), 0, None, 0)
                    .expect("taken");
                if random.one_in(3) {
                    acked(&log, tag as i64 + 1).await;
                }
                if random.one_in(10) {
                    log.maintain(0).await.expect("maintained");
                }
            }
            acked(&log, 60).await;
            assert!(log.failure().is_none());
            assert_eq!(shared.probe().failed_logs_count.get(), 0);
            sim.inject(Fault::Errno(code, 5));
            log.close().await.expect("closed");
            sim.inject(Fault::Errno(code, 5));
            let (log, recovered) =
                open(&shared, dir, segments_of(20_000), Opening::default()).await;
            assert!(recovered.damage.is_none());
            holds(&log, 60).await;
        });
    }
}

#[test]
fn without_descriptors_what_needs_a_file_waits_and_goes_on_by_itself() {
    in_worlds(|sim, _| async move {
        let shared = logs(&Disk::simulated(sim.clone()));
        let dir = Path::new(DIR);
        let (log, _) = open(&shared, dir, segments_of(20_000), Opening::default()).await;
        for tag in 0..3 {
            log.append(&batch(1, 1_000, tag, 0), 0, None, 0)
                .expect("taken");
        }
        acked(&log, 3).await;
        for _ in 0..2 {
            sim.inject(Fault::Descriptors);
            let mut end = log.end_offset();
            let refused = loop {
                match log.append(&batch(1, 1_000, end as u64, 0), 0, None, 0) {
                    Ok(_) => end += 1,
                    Err(error) => break error,
                }
                if !log.wait_acked_or_stuck(end).await.expect("no failure") {
                    continue;
                }
            };
            assert_eq!(refused, AppendError::NoRoom);
            let lack = log.lack_of_room().expect("it says so");
            assert_eq!(lack.cause, Cause::Host, "{lack}");
            assert!(lack.reason.contains("no fault of this device"), "{lack}");
            // What is acked can be read, from memory here.
            assert!(!read_all(&log, 0, 1 << 20).await.is_empty());
            sim.repair();
            log.seek_room();
            acked(&log, end).await;
            while log.lack_of_room().is_some() {
                log.0.progress.wait().await;
            }
        }
        let end = log.end_offset();
        log.append(&batch(1, 1_000, end as u64, 0), 0, None, 0)
            .expect("taken again");
        acked(&log, end + 1).await;
        assert!(log.failure().is_none());
        log.close().await.expect("closed");
        let (log, _) = open(&shared, dir, segments_of(20_000), Opening::default()).await;
        holds(&log, end as u64 + 1).await;
    });
}

#[test]
fn a_device_that_fails_is_asked_only_once() {
    in_worlds(|sim, _| async move {
        let shared = logs(&Disk::simulated(sim.clone()));
        let dir = Path::new(DIR);
        let (log, _) = open(&shared, dir, segments_of(1 << 20), Opening::default()).await;
        log.append(&batch(1, 100, 0, 0), 0, None, 0).expect("taken");
        acked(&log, 1).await;
        let before = sim.count("flush");
        sim.inject(Fault::Flush);
        log.append(&batch(1, 100, 1, 0), 0, None, 0).expect("taken");
        let failure = log.wait_acked(2).await.expect_err("not flushed");
        assert_eq!(failure.operation, FailedOperation::Flush);
        // A second flush that succeeds would say nothing of what the first one lost.
        assert_eq!(sim.count("flush"), before + 1);
    });
}

#[test]
fn a_file_that_is_removed_under_a_log_ends_its_acks() {
    for writes in [true, false] {
        in_worlds(move |sim, _| async move {
            let disk = Disk::simulated(sim);
            let shared = logs(&disk);
            let dir = Path::new(DIR);
            let (log, _) = open(&shared, dir, segments_of(1 << 20), Opening::default()).await;
            log.append(&batch(1, 100, 0, 0), 0, None, 0).expect("taken");
            acked(&log, 1).await;
            shared.look_for_files();
            log.look_for_file();
            assert!(log.failure().is_none());
            let segment: PathBuf = dir.join("00000000000000000000.log");
            disk.remove(&segment).await.expect("removed");
            if writes {
                log.append(&batch(1, 100, 1, 0), 0, None, 0).expect("taken");
                acked(&log, 2).await;
                shared.look_for_files();
            } else {
                // An idle log is looked at for itself.
                shared.look_for_files();
                assert!(log.failure().is_none());
                log.look_for_file();
            }
            let failure = log.failure().expect("it is found");
            assert_eq!(failure.operation, FailedOperation::Unlinked);
            assert!(failure.reason.contains("was removed"), "{failure}");
            let refused = log.append(&batch(1, 100, 2, 0), 0, None, 0);
            assert_eq!(refused, Err(AppendError::Closed));
        });
    }
}

#[test]
fn a_log_that_is_removed_on_purpose_is_not_missed() {
    in_worlds(|sim, _| async move {
        let shared = logs(&Disk::simulated(sim));
        let (log, _) = open(
            &shared,
            Path::new(DIR),
            segments_of(1 << 20),
            Opening::default(),
        )
        .await;
        log.append(&batch(1, 100, 0, 0), 0, None, 0).expect("taken");
        acked(&log, 1).await;
        log.retire(Path::new("/data/t-0.x-delete"))
            .await
            .expect("renamed");
        shared.look_for_files();
        let failure = log.failure().expect("it takes no more");
        assert_eq!(failure.operation, FailedOperation::Removal);
    });
}
