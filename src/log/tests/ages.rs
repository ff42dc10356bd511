//! Drives: how old records are after starts: those without timestamps, and a segment's first.

use std::path::Path;

use super::support::*;
use crate::base::WallMs;
use crate::io::clock;
use crate::io::disk::Disk;
use crate::log::{Cleaning, LastRecords, Log, LogConfig, Opening};
use crate::wire::batch::{BatchBuilder, NewRecord};

/// Longer than it takes to run the tests.
const RETENTION_MS: i64 = 3_600_000;

fn settings() -> LogConfig {
    LogConfig {
        retention_ms: RETENTION_MS,
        ..config(2_000)
    }
}

fn untimed(key: Option<&[u8]>) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.push(NewRecord::new(-1, key, Some(&[1; 400])));
    builder.build()
}

async fn open_at(disk: &Disk, dir: &Path, now: WallMs, clean: bool, config: LogConfig) -> Log {
    let opening = Opening {
        clean,
        recovery_point: if clean { 10 } else { 0 },
        ..Opening::default()
    };
    let opened = Log::open(&logs(disk), dir, config, opening, now, &mut |_| {}).await;
    opened.expect("the log opens").0
}

async fn append(log: &Log, batch: &[u8], now: WallMs) {
    log.append(batch, 0, None, now).expect("appended");
    acked(log, log.end_offset()).await;
}

/// Deletes by age what is old at `now`; how many records are left.
async fn left_at(log: &Log, now: WallMs) -> i64 {
    log.maintain(now).await.expect("maintained");
    log.end_offset() - log.start_offset()
}

#[test]
fn records_without_timestamps_grow_old_across_starts() {
    on_real_disk(|disk, dir| async move {
        for clean in [true, false] {
            let dir = dir.join(format!("{clean}"));
            let begun = clock::wall_ms();
            let mut log = open_at(&disk, &dir, begun, false, settings()).await;
            for _ in 0..10 {
                append(&log, &untimed(None), begun).await;
            }
            for round in 1..=4 {
                match clean {
                    true => log.close().await.expect("closed"),
                    false => vanish(log).await,
                }
                let now = begun + round * RETENTION_MS / 5;
                log = open_at(&disk, &dir, now, clean, settings()).await;
                assert_eq!(left_at(&log, now).await, 10, "in round {round}");
                // What a start does to the files makes them no younger.
                log.0.upkeep_idle().await;
            }
            let later = clock::wall_ms() + RETENTION_MS + 1;
            assert_eq!(left_at(&log, later).await, 0, "closed cleanly: {clean}");
        }
    });
}

#[test]
fn a_segment_without_timestamps_is_as_old_as_its_last_append() {
    on_both_disks(|disk, dir| async move {
        let config = LogConfig {
            retention_ms: 1_000,
            segment_ms: i64::MAX,
            ..config(1 << 20)
        };
        let log = open_at(&disk, &dir, 0, false, config).await;
        append(&log, &untimed(None), 0).await;
        append(&log, &untimed(None), 900).await;
        assert_eq!(left_at(&log, 1_500).await, 2);
        log.close().await.expect("closed");
        let opening = Opening {
            clean: true,
            recovery_point: 2,
            ..Opening::default()
        };
        let config = LogConfig {
            retention_ms: 1_000,
            ..super::support::config(1 << 20)
        };
        let opened = Log::open(&logs(&disk), &dir, config, opening, 1_700, &mut |_| {}).await;
        let (log, _) = opened.expect("the log opens");
        assert_eq!(left_at(&log, 1_900).await, 2);
        assert_eq!(left_at(&log, 1_901).await, 0);
    });
}

#[test]
fn compaction_makes_records_without_timestamps_no_younger() {
    on_both_disks(|disk, dir| async move {
        let both = LogConfig {
            compact: true,
            min_dirty_ratio: 0.0,
            retention_ms: 1_000,
            ..config(1_000)
        };
        let log = open_at(&disk, &dir, 0, false, both.clone()).await;
        for now in 0..10 {
            append(&log, &untimed(Some(b"key")), 10 * now).await;
        }
        let dirt = loop {
            log.maintain(100).await.expect("maintained");
            let dirt = log.dirt(None, i64::MAX, 100).await.expect("readable");
            let dirt = dirt.expect("compacted");
            if dirt.end == log.0.active().expect("one").base_offset {
                break dirt;
            }
            disk.runtime().yield_now().await;
        };
        let job = Cleaning {
            map_bytes_max: 1 << 20,
            map_load_factor: 0.9,
            buffer_bytes: 16 << 10,
            bytes_per_second: f64::MAX,
            last_records: &LastRecords::new,
            now: 500,
        };
        log.clean(&dirt, &job).await.expect("cleaned");
        let opening = Opening {
            clean: true,
            recovery_point: 10,
            ..Opening::default()
        };
        log.close().await.expect("closed");
        let opened = Log::open(&logs(&disk), &dir, both, opening, 900, &mut |_| {}).await;
        let (log, _) = opened.expect("the log opens");
        log.maintain(1_000).await.expect("maintained");
        assert_eq!(log.start_offset(), 0);
        log.maintain(1_100).await.expect("maintained");
        assert!(log.start_offset() >= 8, "{log:?}");
    });
}

#[test]
fn a_segments_first_timestamp_is_known_after_a_clean_start() {
    on_both_disks(|disk, dir| async move {
        let hourly = LogConfig {
            segment_ms: 1_000,
            segment_jitter_ms: 0,
            ..config(1 << 20)
        };
        let log = open_at(&disk, &dir, 0, false, hourly.clone()).await;
        for time in [5_000, 5_500] {
            append(&log, &batch(1, 100, 0, time), 0).await;
        }
        log.close().await.expect("closed");
        let opening = Opening {
            clean: true,
            recovery_point: 2,
            ..Opening::default()
        };
        let opened = Log::open(&logs(&disk), &dir, hourly, opening, 0, &mut |_| {}).await;
        let (log, _) = opened.expect("the log opens");
        append(&log, &batch(1, 100, 0, 6_000), 0).await;
        assert_eq!(log.0.active().expect("one").base_offset, 0);
        append(&log, &batch(1, 100, 0, 6_001), 0).await;
        assert_eq!(log.0.active().expect("one").base_offset, 3);
    });
}
