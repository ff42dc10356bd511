//! Drives: DescribeLogDirs, versions 1 to 4 (KIP-113, KIP-827): a shard's folders, the partitions
//! in each, and the room on its file system.
//!
//! Left out: partitions on their way from one folder to another, cordoned folders.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::base::{ErrorCode, PartitionIndex};
use crate::io::checks;
use crate::server::api::{Api, Context};
use crate::shard::log_dirs::LogDir;
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
        let asked = request.topics.as_deref();
        let working = cx.shard.dirs.working();
        let mut results: Vec<_> = working.map(|dir| working_dir(cx, dir, asked)).collect();
        results.extend(cx.shard.dirs.failed().map(failed_dir));
        DescribeLogDirsResponse::default().with_results(results)
    }
}

fn working_dir(
    cx: &Context,
    dir: &LogDir,
    asked: Option<&[DescribableLogDirTopic]>,
) -> DescribeLogDirsResult {
    match checks::room(&dir.path) {
        Ok(room) => named(&dir.path)
            .with_topics(topics(cx, dir, asked))
            .with_total_bytes(room.total_bytes as i64)
            .with_usable_bytes(room.usable_bytes as i64),
        Err(error) => {
            tracing::warn!(dir = %dir.path.display(), %error, "cannot look at a log folder");
            failed_dir(&dir.path)
        }
    }
}

fn failed_dir(path: &Path) -> DescribeLogDirsResult {
    named(path)
        .with_error_code(ErrorCode::KAFKA_STORAGE_ERROR.0)
        .with_total_bytes(-1)
        .with_usable_bytes(-1)
}

fn named(path: &Path) -> DescribeLogDirsResult {
    let path = checks::absolute(path).display().to_string();
    DescribeLogDirsResult::default().with_log_dir(StrBytes::from_string(path))
}

/// The partitions in this folder that are asked for, by topic.
fn topics(
    cx: &Context,
    dir: &LogDir,
    asked: Option<&[DescribableLogDirTopic]>,
) -> Vec<DescribeLogDirsTopic> {
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
    let partitions = cx.shard.partitions.local().into_iter();
    for partition in partitions.filter(|partition| dir.holds(partition)) {
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
