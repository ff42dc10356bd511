//! Drives: OffsetFetch, versions 1 to 10 (all offsets in 2, KIP-320 leader epochs in 5, KIP-447
//! stable offsets in 7, KIP-709 several groups in 8, KIP-848 members in 9, topic ids in 10).

use std::rc::Rc;

use crate::base::{ErrorCode, TopicId};
use crate::coordinator::group::{Fetched, FetchedTopics, GroupError, TopicPartitions, before_all};
use crate::io::turn;
use crate::server::api::groups::{AT_ONCE, kept, sent};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use crate::wire::codec::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use crate::wire::codec::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};
use crate::wire::newer::Newer;

/// What a partition takes in an answer while that is made, in bytes.
const PARTITION_BYTES: usize = 160;

/// First version that names topics by their ids.
const TOPIC_IDS_FROM: i16 = 10;

/// The API.
pub struct OffsetFetch;

codes!(OffsetFetchResponse: [] [topics partitions] [groups] [groups topics partitions]);

impl Api for OffsetFetch {
    type Request = Newer<OffsetFetchRequest>;
    const VERSIONS: (i16, i16) = (1, 10);
    const NAME: &'static str = "OffsetFetch";

    async fn handle(
        cx: &Context,
        Newer(mut request): Newer<OffsetFetchRequest>,
    ) -> Newer<OffsetFetchResponse> {
        if cx.version >= 8 {
            let mut groups = Vec::with_capacity(request.groups.len());
            for group in &mut request.groups {
                let unknown = match cx.version {
                    TOPIC_IDS_FROM.. => find_names(cx, group).await,
                    _ => Vec::new(),
                };
                let mut answer = fetch_group(cx, group, request.require_stable).await;
                if answer.error_code == 0 {
                    answer.topics.extend(unknown);
                }
                groups.push(answer);
                cx.pace().await;
            }
            cx.drop_later(request);
            return Newer(OffsetFetchResponse::default().with_groups(groups));
        }
        let topic = |topic: OffsetFetchRequestTopic| {
            OffsetFetchRequestTopics::default()
                .with_name(topic.name)
                .with_partition_indexes(topic.partition_indexes)
        };
        let topics = match request.topics.take() {
            Some(topics) => Some(turn::collect(topics.into_iter().map(topic)).await),
            None => None,
        };
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(request.group_id)
            .with_topics(topics);
        let answer = fetch_group(cx, &group, request.require_stable).await;
        cx.drop_later(group);
        Newer(single(answer).await)
    }
}

/// Puts the names of topics that are given by id into the request; those that are unknown leave
/// it, and are answered with that.
async fn find_names(
    cx: &Context,
    group: &mut OffsetFetchRequestGroup,
) -> Vec<OffsetFetchResponseTopics> {
    let image = cx.image();
    let mut unknown = Vec::new();
    let (mut known, asked) = (Vec::new(), group.topics.take());
    let is_all = asked.is_none();
    for mut topic in asked.into_iter().flatten() {
        match image.topics.with_id(TopicId(topic.topic_id)) {
            Some(found) => {
                topic.name = TopicName(sent(&found.name));
                known.push(topic);
            }
            None => {
                let code = ErrorCode::UNKNOWN_TOPIC_ID.0;
                let indexes = topic.partition_indexes.iter();
                let partitions = indexes.map(|index| no_offset(*index).with_error_code(code));
                let answer = OffsetFetchResponseTopics::default().with_topic_id(topic.topic_id);
                unknown.push(answer.with_partitions(turn::collect(partitions).await));
            }
        }
        cx.pace().await;
    }
    group.topics = (!is_all).then_some(known);
    unknown
}

async fn fetch_group(
    cx: &Context,
    group: &OffsetFetchRequestGroup,
    stable: bool,
) -> OffsetFetchResponseGroup {
    let answer = OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone());
    match fetch(cx, group, stable).await {
        Ok(topics) => {
            let mut found_of = Vec::with_capacity(topics.len());
            let image = cx.image();
            for topic in &topics {
                if !cx.claim(memory_bytes(topic)).await {
                    break;
                }
                let answer = found(topic).await;
                if cx.version < TOPIC_IDS_FROM {
                    found_of.push(answer);
                } else if let Some(known) = image.topics.named(&topic.0) {
                    let answer = answer.with_name(TopicName::default());
                    found_of.push(answer.with_topic_id(known.id.0));
                }
            }
            answer.with_topics(found_of)
        }
        Err(error) if cx.version >= 2 => answer.with_error_code(errors::group(error).0),
        Err(error) => {
            let topics = group.topics.iter().flatten();
            let topics = topics.map(|topic| refused(topic, error));
            answer.with_topics(turn::collect(topics).await)
        }
    }
}

async fn fetch(
    cx: &Context,
    group: &OffsetFetchRequestGroup,
    stable: bool,
) -> Result<FetchedTopics, GroupError> {
    let id = kept(&group.group_id);
    let (member, epoch) = (group.member_id.as_deref(), group.member_epoch);
    let groups = &cx.shard.coordinators.groups;
    let checked = groups.ask(&id, |machine, _, _| machine.check_fetch(&id, member, epoch));
    checked.await??;
    let Some(topics) = &group.topics else {
        return fetch_all(cx, &id, stable).await;
    };
    let mut found = Vec::with_capacity(topics.len());
    let mut due = Vec::new();
    let mut left_now = AT_ONCE;
    for (at, topic) in topics.iter().enumerate() {
        let (name, partitions) = (kept(&topic.name), &topic.partition_indexes);
        let topic_id = topic.topic_id;
        found.push((name.clone(), Vec::with_capacity(partitions.len())));
        // Kafka's clients ask for a few; very many are asked for one thousand after the other.
        let mut left = &partitions[..];
        loop {
            let (now, later) = left.split_at(left.len().min(left_now));
            let topic = TopicPartitions {
                name: name.clone(),
                // Zero, and so any, where the version has none.
                id: TopicId(topic_id),
                partitions: now.to_vec(),
            };
            due.push((at, topic));
            // A topic without partitions counts as well.
            left_now -= now.len().max(1).min(left_now);
            left = later;
            if left_now == 0 {
                ask(cx, &id, stable, &mut due, &mut found).await?;
                left_now = AT_ONCE;
            }
            if left.is_empty() {
                break;
            }
        }
    }
    ask(cx, &id, stable, &mut due, &mut found).await?;
    Ok(found)
}

/// All that a group has committed, one thousand offsets after the other.
async fn fetch_all(cx: &Context, id: &Rc<str>, stable: bool) -> Result<FetchedTopics, GroupError> {
    let mut found: FetchedTopics = Vec::new();
    let mut next = Some(before_all());
    while let Some(place) = next {
        let fetch = cx.shard.coordinators.groups.ask(id, |machine, _, _| {
            machine.fetch_some(id, stable, &place, AT_ONCE)
        });
        let (topics, more) = fetch.await?;
        for (topic, mut partitions) in topics {
            match found.last_mut().filter(|last| last.0 == topic) {
                Some(last) => last.1.append(&mut partitions),
                None => found.push((topic, partitions)),
            }
        }
        next = more;
        cx.pace().await;
    }
    Ok(found)
}

/// Asks the group for what is `due`, and adds what it says to the topics in `found`.
async fn ask(
    cx: &Context,
    id: &Rc<str>,
    stable: bool,
    due: &mut Vec<(usize, TopicPartitions)>,
    found: &mut FetchedTopics,
) -> Result<(), GroupError> {
    let (places, wanted): (Vec<usize>, Vec<_>) = due.drain(..).unzip();
    let groups = &cx.shard.coordinators.groups;
    let fetched = groups.ask(id, |machine, _, _| machine.fetch(id, &wanted, stable));
    for (at, fetched) in places.into_iter().zip(fetched.await?) {
        found[at].1.extend(fetched);
    }
    cx.pace().await;
    Ok(())
}

/// What a topic takes in an answer while that is made, in bytes.
fn memory_bytes((name, partitions): &(Rc<str>, Vec<Fetched>)) -> usize {
    let one = |fetched: &Fetched| match &fetched.offset {
        Ok(Some(kept)) => PARTITION_BYTES + 2 * kept.metadata.len(),
        _ => PARTITION_BYTES,
    };
    2 * name.len() + partitions.iter().map(one).sum::<usize>()
}

async fn found((name, partitions): &(Rc<str>, Vec<Fetched>)) -> OffsetFetchResponseTopics {
    OffsetFetchResponseTopics::default()
        .with_name(TopicName(sent(name)))
        .with_partitions(turn::collect(partitions.iter().map(partition)).await)
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
async fn single(group: OffsetFetchResponseGroup) -> OffsetFetchResponse {
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
        .with_topics(turn::collect(group.topics.into_iter().map(topic)).await)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::coordinator::group::Committed;
    use crate::wire::codec;

    fn ready<T>(future: impl Future<Output = T>) -> T {
        future
            .now_or_never()
            .expect("outside of a core nothing waits")
    }

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
        let topics = vec![ready(found(&("t".into(), partitions.collect())))];
        for version in OffsetFetch::VERSIONS.0..=OffsetFetch::VERSIONS.1 {
            let group = OffsetFetchResponseGroup::default().with_topics(topics.clone());
            let answer = match version < 8 {
                true => ready(single(group)),
                false => OffsetFetchResponse::default().with_groups(vec![group]),
            };
            let mut bytes = bytes::BytesMut::new();
            assert!(
                codec::encode(&Newer(answer), version, &mut bytes).is_ok(),
                "{version}"
            );
        }
    }
}
