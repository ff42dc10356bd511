//! Drives: random work, power cuts and kills at random moments, and what is left of it.
//!
//! `SIM_RUNS` says how many worlds (300 if unset), `SIM_SEED` the first of them.

use std::cell::{Cell, RefCell};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::support::*;
use crate::base::Offset;
use crate::io::disk::Disk;
use crate::io::sim::{Fault, Random, World};
use crate::log::{AppendError, Folder, Log, LogConfig};

/// What was done to the log, whatever became of it.
#[derive(Default)]
struct Model {
    /// Base offset, count of records and tag of every appended batch, in order.
    batches: RefCell<Vec<(Offset, u64, u64)>>,
    /// The largest offset that was ever acked.
    acked: Cell<Offset>,
    /// The largest start offset that was ever set.
    start: Cell<Offset>,
    next_tag: Cell<u64>,
    /// The leader epoch, which never falls.
    epoch: Cell<i32>,
}

/// What a world's check found wrong.
type Wrong = String;

fn settings(random: &mut Random) -> LogConfig {
    LogConfig {
        segment_bytes: [9_000, 40_000, 200_000][random.below(3)],
        ..config(0)
    }
}

/// Opens the log, compares it with the model, then works on it until it is interrupted.
async fn live(disk: Disk, root: PathBuf, model: Rc<Model>, seed: u64) -> Result<(), Wrong> {
    let mut random = Random::new(seed);
    let folder = Folder::open(&disk, &root).await;
    let folder = folder.map_err(|error| error.to_string())?;
    let capacity = [0, 64 << 10, 1 << 20][random.below(3)];
    let shared = folder.begin_journal(&logs(&disk), capacity);
    let opening = folder.opening("t", 0);
    let (log, recovered) = open(
        &shared,
        &folder.path("t", 0),
        settings(&mut random),
        opening,
    )
    .await;
    if let Some(damage) = &recovered.damage {
        return Err(format!("takes a crash for damage: {damage}"));
    }
    compare(&log, &model).await?;
    let telling = Rc::clone(&model);
    log.on_acked(Rc::new(move |offset| {
        telling.acked.set(telling.acked.get().max(offset))
    }));
    let mut retains_little = false;
    loop {
        match random.below(20) {
            0 => {
                let path = [("t", 0, &log)];
                folder.checkpoint(path.into_iter()).await.expect("written");
            }
            1 => {
                if retains_little {
                    model.start.set(log.end_offset());
                }
                log.maintain(0).await.expect("maintained");
            }
            2 => model.epoch.set(model.epoch.get() + 1),
            3 => acked(&log, log.end_offset()).await,
            4 => {
                let reads = read_all(&log, log.start_offset(), 1 + random.below(30_000)).await;
                check_prefix(&reads, &model, log.start_offset())?;
            }
            5 if random.one_in(4) && log.acked_offset() > 0 => {
                let before = random.below(log.acked_offset() as usize) as Offset;
                let start = log.delete_records_before(before).expect("within");
                model.start.set(start);
            }
            6 if random.one_in(4) => {
                // All that is acked is old enough to go.
                model.start.set(log.end_offset());
                log.maintain(Offset::MAX / 2).await.expect("maintained");
            }
            7 if random.one_in(4) => {
                model.start.set(log.end_offset());
                log.set_config(LogConfig {
                    retention_bytes: random.below(60_000) as i64,
                    ..settings(&mut random)
                });
                retains_little = true;
                log.maintain(0).await.expect("maintained");
            }
            8 if random.one_in(3) => {
                log.close().await.expect("closed");
                let path = [("t", 0, &log)];
                folder.checkpoint(path.into_iter()).await.expect("written");
                folder.close_cleanly(-1).await.expect("written");
                return Ok(());
            }
            _ => append(&log, &model, &mut random).await,
        }
    }
}

async fn append(log: &Log, model: &Model, random: &mut Random) {
    let mut bytes = Vec::new();
    let mut next = log.end_offset();
    let mut batches = Vec::new();
    for _ in 0..1 + random.below(3) {
        let tag = model.next_tag.get();
        model.next_tag.set(tag + 1);
        let count = 1 + random.below(3);
        let size = [20, 300, 2_000][random.below(3)] + random.below(100);
        bytes.extend(batch(count, size, tag, 0));
        batches.push((next, count as u64, tag));
        next += count as Offset;
    }
    match log.append(&bytes, model.epoch.get(), None, 0) {
        Ok(_) => model.batches.borrow_mut().extend(batches),
        Err(AppendError::Busy) => log.wait_for_room().await,
        Err(AppendError::LargerThanSegment(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

/// After a start: everything acked is there, in order, once; nothing follows that was not
/// appended; from here on the model knows what became of the rest.
async fn compare(log: &Log, model: &Model) -> Result<(), Wrong> {
    let (start, end) = (log.start_offset(), log.end_offset());
    if end < model.acked.get() {
        return Err(format!("acked up to {}, ends at {end}", model.acked.get()));
    }
    if start > model.start.get() {
        return Err(format!(
            "starts at {start}, deleted up to {}",
            model.start.get()
        ));
    }
    let known_end = {
        let mut appended = model.batches.borrow_mut();
        appended.retain(|batch| batch.0 < end);
        appended.last().map_or(0, |last| last.0 + last.1 as Offset)
    };
    if known_end != end {
        return Err(format!("ends at {end}, not with a batch: {known_end}"));
    }
    let found = read_all(log, start, 1 << 20).await;
    check_prefix(&found, model, start)?;
    model.acked.set(end);
    Ok(())
}

fn check_prefix(found: &[(Offset, u64, u64)], model: &Model, start: Offset) -> Result<(), Wrong> {
    let appended = model.batches.borrow();
    let from = appended.partition_point(|batch| batch.0 + batch.1 as Offset <= start);
    let expected = &appended[from..];
    if expected.starts_with(found) {
        return Ok(());
    }
    Err(format!("appended {expected:?}, found {found:?}"))
}

/// Lives through some starts, each ended by a power cut, a kill or a clean stop.
fn run(seed: u64, fault: Option<Fault>) -> Result<(), Wrong> {
    let mut random = Random::new(seed);
    let model = Rc::new(Model::default());
    let root = Path::new("/data");
    let mut world = World::new(seed);
    for round in 0..5 {
        if let Some(fault) = fault {
            world.disk().inject(fault);
        }
        let steps = 1 << (3 + random.below(10));
        let disk = Disk::simulated(world.disk().clone());
        let life = live(
            disk,
            root.to_owned(),
            Rc::clone(&model),
            seed + (round << 32),
        );
        if let Some(Err(wrong)) = world.run_for(steps, life) {
            return Err(wrong);
        }
        world = killed_or_cut(world, &mut random);
    }
    // It must be found whole twice in a row, and the first look must change nothing.
    for _ in 0..2 {
        let disk = Disk::simulated(world.disk().clone());
        let model = Rc::clone(&model);
        let checked = world.run(async move {
            let folder = Folder::open(&disk, root).await;
            let folder = folder.map_err(|error| error.to_string())?;
            let shared = logs(&disk);
            let opening = folder.opening("t", 0);
            let (log, _) = open(&shared, &folder.path("t", 0), config(9_000), opening).await;
            compare(&log, &model).await
        });
        checked?;
    }
    Ok(())
}

#[test]
fn nothing_acked_is_lost_by_power_cuts_and_kills() {
    for seed in runs(300) {
        let result = catch_unwind(|| run(seed, None)).unwrap_or(Err("a panic".to_owned()));
        assert_eq!(result, Ok(()), "with SIM_SEED={seed} SIM_RUNS=1");
    }
}

#[test]
fn a_device_that_lies_about_flushes_is_found_out() {
    let lies = Some(Fault::SilentFlush);
    // A log that cannot be opened at all is a panic of the test's own, and found out, too.
    let is_whole = |seed| matches!(catch_unwind(|| run(seed, lies)), Ok(Ok(())));
    let caught = runs(300).any(|seed| !is_whole(seed));
    assert!(caught, "the test would not notice lost records");
}
