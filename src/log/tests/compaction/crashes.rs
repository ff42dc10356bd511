//! Drives: compaction in random lives of a log that crash at any moment.

use super::*;

/// What was done to the log, whatever became of it.
#[derive(Default)]
struct Model {
    appended: RefCell<Vec<Seen>>,
    acked: Cell<Offset>,
    now: Cell<WallMs>,
    swaps: Cell<usize>,
}

type Wrong = String;

async fn compare(log: &Log, model: &Model) -> Result<(), Wrong> {
    let end = log.end_offset();
    if end < model.acked.get() {
        return Err(format!("acked up to {}, ends at {end}", model.acked.get()));
    }
    model.appended.borrow_mut().retain(|record| record.0 < end);
    model.acked.set(end);
    check(log, model).await
}

/// What can be read is what was written, and makes the same table.
async fn check(log: &Log, model: &Model) -> Result<(), Wrong> {
    let acked = log.acked_offset();
    let seen = read(log).await;
    let appended = model.appended.borrow();
    let invented = seen.iter().find(|record| {
        let at = appended.binary_search_by_key(&record.0, |it| it.0);
        at.is_err() || appended[at.unwrap_or(0)] != **record
    });
    if let Some(record) = invented {
        return Err(format!("never written: {record:?}"));
    }
    // Acks may have come while it was read.
    let upto = seen.last().map_or(0, |last| last.0 + 1).max(acked);
    let expected = table(appended.iter().filter(|record| record.0 < upto));
    let found = table(seen.iter());
    if expected == found {
        return Ok(());
    }
    let missing = |offset: &Offset| !seen.iter().any(|it| it.0 == *offset);
    let gone: Vec<_> = appended.iter().map(|it| it.0).filter(missing).collect();
    let (keys, others) = (expected.len(), found.len());
    Err(format!(
        "{keys} keys became {others}; of {upto} records gone: {gone:?}"
    ))
}

fn random_settings(random: &mut Random) -> LogConfig {
    LogConfig {
        delete_retention_ms: [0, 10, 1_000][random.below(3)],
        flush_messages: [1, 100][random.below(2)],
        ..settings([600, 3_000, 20_000][random.below(3)])
    }
}

async fn write_on(
    log: &Log,
    folder: &Folder,
    model: &Model,
    random: &mut Random,
) -> Result<(), Wrong> {
    loop {
        model.now.set(model.now.get() + random.below(4) as WallMs);
        match random.below(24) {
            0 => {
                let path = [("t", 0, log)];
                folder.checkpoint(path.into_iter()).await.expect("written");
            }
            1 | 2 => log.maintain(model.now.get()).await.expect("maintained"),
            3 => {
                let end = log.end_offset();
                log.wait_acked(end).await.expect("no failure");
            }
            4 | 5 => check(log, model).await?,
            6 if random.one_in(4) => return Ok(()),
            _ => append_some(log, model, random).await,
        }
    }
}

async fn append_some(log: &Log, model: &Model, random: &mut Random) {
    let base = log.end_offset();
    let padding = "p".repeat([1, 100, 700][random.below(3)]);
    let mut records = Vec::new();
    for offset in base..base + 1 + random.below(4) as Offset {
        let key = format!("k{}", random.below(9));
        let value = (!random.one_in(5)).then(|| format!("{offset} {padding}"));
        records.push((offset, key, value));
    }
    let pairs: Vec<_> = records
        .iter()
        .map(|it| (it.1.as_str(), it.2.as_deref()))
        .collect();
    let codec = [Codec::None, Codec::Lz4][random.below(2)];
    let batch = keyed(codec, model.now.get(), &pairs);
    match log.append(&batch, 0, None, model.now.get()) {
        Ok(_) => model.appended.borrow_mut().extend(records),
        Err(AppendError::Busy) => log.wait_for_room().await,
        Err(AppendError::LargerThanSegment(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

async fn clean_on(
    log: &Log,
    folder: &Folder,
    model: &Model,
    random: &mut Random,
    over: &Cell<bool>,
) {
    while !over.get() {
        log.0.logs.disk().runtime().yield_now().await;
        let now = model.now.get();
        let cleaned = folder.cleaned("t", 0);
        let Some(dirt) = log.dirt(cleaned, FOREVER, now).await.expect("readable") else {
            continue;
        };
        if !dirt.is_due(0.0) {
            continue;
        }
        let map_bytes_max = [0, 1 << 20][random.below(2)];
        match clean_with(log, &dirt, now, map_bytes_max, &LastRecords::new).await {
            Ok(done) => {
                model.swaps.set(model.swaps.get() + 1);
                folder.set_cleaned("t", 0, done.end).await.expect("written");
            }
            Err(CleanError::Overtaken) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Opens the log, compares it with the model, then works on it until it is interrupted.
async fn live(disk: Disk, model: Rc<Model>, seed: u64) -> Result<(), Wrong> {
    let mut random = Random::new(seed);
    let folder = Folder::open(&disk, Path::new("/data"))
        .await
        .expect("a folder");
    let shared = logs(&disk);
    let path = folder.path("t", 0);
    let config = random_settings(&mut random);
    let (log, recovered) = open(&shared, &path, config, folder.opening("t", 0)).await;
    if let Some(damage) = &recovered.damage {
        return Err(format!("takes a crash for damage: {damage}"));
    }
    compare(&log, &model).await?;
    let telling = Rc::clone(&model);
    let classes = log.0.config.borrow().flush_messages;
    log.on_acked(Rc::new(move |offset| {
        // The other class of acks survives a kill, not a power cut.
        if classes == 1 {
            telling.acked.set(telling.acked.get().max(offset));
        }
    }));
    let over = Cell::new(false);
    let mut other = Random::new(seed ^ 0xC1EA);
    let writing = async {
        let result = write_on(&log, &folder, &model, &mut random).await;
        over.set(true);
        result
    };
    let cleaning = clean_on(&log, &folder, &model, &mut other, &over);
    let (result, ()) = join(writing, cleaning).await;
    result?;
    log.close().await.expect("closed");
    let path = [("t", 0, &log)];
    folder.checkpoint(path.into_iter()).await.expect("written");
    folder.close_cleanly(-1).await.expect("written");
    Ok(())
}

/// Lives through some starts, each ended by a power cut, a kill or a clean stop; returns how
/// many compactions came to their end.
fn run(seed: u64) -> Result<usize, Wrong> {
    let mut random = Random::new(seed);
    let model = Rc::new(Model::default());
    let mut world = World::new(seed);
    for round in 0..5 {
        let steps = 1 << (5 + random.below(9));
        let disk = Disk::simulated(world.disk().clone());
        let life = live(disk, Rc::clone(&model), seed + (round << 32));
        if let Some(Err(wrong)) = world.run_for(steps, life) {
            return Err(wrong);
        }
        world = killed_or_cut(world, &mut random);
    }
    for _ in 0..2 {
        let disk = Disk::simulated(world.disk().clone());
        let model = Rc::clone(&model);
        let checked = world.run(async move {
            let folder = Folder::open(&disk, Path::new("/data"))
                .await
                .expect("a folder");
            let path: PathBuf = folder.path("t", 0);
            let opening = folder.opening("t", 0);
            let (log, _) = open(&logs(&disk), &path, settings(3_000), opening).await;
            compare(&log, &model).await
        });
        checked?;
    }
    Ok(model.swaps.get())
}

#[test]
fn a_crash_at_any_moment_leaves_the_old_or_the_new() {
    let mut cleanings = 0;
    for seed in runs(300) {
        let result = catch_unwind(|| run(seed)).unwrap_or(Err("a panic".to_owned()));
        match result {
            Ok(count) => cleanings += count,
            Err(wrong) => panic!("{wrong} with SIM_SEED={seed} SIM_RUNS=1"),
        }
    }
    assert!(cleanings > 0, "nothing was compacted");
}
