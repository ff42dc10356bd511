//! Drives: what a replay must not undo: segments that are removed or replaced, topics that are
//! deleted.

use super::*;
use crate::log::journal::Replayed;
use crate::log::segment::{PARTITION_METADATA, partition_metadata};
use crate::log::{Cleaning, LastRecords};
use crate::wire::batch::{BatchBuilder, NewRecord};

const OTHER_ID: TopicId = TopicId(Uuid::from_u128(8));

/// The data files of the log `a`, with their content.
fn data_files(sim: &SimDisk) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = sim.paths().into_iter();
    let of_log = paths.filter(|path| path.starts_with("/data/a-0"));
    let data = of_log.filter(|path| path.extension().is_some_and(|it| it == "log"));
    data.map(|path| (path.clone(), sim.content(&path).expect("there")))
        .collect()
}

/// The base offset of the oldest of them.
fn oldest(sim: &SimDisk) -> Offset {
    let first = &data_files(sim)[0].0;
    let name = first.file_stem().and_then(|name| name.to_str());
    name.expect("a name").parse().expect("an offset")
}

/// A log of many segments whose records are in the journal and in the segments.
async fn filled(start: &Start) -> Log {
    let (log, _) = start.open("a", ID, config(1_000)).await;
    for tag in 0..12 {
        append(&log, tag);
        all_acked(&log).await;
    }
    // Not flushed: that is left to what removes them.
    log.0.write_out(12).await;
    log.0.upkeep_idle().await;
    assert!(log.0.is_in_journal());
    log
}

/// Starts after a power cut: the log begins at `begin` and has no file of an older segment.
fn begins_with(world: World, begin: Offset) {
    let world = world.crash(1);
    within(&world, move |sim| async move {
        let start = Start::with(&sim, CAPACITY).await;
        // What the segments hold that are gone is there still, and void.
        let replayed = start.folder.replayed();
        assert!(replayed.entries > 12, "{replayed:?}");
        let (log, _) = start.open("a", ID, config(1_000)).await;
        assert!(log.start_offset() <= begin && log.end_offset() == 12);
        assert_eq!(oldest(&sim), begin, "none before that is back");
        let wanted: Vec<u64> = (begin as u64..12).collect();
        assert_eq!(tags(&log, begin).await, wanted);
    });
}

#[test]
fn what_retention_removed_is_not_back() {
    for world in worlds() {
        let begin = within(&world, move |sim| async move {
            let start = Start::with(&sim, CAPACITY).await;
            let log = filled(&start).await;
            log.set_config(LogConfig {
                retention_bytes: 500,
                ..config(1_000)
            });
            log.maintain(0).await.expect("maintained");
            log.start_offset()
        });
        assert!(begin > 0);
        begins_with(world, begin);
    }
}

#[test]
fn what_was_given_back_and_removed_is_not_back_where_a_front_is_damaged() {
    for front in [0, 4096] {
        let world = World::new(1);
        let begin = within(&world, move |sim| async move {
            let start = Start::with(&sim, CAPACITY).await;
            let log = filled(&start).await;
            start.sleep(3).await;
            assert!(!log.0.is_in_journal(), "so no cut is needed");
            log.set_config(LogConfig {
                retention_bytes: 500,
                ..config(1_000)
            });
            log.maintain(0).await.expect("maintained");
            oldest(&sim)
        });
        assert!(begin > 0);
        let world = world.crash(1);
        let sim = world.disk().clone();
        sim.damage(&file(), |bytes| bytes[front..front + 4096].fill(0));
        world.run(async move {
            let start = Start::with(&sim, CAPACITY).await;
            assert_eq!(start.folder.replayed(), Replayed::default());
            assert_eq!(oldest(&sim), begin, "none before that is back");
        });
    }
}

#[test]
fn deleted_records_are_not_back() {
    for world in worlds() {
        let begin = within(&world, move |sim| async move {
            let start = Start::with(&sim, CAPACITY).await;
            let log = filled(&start).await;
            log.delete_records_before(7).expect("deleted");
            log.maintain(0).await.expect("maintained");
            oldest(&sim)
        });
        assert!(begin > 0 && begin <= 7);
        begins_with(world, begin);
    }
}

#[test]
fn a_deleted_topic_is_not_back() {
    for world in worlds() {
        within(&world, move |sim| async move {
            let start = Start::with(&sim, CAPACITY).await;
            let (log, _) = start.open("a", ID, config(1_000)).await;
            append(&log, 1);
            all_acked(&log).await;
            start.retire(&log).await;
            start.folder.empty_trash().await.expect("deleted");
        });
        let world = world.crash(1);
        within(&world, move |sim| async move {
            let start = Start::with(&sim, CAPACITY).await;
            assert!(start.folder.replayed().entries > 0);
            assert_eq!(start.folder.unclaimed(), []);
            assert_eq!(data_files(&sim), []);
        });
    }
}

#[test]
fn the_next_topic_of_a_name_has_its_own_records_alone() {
    for world in worlds() {
        within(&world, move |sim| async move {
            let start = Start::with(&sim, CAPACITY).await;
            let (log, _) = start.open("a", ID, config(1_000)).await;
            for tag in 0..10 {
                append(&log, tag);
                all_acked(&log).await;
            }
            start.retire(&log).await;
            start.folder.empty_trash().await.expect("deleted");
            let (log, _) = start.open("a", OTHER_ID, config(1_000)).await;
            for tag in 100..103 {
                append(&log, tag);
                all_acked(&log).await;
            }
            assert_eq!(log.written_offset(), 0, "in the journal alone");
        });
        let world = world.crash(1);
        within(&world, move |sim| async move {
            let start = Start::with(&sim, CAPACITY).await;
            start.folder.claim("a", 0, OTHER_ID).await.expect("claimed");
            let (log, _) = start.open("a", OTHER_ID, config(1_000)).await;
            assert_eq!(tags(&log, 0).await, [100, 101, 102]);
        });
    }
}

/// What a start replays into the folder of a log of [`ID`], which has this [`PARTITION_METADATA`].
fn replayed_with(metadata: String) -> (SimDisk, Replayed) {
    let world = World::new(1);
    within(&world, move |sim| async move {
        let start = Start::with(&sim, CAPACITY).await;
        let (log, _) = start.open("a", ID, config(1_000)).await;
        append(&log, 1);
        all_acked(&log).await;
        log.0.upkeep_idle().await;
        let dir = start.folder.path("a", 0);
        start.disk.create_dir(&dir).await.expect("made");
        let path = dir.join(PARTITION_METADATA);
        let written = start.disk.write(&path, metadata.into()).await;
        written.expect("written");
        start.disk.sync_dir(&dir).await.expect("synced");
        start.disk.sync_dir(Path::new(ROOT)).await.expect("synced");
    });
    let world = world.crash(1);
    let sim = world.disk().clone();
    let started = sim.clone();
    let replayed =
        world.run(async move { Start::with(&started, CAPACITY).await.folder.replayed() });
    assert_eq!(replayed.entries, 1);
    (sim, replayed)
}

#[test]
fn a_replay_leaves_the_log_of_another_topic_alone() {
    // As if the old topic's folder had been put out of the way by hand.
    let (sim, replayed) = replayed_with(partition_metadata(OTHER_ID));
    assert_eq!(replayed.bytes, 0);
    let is_blank = |content: &Vec<u8>| content.iter().all(|byte| *byte == 0);
    assert!(data_files(&sim).iter().all(|it| is_blank(&it.1)));
}

#[test]
fn a_replay_knows_its_topic_however_its_id_was_written() {
    for metadata in [
        format!("{}\n", partition_metadata(ID)),
        "version: 0\ntop".into(),
    ] {
        let (_, replayed) = replayed_with(metadata);
        assert!(replayed.bytes > 0);
    }
}

#[test]
fn what_compaction_left_out_is_not_back() {
    let compacted = || LogConfig {
        compact: true,
        delete_old: false,
        min_dirty_ratio: 0.0,
        ..config(2_000)
    };
    for world in worlds() {
        let before = within(&world, move |sim| async move {
            let start = Start::with(&sim, CAPACITY).await;
            let (log, _) = start.open("a", ID, compacted()).await;
            for _ in 0..16 {
                let mut builder = BatchBuilder::new();
                builder.push(NewRecord::new(0, Some(b"k"), Some(&[1; 200])));
                log.append(&builder.build(), 0, None, 0).expect("appended");
                all_acked(&log).await;
            }
            log.0.write_out(16).await;
            log.0.flush();
            let is_sealed = || log.recovery_point() > 7 && log.0.stored_offset.get() == 16;
            while !is_sealed() {
                log.0.start_upkeep();
                log.0.progress.wait().await;
            }
            log.maintain(0).await.expect("maintained");
            log.0.upkeep_idle().await;
            assert!(log.0.is_in_journal());
            let dirt = log.dirt(None, Offset::MAX, 0).await.expect("looked");
            let job = Cleaning {
                map_bytes_max: 1 << 20,
                map_load_factor: 0.9,
                buffer_bytes: 16 << 10,
                bytes_per_second: f64::MAX,
                last_records: &LastRecords::new,
                now: 0,
            };
            let cleaned = log.clean(&dirt.expect("dirt"), &job).await;
            let cleaned = cleaned.expect("cleaned");
            assert!(cleaned.end > 0, "{cleaned:?}");
            data_files(&sim).swap_remove(0)
        });
        let world = world.crash(1);
        within(&world, move |sim| async move {
            let start = Start::with(&sim, CAPACITY).await;
            let replayed = start.folder.replayed();
            assert!(replayed.entries > 16, "{replayed:?}");
            assert_eq!(data_files(&sim)[0], before);
            let (log, _) = start.open("a", ID, compacted()).await;
            assert_eq!(log.end_offset(), 16);
        });
    }
}
