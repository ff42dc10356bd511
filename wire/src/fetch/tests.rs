use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::*;
use crate::ErrorCode;
use crate::field::{CurrentLeader, NodeEndpoint};

fn name() -> TopicName {
    TopicName(StrBytes::from_static_str("orders"))
}

fn request(version: i16) -> BytesMut {
    let mut partition = FetchPartition::default()
        .with_partition(3)
        .with_fetch_offset(77)
        .with_partition_max_bytes(5);
    if version >= 5 {
        partition = partition.with_log_start_offset(2);
    }
    if version >= 9 {
        partition = partition.with_current_leader_epoch(6);
    }
    if version >= 12 {
        partition = partition.with_last_fetched_epoch(4);
    }
    let mut topic = FetchTopic::default().with_partitions(vec![partition]);
    let mut forgotten = ForgottenTopic::default().with_partitions(vec![8]);
    if version >= TOPIC_ID_FROM {
        topic = topic.with_topic_id(Uuid::from_u128(9));
        forgotten = forgotten.with_topic_id(Uuid::from_u128(9));
    } else {
        topic = topic.with_topic(name());
        forgotten = forgotten.with_topic(name());
    }
    let mut request = FetchRequest::default()
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_max_bytes(1_000)
        .with_isolation_level(1)
        .with_topics(vec![topic]);
    if version >= SESSIONS_FROM {
        request = request
            .with_session_id(11)
            .with_session_epoch(12)
            .with_forgotten_topics_data(vec![forgotten]);
    }
    let mut bytes = BytesMut::new();
    request.encode(&mut bytes, version).unwrap();
    bytes
}

#[test]
fn every_version_is_read_as_the_codec_wrote_it() {
    for version in 4..=18 {
        let bytes = request(version);
        let mut items = Vec::new();
        let head = walk(&bytes, version, |item| items.push(item)).unwrap();
        assert_eq!(
            (head.replica_id, head.max_wait_ms, head.isolation_level),
            (-1, 500, 1)
        );
        let sessions = version >= SESSIONS_FROM;
        let session = if sessions { (11, 12) } else { (0, -1) };
        assert_eq!((head.session_id, head.session_epoch), session);
        let topic = if version >= TOPIC_ID_FROM {
            Item::Topic {
                name: "",
                id: TopicId(Uuid::from_u128(9)),
            }
        } else {
            Item::Topic {
                name: "orders",
                id: TopicId::ZERO,
            }
        };
        let partition = Item::Partition {
            index: 3,
            leader_epoch: if version >= 9 { 6 } else { -1 },
            offset: 77,
            last_fetched_epoch: if version >= 12 { 4 } else { -1 },
            start_offset: if version >= 5 { 2 } else { -1 },
            max_bytes: 5,
        };
        let mut expected = vec![topic, partition];
        if sessions {
            expected.extend([topic, Item::Forgotten { index: 8 }]);
        }
        assert_eq!(items, expected);
        for cut in 0..bytes.len() {
            assert_eq!(
                walk(&bytes[..cut], version, |_| ()),
                Err(Short),
                "cut at {cut}"
            );
        }
    }
}

#[test]
fn every_version_of_the_answer_is_read_by_the_codec() {
    for version in 4..=18 {
        let answer = PartitionAnswer {
            index: 3,
            error: ErrorCode::NONE,
            high_watermark: 90,
            last_stable_offset: 89,
            log_start_offset: 1,
            diverging: Some((2, 50)),
            leader: Some(CurrentLeader {
                leader_id: 2,
                leader_epoch: 5,
            }),
            preferred_replica: 4,
            aborted: Aborted::These(&[(9, 77), (10, 78)]),
            records_bytes: 6,
        };
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, version, 0, ErrorCode::NONE, 44, 1);
        encoder.topic("orders", TopicId(Uuid::from_u128(9)), 1);
        let splice = encoder.partition(&answer);
        encoder.end_partition(&answer);
        encoder.end_topic();
        let endpoint = NodeEndpoint {
            node_id: 2,
            host: "h".into(),
            port: 9093,
            rack: None,
        };
        encoder.end(&[endpoint]);
        out.splice(splice..splice, *b"record");
        let mut bytes = Bytes::from(out);
        let read = FetchResponse::decode(&mut bytes, version).unwrap();
        assert!(bytes.is_empty(), "version {version} leaves bytes");
        let partition = &read.responses[0].partitions[0];
        assert_eq!(partition.records.as_deref(), Some(&b"record"[..]));
        assert_eq!(
            (partition.high_watermark, partition.last_stable_offset),
            (90, 89)
        );
        let preferred = if version >= 11 { 4 } else { -1 };
        assert_eq!(partition.preferred_read_replica.0, preferred);
        let aborted = partition.aborted_transactions.iter().flatten();
        let aborted = aborted.map(|one| (one.producer_id.0, one.first_offset));
        assert_eq!(aborted.collect::<Vec<_>>(), [(9, 77), (10, 78)]);
        if version >= 12 {
            assert_eq!(partition.diverging_epoch.end_offset, 50);
            assert_eq!(partition.current_leader.leader_epoch, 5);
        }
        if version >= 16 {
            assert_eq!(read.node_endpoints[0].port, 9093);
        }
    }
}
