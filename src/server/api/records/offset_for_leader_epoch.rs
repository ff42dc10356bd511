//! Drives: OffsetForLeaderEpoch, versions 2 to 4 (KIP-101, KIP-320).
//!
//! Where a leadership term ended, by which a consumer finds out whether what it has read was
//! lost since.

use crate::base::{ErrorCode, LeaderEpoch, Offset};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use crate::wire::codec::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use crate::wire::codec::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

/// The API.
pub struct OffsetForLeaderEpoch;

const UNKNOWN: (LeaderEpoch, Offset) = (-1, -1);

codes!(OffsetForLeaderEpochResponse: [topics partitions]);

impl Api for OffsetForLeaderEpoch {
    type Request = OffsetForLeaderEpochRequest;
    const VERSIONS: (i16, i16) = (2, 4);
    const NAME: &'static str = "OffsetForLeaderEpoch";

    async fn handle(
        cx: &Context,
        request: OffsetForLeaderEpochRequest,
    ) -> OffsetForLeaderEpochResponse {
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in &topic.partitions {
                partitions.push(partition(cx, &topic.topic, asked));
                cx.pace().await;
            }
            let result = OffsetForLeaderTopicResult::default().with_topic(topic.topic);
            topics.push(result.with_partitions(partitions));
            cx.pace().await;
        }
        OffsetForLeaderEpochResponse::default().with_topics(topics)
    }
}

fn partition(cx: &Context, topic: &str, asked: &OffsetForLeaderPartition) -> EpochEndOffset {
    let end = end_of(cx, topic, asked);
    let error = end.err().unwrap_or(ErrorCode::NONE);
    let (leader_epoch, end_offset) = end.unwrap_or(UNKNOWN);
    EpochEndOffset::default()
        .with_error_code(error.0)
        .with_partition(asked.partition)
        .with_leader_epoch(leader_epoch)
        .with_end_offset(end_offset)
}

fn end_of(
    cx: &Context,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<(LeaderEpoch, Offset), ErrorCode> {
    let partition = cx.shard.partitions.lookup(topic, asked.partition);
    let partition = partition.map_err(errors::lookup)?;
    let end = partition.epoch_end(asked.leader_epoch, asked.current_leader_epoch);
    end.map_err(|error| errors::read(&error))
}
