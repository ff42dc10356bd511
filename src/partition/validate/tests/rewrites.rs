//! Pure: tests of what is stored otherwise than it came: offsets, timestamps, the codec.

use super::*;

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
