//! Pure: batches that Kafka's own classes wrote (`tests/golden/batches`), read and written here.

use crate::compress::decompress;

use super::*;

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/golden/batches/", $name, ".batch"))
    };
}

const HEADERS: [(&[u8], Option<&[u8]>); 3] = [(b"h", Some(b"1")), (b"h", None), (b"", Some(b""))];

fn large() -> Vec<u8> {
    (0..40_000i64).map(|i| (i * i / 100) as u8).collect()
}

fn records(large: &[u8]) -> [NewRecord<'_>; 4] {
    [
        NewRecord::new(1_600_000_000_000, Some(b"key"), Some(b"value")),
        NewRecord::new(1_600_000_000_005, None, Some(b"")),
        NewRecord::new(1_599_999_999_000, Some(b""), None).headers(&HEADERS),
        NewRecord::new(1_600_000_000_001, None, Some(large)),
    ]
}

#[test]
fn all_codecs_of_kafka_hold_the_same_records() {
    let large = large();
    let batches: [(&[u8], Codec); 5] = [
        (golden!("none"), Codec::None),
        (golden!("gzip"), Codec::Gzip),
        (golden!("snappy"), Codec::Snappy),
        (golden!("lz4"), Codec::Lz4),
        (golden!("zstd"), Codec::Zstd),
    ];
    for (bytes, codec) in batches {
        let batch = BatchView::parse(bytes).unwrap();
        assert_eq!(batch.size_bytes(), bytes.len());
        assert_eq!(batch.verify_crc(), Ok(()), "{codec:?}");
        assert_eq!(batch.attributes().codec(), Ok(codec));
        assert_eq!((batch.base_offset(), batch.last_offset()), (100, 103));
        assert_eq!((batch.leader_epoch(), batch.record_count()), (7, 4));
        assert_eq!(batch.max_timestamp(), 1_600_000_000_005);
        assert!(!batch.has_producer_id());
        let mut plain = Vec::new();
        decompress(codec, batch.records_bytes(), 1 << 20, &mut plain).unwrap();
        let read = Records::new(batch.record_count(), &plain).map(Result::unwrap);
        let wanted = records(&large);
        assert_eq!(read.clone().count(), wanted.len());
        for (read, wanted) in read.zip(wanted) {
            assert_eq!(read.timestamp(&batch), wanted.timestamp);
            assert_eq!((read.key, read.value), (wanted.key, wanted.value));
            let headers: Vec<_> = read.headers.map(|h| (h.key, h.value)).collect();
            assert_eq!(headers, wanted.headers);
        }
    }
}

#[test]
fn what_we_build_is_what_kafka_builds() {
    let large = large();
    let mut plain = BatchBuilder::new().base_offset(100).leader_epoch(7);
    let mut transactional = BatchBuilder::new()
        .producer(4000, 3, 2_147_483_645)
        .transactional();
    for record in records(&large) {
        plain.push(record);
        transactional.push(record);
    }
    assert!(plain.build() == golden!("none"));
    assert!(transactional.build() == golden!("transactional"));
    let marker = |kind: ControlKind| {
        let mut value = Vec::new();
        EndMarker {
            coordinator_epoch: 12,
        }
        .write(&mut value);
        let mut builder = BatchBuilder::new()
            .base_offset(500)
            .leader_epoch(7)
            .producer(4000, 3, NO_SEQUENCE)
            .transactional()
            .control();
        builder.push(NewRecord::new(
            1_600_000_000_000,
            Some(&kind.key()),
            Some(&value),
        ));
        builder.build()
    };
    assert_eq!(marker(ControlKind::Commit), golden!("commit"));
    assert_eq!(marker(ControlKind::Abort), golden!("abort"));
}

#[test]
fn kafkas_control_and_log_append_time_batches_are_understood() {
    let batch = BatchView::parse(golden!("leader_change")).unwrap();
    assert_eq!(batch.verify_crc(), Ok(()));
    assert!(batch.attributes().is_control());
    let record = Records::of(&batch).next().unwrap().unwrap();
    let kind = ControlKind::parse_key(record.key.unwrap());
    assert_eq!(kind, Ok(ControlKind::LeaderChange));

    let batch = BatchView::parse(golden!("transactional")).unwrap();
    assert!(batch.attributes().is_transactional() && batch.has_producer_id());
    assert_eq!(
        (batch.base_sequence(), batch.last_sequence()),
        (2_147_483_645, 0)
    );

    let batch = BatchView::parse(golden!("log_append_time")).unwrap();
    assert_eq!(
        batch.attributes().timestamp_type(),
        TimestampType::LogAppendTime
    );
    let record = Records::of(&batch).next().unwrap().unwrap();
    assert_eq!(record.timestamp(&batch), batch.max_timestamp());
}
