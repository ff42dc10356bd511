//! Drives: damage to every file of a folder of logs, byte by byte and sector by sector: whatever
//! it hits, what is read is what was written, or an error.

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

/// Bits of a batch's base offset, which no checksum covers, and of how far its last offset is from
/// it: those that count least, and some others.
fn offset_bits() -> impl Iterator<Item = usize> {
    let base = [7, 5, 18, 31, 40].into_iter().chain(48..64);
    let last = [191, 185, 197].into_iter().chain(200..216);
    base.chain(last)
}

#[test]
fn no_batch_hides_records_by_saying_where_it_lies() {
    for seed in 10..30 {
        let filled = filled_as(FEW, seed, true);
        let (path, at, called) = some_batch(&filled.left, &mut Random::new(seed));
        for bit in offset_bits() {
            let world = with_flipped(&filled, &path, at, bit);
            let outcome = surveyed(&filled, world);
            let place = format!("seed {seed}, {called}, bit {bit}");
            assert_eq!(outcome, Ok(Outcome::Noticed), "{place}");
        }
    }
}

/// Has a consumer begin at each batch, and go on from there as far as it gets in one fetch.
async fn consume(disk: Disk, known: Rc<Vec<Known>>, end: Offset) -> Result<Outcome, String> {
    let Ok((_folder, log, told)) = open_folder(&disk).await else {
        return Ok(Outcome::Noticed);
    };
    let mut outcome = match told {
        true => Outcome::Noticed,
        false => Outcome::Harmless,
    };
    for (nth, batch) in known.iter().enumerate() {
        // Where the log is known to be damaged nothing is streamed: each finds it so for itself.
        log.0.damaged_places.borrow_mut().clear();
        let mut found = Vec::new();
        let upto = log.end_offset().min(end);
        let waits = MemoryWait::Waits;
        let planned = log.plan(batch.base, 1 << 20, upto, waits, &mut found).await;
        let mut stream = match planned {
            Ok(Some(planned)) => planned.stream,
            Ok(None) if batch.base >= upto => continue,
            Ok(None) => return Err(format!("nothing at {}", batch.base)),
            Err(_) => {
                outcome = Outcome::Noticed;
                continue;
            }
        };
        let broken = loop {
            match stream.next().await {
                Ok(Some(piece)) => found.push(piece),
                end => break end.is_err(),
            }
        };
        let found = joined(&found);
        let there: Vec<u8> = known[nth..]
            .iter()
            .flat_map(|it| it.bytes.clone())
            .collect();
        match broken {
            // What came of it is not what was promised, and is not believed.
            true => outcome = Outcome::Noticed,
            false if there.starts_with(&found) && !found.is_empty() => {}
            false => return Err(format!("wrong bytes at {}", batch.base)),
        }
    }
    Ok(outcome)
}

#[test]
fn no_large_batch_hides_records_by_saying_where_it_lies() {
    for seed in 10..14 {
        let filled = filled_as(LARGE, seed, true);
        let consumed = |world: World| {
            let disk = Disk::simulated(world.disk().clone());
            world.run(consume(disk, Rc::clone(&filled.batches), filled.end))
        };
        let sound = consumed(World::on(seed, filled.left.clone()));
        assert_eq!(sound, Ok(Outcome::Harmless), "no false alarm");
        let (path, at, called) = some_batch(&filled.left, &mut Random::new(seed));
        for bit in offset_bits() {
            let outcome = consumed(with_flipped(&filled, &path, at, bit));
            let place = format!("seed {seed}, {called}, bit {bit}");
            assert_eq!(outcome, Ok(Outcome::Noticed), "{place}");
        }
    }
}

#[test]
fn lookups_made_anew_lead_no_reader_past_a_batch_that_says_it_lies_further_on() {
    let filled = filled_as(FEW, 10, true);
    let (path, positions) = data_files(&filled.left).swap_remove(1);
    let last = positions[positions.len() - 1];
    let world = with_flipped(&filled, &path, last, 40);
    let disk = Disk::simulated(world.disk().clone());
    world.run(async move {
        let (_folder, log, _) = open_folder(&disk).await.expect("opened");
        let segments = log.0.state.borrow().segments.clone();
        let segment = segments.iter().find(|it| it.path() == path).expect("there");
        log.0.rebuild_lookups(segment).await.expect("read");
        // The youngest record may be in it, and is to be looked for.
        assert_eq!(segment.max_timestamp.get().0, i64::MAX);
        assert!(segment.settled.get(), "nothing of it goes to disk");
        let found = log.youngest().await;
        assert!(matches!(found, Err(ReadError::Damaged { .. })), "{found:?}");
    });
}

/// Which epoch wrote each batch, as the log says.
fn epochs_of(log: &Log, known: &[Known]) -> Vec<Option<i32>> {
    let state = log.0.state.borrow();
    let bases = known.iter().map(|batch| batch.base);
    bases.map(|base| state.epochs.epoch_at(base)).collect()
}

#[test]
fn no_damaged_epochs_are_believed() {
    for (seed, clean) in [(40, true), (41, false)] {
        let Filled { left, batches, .. } = filled(seed, clean);
        let written = |batch: &Known| {
            let view = crate::wire::batch::BatchView::parse(&batch.bytes);
            Some(view.expect("whole").leader_epoch())
        };
        let expected: Vec<Option<i32>> = batches.iter().map(written).collect();
        let dir = Path::new(ROOT).join("t-0");
        let opened = |world: World| {
            let disk = Disk::simulated(world.disk().clone());
            let known = Rc::clone(&batches);
            world.run(async move {
                let (_, log, told) = open_folder(&disk).await.expect("opened");
                (epochs_of(&log, &known), told)
            })
        };
        assert_eq!(
            opened(World::on(1, left.clone())),
            (expected.clone(), false),
            "no false alarm"
        );
        for name in ["leader-epoch-checkpoint", "corelane-checkpoint-checksums"] {
            let path = dir.join(name);
            let content = World::on(1, left.clone()).disk().content(&path);
            let bits = content.expect("there").len() * 8;
            // One more: the sector is lost.
            for bit in 0..=bits {
                let world = World::on(bit as u64, left.clone());
                world.disk().damage(&path, |content| match bit == bits {
                    true => content.fill(0),
                    false => content[bit / 8] ^= 1 << (bit % 8),
                });
                let (epochs, told) = opened(world);
                assert_eq!(epochs, expected, "{name}, bit {bit}");
                assert!(told || name.starts_with("corelane"), "{name}, bit {bit}");
            }
        }
    }
}

/// Starts twice, with the checkpoints written in between as housekeeping does; both times what
/// is wrong must be told.
fn is_told_twice(world: World, what: &str) {
    let disk = Disk::simulated(world.disk().clone());
    let what = what.to_owned();
    world.run(async move {
        for _ in 0..2 {
            let folder = Folder::open(&disk, Path::new(ROOT)).await.expect("opened");
            let shared = logs(&disk);
            let (opening, dir) = (folder.opening("t", 0), folder.path("t", 0));
            let opened = Log::open(&shared, &dir, config(9_000), opening, 1_000, &mut |_| {}).await;
            let logs = match opened {
                Ok((log, recovered)) => {
                    assert!(
                        recovered.damage.is_some() && recovered.cut.is_none(),
                        "{what}"
                    );
                    Some(log)
                }
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains("put the folder back"), "{what}: {text}");
                    folder.keep("t", 0);
                    None
                }
            };
            let logs = logs.iter().map(|log| ("t", 0, log));
            folder.checkpoint(logs).await.expect("written");
        }
        // Once the topic is deleted, another may have its name.
        let folder = Folder::open(&disk, Path::new(ROOT)).await.expect("opened");
        folder.forget(&[("t", 0)]).await.expect("written");
        assert_eq!(folder.opening("t", 0).known_offset(), 0);
    });
}

#[test]
fn a_log_that_was_taken_away_is_not_begun_anew() {
    for (seed, clean) in [(50, true), (51, false)] {
        let Filled { left, .. } = filled(seed, clean);
        for whole in [true, false] {
            let world = World::on(seed, left.clone());
            let disk = Disk::simulated(world.disk().clone());
            let paths = files(world.disk());
            world.run(async move {
                let dir = Path::new(ROOT).join("t-0");
                if whole {
                    return disk.remove_dir(&dir).await.expect("removed");
                }
                let data = |path: &&PathBuf| path.to_string_lossy().contains(".log");
                for path in paths.iter().filter(data) {
                    disk.remove(path).await.expect("removed");
                }
            });
            is_told_twice(world, &format!("{clean}, {whole}"));
        }
    }
}

#[test]
fn damage_is_still_damage_at_the_second_start() {
    let Filled { left, .. } = filled(60, false);
    let world = World::on(60, left);
    let mut data = files(world.disk());
    data.retain(|path| path.extension().is_some_and(|it| it == "log"));
    let path = data.last().expect("one");
    // Nothing is left that could vouch for what was there, but the checkpoint.
    world.disk().damage(path, |content| content.fill(0));
    is_told_twice(world, "a blank segment");
}

async fn scrub_all(log: &Log) -> Vec<Scrubbed> {
    let mut found = Vec::new();
    let mut after = -1;
    while let Some(mut scrub) = log.scrub_after(after).await.expect("read") {
        after = scrub.base_offset();
        loop {
            match scrub.step().await.expect("read") {
                Scrubbed::On(bytes) => assert!(bytes > 0, "it gets on"),
                end => {
                    found.push(end);
                    break;
                }
            }
        }
    }
    found
}

#[test]
fn the_scrubber_finds_damage_once_and_mends_lookups() {
    for seed in 10..30 {
        let Filled { left, .. } = filled(seed, true);
        let world = World::on(seed, left);
        let mut random = Random::new(seed);
        let sim = world.disk().clone();
        let disk = Disk::simulated(sim.clone());
        let (log, sealed) = world.run(async move {
            let (_, log, _) = open_folder(&disk).await.expect("opened");
            let found = scrub_all(&log).await;
            assert!(
                found.iter().all(|it| matches!(it, Scrubbed::Sound)),
                "{found:?}"
            );
            (log, found.len())
        });
        assert!(sealed >= 3);
        let of_kind = |kind: &str| -> Vec<PathBuf> {
            let mut paths = files(&sim);
            paths.retain(|path| path.extension().is_some_and(|it| it == kind));
            paths.truncate(sealed);
            paths
        };
        let data = of_kind("log");
        let spoilt = &data[random.below(data.len())];
        sim.damage(spoilt, |content| {
            let at = random.below(content.len());
            // Not the epoch, see above.
            content[if at % 1_000 < 61 {
                at / 1_000 * 1_000 + 61
            } else {
                at
            }] ^= 4;
        });
        let index = of_kind("timeindex");
        let other = index.iter().zip(&data).find(|(_, data)| *data != spoilt);
        sim.damage(other.expect("another").0, |content| {
            let last = content.len() - 5;
            content[last] ^= 1;
        });
        let found = world.run(async move {
            let found = scrub_all(&log).await;
            let again = scrub_all(&log).await;
            let news = |found: &[Scrubbed]| {
                let is_news = |it: &&Scrubbed| {
                    matches!(
                        it,
                        Scrubbed::Damaged(ReadError::Damaged { is_news: true, .. })
                    )
                };
                found.iter().filter(is_news).count()
            };
            assert_eq!((news(&found), news(&again)), (1, 0), "{found:?} {again:?}");
            assert_eq!(log.0.logs.probe().damaged_places_count.get(), 1);
            found
        });
        let mended = found
            .iter()
            .filter(|it| matches!(it, Scrubbed::LookupsMended));
        // Lookups that are in memory already do not see what became of their file.
        assert!(mended.count() <= 1);
    }
}

#[test]
fn a_read_that_fails_spoils_nothing() {
    for seed in 0..20 {
        let Filled { left, batches, end } = filled(seed, true);
        let world = World::on(seed, left);
        let sim = world.disk().clone();
        let disk = Disk::simulated(sim.clone());
        world.run(async move {
            let (_, log, _) = open_folder(&disk).await.expect("opened");
            sim.inject_below(Path::new("/data/t-0"), Fault::Read);
            for offset in [START, end / 2, end - 1] {
                let mut out = Vec::new();
                let read = log.read(offset, 1, end, &mut out).await;
                assert!(matches!(read, Err(ReadError::Io(_))), "{read:?}");
            }
            assert!(
                log.failure().is_none(),
                "a read that failed may be tried again"
            );
            sim.repair();
            for batch in batches.iter() {
                let mut out = Vec::new();
                log.read(batch.base.max(START), 1, end, &mut out)
                    .await
                    .expect("read");
                assert!(joined(&out) == batch.bytes);
            }
        });
    }
}

#[test]
fn a_log_that_failed_serves_what_it_acked() {
    for (seed, fault) in [(1, Fault::Write), (2, Fault::Flush), (3, Fault::Prepare)] {
        let Filled { left, batches, end } = filled(seed, true);
        let world = World::on(seed, left);
        let sim = world.disk().clone();
        let disk = Disk::simulated(sim.clone());
        world.run(async move {
            let (_, log, _) = open_folder(&disk).await.expect("opened");
            sim.inject(fault);
            log.append(&batch(1, 8_000, 0, 0), 9, None, 0)
                .expect("appended");
            log.wait_acked(end + 1).await.expect_err("the device fails");
            assert_eq!(log.acked_offset(), end);
            for batch in batches.iter() {
                let mut out = Vec::new();
                let read = log
                    .read(batch.base.max(START), 1, log.acked_offset(), &mut out)
                    .await;
                assert!(read.is_ok() && joined(&out) == batch.bytes, "{read:?}");
            }
        });
    }
}
