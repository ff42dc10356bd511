//! Drives: LeaveGroup, versions 0 to 5 (KIP-345 several members in 3, KIP-800 reasons in 5).

use super::{AT_ONCE, kept, kept_option};
use crate::base::ErrorCode;
use crate::coordinator::group::{GroupError, Leave, Leaving};
use crate::io::turn;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::messages::leave_group_request::MemberIdentity;
use crate::wire::codec::messages::leave_group_response::MemberResponse;
use crate::wire::codec::messages::{GroupId, LeaveGroupRequest, LeaveGroupResponse};

/// The API.
pub struct LeaveGroup;

codes!(LeaveGroupResponse: [] [members]);

impl Api for LeaveGroup {
    type Request = LeaveGroupRequest;
    const VERSIONS: (i16, i16) = (0, 5);
    const NAME: &'static str = "LeaveGroup";

    async fn handle(cx: &Context, mut request: LeaveGroupRequest) -> LeaveGroupResponse {
        if cx.version < 3 {
            let only = MemberIdentity::default().with_member_id(request.member_id.clone());
            request.members = vec![only];
        }
        match leave(cx, &request).await {
            Err(error) => refused(errors::group(error)),
            Ok(results) => answer(request, results, cx.version).await,
        }
    }
}

async fn leave(
    cx: &Context,
    request: &LeaveGroupRequest,
) -> Result<Vec<Result<(), GroupError>>, GroupError> {
    if request.group_id.is_empty() {
        return Err(GroupError::InvalidGroupId);
    }
    // Kafka's clients name a few members; of very many each thousand leaves by itself.
    let mut results = Vec::with_capacity(request.members.len());
    for members in request.members.chunks(AT_ONCE) {
        results.extend(leave_at_once(cx, &request.group_id, members).await?);
        cx.pace().await;
    }
    if request.members.is_empty() {
        leave_at_once(cx, &request.group_id, &[]).await?;
    }
    Ok(results)
}

async fn leave_at_once(
    cx: &Context,
    group: &GroupId,
    members: &[MemberIdentity],
) -> Result<Vec<Result<(), GroupError>>, GroupError> {
    let leaving = |member: &MemberIdentity| Leaving {
        member_id: kept(&member.member_id),
        instance_id: kept_option(&member.group_instance_id),
        reason: kept_option(&member.reason),
    };
    let leave = Leave {
        group: kept(group),
        members: members.iter().map(leaving).collect(),
    };
    let groups = &cx.shard.coordinators.groups;
    groups
        .ask(&leave.group, |machine, now, out| {
            machine.leave(&leave, now, out)
        })
        .await
}

async fn answer(
    request: LeaveGroupRequest,
    results: Vec<Result<(), GroupError>>,
    version: i16,
) -> LeaveGroupResponse {
    let code = |result: Result<(), GroupError>| match result {
        Ok(()) => ErrorCode::NONE,
        Err(error) => errors::group(error),
    };
    if version < 3 {
        // There is exactly one member, and no place for its own result.
        let result = results.into_iter().next().unwrap_or(Ok(()));
        return refused(code(result));
    }
    let members = request.members.into_iter().zip(results);
    let members = members.map(|(member, result)| {
        MemberResponse::default()
            .with_member_id(member.member_id)
            .with_group_instance_id(member.group_instance_id)
            .with_error_code(code(result).0)
    });
    LeaveGroupResponse::default().with_members(turn::collect(members).await)
}

fn refused(code: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse::default().with_error_code(code.0)
}
