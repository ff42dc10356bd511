//! Drives: OffsetCommit, versions 2 to 9 (retention time up to 4, KIP-320 leader epochs in 6,
//! KIP-345 static members in 7, KIP-848 errors in 9). Left out: version 10 (topic ids), which
//! the codec cannot read.

use std::collections::HashMap;

use crate::base::ErrorCode;
use crate::coordinator::group::{
    Commit, CommitPartition, CommitTopic, GroupError, PartitionResults,
};
use crate::metadata::image::Topic;
use crate::server::api::groups::{AT_ONCE, kept, kept_option, sent};
use crate::server::api::{Api, Context, errors};
use crate::wire::codec::messages::offset_commit_request::OffsetCommitRequestPartition;
use crate::wire::codec::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::wire::codec::messages::{OffsetCommitRequest, OffsetCommitResponse, TopicName};

/// The API.
pub struct OffsetCommit;

impl Api for OffsetCommit {
    type Request = OffsetCommitRequest;
    const VERSIONS: (i16, i16) = (2, 9);
    const NAME: &'static str = "OffsetCommit";

    async fn handle(cx: &Context, request: OffsetCommitRequest) -> OffsetCommitResponse {
        let mut answer = Answer::default();
        let image = cx.image();
        let mut topics = Vec::new();
        for topic in &request.topics {
            let known = image.topics.named(&topic.name);
            for partitions in topic.partitions.chunks(AT_ONCE) {
                match known {
                    Some(known) => {
                        topics.extend(existing(&topic.name, partitions, known, &mut answer));
                    }
                    None => {
                        let all = partitions.iter().map(|one| one.partition_index);
                        let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
                        answer.refuse(&topic.name, all, code);
                    }
                }
                cx.pace().await;
            }
        }
        for topics in at_once(topics) {
            let commit = commit(cx, &request, topics);
            let groups = &cx.shard.groups;
            let results = groups.ask(&commit.group, |machine, now, out| {
                machine.commit(&commit, now, out)
            });
            let results = results.await.and_then(|results| results);
            answer.merge(&commit.topics, results);
            cx.pace().await;
        }
        cx.drop_later(request);
        answer.finish()
    }
}

/// Topics in groups of about [`AT_ONCE`] partitions, which are committed one after another. What
/// Kafka's clients send is one of them.
fn at_once(topics: Vec<CommitTopic>) -> Vec<Vec<CommitTopic>> {
    let mut groups = Vec::new();
    let mut room = 0;
    for topic in topics {
        if room == 0 {
            groups.push(Vec::new());
            room = AT_ONCE;
        }
        room = room.saturating_sub(topic.partitions.len());
        if let Some(last) = groups.last_mut() {
            last.push(topic);
        }
    }
    groups
}

/// Those of the partitions that exist; the others are refused.
fn existing(
    name: &TopicName,
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
        answer.refuse(name, missing, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let partition = |partition: &OffsetCommitRequestPartition| CommitPartition {
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: kept_option(&partition.committed_metadata).unwrap_or_default(),
    };
    (!there.is_empty()).then(|| CommitTopic {
        name: kept(name),
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
        topics,
    }
}

/// The answer as it grows: topics with refused partitions first, as Kafka has it.
#[derive(Default)]
struct Answer {
    topics: Vec<OffsetCommitResponseTopic>,
    places: HashMap<TopicName, usize>,
}

impl Answer {
    fn topic(&mut self, name: &TopicName) -> &mut OffsetCommitResponseTopic {
        let at = match self.places.get(name) {
            Some(at) => *at,
            None => {
                let topic = OffsetCommitResponseTopic::default().with_name(name.clone());
                self.topics.push(topic);
                self.places.insert(name.clone(), self.topics.len() - 1);
                self.topics.len() - 1
            }
        };
        &mut self.topics[at]
    }

    fn refuse(&mut self, name: &TopicName, partitions: impl Iterator<Item = i32>, code: ErrorCode) {
        let topic = self.topic(name);
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
            self.topic(&name).partitions.extend(codes);
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
