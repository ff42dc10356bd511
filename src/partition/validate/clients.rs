//! Pure: batches that clients wrote, as a Kafka broker stored them.

use super::*;
use crate::wire::batch::Header;
use crate::wire::compress::decompress;

macro_rules! golden {
    ($($client:literal $codec:literal)*) => {[$((
        concat!($client, "-", $codec),
        include_bytes!(golden_path!($client, $codec)) as &[u8],
    )),*]};
}

macro_rules! golden_path {
    ($client:literal, $codec:literal) => {
        concat!(
            "../../../tests/golden/clients/",
            $client,
            "-",
            $codec,
            ".batch"
        )
    };
}

/// Name, bytes: the uncompressed one of each client first.
const BATCHES: [(&str, &[u8]); 10] = golden! {
    "librdkafka" "none" "librdkafka" "gzip" "librdkafka" "snappy" "librdkafka" "lz4"
    "librdkafka" "zstd" "kafka-python" "none" "kafka-python" "gzip" "kafka-python" "snappy"
    "kafka-python" "lz4" "kafka-python" "zstd"
};

type Row = (i64, Option<Vec<u8>>, Option<Vec<u8>>, usize);

fn rows(batch: &BatchView<'_>) -> Vec<Row> {
    let codec = batch.attributes().codec().unwrap();
    let mut plain = Vec::new();
    decompress(codec, batch.records_bytes(), 1 << 20, &mut plain).unwrap();
    Records::new(batch.record_count(), &plain)
        .map(|record| {
            let record = record.unwrap();
            let of = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
            let named = |header: &Header<'_>| !header.key.is_empty();
            let headers = record.headers.filter(named).count();
            let timestamp = record.timestamp(batch);
            (timestamp, of(record.key), of(record.value), headers)
        })
        .collect()
}

#[test]
fn what_clients_write_is_stored_as_it_comes_and_says_the_same() {
    let now_ms = 1_700_000_100_000;
    let rules = Rules {
        max_message_bytes: 1_048_588,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
        compacted: false,
        compression_level: 3,
        compression: None,
    };
    for of_client in BATCHES.chunks(5) {
        let plain = BatchView::parse(of_client[0].1).unwrap();
        let expected = rows(&plain);
        assert_eq!(expected.len(), 40);
        assert!(expected.iter().any(|row| row.1.is_none() && row.3 > 0));
        for (name, bytes) in of_client {
            let mut rewritten = Vec::new();
            let valid = validate(bytes, &rules, Origin::Client, now_ms, &mut rewritten).unwrap();
            assert_eq!(valid.batch.bytes(), *bytes, "{name}");
            assert_eq!(rows(&valid.batch), expected, "{name}");
            let codec = valid.batch.attributes().codec().unwrap();
            assert!(name.ends_with(codec.name()), "{name}");

            let rules = Rules {
                compression: Some(Codec::None),
                ..rules
            };
            let mut rewritten = Vec::new();
            let valid = validate(bytes, &rules, Origin::Client, now_ms, &mut rewritten).unwrap();
            assert_eq!(valid.batch.records_bytes(), plain.records_bytes(), "{name}");
        }
    }
}
