//! Drives: damage of epochs, at the next start, and found while the log is in use.

use super::*;

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
