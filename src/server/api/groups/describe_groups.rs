//! Drives: DescribeGroups, versions 0 to 6 (KIP-430 authorized operations in 3, KIP-345 static
//! members in 4, KIP-1043 an error for unknown groups in 6).

use super::{ALL_OPERATIONS, kept, sent, sent_option};
use crate::base::ErrorCode;
use crate::coordinator::group::{Described, DescribedMember, GroupError};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::describe_groups_response::{
    DescribedGroup, DescribedGroupMember,
};
use crate::wire::codec::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};

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
            let found = cx.shard.coordinators.groups.ask(&name, |machine, _, _| {
                match machine.describe(&name) {
                    Some(found) => Found::Classic(found),
                    None if machine.has_group(&name) => Found::OtherKind,
                    None => Found::Nothing,
                }
            });
            let found = found.await;
            if let Ok(Found::Classic(found)) = &found
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

/// What there is of a name.
enum Found {
    Nothing,
    /// A group that this API does not show.
    OtherKind,
    Classic(Described),
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

fn answer(id: GroupId, found: Result<Found, GroupError>, version: i16) -> DescribedGroup {
    let group = DescribedGroup::default();
    let message = match found {
        Err(error) => {
            let group = group.with_group_id(id);
            return group.with_error_code(errors::group(error).0);
        }
        Ok(Found::Classic(found)) => return described(group.with_group_id(id), &found),
        Ok(Found::Nothing) => format!("Group {} not found.", id.as_str()),
        Ok(Found::OtherKind) => format!("Group {} is not a classic group.", id.as_str()),
    };
    let group = group
        .with_group_state(StrBytes::from_static_str("Dead"))
        .with_group_id(id);
    if version < 6 {
        return group;
    }
    group
        .with_error_code(ErrorCode::GROUP_ID_NOT_FOUND.0)
        .with_error_message(Some(StrBytes::from_string(message)))
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
            let all = [
                Ok(Found::Classic(found.clone())),
                Ok(Found::OtherKind),
                Ok(Found::Nothing),
                Err(GroupError::Loading),
            ];
            for reply in all {
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
