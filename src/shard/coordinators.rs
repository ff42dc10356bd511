//! Drives: which groups live here: those whose partition of `__consumer_offsets` is led here.

use std::rc::Rc;

use super::Shard;
use crate::base::TopicId;
use crate::base::config::BrokerConfig;
use crate::coordinator::GroupCoordinator;
use crate::coordinator::group::GroupConfig;
use crate::metadata::image::Image;

/// The topic that keeps groups and their offsets.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// A coordinator with the broker's settings, without groups yet.
pub fn groups(config: &BrokerConfig) -> GroupCoordinator {
    let (groups, offsets) = (&config.groups, &config.offsets);
    let settings = GroupConfig {
        session_timeout_min_ms: groups.session_timeout_min_ms,
        session_timeout_max_ms: groups.session_timeout_max_ms,
        initial_rebalance_delay_ms: groups.initial_rebalance_delay_ms,
        members_max: groups.members_max,
        offset_metadata_max: offsets.metadata_bytes_max,
        offsets_retention_ms: offsets.retention_ms,
        retention_check_ms: offsets.retention_check_ms,
        ..GroupConfig::default()
    };
    GroupCoordinator::new(settings, offsets.topic_partitions)
}

/// Follows the image: serves the groups of the partitions that are led here, and forgets the
/// offsets of topics that are gone.
pub fn apply(shard: &Shard, before: &Image, after: &Image) {
    if let Some(topic) = shard.partitions.topic(OFFSETS_TOPIC) {
        shard
            .groups
            .set_partition_count(topic.partitions.len() as i32);
        shard.groups.lead(topic.local().cloned().collect());
    }
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
