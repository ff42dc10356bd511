//! Pure: tests of what compaction leaves of one batch.

use super::*;
use crate::wire::batch::{BatchBuilder, NewRecord};
use crate::wire::compress::compress;
use crate::wire::unpack::unpack;

impl Filter {
    /// All steps at once.
    fn apply(
        &mut self,
        batch: &BatchView<'_>,
        fate: Fate,
        rules: &Rules<'_>,
    ) -> Result<Left, Unreadable> {
        let mut unpacking = self.unpacking(batch, fate)?;
        if let Some(unpacking) = &mut unpacking {
            while self.unpack(unpacking)? {}
        }
        match self.judge(batch, fate, rules, unpacking.as_ref())? {
            Judged::Left(left) => Ok(left),
            Judged::Pack(mut packing) => {
                while self.pack(&mut packing)? {}
                self.seal(*packing)
            }
        }
    }
}

type Seen = (Offset, WallMs, Option<Vec<u8>>, Option<Vec<u8>>);

const PLAIN: Fate = Fate {
    discard: false,
    needless_marker: false,
    stays: false,
};

fn keys(newest: &[(&str, Offset)]) -> KeyMap {
    let mut keys = KeyMap::new(1 << 16, 0.9, 100);
    for (key, offset) in newest {
        keys.put(key.as_bytes(), *offset).expect("room");
    }
    keys
}

fn rules(keys: &KeyMap, now: WallMs) -> Rules<'_> {
    Rules {
        keys,
        mapped: 200,
        now,
        delete_retention_ms: 50,
        keeps_tombstones: false,
    }
}

/// Offsets 100 to 103: a=1 at 1000, b=2 at 900, a tombstone of a at 1100, c=3 at 800.
fn batch(codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new()
        .base_offset(100)
        .leader_epoch(7)
        .producer(9, 1, 40);
    builder.push(NewRecord::new(1000, Some(b"a"), Some(b"1")));
    builder.push(NewRecord::new(900, Some(b"b"), Some(b"2")));
    builder.push(NewRecord::new(1100, Some(b"a"), None));
    builder.push(NewRecord::new(800, Some(b"c"), Some(b"3")));
    builder.build_compressed(codec, |plain| {
        let mut out = Vec::new();
        compress(codec, plain, &mut out).expect("compressed");
        out
    })
}

fn seen(bytes: &[u8]) -> Vec<Seen> {
    let batch = BatchView::parse(bytes).expect("a batch");
    batch.verify_crc().expect("sealed");
    let mut room = Vec::new();
    let all = unpack(&batch, &mut room).expect("readable");
    all.map(|record| {
        let record = record.expect("a record");
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        (
            record.offset(&batch),
            record.timestamp(&batch),
            owned(record.key),
            owned(record.value),
        )
    })
    .collect()
}

fn brief(seen: &[Seen]) -> Vec<(Offset, WallMs)> {
    seen.iter().map(|one| (one.0, one.1)).collect()
}

#[test]
fn what_is_superseded_goes_and_the_rest_keeps_its_place() {
    for codec in [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ] {
        let bytes = batch(codec);
        let view = BatchView::parse(&bytes).expect("a batch");
        let keys = keys(&[("b", 101), ("a", 102), ("c", 150)]);
        let mut filter = Filter::default();
        let left = filter.apply(&view, PLAIN, &rules(&keys, 5000));
        assert_eq!(left, Ok(Left::Part));
        assert_eq!(brief(&seen(&filter.out)), [(101, 900), (102, 1100)]);
        assert_eq!((filter.records_read, filter.records_kept), (4, 2));
        let left = BatchView::parse(&filter.out).expect("a batch");
        assert_eq!((left.base_offset(), left.last_offset()), (100, 103));
        assert_eq!((left.leader_epoch(), left.producer_id()), (7, 9));
        assert_eq!((left.producer_epoch(), left.base_sequence()), (1, 40));
        assert_eq!(left.attributes().codec(), Ok(codec));
        assert_eq!(left.max_timestamp(), 1100);
        assert_eq!(delete_horizon(&left), Some(5050), "a tombstone waits");
    }
}

#[test]
fn a_tombstone_waits_from_its_first_cleaning_on_and_then_goes() {
    let keys = keys(&[("b", 101), ("a", 102), ("c", 103)]);
    let first = batch(Codec::None);
    let first = BatchView::parse(&first).expect("a batch");
    let mut filter = Filter::default();
    let clean = |filter: &mut Filter, batch: &BatchView<'_>, now| {
        filter.apply(batch, PLAIN, &rules(&keys, now))
    };
    assert_eq!(clean(&mut filter, &first, 5000), Ok(Left::Part));
    let waiting = filter.out.clone();
    let waiting = BatchView::parse(&waiting).expect("a batch");
    assert_eq!(clean(&mut filter, &waiting, 5049), Ok(Left::Whole));
    assert_eq!(clean(&mut filter, &waiting, 5050), Ok(Left::Part));
    assert_eq!(brief(&seen(&filter.out)), [(101, 900), (103, 800)]);
    let left = BatchView::parse(&filter.out).expect("a batch");
    assert_eq!(delete_horizon(&left), Some(5050), "it stays, as in Kafka");
}

#[test]
fn without_tombstones_the_first_record_left_gives_the_base_timestamp() {
    let keys = keys(&[("b", 101), ("a", 120), ("c", 103)]);
    let bytes = batch(Codec::None);
    let view = BatchView::parse(&bytes).expect("a batch");
    let mut filter = Filter::default();
    assert_eq!(filter.apply(&view, PLAIN, &rules(&keys, 0)), Ok(Left::Part));
    let left = BatchView::parse(&filter.out).expect("a batch");
    assert_eq!((left.base_timestamp(), left.max_timestamp()), (900, 900));
    assert_eq!(delete_horizon(&left), None);
}

#[test]
fn a_batch_without_records_stays_as_a_header_where_its_producer_needs_it() {
    let keys = keys(&[("b", 180), ("a", 180), ("c", 180)]);
    let bytes = batch(Codec::Zstd);
    let view = BatchView::parse(&bytes).expect("a batch");
    let mut filter = Filter::default();
    let rules = rules(&keys, 0);
    assert_eq!(filter.apply(&view, PLAIN, &rules), Ok(Left::Nothing));
    let stays = Fate {
        stays: true,
        ..PLAIN
    };
    assert_eq!(filter.apply(&view, stays, &rules), Ok(Left::Part));
    let header = filter.out.clone();
    let left = BatchView::parse(&header).expect("a batch");
    assert_eq!(left.size_bytes(), HEADER_BYTES);
    assert_eq!((left.base_offset(), left.last_offset()), (100, 103));
    assert_eq!(left.last_sequence(), 43);
    assert_eq!((left.base_timestamp(), left.max_timestamp()), (-1, 1100));
    assert!(seen(&header).is_empty());
    // Once more: it stays empty, and goes when it is no longer needed.
    assert_eq!(filter.apply(&left, stays, &rules), Ok(Left::Part));
    assert_eq!(filter.out, header);
    assert_eq!(filter.apply(&left, PLAIN, &rules), Ok(Left::Nothing));
}

#[test]
fn records_behind_the_map_and_unknown_keys_stay_and_keyless_ones_go() {
    let keys = keys(&[("a", 102)]);
    let bytes = batch(Codec::None);
    let view = BatchView::parse(&bytes).expect("a batch");
    let mut filter = Filter::default();
    let mut rules = rules(&keys, 0);
    rules.mapped = 100;
    // The tombstone is not judged, but is seen, as in Kafka.
    assert_eq!(filter.apply(&view, PLAIN, &rules), Ok(Left::Part));
    assert_eq!(seen(&filter.out).len(), 4);
    rules.mapped = 104;
    assert_eq!(filter.apply(&view, PLAIN, &rules), Ok(Left::Part));
    assert_eq!(
        brief(&seen(&filter.out)),
        [(101, 900), (102, 1100), (103, 800)]
    );
    let mut builder = BatchBuilder::new().base_offset(100);
    builder.push(NewRecord::new(1, None, Some(b"x")));
    let keyless = builder.build();
    let keyless = BatchView::parse(&keyless).expect("a batch");
    assert_eq!(filter.apply(&keyless, PLAIN, &rules), Ok(Left::Nothing));
}

#[test]
fn a_needless_marker_waits_and_then_goes() {
    let mut builder = BatchBuilder::new()
        .base_offset(5)
        .producer(9, 0, -1)
        .transactional()
        .control();
    builder.push(NewRecord::new(70, Some(&[0, 0, 0, 1]), Some(&[0; 6])));
    let bytes = builder.build();
    let view = BatchView::parse(&bytes).expect("a batch");
    let keys = keys(&[]);
    let mut filter = Filter::default();
    let fate = Fate {
        needless_marker: true,
        ..PLAIN
    };
    assert_eq!(
        filter.apply(&view, PLAIN, &rules(&keys, 10)),
        Ok(Left::Whole)
    );
    assert_eq!(filter.apply(&view, fate, &rules(&keys, 10)), Ok(Left::Part));
    let left = filter.out.clone();
    let left = BatchView::parse(&left).expect("a batch");
    assert_eq!(delete_horizon(&left), Some(60));
    assert!(left.attributes().is_control() && left.attributes().is_transactional());
    let gone = Fate {
        discard: true,
        ..fate
    };
    assert_eq!(
        filter.apply(&left, gone, &rules(&keys, 60)),
        Ok(Left::Nothing)
    );
}
