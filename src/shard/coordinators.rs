//! Drives: which groups live here: those whose partition of `__consumer_offsets` is led here.

use std::rc::Rc;

use super::Shard;
use crate::base::TopicId;
use crate::base::config::BrokerConfig;
use crate::coordinator::GroupCoordinator;
use crate::coordinator::group::GroupConfig;
use crate::io::budget::Budget;
use crate::metadata::image::Image;

/// The topic that keeps groups and their offsets.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// A coordinator with the broker's settings, without groups yet.
pub fn groups(config: &BrokerConfig, budget: &Rc<Budget>) -> GroupCoordinator {
    let partitions = config.offsets.topic_partitions;
    GroupCoordinator::new(GroupConfig::of(config), partitions, budget)
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
