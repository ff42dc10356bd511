//! Drives: ListPartitionReassignments, version 0 (KIP-455). In a cluster the controllers answer.
//! Alone no partition is ever on its way from one node to another: the list is empty.

use crate::server::api::{Api, Context};
use crate::server::state::codes::codes;
use crate::wire::codec::messages::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

/// The API.
pub struct ListPartitionReassignments;

codes!(ListPartitionReassignmentsResponse: []);

impl Api for ListPartitionReassignments {
    type Request = ListPartitionReassignmentsRequest;
    const VERSIONS: (i16, i16) = (0, 0);
    const NAME: &'static str = "ListPartitionReassignments";
    const FORWARDED: bool = true;

    async fn handle(
        _: &Context,
        _: ListPartitionReassignmentsRequest,
    ) -> ListPartitionReassignmentsResponse {
        ListPartitionReassignmentsResponse::default().with_error_message(None)
    }
}
