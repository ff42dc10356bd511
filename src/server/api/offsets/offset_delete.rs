//! Drives: OffsetDelete, version 0 (KIP-496).

use crate::base::{ErrorCode, TopicId};
use crate::coordinator::group::{GroupError, PartitionResults, TopicPartitions};
use crate::metadata::image::Image;
use crate::server::api::groups::{kept, sent};
use crate::server::api::{Api, Context, errors};
use crate::wire::codec::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use crate::wire::codec::messages::{OffsetDeleteRequest, OffsetDeleteResponse, TopicName};

/// The API.
pub struct OffsetDelete;

impl Api for OffsetDelete {
    type Request = OffsetDeleteRequest;
    const VERSIONS: (i16, i16) = (0, 0);
    const NAME: &'static str = "OffsetDelete";

    async fn handle(cx: &Context, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
        let image = cx.image();
        let mut answer = Vec::new();
        let mut topics = Vec::new();
        for topic in &request.topics {
            let all = topic
                .partitions
                .iter()
                .map(|partition| partition.partition_index);
            let (there, missing) = all.partition(|index| exists(&image, &topic.name, *index));
            refuse(&mut answer, &topic.name, missing);
            if !Vec::is_empty(&there) {
                topics.push(TopicPartitions {
                    name: kept(&topic.name),
                    id: TopicId::ZERO,
                    partitions: there,
                });
            }
        }
        match delete(cx, &request, &topics).await {
            Err(error) => OffsetDeleteResponse::default().with_error_code(errors::group(error).0),
            Ok(results) => {
                merge(&mut answer, &topics, results);
                OffsetDeleteResponse::default().with_topics(answer)
            }
        }
    }
}

fn exists(image: &Image, topic: &str, index: i32) -> bool {
    image.topics.partition(topic, index).is_some()
}

async fn delete(
    cx: &Context,
    request: &OffsetDeleteRequest,
    topics: &[TopicPartitions],
) -> Result<PartitionResults, GroupError> {
    if request.group_id.is_empty() {
        return Err(GroupError::InvalidGroupId);
    }
    let id = kept(&request.group_id);
    let groups = &cx.shard.groups;
    groups
        .ask(&id, |machine, _, out| {
            machine.delete_offsets(&id, topics, out)
        })
        .await?
}

fn refuse(answer: &mut Vec<OffsetDeleteResponseTopic>, name: &TopicName, missing: Vec<i32>) {
    if missing.is_empty() {
        return;
    }
    let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let partitions = missing.into_iter().map(|index| partition(index, code));
    topic(answer, name).partitions.extend(partitions);
}

fn merge(
    answer: &mut Vec<OffsetDeleteResponseTopic>,
    topics: &[TopicPartitions],
    results: PartitionResults,
) {
    for (asked, results) in topics.iter().zip(results) {
        let name = TopicName(sent(&asked.name));
        let partitions = results.into_iter().map(|(index, result)| {
            let code = result.map_or_else(errors::group, |()| ErrorCode::NONE);
            partition(index, code)
        });
        topic(answer, &name).partitions.extend(partitions);
    }
}

fn topic<'a>(
    answer: &'a mut Vec<OffsetDeleteResponseTopic>,
    name: &TopicName,
) -> &'a mut OffsetDeleteResponseTopic {
    let at = answer.iter().position(|topic| topic.name == *name);
    let at = at.unwrap_or_else(|| {
        answer.push(OffsetDeleteResponseTopic::default().with_name(name.clone()));
        answer.len() - 1
    });
    &mut answer[at]
}

fn partition(index: i32, code: ErrorCode) -> OffsetDeleteResponsePartition {
    OffsetDeleteResponsePartition::default()
        .with_partition_index(index)
        .with_error_code(code.0)
}
