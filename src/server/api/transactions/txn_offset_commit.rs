//! Drives: TxnOffsetCommit, versions 0 to 5 (KIP-98, KIP-447, KIP-890): offsets that count once the
//! transaction that they are part of is committed.

use crate::base::{ErrorCode, TopicId};
use crate::coordinator::group::{Commit, CommitPartition, CommitTopic, InTransaction};
use crate::server::api::groups::{kept, kept_option};
use crate::server::api::transactions::joining::{self, Understands};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::shard::coordinators::OFFSETS_TOPIC;
use crate::shard::mesh::Joining;
use crate::wire::codec::messages::txn_offset_commit_request::TxnOffsetCommitRequestTopic;
use crate::wire::codec::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use crate::wire::codec::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

/// The API.
pub struct TxnOffsetCommit;

/// First version whose client understands TRANSACTION_ABORTABLE.
const ABORTABLE_FROM: i16 = 4;
/// First version that adds the group's partition to the transaction by itself.
const ADDS_FROM: i16 = 5;
/// First version whose client understands COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296).
const LOADING_FROM: i16 = 2;

codes!(TxnOffsetCommitResponse: [topics partitions]);

impl Api for TxnOffsetCommit {
    type Request = TxnOffsetCommitRequest;
    const VERSIONS: (i16, i16) = (0, 5);
    const NAME: &'static str = "TxnOffsetCommit";

    async fn handle(cx: &Context, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
        let image = cx.image();
        // Refused ones come first, as Kafka has it.
        let mut answered = Vec::new();
        let mut wanted = Vec::new();
        for topic in &request.topics {
            cx.pace().await;
            let known = image.topics.named(&topic.name);
            let exists = |index: i32| known.is_some_and(|it| it.partition(index).is_some());
            let (there, missing): (Vec<_>, Vec<_>) = topic
                .partitions
                .iter()
                .partition(|partition| exists(partition.partition_index));
            if !missing.is_empty() || there.is_empty() {
                let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
                let missing = missing.iter().map(|it| (it.partition_index, code));
                answered.push(named(topic, missing));
            }
            if !there.is_empty() {
                let partitions = there.iter().map(|it| CommitPartition {
                    partition: it.partition_index,
                    offset: it.committed_offset,
                    leader_epoch: it.committed_leader_epoch,
                    metadata: kept_option(&it.committed_metadata).unwrap_or_default(),
                });
                let commit = CommitTopic {
                    name: kept(&topic.name),
                    id: known.map_or(TopicId::ZERO, |it| it.id),
                    partitions: partitions.collect(),
                };
                wanted.push((topic, commit));
            }
        }
        if !wanted.is_empty() {
            let (topics, commits): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
            let codes = commit(cx, &request, commits).await;
            for (topic, codes) in topics.into_iter().zip(codes) {
                let known = answered.iter_mut().find(|it| it.name == topic.name);
                let of_topic = named(topic, codes.into_iter());
                match known {
                    Some(known) => known.partitions.extend(of_topic.partitions),
                    None => answered.push(of_topic),
                }
            }
        }
        cx.drop_later(request);
        TxnOffsetCommitResponse::default().with_topics(answered)
    }
}

fn named(
    topic: &TxnOffsetCommitRequestTopic,
    partitions: impl Iterator<Item = (i32, ErrorCode)>,
) -> TxnOffsetCommitResponseTopic {
    let partitions = partitions.map(|(index, code)| {
        TxnOffsetCommitResponsePartition::default()
            .with_partition_index(index)
            .with_error_code(code.0)
    });
    TxnOffsetCommitResponseTopic::default()
        .with_name(topic.name.clone())
        .with_partitions(partitions.collect())
}

/// Commits; what became of each partition, topic by topic.
async fn commit(
    cx: &Context,
    request: &TxnOffsetCommitRequest,
    topics: Vec<CommitTopic>,
) -> Vec<Vec<(i32, ErrorCode)>> {
    let indexes: Vec<Vec<i32>> = topics
        .iter()
        .map(|topic| topic.partitions.iter().map(|it| it.partition).collect())
        .collect();
    let refused = |code: ErrorCode| {
        let code = match code {
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS if cx.version < LOADING_FROM => {
                ErrorCode::COORDINATOR_NOT_AVAILABLE
            }
            code => code,
        };
        let topics = indexes.iter();
        let all = topics.map(|of_topic| of_topic.iter().map(|index| (*index, code)).collect());
        all.collect()
    };
    let group = kept(&request.group_id);
    if group.is_empty() {
        return refused(ErrorCode::INVALID_GROUP_ID);
    }
    let transaction = match join(cx, request, &group).await {
        Ok(transaction) => transaction,
        Err(code) => return refused(code),
    };
    let commit = Commit {
        group,
        generation: request.generation_id,
        member_id: kept(&request.member_id),
        instance_id: kept_option(&request.group_instance_id),
        retention_ms: None,
        knows_group_not_found: false,
        names_ids: true,
        transaction: Some(transaction),
        topics,
    };
    let groups = &cx.shard.coordinators.groups;
    match groups.commit_in_transaction(&commit, &transaction).await {
        Ok(results) => {
            let topics = results.into_iter().map(|of_topic| {
                let codes = of_topic.into_iter().map(|(index, result)| {
                    (
                        index,
                        result.map_or_else(errors::group, |()| ErrorCode::NONE),
                    )
                });
                codes.collect()
            });
            topics.collect()
        }
        Err(error) => refused(errors::group(error)),
    }
}

/// Sees to it that the coordinator of the transaction knows of the group's partition.
async fn join(
    cx: &Context,
    request: &TxnOffsetCommitRequest,
    group: &str,
) -> Result<InTransaction, ErrorCode> {
    let (producer_id, producer_epoch) = (request.producer_id.0, request.producer_epoch);
    let groups = &cx.shard.coordinators.groups;
    let ask_about = || {
        let guard = groups.ask_about(group, producer_id, producer_epoch);
        guard.map_err(errors::group)
    };
    let mut guard = ask_about()?;
    // The coordinator may have let the question wait for the end of the transaction before: its
    // marker has made the guard worthless then, so the question is asked once more with a new one.
    for is_last in [false, true] {
        let Some(asked) = guard else {
            break;
        };
        let joining = Joining {
            transactional_id: request.transactional_id.as_str().into(),
            producer_id,
            producer_epoch,
            verify_only: cx.version < ADDS_FROM,
            partitions: vec![(OFFSETS_TOPIC.into(), groups.partition_of(group))],
        };
        let client = match cx.version < ABORTABLE_FROM {
            true => Understands::Old,
            false => Understands::Abortable,
        };
        let codes = joining::ask(&cx.shard, joining, client).await;
        match codes
            .first()
            .copied()
            .unwrap_or(ErrorCode::NETWORK_EXCEPTION)
        {
            ErrorCode::NONE => {}
            // On this code clients try again at the same coordinator.
            ErrorCode::NETWORK_EXCEPTION => return Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
            code => return Err(code),
        }
        match ask_about()? {
            Some(fresh) if fresh != asked && !is_last => guard = Some(fresh),
            _ => break,
        }
    }
    Ok(InTransaction {
        producer_id,
        producer_epoch,
        guard,
    })
}
