//! Pure: what a follower sends to its leader: Fetch and ListOffsets requests, of versions that all
//! brokers of Kafka 4 serve.

use std::collections::BTreeMap;
use std::time::Duration;

use super::session::{Asked, Named};
use crate::base::config::ReplicaConfig;
use crate::base::{NodeId, TopicId};
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::fetch_request::{
    FetchPartition, FetchTopic, ForgottenTopic, ReplicaState,
};
use crate::wire::codec::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::codec::messages::{BrokerId, FetchRequest, ListOffsetsRequest, TopicName};

/// The version of Fetch: with topic ids, broker epochs and divergence.
pub const FETCH_VERSION: i16 = 17;
/// The version of ListOffsets: with leader epochs.
pub const LIST_OFFSETS_VERSION: i16 = 7;

/// Timestamps of ListOffsets that stand for the ends of a log.
pub const LATEST: i64 = -1;
pub const EARLIEST: i64 = -2;

/// The follower that sends a request.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// This node.
    pub node: NodeId,
    /// The epoch of its registration.
    pub broker_epoch: i64,
}

/// A fetch that names these partitions of a session, and for which the leader may wait so long.
pub fn fetch(asker: Asker, named: &Named, wait: Duration, config: &ReplicaConfig) -> FetchRequest {
    let mut topics: BTreeMap<TopicId, Vec<FetchPartition>> = BTreeMap::new();
    for one in &named.asked {
        let (topic, index) = one.key;
        let partition = FetchPartition::default()
            .with_partition(index)
            .with_current_leader_epoch(one.leader_epoch)
            .with_fetch_offset(one.offset)
            .with_last_fetched_epoch(one.last_epoch)
            .with_log_start_offset(one.start_offset)
            .with_partition_max_bytes(bound(config.fetch_bytes_max));
        topics.entry(topic).or_default().push(partition);
    }
    let topics = topics.into_iter().map(|(id, partitions)| {
        FetchTopic::default()
            .with_topic_id(id.0)
            .with_partitions(partitions)
    });
    let mut forgotten: BTreeMap<TopicId, Vec<i32>> = BTreeMap::new();
    for (topic, index) in &named.forgotten {
        forgotten.entry(*topic).or_default().push(*index);
    }
    let forgotten = forgotten.into_iter().map(|(id, partitions)| {
        ForgottenTopic::default()
            .with_topic_id(id.0)
            .with_partitions(partitions)
    });
    let replica = ReplicaState::default()
        .with_replica_id(BrokerId(asker.node.0))
        .with_replica_epoch(asker.broker_epoch);
    FetchRequest::default()
        .with_replica_state(replica)
        .with_max_wait_ms(wait.as_millis() as i32)
        .with_min_bytes(bound(config.fetch_min_bytes))
        .with_max_bytes(bound(config.response_bytes_max))
        .with_session_id(named.id)
        .with_session_epoch(named.epoch)
        .with_topics(topics.collect())
        .with_forgotten_topics_data(forgotten.collect())
}

/// Where the leader's log ends or begins, as `timestamp` says.
pub fn list_offsets(
    asker: Asker,
    topic: &str,
    asked: &Asked,
    timestamp: i64,
) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default()
        .with_partition_index(asked.key.1)
        .with_current_leader_epoch(asked.leader_epoch)
        .with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partitions(vec![partition]);
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(asker.node.0))
        .with_topics(vec![topic])
}

fn bound(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::base::ids::Uuid;
    use crate::wire::codec::encode;

    fn config() -> ReplicaConfig {
        ReplicaConfig {
            lag_time_max_ms: 30_000,
            fetch_wait_max_ms: 500,
            fetch_min_bytes: 1,
            fetch_bytes_max: 1 << 20,
            response_bytes_max: u32::MAX,
            fetch_backoff_ms: 1_000,
            socket_timeout_ms: 30_000,
            selects_by_rack: false,
        }
    }

    #[test]
    fn partitions_of_a_topic_are_asked_for_together() {
        let asker = Asker {
            node: NodeId(5),
            broker_epoch: 77,
        };
        let asked = [(2, 0), (1, 3), (2, 1)].map(|(topic, index)| Asked {
            key: (TopicId(Uuid::from_u128(topic)), index),
            leader_epoch: 4,
            offset: 100,
            last_epoch: 3,
            start_offset: 7,
        });
        let named = Named {
            id: 9,
            epoch: 3,
            asked: asked.to_vec(),
            forgotten: vec![(TopicId(Uuid::from_u128(4)), 1)],
        };
        let request = fetch(asker, &named, Duration::from_millis(40), &config());
        encode(&request, FETCH_VERSION, &mut BytesMut::new()).unwrap();
        assert_eq!((request.session_id, request.session_epoch), (9, 3));
        assert_eq!(request.forgotten_topics_data[0].partitions, [1]);
        assert_eq!(request.topics.len(), 2);
        assert_eq!(request.topics[1].partitions.len(), 2);
        assert_eq!((request.max_bytes, request.max_wait_ms), (i32::MAX, 40));
        assert_eq!(request.replica_state.replica_epoch, 77);
        let request = list_offsets(asker, "t", &asked[0], LATEST);
        encode(&request, LIST_OFFSETS_VERSION, &mut BytesMut::new()).unwrap();
        assert_eq!(request.replica_id, BrokerId(5));
    }
}
