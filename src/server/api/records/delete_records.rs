//! Drives: DeleteRecords, versions 0 to 2 (KIP-107).
//!
//! Moves the start of a log forward. A partition that is mentioned twice is done once, as its
//! last mention says.

use super::unique::unique;
use crate::base::{ErrorCode, Offset};
use crate::server::api::{Api, Context, errors};
use crate::wire::codec::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use crate::wire::codec::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

/// The API.
pub struct DeleteRecords;

/// Stands for all that is acked.
const ALL: Offset = -1;
/// Answered with an error.
const NO_LOW_WATERMARK: Offset = -1;

impl Api for DeleteRecords {
    type Request = DeleteRecordsRequest;
    const VERSIONS: (i16, i16) = (0, 2);
    const NAME: &'static str = "DeleteRecords";

    async fn handle(cx: &Context, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
        let mentions = request
            .topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|asked| (&topic.name, asked)));
        let mut topics = Vec::new();
        for (name, partitions) in unique(mentions, |asked| asked.partition_index).await {
            let mut answers = Vec::with_capacity(partitions.len());
            for asked in partitions {
                cx.pace().await;
                let (index, before) = (asked.last.partition_index, asked.last.offset);
                let (error, low_watermark) = match delete(cx, name, index, before) {
                    Ok(start_offset) => (ErrorCode::NONE, start_offset),
                    Err(error) => (error, NO_LOW_WATERMARK),
                };
                let answer = DeleteRecordsPartitionResult::default()
                    .with_partition_index(index)
                    .with_low_watermark(low_watermark)
                    .with_error_code(error.0);
                answers.push(answer);
            }
            let topic = DeleteRecordsTopicResult::default().with_name(name.clone());
            topics.push(topic.with_partitions(answers));
        }
        cx.drop_later(request);
        DeleteRecordsResponse::default().with_topics(topics)
    }
}

fn delete(cx: &Context, topic: &str, index: i32, before: Offset) -> Result<Offset, ErrorCode> {
    let partition = cx.shard.partitions.lookup(topic, index);
    let partition = partition.map_err(errors::lookup)?;
    let before = match before {
        ALL => partition.high_watermark(),
        before => before,
    };
    let deleted = partition.delete_before(before);
    deleted.map_err(|error| errors::delete_records(&error))
}
