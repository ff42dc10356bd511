//! Drives: compaction: what is left of a log.

mod crashes;
mod running;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use futures_util::future::join;

use super::support::{joined, killed_or_cut, logs, on_both_disks, open, runs};
use crate::base::{Offset, WallMs};
use crate::io::disk::Disk;
use crate::io::sim::{Random, World};
use crate::log::{
    AppendError, CleanError, Cleaned, Cleaning, Dirt, Folder, LastRecord, LastRecords, Log,
    LogConfig, Opening,
};
use crate::wire::batch::{BatchBuilder, Codec, NewRecord, Records, batches};
use crate::wire::compress::{compress, decompress};

/// A record as a reader sees it: offset, key, value.
type Seen = (Offset, String, Option<String>);

const FOREVER: Offset = Offset::MAX;

fn settings(segment_bytes: u64) -> LogConfig {
    LogConfig {
        compact: true,
        delete_old: false,
        min_dirty_ratio: 0.0,
        delete_retention_ms: 100,
        ..super::support::config(segment_bytes)
    }
}

/// A batch of records with these keys and values.
fn keyed(codec: Codec, timestamp: WallMs, records: &[(&str, Option<&str>)]) -> Vec<u8> {
    build(BatchBuilder::new(), codec, timestamp, records)
}

fn build(
    mut builder: BatchBuilder,
    codec: Codec,
    timestamp: WallMs,
    records: &[(&str, Option<&str>)],
) -> Vec<u8> {
    for (key, value) in records {
        let value = value.map(str::as_bytes);
        builder.push(NewRecord::new(timestamp, Some(key.as_bytes()), value));
    }
    if codec == Codec::None {
        return builder.build();
    }
    builder.build_compressed(codec, |plain| {
        let mut out = Vec::new();
        compress(codec, plain, &mut out).expect("compressed");
        out
    })
}

/// Everything acked from the start on, batch by batch as stored; checks what a consumer relies on.
async fn read(log: &Log) -> Vec<Seen> {
    let mut next = log.start_offset();
    let mut seen = Vec::new();
    while next < log.acked_offset() {
        let mut out = Vec::new();
        let bytes = log.read(next, 5_000, log.acked_offset(), &mut out).await;
        if bytes.expect("readable") == 0 {
            break;
        }
        for batch in batches(&joined(&out)) {
            let batch = batch.expect("whole batches");
            batch.verify_crc().expect("as written");
            assert!(batch.last_offset() >= next, "always further on");
            let mut plain = Vec::new();
            let codec = batch.attributes().codec().expect("known");
            decompress(codec, batch.records_bytes(), 1 << 20, &mut plain).expect("whole");
            for record in Records::new(batch.record_count(), &plain) {
                let record = record.expect("a record");
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
                let offset = record.offset(&batch);
                if offset >= next {
                    let key = text(record.key.expect("a key"));
                    seen.push((offset, key, record.value.map(text)));
                }
            }
            next = batch.next_offset();
        }
    }
    assert!(seen.is_sorted_by(|a, b| a.0 < b.0), "in order");
    seen
}

/// What a table made of the records holds.
fn table<'a>(records: impl Iterator<Item = &'a Seen>) -> BTreeMap<&'a str, &'a str> {
    let mut table = BTreeMap::new();
    for (_, key, value) in records {
        match value {
            Some(value) => table.insert(key.as_str(), value.as_str()),
            None => table.remove(key.as_str()),
        };
    }
    table
}

async fn clean_with(
    log: &Log,
    dirt: &Dirt,
    now: WallMs,
    map_bytes_max: usize,
    last_records: &dyn Fn() -> LastRecords,
) -> Result<Cleaned, CleanError> {
    let job = Cleaning {
        map_bytes_max,
        map_load_factor: 0.9,
        buffer_bytes: 16 << 10,
        bytes_per_second: f64::MAX,
        last_records,
        now,
    };
    log.clean(dirt, &job).await
}

/// Cleans what there is; `None` when nothing is dirty.
async fn clean(log: &Log, cleaned: Option<Offset>, now: WallMs) -> Option<Cleaned> {
    let dirt = log.dirt(cleaned, FOREVER, now).await.expect("readable")?;
    if !dirt.is_due(log.min_dirty_ratio()) {
        return None;
    }
    let done = clean_with(log, &dirt, now, 1 << 20, &LastRecords::new).await;
    Some(done.expect("cleaned"))
}

/// Appends and waits until it is acked and what lies before it has its final form.
async fn append(log: &Log, batch: &[u8]) {
    log.append(batch, 0, None, 0).expect("appended");
    let end = log.end_offset();
    log.wait_acked(end).await.expect("acked");
    log.maintain(0).await.expect("maintained");
    log.0.upkeep_idle().await;
}

/// Waits until everything but the active segment can be cleaned.
async fn seal(log: &Log) {
    loop {
        let dirt = log.dirt(None, FOREVER, 0).await.expect("readable");
        let active = log.0.active().expect("there is one").base_offset;
        if dirt.expect("compacted").end == active {
            return;
        }
        log.maintain(0).await.expect("maintained");
        log.0.logs.disk().runtime().yield_now().await;
    }
}

/// 40 batches of two records over seven keys; every fifth one deletes.
async fn fill(log: &Log, codec: Codec) -> Vec<Seen> {
    let mut appended = Vec::new();
    let padding = "x".repeat(100);
    for number in 0..40 {
        let mut records = Vec::new();
        for index in 0..2 {
            let key = format!("key {}", (number * 2 + index) * 5 % 7);
            let value = (number % 5 != 4).then(|| format!("{number} {padding}"));
            appended.push((number * 2 + index, key, value));
        }
        let [one, two] = &appended[appended.len() - 2..] else {
            unreachable!("two were pushed")
        };
        records.push((one.1.as_str(), one.2.as_deref()));
        records.push((two.1.as_str(), two.2.as_deref()));
        append(log, &keyed(codec, 1_000 + number, &records)).await;
    }
    seal(log).await;
    appended
}

async fn names(disk: &Disk, dir: &Path, suffix: &str) -> Vec<String> {
    let listed = disk.list(dir).await.expect("there");
    let mut names: Vec<String> = listed.into_iter().map(|entry| entry.name).collect();
    names.retain(|name| name.ends_with(suffix));
    names.sort();
    names
}

#[test]
fn the_newest_record_of_each_key_is_left_where_it_was() {
    on_both_disks(|disk, dir| async move {
        for codec in [Codec::None, Codec::Zstd] {
            let dir = dir.join(codec.name());
            let (log, _) = open(&logs(&disk), &dir, settings(1_200), Opening::default()).await;
            let appended = fill(&log, codec).await;
            let active = log.0.active().expect("there is one").base_offset;
            assert_eq!(read(&log).await, appended);
            let before = names(&disk, &dir, ".log").await.len();
            assert!(before >= 3, "{before}");
            let cleaned = clean(&log, None, 5_000).await.expect("it is dirty");
            assert_eq!(cleaned.end, active);
            assert_eq!(cleaned.segments.0, before - 1);

            // Superseded by one that was cleaned too.
            let newest: HashMap<_, _> = appended
                .iter()
                .filter(|record| record.0 < active)
                .map(|record| (&record.1, record.0))
                .collect();
            let expected: Vec<Seen> = appended
                .iter()
                .filter(|record| record.0 >= active || newest[&record.1] == record.0)
                .cloned()
                .collect();
            assert_eq!(read(&log).await, expected);
            assert_eq!((log.start_offset(), log.end_offset()), (0, 80));
            assert_eq!(cleaned.records.0, active as u64);
            // Nothing is dirty any more.
            let dirt = log
                .dirt(Some(active), FOREVER, 5_000)
                .await
                .expect("readable");
            assert_eq!(dirt.expect("compacted").dirty_bytes, 0);

            log.close().await.expect("closed");
            for clean in [true, false] {
                let opening = Opening {
                    clean,
                    recovery_point: if clean { 80 } else { 0 },
                    ..Opening::default()
                };
                let (log, recovered) = open(&logs(&disk), &dir, settings(1_200), opening).await;
                assert!(
                    recovered.cut.is_none() && recovered.damage.is_none(),
                    "{recovered:?}"
                );
                assert_eq!(read(&log).await, expected, "clean: {clean}");
                assert_eq!(names(&disk, &dir, ".cleaned").await, [""; 0]);
                assert_eq!(names(&disk, &dir, ".swap").await, [""; 0]);
                log.close().await.expect("closed");
            }
        }
    });
}

#[test]
fn tombstones_go_once_they_have_waited() {
    on_both_disks(|disk, dir| async move {
        let (log, _) = open(&logs(&disk), &dir, settings(700), Opening::default()).await;
        let long = "v".repeat(300);
        append(
            &log,
            &keyed(Codec::None, 1, &[("a", Some(&long)), ("b", Some("1"))]),
        )
        .await;
        append(&log, &keyed(Codec::None, 2, &[("a", None)])).await;
        append(&log, &keyed(Codec::None, 3, &[("c", Some(&long))])).await;
        append(&log, &keyed(Codec::None, 3, &[("d", Some(&long))])).await;
        seal(&log).await;
        let offsets = |seen: Vec<Seen>| seen.iter().map(|it| it.0).collect::<Vec<_>>();
        let mut end = clean(&log, None, 1_000).await.expect("dirty").end;
        assert_eq!(offsets(read(&log).await), [1, 2, 3, 4]);
        let mut left = vec![1, 2, 3, 4];
        for (now, is_there) in [(1_050, true), (1_099, true), (1_100, false)] {
            // A cleaning takes something dirty.
            for _ in 0..2 {
                append(&log, &keyed(Codec::None, 4, &[("e", Some(&long))])).await;
            }
            seal(&log).await;
            end = clean(&log, Some(end), now).await.expect("dirty").end;
            left = offsets(read(&log).await);
            assert_eq!(left.contains(&2), is_there, "at {now}: {left:?}");
        }
        assert_eq!(&left[..3], [1, 3, 4]);
    });
}

#[test]
fn what_does_not_fit_into_the_map_is_cleaned_in_several_goes() {
    on_both_disks(|disk, dir| async move {
        let (log, _) = open(&logs(&disk), &dir, settings(1_200), Opening::default()).await;
        let mut appended = Vec::new();
        for number in 0..60 {
            let key = format!("key {}", number % 30);
            append(
                &log,
                &keyed(Codec::None, 1, &[(&key, Some(&"y".repeat(100)))]),
            )
            .await;
            appended.push((number, key, Some("y".repeat(100))));
        }
        seal(&log).await;
        let active = log.0.active().expect("there is one").base_offset;
        let (mut end, mut goes) = (0, 0);
        while end < active {
            let dirt = log.dirt(Some(end), FOREVER, 0).await.expect("readable");
            let dirt = dirt.expect("compacted");
            // Room for 14 keys.
            let done = clean_with(&log, &dirt, 0, 0, &LastRecords::new).await;
            let done = done.expect("cleaned");
            assert!(done.end > end && done.keys_count <= 14, "{done:?}");
            (end, goes) = (done.end, goes + 1);
            assert_eq!(table(read(&log).await.iter()), table(appended.iter()));
        }
        assert!(goes >= 4, "{goes}");
        let left = read(&log).await;
        let cleaned = left.iter().filter(|record| record.0 < active).count();
        assert_eq!(cleaned, 30.min(active as usize));
    });
}

#[test]
fn the_last_batch_of_an_active_producer_stays_as_a_header() {
    on_both_disks(|disk, dir| async move {
        let (log, _) = open(&logs(&disk), &dir, settings(600), Opening::default()).await;
        for (producer, sequence) in [(7, 0), (8, 0), (7, 1)] {
            let builder = BatchBuilder::new().producer(producer, 3, sequence);
            append(&log, &build(builder, Codec::None, 1, &[("k", Some("v"))])).await;
        }
        for _ in 0..2 {
            append(
                &log,
                &keyed(Codec::None, 2, &[("k", Some(&"z".repeat(400)))]),
            )
            .await;
        }
        seal(&log).await;
        let dirt = log.dirt(None, FOREVER, 0).await.expect("readable");
        let last_records = || {
            let last = |offset| LastRecord {
                data_offset: Some(offset),
                epoch: 3,
            };
            LastRecords::from([(7, last(2)), (8, last(1))])
        };
        let dirt = dirt.expect("compacted");
        let done = clean_with(&log, &dirt, 0, 1 << 20, &last_records).await;
        assert_eq!(done.expect("cleaned").end, 4);
        let mut out = Vec::new();
        // A read ends with its segment.
        for from in [0, 3] {
            let read = log.read(from, 10_000, 4, &mut out).await;
            read.expect("readable");
        }
        let left: Vec<_> = batches(&joined(&out))
            .map(|batch| {
                let batch = batch.expect("whole");
                let sequence = batch.last_sequence();
                (batch.last_offset(), batch.record_count(), sequence)
            })
            .collect();
        assert_eq!(left, [(1, 0, 0), (2, 0, 1), (3, 1, -1)]);
    });
}
