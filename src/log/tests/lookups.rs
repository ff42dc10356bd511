//! Drives: index files that are empty, shortened, too long, unsorted or of another segment, and
//! the youngest record of those that can be read.

use std::path::{Path, PathBuf};

use super::support::*;
use crate::base::{Offset, WallMs};
use crate::io::disk::Disk;
use crate::io::sim::World;
use crate::log::{Log, LogConfig, Opening, Scrubbed};
use crate::wire::batch::{BatchBuilder, NewRecord};

const BATCHES: i64 = 40;

/// A batch with one record of 400 bytes for each of these timestamps.
fn timed(times: &[WallMs]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for time in times {
        builder.push(NewRecord::new(*time, None, Some(&[7; 400])));
    }
    builder.build()
}

/// Timestamps of the records: mostly rising, with the largest of a segment in its middle.
fn time_of(offset: Offset) -> WallMs {
    match offset % 10 {
        4 => 10_000 + offset * 10,
        _ => offset * 10,
    }
}

/// Segments of about ten records, closed cleanly.
async fn fill(disk: &Disk, dir: &std::path::Path) -> Offset {
    let (log, _) = open(&logs(disk), dir, config(5_000), Opening::default()).await;
    for offset in 0..BATCHES {
        log.append(&timed(&[time_of(offset)]), 0, None, 0)
            .expect("appended");
        acked(&log, log.end_offset()).await;
    }
    log.close().await.expect("closed");
    log.end_offset()
}

async fn opened(disk: &Disk, dir: &std::path::Path, clean: bool, end: Offset) -> Log {
    let opening = Opening {
        clean,
        recovery_point: if clean { end } else { 0 },
        ..Opening::default()
    };
    open(&logs(disk), dir, config(5_000), opening).await.0
}

/// What a lookup finds that walks over all records.
fn first_at(timestamp: WallMs, upto: Offset) -> Option<Offset> {
    (0..upto).find(|offset| time_of(*offset) >= timestamp)
}

async fn finds_all(log: &Log, upto: Offset, what: &str) {
    let times = (0..upto).map(time_of).chain([99, 9_999, 10_001, 99_999]);
    for timestamp in times {
        let found = log.offset_for_time(timestamp).await.expect("readable");
        let offset = found.map(|found| found.offset);
        assert_eq!(
            offset,
            first_at(timestamp, upto),
            "{what}, time {timestamp}"
        );
    }
    let youngest = log
        .youngest()
        .await
        .expect("readable")
        .expect("there is one");
    let expected = (0..upto).max_by_key(|offset| (time_of(*offset), -offset));
    assert_eq!(Some(youngest.offset), expected, "{what}");
}

async fn names(disk: &Disk, dir: &std::path::Path, suffix: &str) -> Vec<PathBuf> {
    let listed = disk.list(dir).await.expect("there").into_iter();
    let mut names: Vec<String> = listed.map(|entry| entry.name).collect();
    names.retain(|name| name.ends_with(suffix));
    names.sort();
    names.into_iter().map(|name| dir.join(name)).collect()
}

/// Ways in which an index file may be wrong; none where that would change nothing.
fn spoilt(content: &[u8], other: &[u8], entry: usize, how: usize) -> Option<Vec<u8>> {
    let entries = content.len() / entry;
    let changed = match how {
        0 => Vec::new(),
        1 => content[..entries.saturating_sub(1) * entry].to_vec(),
        2 => content[..entries / 2 * entry].to_vec(),
        3 => other.to_vec(),
        4 => {
            let mut longer = content.to_vec();
            let mut more = content[content.len().checked_sub(entry)?..].to_vec();
            more.iter_mut()
                .for_each(|byte| *byte = byte.saturating_add(1));
            longer.extend(more);
            longer
        }
        _ => content.chunks(entry).rev().flatten().copied().collect(),
    };
    (changed != content).then_some(changed)
}

/// How a log is used whose index file is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// It had been closed cleanly, and is only read.
    Read,
    /// The same, and records are appended before anything is looked up.
    Append,
    /// It had been killed.
    Recover,
}

/// Spoils the index file number `at` in the way `how`; whether there is one to spoil.
async fn with_spoilt(disk: &Disk, file: (&str, usize), at: usize, how: usize, usage: Use) -> bool {
    let (suffix, entry) = file;
    let dir = Path::new("/data/t-0");
    let mut end = fill(disk, dir).await;
    let paths = names(disk, dir, suffix).await;
    if at >= paths.len() {
        assert!(at >= 4, "{paths:?}");
        return false;
    }
    let what = format!("{how}, {}, {usage:?}", paths[at].display());
    let content = disk.read(&paths[at]).await.expect("there");
    let other = disk.read(&paths[(at + 1) % paths.len()]).await;
    let Some(changed) = spoilt(&content, &other.expect("there"), entry, how) else {
        return true;
    };
    disk.write(&paths[at], changed).await.expect("written");
    let log = opened(disk, dir, usage != Use::Recover, end).await;
    if usage == Use::Append {
        for _ in 0..15 {
            log.append(&timed(&[time_of(end)]), 0, None, 0)
                .expect("appended");
            end += 1;
            acked(&log, end).await;
        }
    }
    finds_all(&log, end, &what).await;
    log.maintain(0).await.expect("maintained");
    log.0.upkeep_idle().await;
    log.close().await.expect("closed");
    // It was put right on disk.
    let log = opened(disk, dir, true, end).await;
    finds_all(&log, end, &what).await;
    assert_eq!(log.0.logs.probe().mended_lookups_count.get(), 0, "{what}");
    true
}

#[test]
fn index_files_are_held_against_the_segment_before_they_are_believed() {
    for file in [(".timeindex", 12), (".index", 8)] {
        for how in 0..6 {
            for usage in [Use::Read, Use::Append, Use::Recover] {
                let spoils = |at| {
                    let world = World::new(at as u64);
                    let disk = Disk::simulated(world.disk().clone());
                    world.run(async move { with_spoilt(&disk, file, at, how, usage).await })
                };
                assert!((0..).take_while(|at| spoils(*at)).count() >= 4);
            }
        }
    }
}

#[test]
fn retention_by_age_does_not_believe_a_shortened_time_index() {
    on_both_disks(|disk, dir| async move {
        let end = fill(&disk, &dir).await;
        let first = &names(&disk, &dir, ".timeindex").await[0];
        let content = disk.read(first).await.expect("there");
        for len in [0, 12] {
            disk.write(first, content[..len].to_vec())
                .await
                .expect("written");
            let log = opened(&disk, &dir, true, end).await;
            let config = LogConfig {
                retention_ms: 5_000,
                ..config(5_000)
            };
            log.set_config(config);
            // Its youngest record, at 10,040, is not old enough.
            log.maintain(15_000).await.expect("maintained");
            assert_eq!(log.start_offset(), 0, "{len} bytes left");
            finds_all(&log, end, "after retention").await;
            log.close().await.expect("closed");
        }
        let log = opened(&disk, &dir, true, end).await;
        log.set_config(LogConfig {
            retention_ms: 5_000,
            ..config(5_000)
        });
        log.maintain(15_060).await.expect("maintained");
        assert!(log.start_offset() > 0, "old enough now");
    });
}

#[test]
fn the_scrubber_mends_a_shortened_time_index() {
    on_both_disks(|disk, dir| async move {
        let end = fill(&disk, &dir).await;
        let first = &names(&disk, &dir, ".timeindex").await[0];
        let content = disk.read(first).await.expect("there");
        disk.write(first, content[..12].to_vec())
            .await
            .expect("written");
        let log = opened(&disk, &dir, true, end).await;
        let mut scrub = log.scrub_after(-1).await.expect("read").expect("sealed");
        let outcome = loop {
            match scrub.step().await.expect("read") {
                Scrubbed::On(_) => {}
                outcome => break outcome,
            }
        };
        assert!(matches!(outcome, Scrubbed::LookupsMended), "{outcome:?}");
    });
}

/// The youngest record from `start` on, and the first at each time.
async fn finds_readable(log: &Log, times: &[WallMs], start: Offset) {
    let readable = times.iter().zip(0..).filter(|(_, offset)| *offset >= start);
    let best = readable
        .clone()
        .max_by_key(|(time, offset)| (**time, -offset));
    let expected = best.map(|(time, offset)| (*time, offset));
    for _ in 0..2 {
        let found = log.youngest().await.expect("readable");
        let found = found.map(|found| (found.timestamp, found.offset));
        assert_eq!(found, expected, "from {start} on");
    }
}

#[test]
fn the_youngest_record_is_one_that_can_be_read() {
    on_both_disks(|disk, dir| async move {
        let (log, _) = open(&logs(&disk), &dir, config(9_000), Opening::default()).await;
        // Batches of three; the largest is deleted first, then the largest of the rest, and so on.
        let times: Vec<WallMs> = (0..60).map(|at| (at * 37) % 61 + 100).collect();
        for three in times.chunks(3) {
            log.append(&timed(three), 0, None, 0).expect("appended");
            acked(&log, log.end_offset()).await;
        }
        for start in 0..=60 {
            log.delete_records_before(start).expect("within");
            finds_readable(&log, &times, start).await;
            if start % 7 == 0 {
                log.maintain(0).await.expect("maintained");
            }
        }
        // What comes then counts.
        log.append(&timed(&[5, 9, 7]), 0, None, 0)
            .expect("appended");
        acked(&log, 63).await;
        let found = log.youngest().await.expect("readable").expect("one");
        assert_eq!((found.timestamp, found.offset), (9, 61));
    });
}

#[test]
fn a_batch_too_large_to_be_unpacked_is_found_by_time() {
    on_real_disk(|disk, dir| async move {
        let (log, _) = open(&logs(&disk), &dir, config(1 << 20), Opening::default()).await;
        log.append(&timed(&[100]), 0, None, 0).expect("appended");
        log.append(&bomb(None, 200), 0, None, 0).expect("appended");
        log.append(&timed(&[300]), 0, None, 0).expect("appended");
        acked(&log, 3).await;
        for (time, offset) in [(100, 0), (101, 1), (200, 1), (201, 2)] {
            let found = log.offset_for_time(time).await.expect("readable");
            assert_eq!(found.map(|found| found.offset), Some(offset), "at {time}");
        }
    });
}

#[test]
fn a_log_that_rolls_often_has_the_lookups_of_few_segments_in_memory() {
    let world = World::new(7);
    let disk = Disk::simulated(world.disk().clone());
    world.run(async move {
        let dir = Path::new("/data/t-0");
        let (log, _) = open(&logs(&disk), dir, config(5_000), Opening::default()).await;
        let in_memory = || {
            let state = log.0.state.borrow();
            state.segments.iter().filter(|it| it.indexed.get()).count()
        };
        let mut read = false;
        for offset in 0..BATCHES * 5 {
            log.append(&timed(&[time_of(offset)]), 0, None, 0)
                .expect("appended");
            acked(&log, log.end_offset()).await;
            log.0.upkeep_idle().await;
            // The lookups of a segment that is read stay.
            if !read && log.0.state.borrow().segments.len() > 4 {
                assert!(log.read(0, 1, 1, &mut Vec::new()).await.is_ok());
                read = true;
            }
        }
        let count = log.0.state.borrow().segments.len();
        assert!(count > 15, "{count} segments");
        let sealed = log.0.state.borrow().segments[count - 2].clone();
        let entries = sealed.offsets.borrow().len();
        assert!(entries > 0 && sealed.offsets.borrow().room() == entries);
        let first = log.0.state.borrow().segments[0].indexed.get();
        assert!(first && in_memory() <= 4, "{} of {count}", in_memory());
        finds_all(&log, BATCHES * 5, "lookups from their files").await;
        assert!(in_memory() > 4, "loaded again for those who look");
    });
}
