//! Drives: OffsetDelete, version 0 (KIP-496).

use std::collections::HashMap;

use crate::base::{ErrorCode, TopicId};
use crate::coordinator::group::{GroupError, PartitionResults, TopicPartitions};
use crate::metadata::image::Image;
use crate::server::api::groups::{AT_ONCE, kept, sent};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use crate::wire::codec::messages::{OffsetDeleteRequest, OffsetDeleteResponse, TopicName};

/// The API.
pub struct OffsetDelete;

codes!(OffsetDeleteResponse: [] [topics partitions]);

impl Api for OffsetDelete {
    type Request = OffsetDeleteRequest;
    const VERSIONS: (i16, i16) = (0, 0);
    const NAME: &'static str = "OffsetDelete";

    async fn handle(cx: &Context, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
        let image = cx.image();
        let mut answer = Answer::default();
        let mut topics = Vec::new();
        for topic in &request.topics {
            // Kafka's clients name a few partitions; of very many each thousand goes by itself.
            for partitions in topic.partitions.chunks(AT_ONCE) {
                let all = partitions.iter().map(|partition| partition.partition_index);
                let (there, missing) = all.partition(|index| exists(&image, &topic.name, *index));
                answer.refuse(&topic.name, missing);
                if !Vec::is_empty(&there) {
                    topics.push(TopicPartitions {
                        name: kept(&topic.name),
                        id: TopicId::ZERO,
                        partitions: there,
                    });
                }
                cx.pace().await;
            }
        }
        // One for which nothing is left asks whether the group exists.
        let mut asked = 0;
        while asked < topics.len().max(1) {
            let mut partitions = 0;
            let some = topics[asked..].iter().take_while(|topic| {
                partitions += topic.partitions.len();
                partitions <= AT_ONCE
            });
            let some = &topics[asked..][..some.count()];
            match delete(cx, &request, some).await {
                Ok(results) => answer.merge(some, results),
                Err(error) => {
                    return OffsetDeleteResponse::default().with_error_code(errors::group(error).0);
                }
            }
            asked += some.len().max(1);
            cx.pace().await;
        }
        cx.drop_later(request);
        OffsetDeleteResponse::default().with_topics(answer.topics)
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
    let groups = &cx.shard.coordinators.groups;
    groups
        .ask(&id, |machine, _, out| {
            machine.delete_offsets(&id, topics, out)
        })
        .await?
}

/// The answer as it grows.
#[derive(Default)]
struct Answer {
    topics: Vec<OffsetDeleteResponseTopic>,
    places: HashMap<TopicName, usize>,
}

impl Answer {
    fn refuse(&mut self, name: &TopicName, missing: Vec<i32>) {
        if missing.is_empty() {
            return;
        }
        let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        let partitions = missing.into_iter().map(|index| partition(index, code));
        self.topic(name).partitions.extend(partitions);
    }

    fn merge(&mut self, topics: &[TopicPartitions], results: PartitionResults) {
        for (asked, results) in topics.iter().zip(results) {
            let name = TopicName(sent(&asked.name));
            let partitions = results.into_iter().map(|(index, result)| {
                let code = result.map_or_else(errors::group, |()| ErrorCode::NONE);
                partition(index, code)
            });
            self.topic(&name).partitions.extend(partitions);
        }
    }

    fn topic(&mut self, name: &TopicName) -> &mut OffsetDeleteResponseTopic {
        let at = match self.places.get(name) {
            Some(at) => *at,
            None => {
                let topic = OffsetDeleteResponseTopic::default().with_name(name.clone());
                self.topics.push(topic);
                self.places.insert(name.clone(), self.topics.len() - 1);
                self.topics.len() - 1
            }
        };
        &mut self.topics[at]
    }
}

fn partition(index: i32, code: ErrorCode) -> OffsetDeleteResponsePartition {
    OffsetDeleteResponsePartition::default()
        .with_partition_index(index)
        .with_error_code(code.0)
}
