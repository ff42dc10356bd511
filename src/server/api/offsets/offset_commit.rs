//! Drives: OffsetCommit, versions 2 to 10 (retention time up to 4, KIP-320 leader epochs in 6,
//! KIP-345 static members in 7, KIP-848 errors in 9, topic ids in 10).

use std::collections::HashMap;

use crate::base::{ErrorCode, TopicId};
use crate::coordinator::group::{
    Commit, CommitPartition, CommitTopic, GroupError, PartitionResults,
};
use crate::metadata::image::Topic;
use crate::server::api::groups::{AT_ONCE, kept, kept_option, sent};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::messages::offset_commit_request::OffsetCommitRequestPartition;
use crate::wire::codec::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::wire::codec::messages::{OffsetCommitRequest, OffsetCommitResponse, TopicName};
use crate::wire::newer::Newer;

/// First version that names topics by their ids.
const TOPIC_IDS_FROM: i16 = 10;

/// The API.
pub struct OffsetCommit;

codes!(OffsetCommitResponse: [topics partitions]);

impl Api for OffsetCommit {
    type Request = Newer<OffsetCommitRequest>;
    const VERSIONS: (i16, i16) = (2, 10);
    const NAME: &'static str = "OffsetCommit";

    async fn handle(
        cx: &Context,
        Newer(request): Newer<OffsetCommitRequest>,
    ) -> Newer<OffsetCommitResponse> {
        let by_id = cx.version >= TOPIC_IDS_FROM;
        let mut answer = Answer {
            by_id,
            ..Answer::default()
        };
        let image = cx.image();
        let mut topics = Vec::new();
        for topic in &request.topics {
            let (id, named) = (TopicId(topic.topic_id), &topic.name);
            let (known, code) = match by_id {
                true => (image.topics.with_id(id), ErrorCode::UNKNOWN_TOPIC_ID),
                false => (
                    image.topics.named(named),
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                ),
            };
            if known.is_none() {
                // A list that grows later is copied in one go.
                answer.reserve(named, id, topic.partitions.len());
            }
            for partitions in topic.partitions.chunks(AT_ONCE) {
                match known {
                    Some(known) => topics.extend(existing(partitions, known, &mut answer)),
                    None => {
                        let all = partitions.iter().map(|one| one.partition_index);
                        answer.refuse(named, id, all, code);
                    }
                }
                cx.pace().await;
            }
        }
        for topics in at_once(topics) {
            let commit = commit(cx, &request, topics);
            let groups = &cx.shard.coordinators.groups;
            let results = groups.ask(&commit.group, |machine, now, out| {
                machine.commit(&commit, now, out)
            });
            let results = results.await.and_then(|results| results);
            answer.merge(&commit.topics, results);
            cx.pace().await;
        }
        cx.drop_later(request);
        Newer(answer.finish())
    }
}

/// Topics in groups of about [`AT_ONCE`] partitions, which are committed one after another. What
/// Kafka's clients send is one of them.
fn at_once(topics: Vec<CommitTopic>) -> Vec<Vec<CommitTopic>> {
    let mut groups = Vec::new();
    let mut left_now = 0;
    for topic in topics {
        if left_now == 0 {
            groups.push(Vec::new());
            left_now = AT_ONCE;
        }
        left_now = left_now.saturating_sub(topic.partitions.len());
        if let Some(last) = groups.last_mut() {
            last.push(topic);
        }
    }
    groups
}

/// Those of the partitions that exist; the others are refused.
fn existing(
    partitions: &[OffsetCommitRequestPartition],
    known: &Topic,
    answer: &mut Answer,
) -> Option<CommitTopic> {
    let exists = |partition: &&OffsetCommitRequestPartition| {
        known.partition(partition.partition_index).is_some()
    };
    let (there, missing): (Vec<_>, Vec<_>) = partitions.iter().partition(exists);
    if !missing.is_empty() {
        let missing = missing.iter().map(|partition| partition.partition_index);
        let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        let name = TopicName(sent(&known.name));
        answer.refuse(&name, known.id, missing, code);
    }
    let partition = |partition: &OffsetCommitRequestPartition| CommitPartition {
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: kept_option(&partition.committed_metadata).unwrap_or_default(),
    };
    (!there.is_empty()).then(|| CommitTopic {
        name: (&*known.name).into(),
        id: known.id,
        partitions: there.into_iter().map(partition).collect(),
    })
}

fn commit(cx: &Context, request: &OffsetCommitRequest, topics: Vec<CommitTopic>) -> Commit {
    Commit {
        group: kept(&request.group_id),
        generation: request.generation_id_or_member_epoch,
        member_id: kept(&request.member_id),
        instance_id: kept_option(&request.group_instance_id),
        retention_ms: Some(request.retention_time_ms).filter(|&ms| ms != -1),
        knows_group_not_found: cx.version >= 9,
        names_ids: cx.version >= 10,
        transaction: None,
        topics,
    }
}

/// The answer as it grows: topics with refused partitions first, as Kafka has it.
#[derive(Default)]
struct Answer {
    /// Whether topics are named by their ids.
    by_id: bool,
    topics: Vec<OffsetCommitResponseTopic>,
    places: HashMap<(TopicName, TopicId), usize>,
}

impl Answer {
    fn topic(&mut self, name: &TopicName, id: TopicId) -> &mut OffsetCommitResponseTopic {
        let topic = OffsetCommitResponseTopic::default();
        let (key, topic) = match self.by_id {
            true => ((TopicName::default(), id), topic.with_topic_id(id.0)),
            false => ((name.clone(), TopicId::ZERO), topic.with_name(name.clone())),
        };
        let at = *self.places.entry(key).or_insert_with(|| {
            self.topics.push(topic);
            self.topics.len() - 1
        });
        &mut self.topics[at]
    }

    fn reserve(&mut self, name: &TopicName, id: TopicId, partitions: usize) {
        if partitions > 0 {
            self.topic(name, id).partitions.reserve(partitions);
        }
    }

    fn refuse(
        &mut self,
        name: &TopicName,
        id: TopicId,
        partitions: impl Iterator<Item = i32>,
        code: ErrorCode,
    ) {
        let topic = self.topic(name, id);
        topic
            .partitions
            .extend(partitions.map(|index| partition(index, code)));
    }

    fn merge(&mut self, topics: &[CommitTopic], results: Result<PartitionResults, GroupError>) {
        for (at, topic) in topics.iter().enumerate() {
            let name = TopicName(sent(&topic.name));
            let codes: Vec<_> = match &results {
                Ok(results) => results[at]
                    .iter()
                    .map(|(index, result)| {
                        let code = result.map_or_else(errors::group, |()| ErrorCode::NONE);
                        partition(*index, code)
                    })
                    .collect(),
                Err(error) => topic
                    .partitions
                    .iter()
                    .map(|one| partition(one.partition, errors::group(*error)))
                    .collect(),
            };
            self.topic(&name, topic.id).partitions.extend(codes);
        }
    }

    fn finish(self) -> OffsetCommitResponse {
        OffsetCommitResponse::default().with_topics(self.topics)
    }
}

fn partition(index: i32, code: ErrorCode) -> OffsetCommitResponsePartition {
    OffsetCommitResponsePartition::default()
        .with_partition_index(index)
        .with_error_code(code.0)
}
