//! Pure: our verdicts beside those of a real Kafka, byte for byte the same batches.

use super::*;

const GOLDEN: &str = include_str!("../../../tests/golden/produce-verdicts.txt");

/// Where we mean to differ, with what we answer.
const INTENDED: [(&str, &str); 12] = [
    // Kafka stores compressed records whose size fields lie, and consumers stop there for good.
    ("gzip rec size+1", "INVALID_RECORD"),
    ("gzip rec size huge", "INVALID_RECORD"),
    ("gzip rec size neg", "INVALID_RECORD"),
    ("snappy rec size+1", "INVALID_RECORD"),
    ("snappy rec size huge", "INVALID_RECORD"),
    ("snappy rec size neg", "INVALID_RECORD"),
    ("lz4 rec size+1", "INVALID_RECORD"),
    ("lz4 rec size huge", "INVALID_RECORD"),
    ("lz4 rec size neg", "INVALID_RECORD"),
    ("zstd rec size+1", "INVALID_RECORD"),
    ("zstd rec size huge", "INVALID_RECORD"),
    ("zstd rec size neg", "INVALID_RECORD"),
];

fn rules(topic: &str) -> Rules {
    let default = Rules {
        max_message_bytes: 1_048_588,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
        compacted: false,
        compression_level: 3,
        compression: None,
    };
    let compression = match topic {
        "c-none" | "c-small" => Some(Codec::None),
        "c-gzip" => Some(Codec::Gzip),
        "c-snappy" => Some(Codec::Snappy),
        "c-lz4" => Some(Codec::Lz4),
        "c-zstd" => Some(Codec::Zstd),
        _ => None,
    };
    let max_message_bytes = match topic {
        "small" => 200,
        "c-small" => 300,
        _ => default.max_message_bytes,
    };
    let (timestamp_before_max_ms, timestamp_after_max_ms) = match topic {
        "ts" => (10_000, 5_000),
        _ => (i64::MAX, 3_600_000),
    };
    Rules {
        compression_level: 3,
        max_message_bytes,
        timestamp_type: match topic {
            "lat" => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        },
        timestamp_before_max_ms,
        timestamp_after_max_ms,
        compacted: topic == "comp",
        compression,
    }
}

fn error_name(invalid: &Invalid) -> &'static str {
    match invalid {
        Invalid::Rejected(rejected) if rejected.has_timestamp() => "INVALID_TIMESTAMP",
        Invalid::NoBatch
        | Invalid::SecondBatch
        | Invalid::OldFormat(_)
        | Invalid::BaseOffset(_)
        | Invalid::Count { .. }
        | Invalid::Control
        | Invalid::Sequence(_)
        | Invalid::Record(_)
        | Invalid::Rejected(_) => "INVALID_RECORD",
        Invalid::ZstdTooOld => "UNSUPPORTED_COMPRESSION_TYPE",
        Invalid::Malformed | Invalid::Crc { .. } => "CORRUPT_MESSAGE",
        Invalid::TooLarge { .. } | Invalid::Bomb { .. } => "MESSAGE_TOO_LARGE",
        Invalid::Codec(_) | Invalid::Undecodable(_) | Invalid::Unordered => "UNKNOWN_SERVER_ERROR",
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.trim().as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn verdicts_are_those_of_kafka() {
    let mut lines = GOLDEN.lines().filter(|line| !line.starts_with('#'));
    let mut cases = 0;
    let mut seen_intended = 0;
    let mut differences = Vec::new();
    while let (Some(case), Some(bytes)) = (lines.next(), lines.next()) {
        let fields: Vec<_> = case.split('|').collect();
        let [name, topic, version, now, error, log_start, indexes] = fields[..] else {
            panic!("{case}");
        };
        let (version, now): (i16, i64) = (version.parse().unwrap(), now.parse().unwrap());
        let bytes = unhex(bytes);
        let mut rewritten = Vec::new();
        let verdict = check_version(&bytes, version)
            .and_then(|()| validate(&bytes, &rules(topic), Origin::Client, now, &mut rewritten));
        let invalid = verdict.err();
        let ours = invalid.as_ref().map_or("NONE", error_name);
        let intended = INTENDED.iter().find(|(case, _)| *case == name);
        if let Some((_, expected)) = intended {
            assert_eq!((ours, error), (*expected, "NONE"), "{name}");
            seen_intended += 1;
        } else if ours != error {
            differences.push(format!("{name}: {ours} for Kafka's {error}: {invalid:?}"));
        }
        if let (Some(invalid), None, false) = (&invalid, intended, log_start == "-") {
            assert_eq!(invalid.hides_log_start(), log_start == "-1", "{name}");
        }
        if let (Some(Invalid::Rejected(rejected)), true) = (&invalid, version >= 8) {
            let found: Vec<_> = rejected
                .problems
                .iter()
                .map(|p| p.index.to_string())
                .collect();
            assert_eq!(found.join(","), indexes, "{name}");
        }
        cases += 1;
    }
    assert!(differences.is_empty(), "{differences:#?}");
    assert_eq!(seen_intended, INTENDED.len());
    assert!(cases > 230, "{cases}");
}
