//! Drives: AlterReplicaLogDirs, versions 1 to 2 (KIP-113): replicas of this node go from one of its
//! folders to another. They are on their way, or there, when the answer comes; DescribeLogDirs says
//! how far they are.

use std::collections::BTreeMap;

use crate::base::ErrorCode;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::shard::dir_moves;
use crate::wire::codec::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use crate::wire::codec::messages::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, TopicName,
};

/// What a partition takes in an answer, and while that is made, in bytes.
const PARTITION_BYTES: usize = 192;

/// The API.
pub struct AlterReplicaLogDirs;

codes!(AlterReplicaLogDirsResponse: [results partitions]);

impl Api for AlterReplicaLogDirs {
    type Request = AlterReplicaLogDirsRequest;
    const VERSIONS: (i16, i16) = (1, 2);
    const NAME: &'static str = "AlterReplicaLogDirs";

    async fn handle(
        cx: &Context,
        request: AlterReplicaLogDirsRequest,
    ) -> AlterReplicaLogDirsResponse {
        // A partition that stands there more than once goes where it stands last.
        let mut wanted: BTreeMap<&TopicName, BTreeMap<i32, &str>> = BTreeMap::new();
        let topics = request.dirs.iter().flat_map(|dir| {
            let topics = dir.topics.iter();
            topics.map(|topic| (topic, dir.path.as_str()))
        });
        for (topic, path) in topics {
            for index in &topic.partitions {
                cx.pace().await;
                if !cx.claim(PARTITION_BYTES).await {
                    return AlterReplicaLogDirsResponse::default();
                }
                let partitions = wanted.entry(&topic.name).or_default();
                partitions.insert(*index, path);
            }
            cx.pace().await;
        }
        let mut results = Vec::with_capacity(wanted.len());
        for (topic, wanted) in wanted {
            let mut partitions = Vec::with_capacity(wanted.len());
            for (index, path) in wanted {
                cx.pace().await;
                let asked = dir_moves::ask(&cx.shard, topic, index, path).await;
                let code = match asked {
                    Ok(()) => ErrorCode::NONE,
                    Err(error) => errors::alter_log_dir(&error),
                };
                partitions.push(
                    AlterReplicaLogDirPartitionResult::default()
                        .with_partition_index(index)
                        .with_error_code(code.0),
                );
            }
            results.push(
                AlterReplicaLogDirTopicResult::default()
                    .with_topic_name(topic.clone())
                    .with_partitions(partitions),
            );
        }
        AlterReplicaLogDirsResponse::default().with_results(results)
    }
}
