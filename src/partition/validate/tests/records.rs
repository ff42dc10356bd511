//! Pure: tests of what is in a batch: records, their offsets, timestamps and keys.

use super::*;
use crate::partition::validate::walk::PROBLEMS_LISTED_MAX;
use crate::wire::batch::NO_TIMESTAMP;

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
