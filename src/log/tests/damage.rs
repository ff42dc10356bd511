//! Drives: damage to every file of a folder of logs, byte by byte and sector by sector: whatever
//! it hits, what is read is what was written, or an error.

mod later;
mod offsets;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::finding::ROOT;
use super::support::*;
use crate::base::Offset;
use crate::io::disk::Disk;
use crate::io::sim::{Fault, Left, Random, SimDisk, World};
use crate::log::{Folder, Log, MemoryWait, ReadError, Scrubbed};
use crate::wire::batch::{HEADER_BYTES, batches};

const BATCHES: u64 = 40;
const SEGMENT_BYTES: u64 = 9_000;
/// Of these offsets on nothing was deleted.
const START: Offset = 5;

/// A batch as it was written.
#[derive(Clone, Debug)]
struct Known {
    base: Offset,
    last: Offset,
    timestamp: i64,
    bytes: Vec<u8>,
}

/// How a folder was left, and what its log held.
struct Filled {
    left: Left,
    batches: Rc<Vec<Known>>,
    end: Offset,
}

/// What became of a damaged folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// All is as it was.
    Harmless,
    /// It was reported.
    Noticed,
}

async fn open_folder(disk: &Disk) -> Result<(Folder, Log, bool), String> {
    let folder = Folder::open(disk, Path::new(ROOT)).await;
    let folder = folder.map_err(|error| error.to_string())?;
    let shared = logs(disk);
    let opening = folder.opening("t", 0);
    let dir = folder.path("t", 0);
    let config = config(SEGMENT_BYTES);
    let opened = Log::open(&shared, &dir, config, opening, 1_000, &mut |_| {}).await;
    let (log, recovered) = opened.map_err(|error| error.to_string())?;
    let told =
        recovered.damage.is_some() || recovered.epochs_damaged || !folder.damaged().is_empty();
    match &recovered.cut {
        Some(cut) if recovered.damage.is_none() => Err(format!("cut silently: {cut}")),
        _ => Ok((folder, log, told)),
    }
}

/// How much a log holds.
#[derive(Clone, Copy)]
struct Shape {
    batches: u64,
    /// Bytes of a record: the least, and how many more there may be.
    record_bytes: (usize, usize),
    segment_bytes: u64,
}

const MANY: Shape = Shape {
    batches: BATCHES,
    record_bytes: (300, 1_500),
    segment_bytes: SEGMENT_BYTES,
};
const FEW: Shape = Shape {
    batches: 14,
    ..MANY
};
/// More than a reader has in memory at once.
const LARGE: Shape = Shape {
    batches: 10,
    record_bytes: (20_000, 10_000),
    segment_bytes: 120_000,
};

/// Some segments over three epochs; stopped cleanly or killed.
fn filled(seed: u64, clean: bool) -> Filled {
    filled_as(MANY, seed, clean)
}

fn filled_as(shape: Shape, seed: u64, clean: bool) -> Filled {
    let world = World::new(seed);
    let disk = Disk::simulated(world.disk().clone());
    let batches = world.run(async move {
        let (folder, log, _) = open_folder(&disk).await.expect("opened");
        log.set_config(config(shape.segment_bytes));
        log.on_roll(Rc::new(|offset| vec![offset as u8; 100]));
        let mut random = Random::new(seed);
        let (least, more) = shape.record_bytes;
        for tag in 0..shape.batches {
            let count = 1 + random.below(3);
            let bytes = batch(count, least + random.below(more), tag, tag as i64 * 100);
            log.append(&bytes, tag as i32 / 15, None, 0)
                .expect("appended");
            acked(&log, log.end_offset()).await;
        }
        log.delete_records_before(START).expect("within");
        for _ in 0..4 {
            log.maintain(0).await.expect("maintained");
            log.0.drain().await;
        }
        let mut all = Vec::new();
        let mut next = START;
        while next < log.end_offset() {
            let mut out = Vec::new();
            log.read(next, 1, Offset::MAX, &mut out)
                .await
                .expect("read");
            let bytes = joined(&out);
            let batch = batches(&bytes).next().expect("one").expect("whole");
            all.push(Known {
                base: batch.base_offset(),
                last: batch.last_offset(),
                timestamp: batch.max_timestamp(),
                bytes: bytes.clone(),
            });
            next = batch.next_offset();
        }
        if clean {
            log.close().await.expect("closed");
        }
        folder
            .checkpoint([("t", 0, &log)].into_iter())
            .await
            .expect("written");
        if clean {
            folder.close_cleanly(-1).await.expect("written");
        }
        all
    });
    Filled {
        end: batches.last().map_or(0, |last| last.last + 1),
        batches: Rc::new(batches),
        left: world.stop(),
    }
}

/// Reads everything, by offset and by time.
async fn survey(disk: Disk, known: Rc<Vec<Known>>, end: Offset) -> Result<Outcome, String> {
    let (_folder, log, told) = match open_folder(&disk).await {
        Ok(opened) => opened,
        Err(wrong) if wrong.starts_with("cut silently") => return Err(wrong),
        Err(_) => return Ok(Outcome::Noticed),
    };
    let mut noticed = told;
    if log.end_offset() != end && !told {
        return Err(format!("ends at {} and not at {end}", log.end_offset()));
    }
    if log.start_offset() > START {
        return Err(format!(
            "begins at {} and not at {START}",
            log.start_offset()
        ));
    }
    for offset in START..log.end_offset() {
        let mut out = Vec::new();
        let read = log.read(offset, 1, log.end_offset(), &mut out).await;
        let expected = known.iter().find(|batch| batch.last >= offset);
        match read {
            Err(_) => noticed = true,
            Ok(_) if Some(joined(&out)) == expected.map(|batch| batch.bytes.clone()) => {}
            Ok(bytes) => return Err(format!("{bytes} wrong bytes at {offset}")),
        }
    }
    for batch in known.iter().filter(|_| !told) {
        let found = log.offset_for_time(batch.timestamp).await;
        match found {
            Err(_) => noticed = true,
            Ok(Some(found)) if (batch.base..=batch.last).contains(&found.offset) => {}
            Ok(found) => return Err(format!("{found:?} at time {}", batch.timestamp)),
        }
    }
    Ok(if noticed {
        Outcome::Noticed
    } else {
        Outcome::Harmless
    })
}

/// Ways in which a device spoils a place.
fn spoil(content: &mut [u8], how: usize, random: &mut Random) {
    let at = random.below(content.len());
    let sector = at / 512 * 512;
    let end = (sector + 512).min(content.len());
    match how {
        0 => content[at] ^= 1 << random.below(8),
        1 => content[sector..end].fill(0),
        // What stood there before, or belongs elsewhere.
        _ => {
            let from = random.below(content.len() / 512 + 1) * 512;
            let other = content.to_vec();
            for (to, byte) in content[sector..end]
                .iter_mut()
                .zip(&other[from.min(other.len())..])
            {
                *to = *byte;
            }
        }
    }
}

fn files(sim: &SimDisk) -> Vec<PathBuf> {
    sim.paths()
}

#[test]
fn whatever_is_damaged_is_noticed_before_it_is_served() {
    let mut noticed = 0;
    for (seed, clean) in [(1, true), (2, false), (3, true), (4, false)] {
        let Filled { left, batches, end } = filled(seed, clean);
        let paths = files(World::on(0, left.clone()).disk());
        for (number, path) in paths.iter().enumerate() {
            for trial in 0..8 {
                let mut random = Random::new(seed << 32 | (number as u64) << 16 | trial);
                let world = World::on(random.next(), left.clone());
                let how = random.below(3);
                let mut same = false;
                world.disk().damage(path, |content| {
                    let before = content.clone();
                    if !content.is_empty() {
                        spoil(content, how, &mut random);
                    }
                    same = before == *content;
                });
                let disk = Disk::simulated(world.disk().clone());
                let outcome = world.run(survey(disk, Rc::clone(&batches), end));
                let place = format!("seed {seed}, {}, trial {trial}, {how}", path.display());
                match outcome {
                    Err(wrong) => panic!("{place}: {wrong}"),
                    Ok(Outcome::Noticed) if same => panic!("{place}: false alarm"),
                    Ok(outcome) => noticed += usize::from(outcome == Outcome::Noticed),
                }
            }
        }
    }
    assert!(noticed > 30, "damage of data is noticed: {noticed}");
}

/// The data files, each with the positions of its batches.
fn data_files(left: &Left) -> Vec<(PathBuf, Vec<usize>)> {
    let world = World::on(0, left.clone());
    let mut data = files(world.disk());
    data.retain(|path| path.extension().is_some_and(|it| it == "log"));
    let with_positions = |path: PathBuf| {
        let content = world.disk().content(&path).expect("there");
        let whole = batches(&content).map_while(Result::ok);
        let positions = whole.scan(0, |end, batch| {
            let position = *end;
            *end += batch.bytes().len();
            Some(position)
        });
        let positions = positions.collect();
        (path, positions)
    };
    data.into_iter().map(with_positions).collect()
}

/// Another batch than the first of all, and what it is called. Every second one is the last of its
/// segment, where none behind it could tell that it is damaged.
fn some_batch(left: &Left, random: &mut Random) -> (PathBuf, usize, String) {
    let mut data = data_files(left);
    assert!(data.len() > 2, "several segments");
    let (path, positions) = data.swap_remove(1 + random.below(data.len() - 1));
    let nth = match random.one_in(2) {
        true => positions.len() - 1,
        false => random.below(positions.len()),
    };
    let called = format!("{}, batch {nth}", path.display());
    (path, positions[nth], called)
}

/// The folder, one bit of a file being another.
fn with_flipped(filled: &Filled, path: &Path, at: usize, bit: usize) -> World {
    let world = World::on(bit as u64, filled.left.clone());
    world
        .disk()
        .damage(path, |content| content[at + bit / 8] ^= 1 << (bit % 8));
    world
}

/// What becomes of it.
fn surveyed(filled: &Filled, world: World) -> Result<Outcome, String> {
    let disk = Disk::simulated(world.disk().clone());
    world.run(survey(disk, Rc::clone(&filled.batches), filled.end))
}

#[test]
fn every_bit_of_a_batch_header_counts() {
    let filled = filled(7, true);
    let (path, positions) = &data_files(&filled.left)[1];
    for bit in 0..HEADER_BYTES * 8 {
        let world = with_flipped(&filled, path, positions[1], bit);
        // The epoch of a batch between two of the same cannot change unseen.
        assert_eq!(surveyed(&filled, world), Ok(Outcome::Noticed), "bit {bit}");
    }
}
