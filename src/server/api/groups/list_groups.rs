//! Drives: ListGroups, versions 0 to 5 (KIP-518 states in 4, KIP-848 types in 5): the groups
//! whose coordinator is this node.

use super::sent;
use crate::coordinator::group::Listed;
use crate::server::api::{Api, Context, errors};
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::list_groups_response::ListedGroup;
use crate::wire::codec::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};

/// The only type of groups there is here yet, as Kafka names it.
const CLASSIC: &str = "classic";

/// The API.
pub struct ListGroups;

impl Api for ListGroups {
    type Request = ListGroupsRequest;
    const VERSIONS: (i16, i16) = (0, 5);
    const NAME: &'static str = "ListGroups";

    async fn handle(cx: &Context, request: ListGroupsRequest) -> ListGroupsResponse {
        let types = &request.types_filter;
        if !types.is_empty() && !types.iter().any(|name| name.eq_ignore_ascii_case(CLASSIC)) {
            return ListGroupsResponse::default();
        }
        let states = request.states_filter.iter().map(|name| name.to_string());
        let states: Vec<String> = states.collect();
        let listed = cx.shard.groups.ask_all(|machine| machine.list(&states));
        match listed.await {
            Err(error) => ListGroupsResponse::default().with_error_code(errors::group(error).0),
            Ok(listed) => {
                let groups = listed.iter().flatten().map(group);
                ListGroupsResponse::default().with_groups(groups.collect())
            }
        }
    }
}

fn group(listed: &Listed) -> ListedGroup {
    ListedGroup::default()
        .with_group_id(GroupId(sent(&listed.group)))
        .with_protocol_type(sent(&listed.protocol_type))
        .with_group_state(StrBytes::from_static_str(listed.state))
        .with_group_type(StrBytes::from_static_str(CLASSIC))
}
