use crate::wire::batch::{BatchBuilder, NewRecord, batches};

use super::*;

fn batch(id: ProducerId, epoch: i16, base_sequence: i32, count: i32) -> Vec<u8> {
    build(
        BatchBuilder::new().producer(id, epoch, base_sequence),
        count,
    )
}

fn build(mut builder: BatchBuilder, count: i32) -> Vec<u8> {
    for _ in 0..count {
        builder.push(NewRecord::new(1000, None, Some(b"v")));
    }
    builder.build()
}

/// Checks and, if accepted, records at `offset`.
fn send(producers: &mut Producers, bytes: &[u8], offset: Offset) -> Result<Verdict, ProducerError> {
    let batch = BatchView::parse(bytes).unwrap();
    let verdict = producers.check(&batch, None)?;
    if verdict == Verdict::Accept {
        producers.record(&batch, offset, None);
    }
    Ok(verdict)
}

fn out_of_order(expected: i32, found: i32) -> Result<Verdict, ProducerError> {
    Err(ProducerError::OutOfOrderSequence {
        producer_id: 7,
        expected,
        found,
    })
}

#[test]
fn the_last_five_batches_are_recognised_and_the_sixth_is_out_of_order() {
    let mut producers = Producers::default();
    for i in 0..6 {
        let sent = send(
            &mut producers,
            &batch(7, 0, 2 * i, 2),
            100 + 2 * i64::from(i),
        );
        assert_eq!(sent, Ok(Verdict::Accept));
    }
    for i in 1..6 {
        let base_offset = 100 + 2 * i64::from(i);
        let duplicate = Verdict::Duplicate {
            base_offset,
            last_offset: base_offset + 1,
            timestamp: 1000,
        };
        let sent = send(&mut producers, &batch(7, 0, 2 * i, 2), 0);
        assert_eq!(sent, Ok(duplicate));
    }
    assert_eq!(
        send(&mut producers, &batch(7, 0, 0, 2), 0),
        out_of_order(12, 0)
    );
    // Same start, another length: not the batch that is in the log.
    assert_eq!(
        send(&mut producers, &batch(7, 0, 10, 1), 0),
        out_of_order(12, 10)
    );
}

#[test]
fn a_gap_is_refused_and_changes_nothing() {
    let mut producers = Producers::default();
    send(&mut producers, &batch(7, 0, 0, 3), 0).unwrap();
    assert_eq!(
        send(&mut producers, &batch(7, 0, 4, 1), 3),
        out_of_order(3, 4)
    );
    assert_eq!(
        send(&mut producers, &batch(7, 0, 3, 1), 3),
        Ok(Verdict::Accept)
    );
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    let mut producers = Producers::default();
    assert_eq!(
        send(&mut producers, &batch(7, 3, 55, 1), 0),
        Ok(Verdict::Accept)
    );
    assert_eq!(
        send(&mut producers, &batch(7, 3, 56, 1), 1),
        Ok(Verdict::Accept)
    );
}

#[test]
fn a_new_epoch_begins_at_zero_and_fences_the_old_one() {
    let mut producers = Producers::default();
    send(&mut producers, &batch(7, 1, 0, 2), 0).unwrap();
    assert_eq!(
        send(&mut producers, &batch(7, 2, 2, 1), 2),
        out_of_order(0, 2)
    );
    assert_eq!(
        send(&mut producers, &batch(7, 2, 0, 2), 2),
        Ok(Verdict::Accept)
    );
    let fenced = ProducerError::InvalidProducerEpoch {
        producer_id: 7,
        current: 2,
        found: 1,
    };
    assert_eq!(send(&mut producers, &batch(7, 1, 2, 1), 4), Err(fenced));
    assert_eq!(producers.get(7).unwrap().last().unwrap().base_offset(), 2);
}

#[test]
fn sequences_wrap_within_a_batch_and_between_batches() {
    let mut producers = Producers::default();
    send(&mut producers, &batch(7, 0, i32::MAX - 1, 4), 10).unwrap();
    let again = send(&mut producers, &batch(7, 0, i32::MAX - 1, 4), 0);
    assert!(matches!(
        again,
        Ok(Verdict::Duplicate {
            base_offset: 10,
            last_offset: 13,
            ..
        })
    ));
    assert_eq!(
        send(&mut producers, &batch(7, 0, 2, 1), 14),
        Ok(Verdict::Accept)
    );

    let mut producers = Producers::default();
    send(&mut producers, &batch(7, 0, i32::MAX, 1), 10).unwrap();
    assert_eq!(
        send(&mut producers, &batch(7, 0, 0, 1), 11),
        Ok(Verdict::Accept)
    );
}

#[test]
fn batches_without_producer_leave_no_trace() {
    let mut producers = Producers::default();
    let bytes = build(BatchBuilder::new(), 2);
    assert_eq!(send(&mut producers, &bytes, 0), Ok(Verdict::Accept));
    assert_eq!(producers.count(), 0);
}

#[test]
fn transactional_batches_need_a_transaction() {
    let mut producers = Producers::default();
    let first = build(BatchBuilder::new().producer(7, 0, 0).transactional(), 2);
    let refused = Err(ProducerError::InvalidTxnState { producer_id: 7 });
    assert_eq!(send(&mut producers, &first, 0), refused);
    // One that is in the log already is open until its marker comes.
    producers.record(&BatchView::parse(&first).unwrap(), 40, None);
    assert_eq!(producers.get(7).unwrap().transaction_start(), Some(40));
    assert_eq!(send(&mut producers, &batch(7, 0, 2, 1), 42), refused);
    let second = build(BatchBuilder::new().producer(7, 0, 2).transactional(), 1);
    assert_eq!(send(&mut producers, &second, 42), Ok(Verdict::Accept));
    assert_eq!(producers.get(7).unwrap().transaction_start(), Some(40));

    producers.replay(&BatchView::parse(&marker(7, 1, 43)).unwrap());
    let ended = producers.get(7).unwrap();
    assert_eq!(ended.transaction_start(), None);
    assert_eq!((ended.epoch(), ended.coordinator_epoch()), (1, 9));
    assert_eq!(ended.last(), None);
    assert_eq!(
        send(&mut producers, &batch(7, 1, 0, 1), 44),
        Ok(Verdict::Accept)
    );
}

fn marker(id: ProducerId, epoch: i16, offset: Offset) -> Vec<u8> {
    let mut value = Vec::new();
    EndMarker {
        coordinator_epoch: 9,
    }
    .write(&mut value);
    let mut builder = BatchBuilder::new()
        .base_offset(offset)
        .producer(id, epoch, -1)
        .transactional()
        .control();
    let key = ControlKind::Commit.key();
    builder.push(NewRecord::new(2000, Some(&key), Some(&value)));
    builder.build()
}

#[test]
fn the_idle_are_forgotten_unless_their_transaction_is_open() {
    let mut producers = Producers::new(500);
    send(&mut producers, &batch(7, 0, 0, 1), 0).unwrap();
    let open = build(BatchBuilder::new().producer(8, 0, 0).transactional(), 1);
    producers.replay(&BatchView::parse(&open).unwrap());
    assert_eq!(producers.expire(1499), 0);
    assert_eq!(producers.expire(1500), 1);
    assert!(producers.get(7).is_none());
    assert!(producers.get(8).is_some());
}

#[test]
fn a_flood_of_ids_stays_bounded() {
    let mut producers = Producers::default();
    for id in 0..PRODUCER_COUNT_MAX as i64 + 10 {
        let mut builder = BatchBuilder::new().producer(id, 0, 0);
        builder.push(NewRecord::new(id / 10, None, None));
        let bytes = builder.build();
        producers.record(&BatchView::parse(&bytes).unwrap(), id, None);
        assert!(producers.count() <= PRODUCER_COUNT_MAX);
    }
    assert!(producers.get(0).is_none());
    assert!(producers.get(PRODUCER_COUNT_MAX as i64).is_some());
    assert_eq!(producers.count(), PRODUCER_COUNT_MAX * 3 / 4 + 10);
}

#[test]
fn a_snapshot_brings_back_the_last_batch_of_each() {
    let mut producers = Producers::default();
    for sequence in 0..3 {
        send(
            &mut producers,
            &batch(7, 2, sequence, 1),
            10 + i64::from(sequence),
        )
        .unwrap();
    }
    send(&mut producers, &batch(-1, -1, -1, 1), 13).unwrap();
    let open = build(BatchBuilder::new().producer(3, 0, 0).transactional(), 2);
    producers.record(&BatchView::parse(&open).unwrap(), 14, Some(77));
    producers.replay(&BatchView::parse(&marker(5, 4, 16)).unwrap());
    let bytes = producers.to_snapshot();

    let mut loaded = Producers::default();
    loaded.load_snapshot(&bytes, 3000).unwrap();
    assert_eq!(loaded.count(), 3);
    assert_eq!(loaded.to_snapshot(), bytes);
    let duplicate = send(&mut loaded, &batch(7, 2, 2, 1), 0);
    assert!(matches!(
        duplicate,
        Ok(Verdict::Duplicate {
            base_offset: 12,
            ..
        })
    ));
    assert_eq!(
        send(&mut loaded, &batch(7, 2, 3, 1), 17),
        Ok(Verdict::Accept)
    );
    assert_eq!(loaded.get(3).unwrap().transaction_start(), Some(14));
    assert_eq!(loaded.get(3).unwrap().last_timestamp(), 77);
    assert_eq!(loaded.get(5).unwrap().coordinator_epoch(), 9);

    // A day later only the open transaction is worth remembering.
    let mut later = Producers::default();
    later
        .load_snapshot(&bytes, 2000 + DEFAULT_EXPIRATION_MS)
        .unwrap();
    assert_eq!(later.count(), 1);
}

#[test]
fn damaged_snapshots_are_refused_whole() {
    let mut producers = Producers::default();
    send(&mut producers, &batch(7, 2, 0, 1), 10).unwrap();
    let bytes = producers.to_snapshot();
    let mut other = Producers::default();
    send(&mut other, &batch(9, 2, 0, 1), 10).unwrap();
    for end in 0..bytes.len() {
        assert!(other.load_snapshot(&bytes[..end], 0).is_err(), "{end}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(other.load_snapshot(&damaged, 0).is_err(), "{at}");
    }
    assert!(other.get(9).is_some());
    let mut greedy = vec![0, 1];
    let count = i32::MAX.to_be_bytes();
    greedy.extend_from_slice(&crc32c::crc32c(&count).to_be_bytes());
    greedy.extend_from_slice(&count);
    assert_eq!(
        other.load_snapshot(&greedy, 0),
        Err(SnapshotError::Truncated)
    );
}

const KAFKAS_LOG: &[u8] =
    include_bytes!("../../../tests/golden/producers/00000000000000000000.log");
const KAFKAS_SNAPSHOT: &[u8] =
    include_bytes!("../../../tests/golden/producers/00000000000000000028.snapshot");

/// A snapshot's entries in the order of producer ids, in which Kafka does not write them.
fn entries(snapshot: &[u8]) -> Vec<&[u8]> {
    let mut entries: Vec<_> = snapshot[10..].chunks(46).collect();
    entries.sort_unstable();
    entries
}

#[test]
fn a_log_of_kafka_replayed_gives_its_snapshot() {
    let mut producers = Producers::default();
    for batch in batches(KAFKAS_LOG) {
        producers.replay(&batch.unwrap());
    }
    let snapshot = producers.to_snapshot();
    assert_eq!(entries(&snapshot), entries(KAFKAS_SNAPSHOT));
    assert_eq!(snapshot[6..10], KAFKAS_SNAPSHOT[6..10]);
    let open = |(_, producer): &(ProducerId, &Producer)| producer.transaction_start().is_some();
    assert_eq!(producers.iter().filter(open).count(), 1);

    let mut loaded = Producers::default();
    loaded.load_snapshot(KAFKAS_SNAPSHOT, 0).unwrap();
    assert_eq!(loaded.to_snapshot(), snapshot);
    let mut damaged = KAFKAS_SNAPSHOT.to_vec();
    damaged[20] ^= 1;
    let refused = loaded.load_snapshot(&damaged, 0);
    assert!(matches!(refused, Err(SnapshotError::Crc { .. })));
}

#[test]
fn the_longest_idle_quarter_is_forgotten_and_its_memory_given_back() {
    let mut producers = Producers::default();
    for id in 0..1_000 {
        let mut builder = BatchBuilder::new().producer(id, 0, 0);
        builder.push(NewRecord::new(1_000 + id, None, Some(b"v")));
        send(&mut producers, &builder.build(), id).unwrap();
    }
    assert_eq!(producers.forget_idle(), 250);
    assert!(producers.get(249).is_none() && producers.get(250).is_some());
    // One that is forgotten goes on as if it were new.
    assert_eq!(
        send(&mut producers, &batch(0, 0, 1, 1), 2_000),
        Ok(Verdict::Accept)
    );
    let rounds = (0..100).take_while(|_| producers.forget_idle() > 0).count();
    assert!(rounds > 10 && producers.count() == 0);
    assert!(producers.by_id.capacity() < 100);
}
