//! Drives: OffsetFetch, versions 1 to 9 (all offsets in 2, KIP-320 leader epochs in 5, KIP-447
//! stable offsets in 7, KIP-709 several groups in 8, KIP-848 members in 9). Left out: version
//! 10 (topic ids), which the codec cannot read.

use std::rc::Rc;

use crate::base::TopicId;
use crate::coordinator::group::{Fetched, GroupError, TopicPartitions};
use crate::server::api::groups::{kept, sent};
use crate::server::api::{Api, Context, errors};
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use crate::wire::codec::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use crate::wire::codec::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};

/// The API.
pub struct OffsetFetch;

impl Api for OffsetFetch {
    type Request = OffsetFetchRequest;
    const VERSIONS: (i16, i16) = (1, 9);
    const NAME: &'static str = "OffsetFetch";

    async fn handle(cx: &Context, mut request: OffsetFetchRequest) -> OffsetFetchResponse {
        if cx.version >= 8 {
            let mut groups = Vec::with_capacity(request.groups.len());
            for group in &request.groups {
                groups.push(fetch_group(cx, group, request.require_stable).await);
            }
            return OffsetFetchResponse::default().with_groups(groups);
        }
        let topics = request.topics.take().map(|topics| {
            let topic = |topic: OffsetFetchRequestTopic| {
                OffsetFetchRequestTopics::default()
                    .with_name(topic.name)
                    .with_partition_indexes(topic.partition_indexes)
            };
            topics.into_iter().map(topic).collect()
        });
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(request.group_id)
            .with_topics(topics);
        single(fetch_group(cx, &group, request.require_stable).await)
    }
}

async fn fetch_group(
    cx: &Context,
    group: &OffsetFetchRequestGroup,
    stable: bool,
) -> OffsetFetchResponseGroup {
    let answer = OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone());
    match fetch(cx, group, stable).await {
        Ok(topics) => answer.with_topics(topics.iter().map(found).collect()),
        Err(error) if cx.version >= 2 => answer.with_error_code(errors::group(error).0),
        Err(error) => {
            let topics = group.topics.iter().flatten();
            answer.with_topics(topics.map(|topic| refused(topic, error)).collect())
        }
    }
}

async fn fetch(
    cx: &Context,
    group: &OffsetFetchRequestGroup,
    stable: bool,
) -> Result<Vec<(Rc<str>, Vec<Fetched>)>, GroupError> {
    let (id, groups) = (kept(&group.group_id), &cx.shard.groups);
    let Some(topics) = &group.topics else {
        return groups
            .ask(&id, |machine, _, _| machine.fetch_all(&id, stable))
            .await;
    };
    let wanted = |topic: &OffsetFetchRequestTopics| TopicPartitions {
        name: kept(&topic.name),
        id: TopicId::ZERO,
        partitions: topic.partition_indexes.clone(),
    };
    let wanted: Vec<_> = topics.iter().map(wanted).collect();
    let fetched = groups.ask(&id, |machine, _, _| machine.fetch(&id, &wanted, stable));
    let fetched = fetched.await?;
    Ok(wanted
        .into_iter()
        .map(|topic| topic.name)
        .zip(fetched)
        .collect())
}

fn found((name, partitions): &(Rc<str>, Vec<Fetched>)) -> OffsetFetchResponseTopics {
    OffsetFetchResponseTopics::default()
        .with_name(TopicName(sent(name)))
        .with_partitions(partitions.iter().map(partition).collect())
}

fn partition(fetched: &Fetched) -> OffsetFetchResponsePartitions {
    let answer = no_offset(fetched.partition);
    match &fetched.offset {
        Ok(None) => answer,
        Ok(Some(kept)) => answer
            .with_committed_offset(kept.offset)
            .with_committed_leader_epoch(kept.leader_epoch)
            .with_metadata(Some(sent(&kept.metadata))),
        Err(error) => answer.with_error_code(errors::group(*error).0),
    }
}

fn no_offset(index: i32) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions::default()
        .with_partition_index(index)
        .with_committed_offset(-1)
        .with_committed_leader_epoch(-1)
        .with_metadata(Some(StrBytes::default()))
}

fn refused(topic: &OffsetFetchRequestTopics, error: GroupError) -> OffsetFetchResponseTopics {
    let code = errors::group(error).0;
    let partition = |&index: &i32| no_offset(index).with_error_code(code);
    OffsetFetchResponseTopics::default()
        .with_name(topic.name.clone())
        .with_partitions(topic.partition_indexes.iter().map(partition).collect())
}

/// The answer about one group as it was before version 8.
fn single(group: OffsetFetchResponseGroup) -> OffsetFetchResponse {
    let partition = |one: OffsetFetchResponsePartitions| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(one.partition_index)
            .with_committed_offset(one.committed_offset)
            .with_committed_leader_epoch(one.committed_leader_epoch)
            .with_metadata(one.metadata)
            .with_error_code(one.error_code)
    };
    let topic = |topic: OffsetFetchResponseTopics| {
        OffsetFetchResponseTopic::default()
            .with_name(topic.name)
            .with_partitions(topic.partitions.into_iter().map(partition).collect())
    };
    OffsetFetchResponse::default()
        .with_error_code(group.error_code)
        .with_topics(group.topics.into_iter().map(topic).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::group::Committed;
    use crate::wire::codec;

    #[test]
    fn every_version_can_say_every_answer() {
        let committed = Committed {
            offset: 5,
            leader_epoch: 2,
            metadata: "m".into(),
        };
        let offsets = [
            Ok(None),
            Ok(Some(committed)),
            Err(GroupError::UnstableOffset),
        ];
        let partitions = offsets
            .into_iter()
            .zip(0..)
            .map(|(offset, partition)| Fetched { partition, offset });
        let topics = vec![found(&("t".into(), partitions.collect()))];
        for version in OffsetFetch::VERSIONS.0..=OffsetFetch::VERSIONS.1 {
            let group = OffsetFetchResponseGroup::default().with_topics(topics.clone());
            let answer = match version < 8 {
                true => single(group),
                false => OffsetFetchResponse::default().with_groups(vec![group]),
            };
            let mut bytes = bytes::BytesMut::new();
            assert!(
                codec::encode(&answer, version, &mut bytes).is_ok(),
                "{version}"
            );
        }
    }
}
