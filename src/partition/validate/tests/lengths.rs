//! Pure: tests of batches that are large unpacked, and of those that take long.

use super::*;

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
