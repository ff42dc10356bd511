//! Drives: ListGroups, versions 0 to 5 (KIP-518 states in 4, KIP-848 types in 5): the groups
//! whose coordinator is this node.

use std::collections::BTreeSet;

use super::sent;
use crate::coordinator::group::Listed;
use crate::io::turn;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::list_groups_response::ListedGroup;
use crate::wire::codec::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};

/// The only type of groups there is here yet, as Kafka names it.
const CLASSIC: &str = "classic";

/// The longest name of a state is shorter, in bytes.
const STATE_BYTES_MAX: usize = 32;
/// There are fewer states.
const STATES_MAX: usize = 64;

/// The API.
pub struct ListGroups;

codes!(ListGroupsResponse: []);

impl Api for ListGroups {
    type Request = ListGroupsRequest;
    const VERSIONS: (i16, i16) = (0, 5);
    const NAME: &'static str = "ListGroups";

    async fn handle(cx: &Context, request: ListGroupsRequest) -> ListGroupsResponse {
        let types = &request.types_filter;
        if !types.is_empty() && !types.iter().any(|name| name.eq_ignore_ascii_case(CLASSIC)) {
            return ListGroupsResponse::default();
        }
        let states = states(&request.states_filter).await;
        let listed = cx
            .shard
            .coordinators
            .groups
            .ask_all(|machine| machine.list(&states));
        match listed.await {
            Err(error) => ListGroupsResponse::default().with_error_code(errors::group(error).0),
            Ok(listed) => {
                let listed = listed.iter().flatten();
                if !cx.claim(listed.clone().map(memory_bytes).sum()).await {
                    return ListGroupsResponse::default();
                }
                let groups = turn::collect(listed.map(group)).await;
                ListGroupsResponse::default().with_groups(groups)
            }
        }
    }
}

/// The names of states that are asked for, each once: a client may send very many, and each
/// group's state is compared with each.
async fn states(filter: &[StrBytes]) -> Vec<String> {
    let mut names = BTreeSet::new();
    for name in filter {
        let name = name.trim();
        if name.len() <= STATE_BYTES_MAX && names.len() < STATES_MAX {
            names.insert(name.to_ascii_lowercase());
        }
        turn::pace().await;
    }
    // No group has a state without a name; an empty list would ask for all.
    if names.is_empty() && !filter.is_empty() {
        names.insert(String::new());
    }
    names.into_iter().collect()
}

/// What a group takes in an answer while that is made, in bytes.
fn memory_bytes(listed: &Listed) -> usize {
    256 + 2 * (listed.group.len() + listed.protocol_type.len())
}

fn group(listed: &Listed) -> ListedGroup {
    ListedGroup::default()
        .with_group_id(GroupId(sent(&listed.group)))
        .with_protocol_type(sent(&listed.protocol_type))
        .with_group_state(StrBytes::from_static_str(listed.state))
        .with_group_type(StrBytes::from_static_str(CLASSIC))
}
