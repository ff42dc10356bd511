//! Drives: what an append costs in operations: one write, one flush, nothing else.

use std::path::Path;

use super::support::*;
use crate::io::disk::Disk;
use crate::io::sim::{SimDisk, World};
use crate::log::{Log, Logs, Opening};

const DIR: &str = "/data/t-0";
/// All that the simulated disk counts, but writes and flushes of data files.
const OTHERS: [&str; 8] = [
    "read",
    "read file",
    "write file",
    "rename",
    "remove",
    "sync folder",
    "reserve",
    "truncate",
];

fn others(sim: &SimDisk) -> Vec<usize> {
    OTHERS.map(|name| sim.count(name)).to_vec()
}

/// Lets the background work come to its end.
async fn settle(log: &Log, sim: &SimDisk) {
    let disk = Disk::simulated(sim.clone());
    let mut quiet = 0;
    let mut before = others(sim);
    while quiet < 5 {
        log.0.upkeep_idle().await;
        // A look at the folder takes a turn of the simulated world.
        disk.list(Path::new(DIR)).await.expect("there");
        let now = others(sim);
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
    }
}

/// Names and lengths of the files.
async fn listing(sim: &SimDisk) -> Vec<(String, u64)> {
    let disk = Disk::simulated(sim.clone());
    let entries = disk.list(Path::new(DIR)).await.expect("there");
    let mut files: Vec<_> = entries.into_iter().map(|it| (it.name, it.bytes)).collect();
    files.sort();
    files
}

fn append_only(log: &Log, tag: u64) {
    log.append(&batch(1, 900, tag, 0), 0, None, 0)
        .expect("appended");
}

async fn append(log: &Log, tag: u64) {
    append_only(log, tag);
    acked(log, log.end_offset()).await;
}

#[test]
fn a_hot_append_is_one_write_and_one_flush_and_no_file_changes_its_name_or_length() {
    for seed in 0..20 {
        let world = World::new(seed);
        let sim = world.disk().clone();
        world.run(async move {
            let shared = Logs::new(&Disk::simulated(sim.clone()), options());
            let settings = config(40_000);
            let (log, _) = open(&shared, Path::new(DIR), settings, Opening::default()).await;
            append(&log, 0).await;
            let (mut quiet, mut tag) = (0, 1);
            while shared.probe().rolls_count.get() < 5 {
                settle(&log, &sim).await;
                let files = listing(&sim).await;
                let (rolls, other) = (shared.probe().rolls_count.get(), others(&sim));
                let counts = |name| sim.count(name);
                let (writes, flushes) = (counts("write"), counts("flush"));
                append(&log, tag).await;
                tag += 1;
                assert_eq!(counts("write"), writes + 1, "one write");
                let was_quiet = others(&sim) == other && !log.0.upkeep.is_busy();
                if was_quiet && shared.probe().rolls_count.get() == rolls {
                    assert_eq!(counts("flush"), flushes + 1, "one flush");
                    assert_eq!(listing(&sim).await, files, "same names and lengths");
                    quiet += 1;
                }
            }
            assert!(
                quiet > 50,
                "{quiet} of {tag} appends had nothing beside them"
            );
            // There was room for every one but the first of each segment.
            assert_eq!(shared.probe().unprepared_waits_count.get(), 1 + 5);
        });
    }
}

#[test]
fn flushes_of_many_logs_are_under_way_together_and_none_acks_for_another() {
    for seed in 0..5 {
        let world = World::new(seed);
        let sim = world.disk().clone();
        world.run(async move {
            let shared = Logs::new(&Disk::simulated(sim.clone()), options());
            let mut logs = Vec::new();
            for index in 0..40 {
                let dir = Path::new("/data").join(format!("t-{index}"));
                logs.push(
                    open(&shared, &dir, config(1 << 20), Opening::default())
                        .await
                        .0,
                );
            }
            for tag in 0..10 {
                let flushes = shared.probe().flushes_count.get();
                for log in &logs {
                    append_only(log, tag);
                }
                for log in &logs {
                    acked(log, log.end_offset()).await;
                }
                let count = shared.probe().flushes_count.get() - flushes;
                assert_eq!(count, 40, "one for each log");
            }
        });
    }
}

#[test]
fn what_is_written_during_a_flush_shares_the_next_one() {
    for seed in 0..5 {
        let world = World::new(seed);
        let sim = world.disk().clone();
        world.run(async move {
            let disk = Disk::simulated(sim.clone());
            let shared = Logs::new(&disk, options());
            let dir = Path::new(DIR);
            let (log, _) = open(&shared, dir, config(1 << 20), Opening::default()).await;
            append(&log, 0).await;
            let (writes, flushes) = (sim.count("write"), shared.probe().flushes_count.get());
            for tag in 1..200 {
                append_only(&log, tag);
                disk.runtime().yield_now().await;
            }
            acked(&log, 200).await;
            let writes = (sim.count("write") - writes) as u64;
            let flushes = shared.probe().flushes_count.get() - flushes;
            assert!(
                flushes < 150 && flushes <= writes,
                "{flushes} for {writes} writes"
            );
        });
    }
}
