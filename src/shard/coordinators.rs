//! Drives: which groups live here: those whose partition of `__consumer_offsets` is led here.

use std::rc::Rc;

use super::Shard;
use crate::base::TopicId;
use crate::base::config::BrokerConfig;
use crate::coordinator::GroupCoordinator;
use crate::coordinator::group::GroupConfig;
use crate::io::cores;
use crate::metadata::controller::decide::CreateTopicError;
use crate::metadata::controller::{CreateTopics, NewTopic, Reply, Request};
use crate::metadata::image::Image;

/// The topic that keeps groups and their offsets.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// A coordinator with the broker's settings, without groups yet.
pub fn groups(config: &BrokerConfig) -> GroupCoordinator {
    GroupCoordinator::new(GroupConfig::of(config), config.offsets.topic_partitions)
}

/// Asks for the topic of groups to be created, unless that is under way. Whoever needs it comes
/// again.
pub fn create_offsets_topic(shard: &Rc<Shard>) {
    if shard.creates_offsets_topic.replace(true) {
        return;
    }
    let shard = shard.clone();
    drop(cores::spawn(async move {
        let topic = offsets_topic(&shard.config());
        let request = Request::CreateTopics(CreateTopics {
            validate_only: false,
            topics: vec![topic],
        });
        let failed = match shard.control.decide(request).await {
            Ok(Reply::CreateTopics(results)) => results.into_iter().find_map(|one| {
                let error = one.result.err()?;
                // Another shard was asked at the same time.
                let known = matches!(error, CreateTopicError::Exists { .. });
                (!known).then(|| error.to_string())
            }),
            Ok(_) => Some("the metadata log cannot be written".to_owned()),
            Err(_) => Some("the broker stops".to_owned()),
        };
        if let Some(reason) = failed {
            tracing::error!(
                topic = OFFSETS_TOPIC,
                reason,
                "cannot create the topic of groups"
            );
        }
        shard.creates_offsets_topic.set(false);
    }));
}

fn offsets_topic(config: &BrokerConfig) -> NewTopic {
    let set = |name: &str, value: String| (name.to_owned(), Some(value));
    let offsets = &config.offsets;
    NewTopic {
        name: OFFSETS_TOPIC.to_owned(),
        partitions: offsets.topic_partitions,
        replication_factor: offsets.topic_replication_factor,
        assignments: Vec::new(),
        configs: vec![
            set("cleanup.policy", "compact".to_owned()),
            set("compression.type", "producer".to_owned()),
            set("segment.bytes", offsets.topic_segment_bytes.to_string()),
        ],
    }
}

/// Serves the groups of the partitions that are led here now.
pub fn lead(shard: &Shard) {
    if let Some(topic) = shard.partitions.topic(OFFSETS_TOPIC) {
        shard
            .groups
            .set_partition_count(topic.partitions.len() as i32);
        shard.groups.lead(topic.local().cloned().collect());
    }
}

/// Follows the image: serves the groups of the partitions that are led here, and forgets the
/// offsets of topics that are gone.
pub fn apply(shard: &Shard, before: &Image, after: &Image) {
    lead(shard);
    let changes = after.topics.changes_since(&before.topics);
    let gone = changes.into_iter().filter(|change| change.after.is_none());
    let gone: Vec<(Rc<str>, TopicId)> = gone
        .filter_map(|change| change.before)
        .map(|topic| ((&*topic.name).into(), topic.id))
        .collect();
    if !gone.is_empty() {
        shard.groups.topics_deleted(&gone);
    }
}
