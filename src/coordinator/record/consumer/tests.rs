//! Pure: tests of what the golden logs have no record of.

use bytes::Bytes;

use super::*;
use crate::base::TopicId;
use crate::base::ids::Uuid;
use crate::coordinator::record::Record;

fn partitions(epochs: Option<Vec<i32>>) -> Vec<TopicPartitions> {
    vec![TopicPartitions {
        topic: TopicId(Uuid::from_u128(7)),
        partitions: vec![3, 0],
        epochs,
    }]
}

fn member() -> MemberMetadata {
    MemberMetadata {
        instance_id: Some("i".into()),
        rack: Some("r".into()),
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        topics: vec!["a".into(), "b".into()],
        regex: Some("a.*".into()),
        rebalance_timeout_ms: 60_000,
        assignor: Some("range".into()),
        classic: Some(ClassicMetadata {
            session_timeout_ms: 45_000,
            protocols: vec![ClassicProtocol {
                name: "range".into(),
                metadata: Bytes::from_static(&[1, 2, 3]),
            }],
        }),
    }
}

fn current() -> CurrentValue {
    CurrentValue {
        member_epoch: 3,
        previous_member_epoch: 2,
        state: 1,
        assigned: partitions(Some(vec![3, 1])),
        revoked: partitions(None),
    }
}

fn all() -> Vec<ConsumerChange> {
    use ConsumerChange::*;
    let epoch = |metadata_hash| {
        Some(GroupEpoch {
            epoch: 9,
            metadata_hash,
        })
    };
    let target = |timestamp| super::TargetEpoch {
        epoch: 9,
        timestamp,
    };
    let regex = ResolvedRegex {
        topics: vec!["a".into()],
        version: 12,
        timestamp: 1_000_000,
    };
    vec![
        Epoch(epoch(0)),
        Epoch(epoch(-5)),
        Epoch(None),
        PartitionMetadata(false),
        Member("m".into(), Some(member())),
        Member("m".into(), None),
        TargetEpoch(Some(target(0))),
        TargetEpoch(Some(target(1_000_000))),
        TargetEpoch(None),
        Target("m".into(), Some(partitions(None))),
        Target("m".into(), Some(Vec::new())),
        Target("m".into(), None),
        Current("m".into(), Some(current())),
        Current("m".into(), None),
        Regex("a.*".into(), Some(regex)),
        Regex("a.*".into(), None),
    ]
}

fn record(change: ConsumerChange) -> Record {
    let group = "g".into();
    Record::Consumer(ConsumerRecord { group, change })
}

#[test]
fn what_is_written_comes_back() {
    for change in all() {
        let record = record(change);
        let encoded = record.encode().unwrap();
        let back = Record::decode(Some(&encoded.key), encoded.value.as_deref());
        assert_eq!(back, Ok(record));
    }
}

#[test]
fn no_prefix_of_a_value_or_key_is_one() {
    for change in all() {
        let encoded = record(change).encode().unwrap();
        for length in 2..encoded.key.len() {
            let key = &encoded.key[..length];
            assert!(Record::decode(Some(key), encoded.value.as_deref()).is_err());
        }
        let value = encoded.value.unwrap_or_default();
        for length in 0..value.len() {
            assert!(Record::decode(Some(&encoded.key), Some(&value[..length])).is_err());
        }
    }
}

#[test]
fn a_newer_value_is_refused() {
    for change in all() {
        let encoded = record(change).encode().unwrap();
        let (kind, Some(mut value)) = (encoded.key[1].into(), encoded.value) else {
            continue;
        };
        value[1] = 1;
        let version = RecordError::Version { kind, version: 1 };
        assert_eq!(
            Record::decode(Some(&encoded.key), Some(&value)),
            Err(version)
        );
    }
}

#[test]
fn the_topics_that_kafka_4_0_listed_are_not_read() {
    let old = record(ConsumerChange::PartitionMetadata(true));
    assert_eq!(old.encode(), None);
    let removal = record(ConsumerChange::PartitionMetadata(false));
    let key = removal.encode().unwrap().key;
    assert_eq!(Record::decode(Some(&key), Some(&[0, 0, 1, 0])), Ok(old));
}

#[test]
fn a_claimed_count_buys_no_memory() {
    let key = record(ConsumerChange::Target("m".into(), None));
    let key = key.encode().unwrap().key;
    let mut value = vec![0, 0, 2];
    value.extend_from_slice(&[7; 16]);
    value.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 7, 0, 0]);
    assert!(Record::decode(Some(&key), Some(&value)).is_err());
}
