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

/// The longest name of a state or type is shorter, in bytes.
const NAME_BYTES_MAX: usize = 32;
/// There are fewer of either.
const NAMES_MAX: usize = 64;

/// The API.
pub struct ListGroups;

codes!(ListGroupsResponse: []);

impl Api for ListGroups {
    type Request = ListGroupsRequest;
    const VERSIONS: (i16, i16) = (0, 5);
    const NAME: &'static str = "ListGroups";

    async fn handle(cx: &Context, request: ListGroupsRequest) -> ListGroupsResponse {
        let kinds = names(&request.types_filter).await;
        let states = names(&request.states_filter).await;
        let listed = cx
            .shard
            .coordinators
            .groups
            .ask_all(|machine| machine.list(&states, &kinds));
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

/// The names of states or types that are asked for, each once: a client may send very many, and
/// those of each group are compared with each.
async fn names(filter: &[StrBytes]) -> Vec<String> {
    let mut names = BTreeSet::new();
    for name in filter {
        let name = name.trim();
        if name.len() <= NAME_BYTES_MAX && names.len() < NAMES_MAX {
            names.insert(name.to_ascii_lowercase());
        }
        turn::pace().await;
    }
    // No group has one without a name; an empty list would ask for all.
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
        .with_group_type(StrBytes::from_static_str(listed.kind))
}
