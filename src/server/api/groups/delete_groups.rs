//! Drives: DeleteGroups, versions 0 to 2 (KIP-229). A group's offsets go with it.

use std::collections::HashSet;

use super::kept;
use crate::base::ErrorCode;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::messages::delete_groups_response::DeletableGroupResult;
use crate::wire::codec::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

/// The API.
pub struct DeleteGroups;

codes!(DeleteGroupsResponse: [results]);

impl Api for DeleteGroups {
    type Request = DeleteGroupsRequest;
    const VERSIONS: (i16, i16) = (0, 2);
    const NAME: &'static str = "DeleteGroups";

    async fn handle(cx: &Context, mut request: DeleteGroupsRequest) -> DeleteGroupsResponse {
        let count = request.groups_names.len();
        let mut asked = HashSet::with_capacity(count);
        let mut results = Vec::with_capacity(count);
        for id in request.groups_names.drain(..) {
            cx.pace().await;
            if !asked.insert(id.clone()) {
                continue;
            }
            let code = match cx.shard.coordinators.groups.delete(kept(&id)).await {
                Ok(()) => ErrorCode::NONE,
                Err(error) => errors::group(error),
            };
            let result = DeletableGroupResult::default().with_group_id(id);
            results.push(result.with_error_code(code.0));
        }
        cx.drop_later((asked, request));
        DeleteGroupsResponse::default().with_results(results)
    }
}
