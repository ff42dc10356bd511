//! Drives: bytes that change on the simulated disk after they were flushed: a start tells that from
//! the torn end of a crash.

use std::path::{Path, PathBuf};

use super::support::*;
use crate::base::Offset;
use crate::io::disk::Disk;
use crate::io::sim::{Random, SimDisk, World};
use crate::log::{FailedOperation, Log, Opening, Recovered};

const DIR: &str = "/data/t-0";

/// A log of thirty acked batches over some segments that was not closed.
async fn written(disk: Disk, idle: bool) {
    let shared = logs(&disk);
    let (log, _) = open(&shared, Path::new(DIR), config(20_000), Opening::default()).await;
    for tag in 0..30 {
        log.append(&batch(1, 1_500, tag, 0), 0, None, 0)
            .expect("appended");
        acked(&log, log.end_offset()).await;
    }
    if idle {
        for _ in 0..2 {
            log.maintain(0).await.expect("maintained");
        }
        log.0.drain().await;
    }
    vanish(log).await;
}

async fn reopened(disk: Disk) -> (Log, Recovered) {
    let shared = logs(&disk);
    open(&shared, Path::new(DIR), config(20_000), Opening::default()).await
}

fn data_files(sim: &SimDisk) -> Vec<PathBuf> {
    let mut paths = sim.paths();
    paths.retain(|path| path.extension().is_some_and(|it| it == "log"));
    paths
}

/// Damages a place in what was acked and says whether that was noticed and nothing was cut.
fn damaged(seed: u64, change: fn(&mut [u8], &mut Random)) {
    let mut random = Random::new(seed);
    let mut world = World::new(seed);
    let disk = Disk::simulated(world.disk().clone());
    world.run(written(disk, true));
    world = world.kill(seed);
    let sim = world.disk().clone();
    let files = data_files(&sim);
    let path = &files[random.below(files.len())];
    let size = batch(1, 1_500, 0, 0).len();
    let content = sim.content(path).expect("there");
    let blank = |bytes: &[u8]| bytes[16] != 2;
    let whole = content
        .chunks(size)
        .take_while(|bytes| bytes.len() == size && !blank(bytes))
        .count();
    let at = random.below(whole);
    sim.damage(path, |content| {
        change(&mut content[at * size..(at + 1) * size], &mut random)
    });
    let before: Vec<_> = files.iter().map(|path| sim.content(path)).collect();

    let disk = Disk::simulated(sim.clone());
    let (log, damage) = world.run(async move {
        let (log, recovered) = reopened(disk).await;
        (log, recovered.damage)
    });
    let damage = damage.unwrap_or_else(|| panic!("seed {seed}: damage was not noticed"));
    assert_eq!(damage.position, (at * size) as u64);
    assert_eq!(Path::new(&damage.file), path.as_path());
    assert_eq!(log.end_offset(), damage.offset);
    assert_eq!(
        log.failure().map(|it| it.operation),
        Some(FailedOperation::Damage)
    );
    let after: Vec<_> = files.iter().map(|path| sim.content(path)).collect();
    assert_eq!(before, after, "nothing is cut");
    // What lies before the damage is served.
    let offset = log.end_offset();
    let found = world.run(async move { read_all(&log, 0, 1 << 20).await });
    assert_eq!(found.len() as Offset, offset);
}

#[test]
fn a_flipped_bit_is_told_from_a_torn_end() {
    for seed in 0..200 {
        damaged(seed, |batch, random| {
            // The leader epoch is not part of the checksum: a larger one is found out only by
            // the batch behind it.
            let mut byte = random.below(batch.len());
            while (12..16).contains(&byte) {
                byte = random.below(batch.len());
            }
            batch[byte] ^= 1 << random.below(8);
        });
    }
}

#[test]
fn a_lost_sector_is_told_from_a_torn_end() {
    for seed in 0..100 {
        damaged(seed, |batch, random| {
            let at = random.below(batch.len() / 512 + 1) * 512;
            let end = (at + 512).min(batch.len());
            batch[at..end].fill(0);
        });
    }
}

#[test]
fn lookups_and_checkpoints_that_are_damaged_are_made_anew() {
    for seed in 0..60 {
        let world = World::new(seed);
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            written(disk.clone(), false).await;
            let (log, _) = reopened(disk).await;
            log.close().await.expect("closed");
        });
        let sim = world.disk().clone();
        let mut random = Random::new(seed);
        for path in sim.paths() {
            let data = path.extension().is_some_and(|it| it == "log");
            if !data && random.one_in(2) {
                sim.damage(&path, |content| match content.len() {
                    0 => content.push(7),
                    len => content[random.below(len)] ^= 0x41,
                });
            }
        }
        let disk = Disk::simulated(sim);
        world.run(async move {
            let shared = logs(&disk);
            let opening = Opening {
                clean: true,
                recovery_point: 30,
                ..Opening::default()
            };
            let (log, recovered) = open(&shared, Path::new(DIR), config(20_000), opening).await;
            assert!(recovered.damage.is_none(), "seed {seed}: {recovered:?}");
            let tags: Vec<u64> = read_all(&log, 0, 5_000)
                .await
                .iter()
                .map(|it| it.2)
                .collect();
            assert_eq!(tags, (0..30).collect::<Vec<_>>(), "seed {seed}");
        });
    }
}
