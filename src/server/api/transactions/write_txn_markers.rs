//! Drives: WriteTxnMarkers, version 1 (KIP-98): a transaction coordinator on another node ends
//! transactions in partitions that are led here. Also how a tool ends one that hangs (KIP-664).

use std::sync::Arc;

use futures_util::future::join_all;

use crate::base::ErrorCode;
use crate::server::api::groups::sent;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::Codes;
use crate::shard::markers::{self, HAS_EPOCHS_TAG, Marker, Targets, Written};
use crate::wire::codec::messages::write_txn_markers_request::WritableTxnMarker;
use crate::wire::codec::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use crate::wire::codec::messages::{TopicName, WriteTxnMarkersRequest, WriteTxnMarkersResponse};

/// The API.
pub struct WriteTxnMarkers;

/// Markers of one request that are written at the same time: their acks share flushes.
const AT_ONCE: usize = 64;

impl Codes for WriteTxnMarkersResponse {
    fn codes(&self, see: &mut dyn FnMut(i16)) {
        let topics = self.markers.iter().flat_map(|marker| &marker.topics);
        let partitions = topics.flat_map(|topic| &topic.partitions);
        partitions.for_each(|partition| see(partition.error_code));
    }
}

impl Api for WriteTxnMarkers {
    type Request = WriteTxnMarkersRequest;
    const VERSIONS: (i16, i16) = (1, 1);
    const NAME: &'static str = "WriteTxnMarkers";

    async fn handle(cx: &Context, request: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse {
        let mut results = Vec::with_capacity(request.markers.len());
        for markers in request.markers.chunks(AT_ONCE) {
            let writing = markers.iter().map(|marker| write(cx, marker));
            // As in Kafka, a marker that goes nowhere has no result.
            let written = join_all(writing).await.into_iter();
            results.extend(written.filter(|result| !result.topics.is_empty()));
        }
        cx.drop_later(request);
        WriteTxnMarkersResponse::default().with_markers(results)
    }
}

async fn write(cx: &Context, asked: &WritableTxnMarker) -> WritableTxnMarkerResult {
    let marker = Marker {
        producer_id: asked.producer_id.0,
        producer_epoch: asked.producer_epoch,
        committed: asked.transaction_result,
        coordinator_epoch: asked.coordinator_epoch,
        has_epochs: asked.unknown_tagged_fields.contains_key(&HAS_EPOCHS_TAG),
    };
    let targets = asked.topics.iter();
    let targets: Targets = targets
        .map(|topic| (topic.name.as_str().into(), topic.partition_indexes.clone()))
        .collect();
    let written = markers::write_here(&cx.shard, marker, targets).await;
    WritableTxnMarkerResult::default()
        .with_producer_id(asked.producer_id)
        .with_topics(by_topic(written))
}

fn by_topic(written: Vec<Written>) -> Vec<WritableTxnMarkerTopicResult> {
    let mut topics: Vec<(Arc<str>, WritableTxnMarkerTopicResult)> = Vec::new();
    for (topic, index, result) in written {
        let code = result.map_or_else(errors::marker, |()| ErrorCode::NONE);
        let partition = WritableTxnMarkerPartitionResult::default()
            .with_partition_index(index)
            .with_error_code(code.0);
        match topics.last_mut() {
            Some((last, of_topic)) if Arc::ptr_eq(last, &topic) => {
                of_topic.partitions.push(partition);
            }
            _ => {
                let name = TopicName(sent(&topic));
                let of_topic = WritableTxnMarkerTopicResult::default().with_name(name);
                topics.push((topic, of_topic.with_partitions(vec![partition])));
            }
        }
    }
    topics.into_iter().map(|(_, topic)| topic).collect()
}
