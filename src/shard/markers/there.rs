//! Drives: markers to a broker on another machine, by WriteTxnMarkers version 1.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Marker, MarkerError, Targets, Written, unreached};
use crate::base::{ErrorCode, NodeId};
use crate::shard::Shard;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};
use crate::wire::codec::messages::{
    ProducerId, TopicName, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

/// The version of WriteTxnMarkers that all brokers of Kafka 4 serve.
const VERSION: i16 = 1;

/// A tagged field of ours in a marker: it is there where each transaction has an epoch of its own.
/// Kafka says so in version 2, which the codec does not have; a broker of Kafka passes over this.
pub const HAS_EPOCHS_TAG: i32 = 7_001;

/// Has `leader` write a marker into these partitions.
pub async fn write(
    shard: &Shard,
    leader: NodeId,
    marker: Marker,
    targets: Targets,
) -> Vec<Written> {
    let request = request(marker, &targets);
    match shard.nodes.call(shard, leader, VERSION, &request).await {
        Ok(answer) => written(&answer, targets),
        Err(error) => {
            tracing::debug!(node = shard.node.0, leader = leader.0, %error,
                "the markers of a transaction have not arrived");
            unreached(targets)
        }
    }
}

fn request(marker: Marker, targets: &Targets) -> WriteTxnMarkersRequest {
    let topics = targets.iter().map(|(topic, partitions)| {
        WritableTxnMarkerTopic::default()
            .with_name(TopicName(StrBytes::from_string(topic.to_string())))
            .with_partition_indexes(partitions.clone())
    });
    let has_epochs = marker.has_epochs.then(|| (HAS_EPOCHS_TAG, Bytes::new()));
    let marker = WritableTxnMarker::default()
        .with_unknown_tagged_fields(has_epochs.into_iter().collect())
        .with_producer_id(ProducerId(marker.producer_id))
        .with_producer_epoch(marker.producer_epoch)
        .with_transaction_result(marker.committed)
        .with_coordinator_epoch(marker.coordinator_epoch)
        .with_topics(topics.collect());
    WriteTxnMarkersRequest::default().with_markers(vec![marker])
}

/// What the answer says of each partition; one that it does not name is to be tried again.
fn written(answer: &WriteTxnMarkersResponse, targets: Targets) -> Vec<Written> {
    let mut named = HashMap::new();
    for topic in answer.markers.iter().flat_map(|marker| &marker.topics) {
        for partition in &topic.partitions {
            let code = ErrorCode(partition.error_code);
            named.insert((topic.name.as_str(), partition.partition_index), code);
        }
    }
    let mut all = Vec::new();
    for (topic, partitions) in targets {
        for index in partitions {
            let result = match named.get(&(&*topic, index)) {
                Some(&ErrorCode::NONE) => Ok(()),
                Some(&ErrorCode::INVALID_PRODUCER_EPOCH) => Err(MarkerError::OldEpoch),
                Some(&ErrorCode::TRANSACTION_COORDINATOR_FENCED) => {
                    Err(MarkerError::OldCoordinator)
                }
                // What this node knows of topics decides whether the partition is gone.
                _ => Err(MarkerError::NoLeader),
            };
            all.push((topic.clone(), index, result));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::wire::codec::messages::write_txn_markers_response::{
        WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
    };
    use crate::wire::codec::{decode, encode};

    #[test]
    fn a_partition_that_is_not_answered_for_is_tried_again() {
        let targets: Targets = vec![("a".into(), vec![0, 1, 2]), ("b".into(), vec![0])];
        let marker = Marker {
            producer_id: 7,
            producer_epoch: 3,
            committed: true,
            coordinator_epoch: 5,
            has_epochs: true,
        };
        let asked = request(marker, &targets);
        let mut bytes = BytesMut::new();
        encode(&asked, VERSION, &mut bytes).unwrap();
        let arrived: WriteTxnMarkersRequest = decode(bytes.freeze(), VERSION).unwrap();
        assert_eq!(arrived, asked);
        assert_eq!(asked.markers[0].topics[0].partition_indexes, [0, 1, 2]);
        let code = |index: i32, code: ErrorCode| {
            WritableTxnMarkerPartitionResult::default()
                .with_partition_index(index)
                .with_error_code(code.0)
        };
        let topic = WritableTxnMarkerTopicResult::default()
            .with_name(TopicName(StrBytes::from_static_str("a")))
            .with_partitions(vec![
                code(2, ErrorCode::TRANSACTION_COORDINATOR_FENCED),
                code(0, ErrorCode::NONE),
                code(1, ErrorCode::NOT_LEADER_OR_FOLLOWER),
            ]);
        let result = WritableTxnMarkerResult::default().with_topics(vec![topic]);
        let answer = WriteTxnMarkersResponse::default().with_markers(vec![result]);
        let results: Vec<_> = written(&answer, targets)
            .into_iter()
            .map(|it| it.2)
            .collect();
        let (again, fenced) = (Err(MarkerError::NoLeader), Err(MarkerError::OldCoordinator));
        assert_eq!(results, [Ok(()), again, fenced, again]);
    }
}
