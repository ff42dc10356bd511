//! Drives: DescribeGroups, versions 0 to 6 (KIP-430 authorized operations in 3, KIP-345 static
//! members in 4, KIP-1043 an error for unknown groups in 6).

use super::{kept, sent, sent_option};
use crate::base::ErrorCode;
use crate::coordinator::group::{Described, DescribedMember, GroupError};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::describe_groups_response::{
    DescribedGroup, DescribedGroupMember,
};
use crate::wire::codec::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};

/// What may be done with a group, as bits by `AclOperation` code: READ 3, DELETE 6, DESCRIBE 8,
/// DESCRIBE_CONFIGS 10, ALTER_CONFIGS 11. Without access rules every client may do all of it.
const ALL_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

/// What a group without members takes in an answer while that is made, in bytes.
const GROUP_BYTES: usize = 256;
/// What a member takes in an answer besides what its client gave, in bytes.
const MEMBER_BYTES: usize = 320;

/// The API.
pub struct DescribeGroups;

codes!(DescribeGroupsResponse: [groups]);

impl Api for DescribeGroups {
    type Request = DescribeGroupsRequest;
    const VERSIONS: (i16, i16) = (0, 6);
    const NAME: &'static str = "DescribeGroups";

    async fn handle(cx: &Context, mut request: DescribeGroupsRequest) -> DescribeGroupsResponse {
        if !cx.claim(GROUP_BYTES * request.groups.len()).await {
            return DescribeGroupsResponse::default();
        }
        let mut groups = Vec::with_capacity(request.groups.len());
        for id in request.groups.drain(..) {
            cx.pace().await;
            let name = kept(&id);
            let found = cx
                .shard
                .coordinators
                .groups
                .ask(&name, |machine, _, _| machine.describe(&name));
            let found = found.await;
            if let Ok(Some(found)) = &found
                && !cx.claim(memory_bytes(found)).await
            {
                break;
            }
            let mut group = answer(id, found, cx.version);
            if request.include_authorized_operations && group.error_code == ErrorCode::NONE.0 {
                group.authorized_operations = ALL_OPERATIONS;
            }
            groups.push(group);
        }
        cx.drop_later(request);
        DescribeGroupsResponse::default().with_groups(groups)
    }
}

/// What a group takes in an answer, encoded; what clients gave of its members is shared until then.
fn memory_bytes(group: &Described) -> usize {
    let texts = |member: &DescribedMember| {
        let names = [&member.member_id, &member.client_id, &member.client_host];
        2 * names.iter().map(|name| name.len()).sum::<usize>()
    };
    let member = |member: &DescribedMember| {
        MEMBER_BYTES + texts(member) + member.metadata.len() + member.assignment.len()
    };
    group.members.iter().map(member).sum()
}

fn answer(
    id: GroupId,
    found: Result<Option<Described>, GroupError>,
    version: i16,
) -> DescribedGroup {
    let group = DescribedGroup::default();
    match found {
        Err(error) => group
            .with_group_id(id)
            .with_error_code(errors::group(error).0),
        Ok(Some(found)) => described(group.with_group_id(id), &found),
        Ok(None) => {
            let group = group.with_group_state(StrBytes::from_static_str("Dead"));
            if version < 6 {
                return group.with_group_id(id);
            }
            let message = format!("Group {} not found.", id.as_str());
            group
                .with_group_id(id)
                .with_error_code(ErrorCode::GROUP_ID_NOT_FOUND.0)
                .with_error_message(Some(StrBytes::from_string(message)))
        }
    }
}

fn described(group: DescribedGroup, found: &Described) -> DescribedGroup {
    let member = |member: &DescribedMember| {
        DescribedGroupMember::default()
            .with_member_id(sent(&member.member_id))
            .with_group_instance_id(sent_option(&member.instance_id))
            .with_client_id(sent(&member.client_id))
            .with_client_host(sent(&member.client_host))
            .with_member_metadata(member.metadata.clone())
            .with_member_assignment(member.assignment.clone())
    };
    group
        .with_group_state(StrBytes::from_static_str(found.state))
        .with_protocol_type(sent(&found.protocol_type))
        .with_protocol_data(sent(found.protocol.as_deref().unwrap_or_default()))
        .with_members(found.members.iter().map(member).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::codec;

    #[test]
    fn every_version_can_say_every_answer() {
        let found = Described {
            state: "Stable",
            protocol_type: "consumer".into(),
            protocol: Some("range".into()),
            members: vec![DescribedMember {
                member_id: "m".into(),
                instance_id: Some("i".into()),
                client_id: "c".into(),
                client_host: "/127.0.0.1".into(),
                metadata: bytes::Bytes::new(),
                assignment: bytes::Bytes::new(),
            }],
        };
        for version in DescribeGroups::VERSIONS.0..=DescribeGroups::VERSIONS.1 {
            for reply in [Ok(Some(found.clone())), Ok(None), Err(GroupError::Loading)] {
                let id = GroupId(StrBytes::from_static_str("g"));
                let groups = vec![answer(id, reply, version)];
                let answer = DescribeGroupsResponse::default().with_groups(groups);
                let mut bytes = bytes::BytesMut::new();
                assert!(
                    codec::encode(&answer, version, &mut bytes).is_ok(),
                    "{version}"
                );
            }
        }
    }
}
