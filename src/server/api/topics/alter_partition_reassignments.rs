//! Drives: AlterPartitionReassignments, versions 0 and 1 (KIP-455, KIP-860). In a cluster the
//! controllers decide. Alone a partition goes from one shard of the process to another, with its
//! files: this notes where it shall go, and [`super::list_partition_reassignments`] shows it until
//! it has gone there.

use std::sync::Arc;

use crate::base::{ErrorCode, NodeId};
use crate::metadata::controller::decide::RECORDS_MAX;
use crate::metadata::controller::{Reassign, Reassignment};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::Codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use crate::wire::codec::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};

/// The API.
pub struct AlterPartitionReassignments;

/// What a partition of the request takes until it is answered, with the text of its error, in
/// bytes.
const PARTITION_BYTES: usize = 1024;
/// First version in which a client may forbid another count of replicas.
const FACTOR_FROM: i16 = 1;

impl Codes for AlterPartitionReassignmentsResponse {
    fn codes(&self, see: &mut dyn FnMut(i16)) {
        see(self.error_code);
        let partitions = self.responses.iter().flat_map(|topic| &topic.partitions);
        partitions.for_each(|partition| see(partition.error_code));
    }
}

impl Api for AlterPartitionReassignments {
    type Request = AlterPartitionReassignmentsRequest;
    const VERSIONS: (i16, i16) = (0, 1);
    const NAME: &'static str = "AlterPartitionReassignments";
    const FORWARDED: bool = true;

    async fn handle(
        cx: &Context,
        request: AlterPartitionReassignmentsRequest,
    ) -> AlterPartitionReassignmentsResponse {
        let any_factor = cx.version < FACTOR_FROM || request.allow_replication_factor_change;
        let answer = AlterPartitionReassignmentsResponse::default();
        if request.topics.is_empty() {
            return answer;
        }
        let answer = answer
            .with_allow_replication_factor_change(any_factor)
            .with_error_message(None);
        let partitions = request.topics.iter().map(|topic| topic.partitions.len());
        let count: usize = partitions.sum();
        // Kafka answers so where more than that many partitions would change.
        if count > RECORDS_MAX {
            let text = "Unable to perform excessively large batch operation.";
            return answer
                .with_error_code(ErrorCode::POLICY_VIOLATION.0)
                .with_error_message(Some(StrBytes::from_static_str(text)));
        }
        if !cx.claim(count * PARTITION_BYTES).await {
            return answer;
        }
        let mut wanted = Vec::with_capacity(count);
        for topic in &request.topics {
            let name: Arc<str> = topic.name.as_str().into();
            for partition in &topic.partitions {
                cx.pace().await;
                let nodes = partition.replicas.as_ref();
                wanted.push(Reassignment {
                    topic: name.clone(),
                    index: partition.partition_index,
                    replicas: nodes.map(|ids| ids.iter().map(|id| NodeId(id.0)).collect()),
                });
            }
        }
        let asked = Reassign {
            any_factor,
            partitions: wanted,
        };
        let Ok(results) = cx.shard.control.reassign(asked).await else {
            let code = errors::undecided(cx.server.is_in_cluster);
            return answer.with_error_code(code.0);
        };
        let mut results = results.into_iter();
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for (partition, result) in topic.partitions.iter().zip(&mut results) {
                cx.pace().await;
                let (code, text) = match &result {
                    Ok(()) => (ErrorCode::NONE, None),
                    Err(error) => errors::reassign(error),
                };
                let response = ReassignablePartitionResponse::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(code.0)
                    .with_error_message(text.map(StrBytes::from_string));
                partitions.push(response);
            }
            let response = ReassignableTopicResponse::default().with_name(topic.name);
            topics.push(response.with_partitions(partitions));
        }
        answer.with_responses(topics)
    }
}
