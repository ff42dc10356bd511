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
    "prepare",
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

async fn append(log: &Log, tag: u64) {
    log.append(&batch(1, 900, tag, 0), 0, None, 0)
        .expect("appended");
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
                assert_eq!(counts("flush"), flushes + 1, "one flush");
                let was_quiet = others(&sim) == other;
                if was_quiet && shared.probe().rolls_count.get() == rolls {
                    assert_eq!(listing(&sim).await, files, "same names and lengths");
                    quiet += 1;
                }
            }
            assert!(
                quiet > 50,
                "{quiet} of {tag} appends had nothing beside them"
            );
            // Space lay ready for every one but the first.
            assert_eq!(shared.probe().unprepared_waits_count.get(), 1);
        });
    }
}

#[test]
fn logs_that_append_together_share_their_flushes() {
    for seed in 0..5 {
        let world = World::new(seed);
        let sim = world.disk().clone();
        world.run(async move {
            let shared = Logs::new(&Disk::simulated(sim.clone()), options());
            let mut logs = Vec::new();
            for index in 0..16 {
                let dir = Path::new("/data").join(format!("t-{index}"));
                logs.push(
                    open(&shared, &dir, config(1 << 20), Opening::default())
                        .await
                        .0,
                );
            }
            for tag in 0..10 {
                let flushes = sim.count("flush");
                for log in &logs {
                    log.append(&batch(1, 900, tag, 0), 0, None, 0)
                        .expect("appended");
                }
                for log in &logs {
                    acked(log, log.end_offset()).await;
                }
                // Each write needs a flush that begins behind it: at the worst one for the
                // first, and then always one under way and one that takes all others.
                let count = sim.count("flush") - flushes;
                assert!(
                    count < logs.len() || tag == 0,
                    "{count} flushes for 16 logs"
                );
            }
            let served = shared.probe().flushed_logs_count.get();
            let flushes = shared.probe().flushes_count.get();
            assert!(
                served >= 160 && served > 2 * flushes,
                "{served} by {flushes}"
            );
        });
    }
}

#[test]
fn a_log_filled_faster_than_zeros_are_written_gets_room_alone_and_zeros_again_when_it_slows_down() {
    for seed in 0..20 {
        let world = World::new(seed);
        let sim = world.disk().clone();
        world.run(async move {
            let shared = Logs::new(&Disk::simulated(sim.clone()), options());
            let [(fast, _), (other, _)] = [
                open(
                    &shared,
                    Path::new("/data/f-0"),
                    config(4 << 20),
                    Opening::default(),
                )
                .await,
                open(
                    &shared,
                    Path::new("/data/o-0"),
                    config(4 << 20),
                    Opening::default(),
                )
                .await,
            ];
            for tag in 0..40 {
                fast.append(&batch(4, 8 << 10, tag, 0), 0, None, 0)
                    .expect("appended");
                if tag % 8 == 7 {
                    acked(&fast, fast.end_offset()).await;
                }
            }
            let mut reserved = sim.count("reserve");
            assert!(reserved > 0, "8 times 32 KiB at once outrun the zeros");

            // Both wait for a flush together, the other one first: it is not enough.
            let flushes = shared.probe().flushes_count.get();
            let own = |log: &Log| log.0.active().expect("a segment").needs_own_flush();
            other
                .append(&batch(1, 100, 0, 0), 0, None, 0)
                .expect("appended");
            fast.append(&batch(1, 8 << 10, 40, 0), 0, None, 0)
                .expect("appended");
            acked(&other, 1).await;
            acked(&fast, fast.end_offset()).await;
            assert!(shared.probe().flushes_count.get() > flushes && !own(&fast));

            // A minute later, and slowly.
            for tag in 0..60 {
                let now = 60_000 + 100 * i64::from(tag as u32);
                fast.append(&batch(1, 2 << 10, tag, now), 0, None, now)
                    .expect("appended");
                acked(&fast, fast.end_offset()).await;
                if tag == 0 {
                    fast.0.upkeep_idle().await;
                    reserved = sim.count("reserve");
                }
            }
            assert_eq!(sim.count("reserve"), reserved);
            let segment = fast.0.active().expect("a segment");
            let (from, to) = segment.reserved.get();
            assert!(from >= to, "{from} to {to} is left without zeros");
            assert!(!segment.needs_own_flush());
            let all = read_all(&fast, 0, 64 << 20).await;
            assert_eq!(all.len(), 40 + 1 + 60);
        });
    }
}
