//! Drives: DescribeLogDirs, versions 1 to 4 (KIP-113, KIP-827): a shard's folder, the partitions
//! in it, and the room on its file system.
//!
//! Left out: folders that are moved to or cordoned, since a shard has one folder.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{ErrorCode, PartitionIndex};
use crate::io::checks;
use crate::server::api::{Api, Context};
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::describe_log_dirs_request::DescribableLogDirTopic;
use crate::wire::codec::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use crate::wire::codec::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};

/// The API.
pub struct DescribeLogDirs;

impl Api for DescribeLogDirs {
    type Request = DescribeLogDirsRequest;
    const VERSIONS: (i16, i16) = (1, 4);
    const NAME: &'static str = "DescribeLogDirs";

    async fn handle(cx: &Context, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
        let result = DescribeLogDirsResult::default().with_log_dir(StrBytes::from_string(
            checks::absolute(&cx.shard.dir).display().to_string(),
        ));
        let result = match checks::room(&cx.shard.dir) {
            Ok(room) => result
                .with_topics(topics(cx, request.topics.as_deref()))
                .with_total_bytes(room.total_bytes as i64)
                .with_usable_bytes(room.usable_bytes as i64),
            Err(error) => {
                tracing::warn!(dir = %cx.shard.dir.display(), %error, "cannot look at the data folder");
                result
                    .with_error_code(ErrorCode::KAFKA_STORAGE_ERROR.0)
                    .with_total_bytes(-1)
                    .with_usable_bytes(-1)
            }
        };
        DescribeLogDirsResponse::default().with_results(vec![result])
    }
}

/// The partitions of this shard that are asked for, by topic.
fn topics(cx: &Context, asked: Option<&[DescribableLogDirTopic]>) -> Vec<DescribeLogDirsTopic> {
    let asked: Option<BTreeSet<(&str, PartitionIndex)>> = asked.map(|topics| {
        let pairs = topics.iter().flat_map(|topic| {
            topic
                .partitions
                .iter()
                .map(|index| (topic.topic.as_str(), *index))
        });
        pairs.collect()
    });
    let mut by_topic: BTreeMap<String, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for partition in cx.shard.partitions.local() {
        let name = partition.name();
        if asked
            .as_ref()
            .is_some_and(|asked| !asked.contains(&(&*name.topic, name.index)))
        {
            continue;
        }
        let log = partition.log();
        let described = DescribeLogDirsPartition::default()
            .with_partition_index(name.index)
            .with_partition_size(log.size_bytes() as i64)
            .with_offset_lag((partition.high_watermark() - log.end_offset()).max(0));
        by_topic
            .entry(name.topic.to_string())
            .or_default()
            .push(described);
    }
    let topics = by_topic.into_iter().map(|(name, mut partitions)| {
        partitions.sort_by_key(|partition| partition.partition_index);
        DescribeLogDirsTopic::default()
            .with_name(TopicName(StrBytes::from_string(name)))
            .with_partitions(partitions)
    });
    topics.collect()
}
