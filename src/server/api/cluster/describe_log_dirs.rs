//! Drives: DescribeLogDirs, versions 1 to 5 (KIP-113, KIP-827): a shard's folders, the partitions
//! in each, those on their way there from another one, and the space on its file system.
//!
//! Left out: cordoned folders.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use crate::base::{ErrorCode, PartitionIndex};
use crate::io::{checks, turn};
use crate::server::api::{Api, Context};
use crate::server::state::codes::codes;
use crate::shard::log_dirs::LogDir;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::describe_log_dirs_request::DescribableLogDirTopic;
use crate::wire::codec::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use crate::wire::codec::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};
use crate::wire::newer::Newer;

/// What a partition takes in an answer while that is made, in bytes.
const PARTITION_BYTES: usize = 160;

/// The API.
pub struct DescribeLogDirs;

codes!(DescribeLogDirsResponse: [] [results]);

impl Api for DescribeLogDirs {
    type Request = Newer<DescribeLogDirsRequest>;
    const VERSIONS: (i16, i16) = (1, 5);
    const NAME: &'static str = "DescribeLogDirs";

    async fn handle(
        cx: &Context,
        Newer(request): Newer<DescribeLogDirsRequest>,
    ) -> Newer<DescribeLogDirsResponse> {
        let asked = match &request.topics {
            Some(topics) => Some(pairs(topics).await),
            None => None,
        };
        let mut results = Vec::new();
        for dir in cx.shard.dirs.working() {
            results.push(working_dir(cx, dir, asked.as_ref()).await);
        }
        results.extend(cx.shard.dirs.failed().map(failed_dir));
        Newer(DescribeLogDirsResponse::default().with_results(results))
    }
}

/// The partitions that a request names.
type Pairs<'a> = HashSet<(&'a str, PartitionIndex)>;

async fn pairs(topics: &[DescribableLogDirTopic]) -> Pairs<'_> {
    let mut pairs = HashSet::new();
    for topic in topics {
        for index in &topic.partitions {
            pairs.insert((topic.topic.as_str(), *index));
            turn::pace().await;
        }
        turn::pace().await;
    }
    pairs
}

async fn working_dir(
    cx: &Context,
    dir: &LogDir,
    asked: Option<&Pairs<'_>>,
) -> DescribeLogDirsResult {
    match checks::space(&dir.path) {
        Ok(space) => named(&dir.path)
            .with_topics(topics(cx, dir, asked).await)
            .with_total_bytes(space.total_bytes as i64)
            .with_usable_bytes(space.usable_bytes as i64),
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
async fn topics(
    cx: &Context,
    dir: &LogDir,
    asked: Option<&Pairs<'_>>,
) -> Vec<DescribeLogDirsTopic> {
    let mut by_topic: BTreeMap<String, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for partition in cx.shard.partitions.local() {
        cx.pace().await;
        let name = partition.name();
        let is_asked = |asked: &Pairs<'_>| asked.contains(&(&*name.topic, name.index));
        let future = cx.shard.dir_moves.future_in(dir, &partition);
        let is_here = dir.holds(&partition) || future.is_some();
        if !is_here || !asked.is_none_or(is_asked) {
            continue;
        }
        if !cx.claim(PARTITION_BYTES + 2 * name.topic.len()).await {
            break;
        }
        let (size_bytes, offset_lag) = match &future {
            Some(future) => (future.size_bytes, future.offset_lag),
            None => {
                let lag = partition.high_watermark() - partition.end_offset();
                (partition.size_bytes(), lag.max(0))
            }
        };
        let described = DescribeLogDirsPartition::default()
            .with_partition_index(name.index)
            .with_partition_size(size_bytes as i64)
            .with_offset_lag(offset_lag)
            .with_is_future_key(future.is_some());
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
    turn::collect(topics).await
}
