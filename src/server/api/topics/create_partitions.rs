//! Drives: CreatePartitions, versions 0 to 3 (KIP-195). Left out: mutation quotas (KIP-599).

use crate::base::{ErrorCode, NodeId};
use crate::io::turn;
use crate::metadata::controller::{self, MorePartitions};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::create_partitions_request::CreatePartitionsTopic;
use crate::wire::codec::messages::create_partitions_response::CreatePartitionsTopicResult;
use crate::wire::codec::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use super::name;

/// The API.
pub struct CreatePartitions;

codes!(CreatePartitionsResponse: [results]);

impl Api for CreatePartitions {
    type Request = CreatePartitionsRequest;
    const VERSIONS: (i16, i16) = (0, 3);
    const NAME: &'static str = "CreatePartitions";
    const FORWARDED: bool = true;

    async fn handle(cx: &Context, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
        let topics = turn::collect(request.topics.into_iter().map(more)).await;
        let names = turn::collect(topics.iter().map(|topic| topic.name.clone())).await;
        let request = controller::CreatePartitions {
            validate_only: request.validate_only,
            topics,
        };
        let results = match cx.shard.control.create_partitions(request).await {
            Ok(results) => {
                let results = results.into_iter().map(|(name, result)| match result {
                    Ok(()) => shape(&name, ErrorCode::NONE, None),
                    Err(error) => {
                        let (code, text) = errors::create_partitions(&error);
                        shape(&name, code, text)
                    }
                });
                turn::collect(results).await
            }
            Err(_) => {
                let code = errors::undecided(cx.server.is_in_cluster);
                let failed = |name: &String| shape(name, code, None);
                turn::collect(names.iter().map(failed)).await
            }
        };
        CreatePartitionsResponse::default().with_results(results)
    }
}

fn more(topic: CreatePartitionsTopic) -> MorePartitions {
    let assignments = topic.assignments.map(|lists| {
        let nodes = lists.into_iter().map(|list| list.broker_ids);
        nodes
            .map(|ids| ids.into_iter().map(|id| NodeId(id.0)).collect())
            .collect()
    });
    MorePartitions {
        name: topic.name.to_string(),
        count: topic.count,
        assignments,
    }
}

fn shape(topic: &str, code: ErrorCode, text: Option<String>) -> CreatePartitionsTopicResult {
    CreatePartitionsTopicResult::default()
        .with_name(name(topic))
        .with_error_code(code.0)
        .with_error_message(text.map(StrBytes::from_string))
}
