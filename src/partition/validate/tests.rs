use crate::wire::batch::{BatchBuilder, NewRecord, reseal, set_timestamp};
use crate::wire::compress::compress;
use crate::wire::cursor::Sink;

use super::walk::PROBLEMS_LISTED_MAX;
use super::*;
use crate::wire::batch::NO_TIMESTAMP;
use crate::wire::batch::RecordError;

const NOW: WallMs = 1_700_000_000_000;

const RULES: Rules = Rules {
    max_message_bytes: 1_048_588,
    timestamp_type: TimestampType::CreateTime,
    timestamp_before_max_ms: i64::MAX,
    timestamp_after_max_ms: 3_600_000,
    compacted: false,
    compression: None,
    compression_level: 3,
};

const CODECS: [Codec; 5] = [
    Codec::None,
    Codec::Gzip,
    Codec::Snappy,
    Codec::Lz4,
    Codec::Zstd,
];

fn pack(codec: Codec) -> impl FnOnce(&[u8]) -> Vec<u8> {
    move |records| {
        let mut packed = Vec::new();
        compress(codec, records, &mut packed).unwrap();
        packed
    }
}

/// A batch of `builder`'s kind with records of these timestamps; only odd ones have a key.
fn build(mut builder: BatchBuilder, timestamps: &[WallMs], codec: Codec) -> Vec<u8> {
    for (i, timestamp) in timestamps.iter().enumerate() {
        let key = (i % 2 == 1).then_some(&b"k"[..]);
        builder.push(NewRecord::new(*timestamp, key, Some(b"value")));
    }
    builder.build_compressed(codec, pack(codec))
}

fn good(codec: Codec) -> Vec<u8> {
    build(BatchBuilder::new(), &[NOW, NOW - 5, NOW + 5], codec)
}

/// The batch with `bytes` at `at` and the checksum made anew.
fn with<const N: usize>(mut batch: Vec<u8>, at: usize, bytes: [u8; N]) -> Vec<u8> {
    batch[at..at + N].copy_from_slice(&bytes);
    let codec = BatchView::parse(&batch).unwrap().attributes().codec();
    if let Ok(codec) = codec {
        reseal(&mut batch, codec);
    } else {
        let crc = crc32c::crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    batch
}

/// A batch whose records are these bytes, whose header counts `count`.
fn of_records(records: &[u8], count: i32, codec: Codec) -> Vec<u8> {
    let mut batch = good(Codec::None);
    batch.truncate(61);
    compress(codec, records, &mut batch).unwrap();
    reseal(&mut batch, codec);
    set_timestamp(&mut batch, TimestampType::CreateTime, NOW).unwrap();
    let batch = with(batch, 23, (count - 1).to_be_bytes());
    with(batch, 57, count.to_be_bytes())
}

fn record(offset_delta: i32) -> Vec<u8> {
    let mut body = vec![0, 0];
    body.put_varint(offset_delta);
    body.extend([1, 2, b'v', 0]);
    let mut record = Vec::new();
    record.put_varint(body.len() as i32);
    record.extend(body);
    record
}

fn check(bytes: &[u8], rules: &Rules) -> Result<(Vec<u8>, Option<WallMs>), Invalid> {
    let mut rewritten = Vec::new();
    let valid = validate(bytes, rules, Origin::Client, NOW, &mut rewritten)?;
    Ok((valid.batch.bytes().to_vec(), valid.log_append_time))
}

fn fault(bytes: &[u8]) -> Invalid {
    check(bytes, &RULES).unwrap_err()
}

#[test]
fn good_batches_are_stored_as_they_came() {
    for codec in CODECS {
        let batch = good(codec);
        let mut rewritten = Vec::new();
        let valid = validate(&batch, &RULES, Origin::Client, NOW, &mut rewritten).unwrap();
        assert_eq!(valid.batch.bytes().as_ptr(), batch.as_ptr(), "{codec:?}");
        assert_eq!(valid.log_append_time, None);
        assert_eq!(rewritten.capacity(), 0);
    }
}

#[test]
fn there_is_one_whole_batch() {
    let batch = good(Codec::None);
    for end in 0..batch.len() {
        assert_eq!(fault(&batch[..end]), Invalid::NoBatch, "{end}");
    }
    let behind = |rest: &[u8]| check(&[&batch[..], rest].concat(), &RULES);
    let as_it_was = Ok((batch.clone(), None));
    assert_eq!(behind(&[1; 5]), as_it_was);
    assert_eq!(behind(&[0xff; 11]), as_it_was);
    assert_eq!(behind(&batch[..batch.len() - 3]), as_it_was);
    assert_eq!(behind(&[0; 20]), Err(Invalid::Malformed));
    assert_eq!(behind(&batch), Err(Invalid::SecondBatch));
}

#[test]
fn old_and_impossible_formats_are_told_apart() {
    for (magic, expected) in [
        (0, Invalid::OldFormat(0)),
        (1, Invalid::OldFormat(1)),
        (3, Invalid::Malformed),
        (-1, Invalid::Malformed),
    ] {
        let mut batch = good(Codec::None);
        batch[16] = magic as u8;
        assert_eq!(fault(&batch), expected);
    }
    for length in [i32::MIN, -1, 0, 13, 14, 20, 48] {
        let mut batch = good(Codec::None);
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        assert_eq!(fault(&batch), Invalid::Malformed, "{length}");
    }
}

#[test]
fn zstd_needs_a_request_of_version_seven() {
    let batch = good(Codec::Zstd);
    assert_eq!(check_version(&batch, 6), Err(Invalid::ZstdTooOld));
    assert_eq!(check_version(&batch, 7), Ok(()));
    assert_eq!(check_version(&good(Codec::Gzip), 3), Ok(()));
    assert_eq!(check_version(&[], 3), Err(Invalid::NoBatch));
}

#[test]
fn base_offset_then_size_then_checksum() {
    let mut batch = good(Codec::None);
    let size = batch.len();
    let small = Rules {
        max_message_bytes: size - 1,
        ..RULES
    };
    batch[60] ^= 1;
    let max = size - 1;
    assert_eq!(check(&batch, &small), Err(Invalid::TooLarge { size, max }));
    assert!(matches!(fault(&batch), Invalid::Crc { .. }));
    batch[7] = 5;
    assert_eq!(check(&batch, &small), Err(Invalid::BaseOffset(5)));
}

#[test]
fn header_fields_that_no_client_writes() {
    let none = Codec::None;
    let count = |delta: i32, count: i32| {
        let batch = with(good(none), 23, delta.to_be_bytes());
        fault(&with(batch, 57, count.to_be_bytes()))
    };
    for (delta, claimed) in [(5, 3), (-1, 3), (0, 0), (-1, 0), (-2, -1), (2, 0), (2, -1)] {
        let offsets = i64::from(delta) + 1;
        let expected = Invalid::Count {
            count: claimed,
            offsets,
        };
        assert_eq!(count(delta, claimed), expected);
    }
    // As many as the header spans, but not as many as there are.
    assert_eq!(count(3, 4), Invalid::Record(RecordError::Truncated));
    assert!(matches!(
        count(1, 2),
        Invalid::Record(RecordError::Trailing(_))
    ));

    let control = build(BatchBuilder::new().control(), &[NOW], none);
    assert_eq!(fault(&control), Invalid::Control);
    let mut rewritten = Vec::new();
    let own = validate(&control, &RULES, Origin::Coordinator, NOW, &mut rewritten);
    assert_eq!(own.unwrap().batch.bytes(), control);
    for sequence in [-1, -2] {
        let batch = build(BatchBuilder::new().producer(5, 0, sequence), &[NOW], none);
        assert_eq!(fault(&batch), Invalid::Sequence(sequence));
    }
    for id in 5..8 {
        assert_eq!(fault(&with(good(none), 21, [0, id])), Invalid::Codec(id));
    }
}

#[test]
fn records_that_do_not_parse_are_refused_whatever_the_codec() {
    let sized = |size: i32| {
        let mut bytes = record(0);
        let body = bytes.split_off(1);
        bytes.clear();
        bytes.put_varint(size);
        bytes.extend(body);
        bytes
    };
    let with_headers = |count: i32, rest: &[u8]| {
        let mut body = vec![0, 0, 0, 1, 1];
        body.put_varint(count);
        body.extend(rest);
        let mut record = Vec::new();
        record.put_varint(body.len() as i32);
        record.extend(body);
        record
    };
    for codec in CODECS {
        let outcome = |records: &[u8]| check(&of_records(records, 1, codec), &RULES);
        assert!(outcome(&record(0)).is_ok());
        for size in [8, 6, 1000, 1 << 30, -1] {
            let broken = outcome(&sized(size));
            assert!(
                matches!(broken, Err(Invalid::Record(_))),
                "{codec:?} {size} {broken:?}"
            );
        }
        for (count, rest) in [(-1, &[][..]), (5, &[]), (1 << 27, &[]), (1, &[1, 1])] {
            let broken = outcome(&with_headers(count, rest));
            assert!(
                matches!(broken, Err(Invalid::Record(_))),
                "{codec:?} {count}"
            );
        }
        // Lengths below -1 stand for an absent value too.
        assert!(outcome(&with_headers(1, &[2, b'k', 9])).is_ok());
        if codec != Codec::None {
            let mut garbage = of_records(&record(0), 1, codec);
            garbage.truncate(61);
            garbage.extend(b"garbage garbage garbage");
            reseal(&mut garbage, codec);
            assert_eq!(fault(&garbage), Invalid::Undecodable(codec));
        }
    }
}

#[test]
fn offsets_are_counted_anew_where_that_is_cheap() {
    let numbered = [record(0), record(1), record(2)].concat();
    let odd = [record(7), record(3), record(300)].concat();
    let expected = of_records(&numbered, 3, Codec::None);
    let batch = of_records(&odd, 3, Codec::None);
    assert_eq!(check(&batch, &RULES), Ok((expected, None)));
    for codec in &CODECS[1..] {
        assert_eq!(fault(&of_records(&odd, 3, *codec)), Invalid::Unordered);
    }
}

#[test]
fn timestamps_keep_their_distance_from_the_clock() {
    let near = Rules {
        timestamp_before_max_ms: 100,
        timestamp_after_max_ms: 50,
        ..RULES
    };
    for codec in CODECS {
        let outcome = |timestamps: &[WallMs]| {
            check(&build(BatchBuilder::new(), timestamps, codec), &near).map(|_| ())
        };
        assert_eq!(outcome(&[NOW - 100, NOW + 50, NO_TIMESTAMP]), Ok(()));
        let problem = |index, found| RecordProblem {
            index,
            why: Problem::Timestamp {
                found,
                earliest: NOW - 100,
                latest: NOW + 50,
            },
        };
        let problems = vec![problem(1, NOW - 101), problem(3, NOW + 51)];
        let rejected = Rejected { problems, total: 2 };
        let found = outcome(&[NOW, NOW - 101, NOW, NOW + 51]);
        assert_eq!(found, Err(Invalid::Rejected(Box::new(rejected))));
        for far in [i64::MAX, i64::MIN, -2, 0] {
            assert!(outcome(&[far]).is_err(), "{far}");
        }
    }
    // Kafka's defaults: anything old, at most an hour ahead.
    let outcome = |timestamp| {
        check(
            &build(BatchBuilder::new(), &[timestamp], Codec::None),
            &RULES,
        )
    };
    assert!(outcome(0).is_ok());
    assert!(outcome(NOW + 3_600_000).is_ok());
    for far in [NOW + 3_600_001, i64::MAX, i64::MIN] {
        assert!(outcome(far).is_err(), "{far}");
    }
}

#[test]
fn compacted_topics_need_keys() {
    let compacted = Rules {
        compacted: true,
        ..RULES
    };
    for codec in CODECS {
        let batch = build(BatchBuilder::new(), &[NOW, NOW, i64::MAX, i64::MAX], codec);
        let Err(Invalid::Rejected(rejected)) = check(&batch, &compacted) else {
            panic!("{codec:?}");
        };
        let indexes: Vec<_> = rejected.problems.iter().map(|p| p.index).collect();
        assert_eq!(indexes, [0, 2, 3]);
        assert_eq!(rejected.problems[1].why, Problem::NoKey);
        assert!(rejected.has_timestamp());
    }
    let batch = build(BatchBuilder::new(), &[NOW; 3], Codec::None);
    let Err(Invalid::Rejected(rejected)) = check(&batch, &compacted) else {
        panic!();
    };
    assert!(!rejected.has_timestamp());
    let mut builder = BatchBuilder::new();
    builder.push(NewRecord::new(NOW, Some(b""), None));
    assert!(check(&builder.build(), &compacted).is_ok());
}

#[test]
fn a_million_bad_records_are_counted_and_not_listed() {
    let mut builder = BatchBuilder::new();
    for _ in 0..20_000 {
        builder.push(NewRecord::new(i64::MAX, None, None));
    }
    let batch = builder.build_compressed(Codec::Gzip, pack(Codec::Gzip));
    let Err(Invalid::Rejected(rejected)) = check(&batch, &RULES) else {
        panic!();
    };
    assert_eq!(rejected.total, 20_000);
    assert_eq!(rejected.problems.len(), PROBLEMS_LISTED_MAX);
}

#[test]
fn the_brokers_clock_takes_any_timestamp_but_its_own() {
    let broker = Rules {
        timestamp_type: TimestampType::LogAppendTime,
        ..RULES
    };
    for codec in CODECS {
        let batch = build(BatchBuilder::new(), &[5, i64::MAX], codec);
        assert_eq!(check(&batch, &broker), Ok((batch.clone(), Some(NOW))));

        let claiming = build(
            BatchBuilder::new().log_append_time(),
            &[NOW, NOW - 3],
            codec,
        );
        let Err(Invalid::Rejected(rejected)) = check(&claiming, &broker) else {
            panic!("{codec:?}");
        };
        assert_eq!((rejected.total, rejected.has_timestamp()), (2, true));
        // Elsewhere the claim is corrected.
        let (stored, _) = check(&claiming, &RULES).unwrap();
        let stored = BatchView::parse(&stored).unwrap();
        assert_eq!(stored.verify_crc(), Ok(()));
        assert_eq!(stored.max_timestamp(), NOW);
        let kind = stored.attributes().timestamp_type();
        assert_eq!(kind, TimestampType::CreateTime);
    }
}

#[test]
fn a_largest_timestamp_that_is_none_is_corrected() {
    for codec in CODECS {
        let lying = with(good(codec), 35, 12_345i64.to_be_bytes());
        assert_eq!(check(&lying, &RULES), Ok((good(codec), None)));
    }
}

#[test]
fn a_topic_may_have_a_codec_of_its_own() {
    for target in CODECS {
        let own = Rules {
            compression: Some(target),
            ..RULES
        };
        for source in CODECS {
            let (stored, _) = check(&good(source), &own).unwrap();
            assert_eq!(stored, good(target), "{source:?} to {target:?}");
        }
    }
    let mut builder = BatchBuilder::new();
    builder.push(NewRecord::new(NOW, None, Some(&[7; 10_000])));
    let batch = builder.build_compressed(Codec::Gzip, pack(Codec::Gzip));
    let own = Rules {
        compression: Some(Codec::None),
        max_message_bytes: 300,
        ..RULES
    };
    assert!(matches!(
        check(&batch, &own),
        Err(Invalid::TooLarge { max: 300, .. })
    ));
}

#[test]
fn a_bomb_is_refused_before_it_is_large() {
    let mut records = vec![0; 40 << 20];
    let mut front = Vec::new();
    front.put_varint(records.len() as i32 - 5);
    front.extend([0, 0, 0, 1]);
    front.put_varint(records.len() as i32 - 15);
    records[..front.len()].copy_from_slice(&front);
    for codec in &CODECS[1..] {
        let batch = of_records(&records, 1, *codec);
        let small = Rules {
            max_message_bytes: 1 << 20,
            ..RULES
        };
        let bomb = check(&batch, &small);
        let too_large = matches!(bomb, Err(Invalid::TooLarge { .. }));
        let max = UNPACKED_BYTES_MIN;
        assert!(too_large || bomb == Err(Invalid::Bomb { max }), "{codec:?}");
        assert_eq!(too_large, *codec == Codec::Snappy, "{codec:?}");
    }
}

#[test]
fn what_is_accepted_can_be_looked_into_whatever_the_topic_allows() {
    for max_message_bytes in [1, 1 << 20, 8 << 20, 100 << 20, usize::MAX] {
        let rules = Rules {
            max_message_bytes,
            ..RULES
        };
        let max = rules.uncompressed_bytes_max();
        assert!((UNPACKED_BYTES_MIN..=UNPACKED_BYTES_MAX).contains(&max));
    }
    // Whether it comes compressed, or would be compressed here.
    let mut records = Vec::new();
    let size = UNPACKED_BYTES_MAX + 1;
    records.put_varint(size as i32);
    records.extend([0, 0, 0, 1]);
    records.put_varint(size as i32 - 10);
    records.resize(records.len() + size - 9, 0);
    let large = Rules {
        max_message_bytes: 512 << 20,
        compression: Some(Codec::Zstd),
        ..RULES
    };
    for codec in [Codec::None, Codec::Zstd] {
        let batch = of_records(&records, 1, codec);
        let max = UNPACKED_BYTES_MAX;
        assert_eq!(
            check(&batch, &large),
            Err(Invalid::Bomb { max }),
            "{codec:?}"
        );
    }
}

#[test]
fn what_takes_long_is_told_and_the_verdict_of_elsewhere_is_the_same() {
    let at_once = |batch: &[u8], rules: &Rules| {
        let mut rewritten = Vec::new();
        let valid = validate_at_once(batch, rules, Origin::Client, NOW, &mut rewritten);
        valid.map(|valid| valid.map(|valid| valid.batch.bytes().to_vec()))
    };
    let elsewhere = |batch: &[u8], rules: &Rules| {
        let checked = Checked::new(batch, rules, NOW);
        let valid = checked.validated(batch, rules).expect("the same rules");
        valid.map(|valid| (valid.batch.bytes().to_vec(), valid.log_append_time))
    };
    let large = Rules {
        max_message_bytes: 8 << 20,
        ..RULES
    };
    for codec in CODECS {
        let small = good(codec);
        assert_eq!(at_once(&small, &large), Ok(Some(small.clone())));
        let many: Vec<u8> = (0..200_000).flat_map(record).collect();
        let long = of_records(&many, 200_000, codec);
        let taken = at_once(&long, &large).unwrap();
        assert_eq!(taken.is_none(), codec != Codec::None, "{codec:?}");
        // A topic that has everything compressed anew.
        let own = Rules {
            compression: Some(Codec::Gzip),
            ..large
        };
        if codec != Codec::Gzip {
            assert_eq!(at_once(&long, &own), Ok(None), "{codec:?}");
        }
        let wrong = of_records(&many, 199_999, codec);
        for (batch, rules) in [
            (&long, &large),
            (&long, &own),
            (&wrong, &large),
            (&small, &own),
        ] {
            assert_eq!(elsewhere(batch, rules), check(batch, rules), "{codec:?}");
        }
        let checked = Checked::new(&long, &own, NOW);
        assert!(checked.validated(&long, &large).is_none());
    }
}
