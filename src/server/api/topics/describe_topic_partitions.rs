//! Drives: DescribeTopicPartitions, version 0 (KIP-966): topics a page at a time.

use std::collections::BTreeSet;

use crate::base::ErrorCode;
use crate::metadata::controller::decide::check_topic_name;
use crate::metadata::image::{Brokers, Image, Partition, is_internal};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use crate::wire::codec::messages::{
    BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
};

use super::{NO_OPERATIONS, TOPIC_OPERATIONS, name, view};

/// Topics and partitions that are looked at in one turn; where there are more it is done beside
/// the core.
const AT_ONCE: usize = 200;
/// What a partition takes in an answer while that is made, in bytes.
const PARTITION_BYTES: usize = 500;

/// The API.
pub struct DescribeTopicPartitions;

codes!(DescribeTopicPartitionsResponse: [topics] [topics partitions]);

impl Api for DescribeTopicPartitions {
    type Request = DescribeTopicPartitionsRequest;
    const VERSIONS: (i16, i16) = (0, 0);
    const NAME: &'static str = "DescribeTopicPartitions";

    async fn handle(
        cx: &Context,
        request: DescribeTopicPartitionsRequest,
    ) -> DescribeTopicPartitionsResponse {
        let limit = cx.shard.config().described_partitions_max;
        let image = cx.image();
        let asked = match request.topics.len() {
            // Names of all topics are put in order for each page.
            0 => image.topics.len(),
            some => some,
        };
        let partitions = usize::try_from(request.response_partition_limit).unwrap_or(0);
        if !cx.claim(PARTITION_BYTES * partitions.min(limit)).await {
            return DescribeTopicPartitionsResponse::default();
        }
        if asked.max(partitions.min(limit)) <= AT_ONCE {
            return describe(&image, &request, limit);
        }
        let described = cx.beside(move || describe(&image, &request, limit)).await;
        described.unwrap_or_default()
    }
}

/// The page that a request asks for, of at most `limit` partitions.
fn describe(
    image: &Image,
    request: &DescribeTopicPartitionsRequest,
    limit: usize,
) -> DescribeTopicPartitionsResponse {
    let all = request.topics.is_empty();
    let names = match wanted(image, request) {
        Ok(names) => names,
        Err(code) => return refused(request, code),
    };
    let asked = usize::try_from(request.response_partition_limit).unwrap_or(0);
    let mut left = asked.min(limit).max(1);
    let mut answer = DescribeTopicPartitionsResponse::default();
    for wanted in names {
        if left == 0 {
            answer.next_cursor = Some(cursor(wanted, 0));
            break;
        }
        let Some(topic) = image.topics.named(wanted) else {
            if !all {
                answer.topics.push(unknown(wanted));
            }
            continue;
        };
        let start = request
            .cursor
            .as_ref()
            .filter(|cursor| &**cursor.topic_name == wanted);
        let start = start.map_or(0, |cursor| cursor.partition_index.max(0) as usize);
        let end = topic.partitions.len().min(start.saturating_add(left));
        let page = topic.partitions.get(start..end).unwrap_or_default();
        let indexed = (start as i32..).zip(page);
        let partitions = indexed.map(|(index, one)| partition(&image.brokers, index, one));
        answer.topics.push(
            DescribeTopicPartitionsResponseTopic::default()
                .with_name(Some(name(wanted)))
                .with_topic_id(topic.id.0)
                .with_is_internal(topic.is_internal())
                .with_partitions(partitions.collect())
                .with_topic_authorized_operations(TOPIC_OPERATIONS),
        );
        if end < topic.partitions.len() {
            answer.next_cursor = Some(cursor(wanted, end as i32));
            break;
        }
        left -= page.len();
    }
    answer
}

/// Names of the topics to be described, by rising names, from the cursor on.
fn wanted<'a>(
    image: &'a Image,
    request: &'a DescribeTopicPartitionsRequest,
) -> Result<BTreeSet<&'a str>, ErrorCode> {
    let from = request
        .cursor
        .as_ref()
        .map_or("", |cursor| &**cursor.topic_name);
    let names: BTreeSet<&str> = if request.topics.is_empty() {
        image
            .topics
            .iter()
            .map(|topic| &*topic.name)
            .filter(|name| *name >= from)
            .collect()
    } else {
        let names = request.topics.iter().map(|topic| &**topic.name);
        names.filter(|name| *name >= from).collect()
    };
    match &request.cursor {
        // Kafka takes the missing cursor for one at the empty name, and fails over it.
        None if names.contains("") => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
        Some(_) if !request.topics.is_empty() && !names.contains(from) => {
            Err(ErrorCode::INVALID_REQUEST)
        }
        Some(cursor) if cursor.partition_index < 0 => Err(ErrorCode::INVALID_REQUEST),
        _ => Ok(names),
    }
}

fn refused(
    request: &DescribeTopicPartitionsRequest,
    code: ErrorCode,
) -> DescribeTopicPartitionsResponse {
    let topics = request.topics.iter().map(|topic| {
        DescribeTopicPartitionsResponseTopic::default()
            .with_error_code(code.0)
            .with_name(Some(topic.name.clone()))
            .with_topic_authorized_operations(NO_OPERATIONS)
    });
    DescribeTopicPartitionsResponse::default().with_topics(topics.collect())
}

fn unknown(wanted: &str) -> DescribeTopicPartitionsResponseTopic {
    let code = match check_topic_name(wanted) {
        Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        Err(error) => errors::topic_name(&error),
    };
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(code.0)
        .with_name(Some(name(wanted)))
        .with_is_internal(is_internal(wanted))
        .with_topic_authorized_operations(TOPIC_OPERATIONS)
}

fn partition(
    brokers: &Brokers,
    index: i32,
    partition: &Partition,
) -> DescribeTopicPartitionsResponsePartition {
    DescribeTopicPartitionsResponsePartition::default()
        .with_partition_index(index)
        .with_leader_id(view::leader(brokers, partition).unwrap_or(BrokerId(-1)))
        .with_leader_epoch(partition.leader_epoch)
        .with_replica_nodes(view::ids(&partition.replicas))
        .with_isr_nodes(view::ids(&partition.isr))
        .with_eligible_leader_replicas(Some(view::ids(&partition.elr)))
        .with_last_known_elr(Some(view::ids(&partition.last_known_elr)))
        .with_offline_replicas(view::offline(brokers, partition))
}

fn cursor(topic: &str, partition_index: i32) -> Cursor {
    Cursor::default()
        .with_topic_name(name(topic))
        .with_partition_index(partition_index)
}

#[cfg(test)]
mod tests {
    use super::super::tests::cluster;
    use super::*;
    use crate::wire::codec::messages::describe_topic_partitions_request;

    #[test]
    fn pages_put_together_are_everything_once() {
        let image = cluster(2, &[("a", 3), ("b", 1), ("c", 5)]);
        for limit in 1..=10 {
            let mut seen = Vec::new();
            let mut request =
                DescribeTopicPartitionsRequest::default().with_response_partition_limit(limit);
            loop {
                let page = describe(&image, &request, 2000);
                let count: usize = page.topics.iter().map(|topic| topic.partitions.len()).sum();
                assert!(count <= limit as usize);
                for topic in &page.topics {
                    let name = topic.name.as_ref().unwrap().to_string();
                    let indexes = topic.partitions.iter().map(|one| one.partition_index);
                    seen.extend(indexes.map(|index| (name.clone(), index)));
                }
                let Some(next) = page.next_cursor else {
                    break;
                };
                let cursor = describe_topic_partitions_request::Cursor::default()
                    .with_topic_name(next.topic_name)
                    .with_partition_index(next.partition_index);
                request.cursor = Some(cursor);
            }
            let all = [("a", 3), ("b", 1), ("c", 5)].map(|(name, count)| {
                (0..count)
                    .map(move |index| (name.to_owned(), index))
                    .collect::<Vec<_>>()
            });
            assert_eq!(seen, all.concat(), "limit {limit}");
        }
    }

    #[test]
    fn the_brokers_own_limit_holds_too() {
        let image = cluster(1, &[("a", 5)]);
        let request =
            DescribeTopicPartitionsRequest::default().with_response_partition_limit(i32::MAX);
        let page = describe(&image, &request, 2);
        assert_eq!(page.topics[0].partitions.len(), 2);
        assert_eq!(page.next_cursor.unwrap().partition_index, 2);
    }
}
