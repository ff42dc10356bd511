//! Pure: tests of validation: what makes a whole batch of a known format, and its header.

mod lengths;
mod records;
mod rewrites;

use super::*;
use crate::wire::batch::{BatchBuilder, NewRecord, RecordError, reseal, set_timestamp};
use crate::wire::compress::compress;
use crate::wire::cursor::Sink;

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
