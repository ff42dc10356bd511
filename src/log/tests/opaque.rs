//! Drives: batches that nothing can look into, in a log that is compacted.

use super::support::*;
use crate::base::WallMs;
use crate::log::{Cleaned, Cleaning, LastRecords, Log, LogConfig, Opening};
use crate::wire::batch::{BatchBuilder, Codec, NewRecord};

/// Bytes of a value that fill a segment.
const LONG: usize = 900;

fn record(key: &str, value: Option<&[u8]>) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.push(NewRecord::new(1, Some(key.as_bytes()), value));
    builder.build()
}

/// A batch whose records are no data of its codec, though its checksum is right.
fn garbage() -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.push(NewRecord::new(1, Some(b"b"), Some(b"1")));
    builder.build_compressed(Codec::Gzip, |plain| plain.to_vec())
}

async fn append(log: &Log, batch: &[u8]) {
    log.append(batch, 0, None, 0).expect("appended");
    acked(log, log.end_offset()).await;
}

async fn clean(log: &Log, now: WallMs) -> Cleaned {
    let dirt = loop {
        log.maintain(0).await.expect("maintained");
        let dirt = log.dirt(None, i64::MAX, now).await.expect("readable");
        let dirt = dirt.expect("compacted");
        if dirt.end == log.0.active().expect("one").base_offset {
            break dirt;
        }
        log.0.logs.disk().runtime().yield_now().await;
    };
    let job = Cleaning {
        map_bytes_max: 1 << 20,
        map_load_factor: 0.9,
        buffer_bytes: 16 << 10,
        bytes_per_second: f64::MAX,
        last_records: &LastRecords::new,
        now,
    };
    log.clean(&dirt, &job).await.expect("cleaned")
}

/// Base offset of each batch that still has records.
async fn left(log: &Log) -> Vec<i64> {
    let mut next = 0;
    let mut found = Vec::new();
    while next < log.acked_offset() {
        let mut out = Vec::new();
        let read = log.read(next, 1, log.acked_offset(), &mut out).await;
        if read.expect("readable") == 0 {
            break;
        }
        let bytes = joined(&out);
        let batch = crate::wire::batch::BatchView::parse(&bytes).expect("whole");
        if batch.record_count() > 0 {
            found.push(batch.base_offset());
        }
        next = batch.next_offset();
    }
    found
}

#[test]
fn a_batch_that_cannot_be_looked_into_is_kept_and_does_not_stop_compaction() {
    on_real_disk(|disk, dir| async move {
        for (name, opaque) in [("garbage", garbage()), ("bomb", bomb(Some(b"b"), 1))] {
            let config = LogConfig {
                compact: true,
                delete_old: false,
                min_dirty_ratio: 0.0,
                delete_retention_ms: 100,
                ..config(100_000)
            };
            let dir = dir.join(name);
            let (log, _) = open(&logs(&disk), &dir, config, Opening::default()).await;
            append(&log, &record("a", Some(b"1"))).await;
            append(&log, &record("d", Some(b"1"))).await;
            append(&log, &record("d", None)).await;
            append(&log, &opaque).await;
            append(&log, &record("a", Some(b"2"))).await;
            append(&log, &record("b", None)).await;
            // Two more segments.
            for _ in 0..250 {
                append(&log, &record("c", Some(&[7; LONG]))).await;
            }
            let first = log.0.active().expect("one").base_offset;
            let cleaned = clean(&log, 1_000).await;
            assert_eq!(cleaned.unreadable_count, 1, "{name}");
            assert_eq!(cleaned.unreadable.map(|it| it.0), Some(3), "{name}");
            assert_eq!(cleaned.end, first);
            let before = left(&log).await;
            assert_eq!(before[..4], [2, 3, 4, 5], "{name}");
            // The tombstone before it goes after a while, the one behind it stays: the batch may
            // hold its key.
            for _ in 0..250 {
                append(&log, &record("c", Some(&[7; LONG]))).await;
            }
            let cleaned = clean(&log, 2_000).await;
            assert_eq!(cleaned.unreadable_count, 1, "{name}");
            assert_eq!(left(&log).await[..3], [3, 4, 5], "{name}");
        }
    });
}
