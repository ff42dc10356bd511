//! Drives: ListOffsets, versions 1 to 11 (KIP-79, KIP-98, KIP-320, KIP-734, KIP-405, KIP-1005,
//! KIP-1023).
//!
//! Where a log begins, where it ends, and what stands at a time. Left out: tiers.

use super::unique::{Asked, unique};
use crate::base::ErrorCode;
use crate::partition::Isolation;
use crate::partition::offsets::{Sought, Spot};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::messages::list_offsets_request::ListOffsetsPartition;
use crate::wire::codec::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use crate::wire::codec::messages::{ListOffsetsRequest, ListOffsetsResponse};
use crate::wire::newer::Newer;

/// The API.
pub struct ListOffsets;

/// Timestamps that stand for no time (Kafka's `ListOffsetsRequest`).
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// First version whose answer has a leader epoch.
const LEADER_EPOCH_FROM: i16 = 4;

/// Who asks.
#[derive(Clone, Copy)]
enum Asker {
    /// A consumer: for it the log ends where its isolation does not let it read on.
    Consumer(Isolation),
    /// A replica, or a tool that asks as one.
    Replica,
}

codes!(ListOffsetsResponse: [topics partitions]);

impl Api for ListOffsets {
    type Request = Newer<ListOffsetsRequest>;
    const VERSIONS: (i16, i16) = (1, 11);
    const NAME: &'static str = "ListOffsets";

    async fn handle(
        cx: &Context,
        Newer(request): Newer<ListOffsetsRequest>,
    ) -> Newer<ListOffsetsResponse> {
        let Some(isolation) = Isolation::from_wire(request.isolation_level) else {
            return Newer(refuse_all(cx, request).await);
        };
        let asker = match request.replica_id.0 {
            -1 => Asker::Consumer(isolation),
            _ => Asker::Replica,
        };
        let mentions = request
            .topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|asked| (&topic.name, asked)));
        let mut topics = Vec::new();
        for (name, partitions) in unique(mentions, |asked| asked.partition_index).await {
            let mut answers = Vec::with_capacity(partitions.len());
            for asked in partitions {
                cx.pace().await;
                let found = find(cx, name, asker, &asked).await;
                answers.push(partition(cx.version, asked.last.partition_index, found));
            }
            let topic = ListOffsetsTopicResponse::default().with_name(name.clone());
            topics.push(topic.with_partitions(answers));
        }
        cx.drop_later(request);
        Newer(ListOffsetsResponse::default().with_topics(topics))
    }
}

/// A level of isolation that does not exist: Kafka gives up on the request as a whole.
async fn refuse_all(cx: &Context, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in topic.partitions {
            let refused = ListOffsetsPartitionResponse::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(ErrorCode::UNKNOWN_SERVER_ERROR.0);
            partitions.push(refused);
            cx.pace().await;
        }
        let refused = ListOffsetsTopicResponse::default().with_name(topic.name);
        topics.push(refused.with_partitions(partitions));
        cx.pace().await;
    }
    ListOffsetsResponse::default().with_topics(topics)
}

/// First version in which a special timestamp is known.
fn first_version(timestamp: i64) -> i16 {
    match timestamp {
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        ..EARLIEST_PENDING_UPLOAD => i16::MAX,
        _ => 0,
    }
}

async fn find(
    cx: &Context,
    topic: &str,
    asker: Asker,
    asked: &Asked<'_, ListOffsetsPartition>,
) -> Result<Option<Spot>, ErrorCode> {
    let (is_repeated, asked) = (asked.is_repeated, asked.last);
    if is_repeated {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    if cx.version < first_version(asked.timestamp) {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    let partition = cx.shard.partitions.lookup(topic, asked.partition_index);
    let partition = partition.map_err(errors::lookup)?;
    let (isolation, latest) = match asker {
        Asker::Consumer(isolation) => (isolation, Sought::Latest),
        Asker::Replica => (Isolation::ReadUncommitted, Sought::End),
    };
    let sought = match asked.timestamp {
        LATEST => latest,
        EARLIEST | EARLIEST_LOCAL => Sought::Earliest,
        MAX_TIMESTAMP => Sought::MaxTimestamp,
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => Sought::Tiered,
        timestamp => Sought::Time(timestamp),
    };
    let found = partition.locate(sought, asked.current_leader_epoch, isolation);
    found.await.map_err(|error| errors::read(&error))
}

fn partition(
    version: i16,
    index: i32,
    found: Result<Option<Spot>, ErrorCode>,
) -> ListOffsetsPartitionResponse {
    let answer = ListOffsetsPartitionResponse::default().with_partition_index(index);
    let spot = match found {
        Err(error) => return answer.with_error_code(error.0),
        Ok(None) => return answer,
        Ok(Some(spot)) => spot,
    };
    let answer = answer
        .with_timestamp(spot.timestamp)
        .with_offset(spot.offset);
    match version {
        LEADER_EPOCH_FROM.. => answer.with_leader_epoch(spot.leader_epoch),
        _ => answer,
    }
}
