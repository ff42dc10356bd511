//! Drives: JoinGroup, versions 0 to 9 (KIP-62 rebalance timeout in 1, KIP-394 member ids in 4,
//! KIP-345 static members in 5, KIP-559 protocol type in 7, KIP-800 reasons in 8, KIP-814
//! skipping the assignment in 9). Answered when the rebalance is over.

use uuid::Builder;

use super::{host_text, kept, kept_option, sent, sent_option};
use crate::base::{ErrorCode, limits};
use crate::coordinator::group::{
    GroupError, Join, JoinRefused, JoinReply, Joined, JoinedMember, Protocol,
};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::join_group_request::JoinGroupRequestProtocol;
use crate::wire::codec::messages::join_group_response::JoinGroupResponseMember;
use crate::wire::codec::messages::{JoinGroupRequest, JoinGroupResponse};

/// What a member takes in an answer besides its id and what it gave, in bytes.
const MEMBER_BYTES: usize = 200;

/// The API.
pub struct JoinGroup;

codes!(JoinGroupResponse: []);

impl Api for JoinGroup {
    type Request = JoinGroupRequest;
    const VERSIONS: (i16, i16) = (0, 9);
    const NAME: &'static str = "JoinGroup";

    async fn handle(cx: &Context, request: JoinGroupRequest) -> JoinGroupResponse {
        if request.protocols.len() > limits::GROUP_PROTOCOLS_MAX {
            let refused = JoinRefused {
                error: GroupError::InconsistentProtocol,
                member_id: kept(&request.member_id),
            };
            cx.drop_later(request);
            return answer(Err(refused), cx.version);
        }
        let join = join(cx, &request);
        // It may wait for long, and not with its bytes.
        drop(request);
        let reply = cx.shard.coordinators.groups.join(join).await;
        // A group's leader is told of all its members.
        if let Ok(joined) = &reply
            && !cx.claim(memory_bytes(joined)).await
        {
            return JoinGroupResponse::default();
        }
        answer(reply, cx.version)
    }
}

/// What the members take in an answer, encoded; what they gave is shared until then.
fn memory_bytes(joined: &Joined) -> usize {
    let one =
        |member: &JoinedMember| MEMBER_BYTES + 2 * member.member_id.len() + member.metadata.len();
    joined.members.iter().map(one).sum()
}

fn join(cx: &Context, request: &JoinGroupRequest) -> Join {
    let protocol = |protocol: &JoinGroupRequestProtocol| Protocol {
        name: kept(&protocol.name),
        metadata: bytes::Bytes::copy_from_slice(&protocol.metadata),
    };
    Join {
        group: kept(&request.group_id),
        member_id: kept(&request.member_id),
        instance_id: kept_option(&request.group_instance_id),
        client_id: cx.client_id.clone(),
        client_host: host_text(cx.session.address.ip()),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: match cx.version {
            0 => request.session_timeout_ms,
            _ => request.rebalance_timeout_ms,
        },
        protocol_type: kept(&request.protocol_type),
        protocols: request.protocols.iter().map(protocol).collect(),
        reason: kept_option(&request.reason),
        member_id_required: cx.version >= 4,
        may_skip_assignment: cx.version >= 9,
        unique: Builder::from_random_bytes(cx.shard.runtime().random_bytes()).into_uuid(),
    }
}

fn answer(reply: JoinReply, version: i16) -> JoinGroupResponse {
    let answer = match reply {
        Ok(joined) => accepted(&joined),
        Err(JoinRefused { error, member_id }) => JoinGroupResponse::default()
            .with_error_code(errors::group(error).0)
            .with_generation_id(-1)
            .with_protocol_name(None)
            .with_member_id(sent(&member_id)),
    };
    // Null since version 7, empty before.
    let protocol = answer.protocol_name.clone().filter(|name| !name.is_empty());
    let none = (version < 7).then(|| StrBytes::from_static_str(""));
    answer.with_protocol_name(protocol.or(none))
}

fn accepted(joined: &Joined) -> JoinGroupResponse {
    let member = |member: &JoinedMember| {
        JoinGroupResponseMember::default()
            .with_member_id(sent(&member.member_id))
            .with_group_instance_id(sent_option(&member.instance_id))
            .with_metadata(member.metadata.clone())
    };
    JoinGroupResponse::default()
        .with_error_code(ErrorCode::NONE.0)
        .with_generation_id(joined.generation)
        .with_protocol_type(sent_option(&joined.protocol_type))
        .with_protocol_name(sent_option(&joined.protocol))
        .with_leader(sent(joined.leader.as_deref().unwrap_or_default()))
        .with_skip_assignment(joined.skip_assignment)
        .with_member_id(sent(&joined.member_id))
        .with_members(joined.members.iter().map(member).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::codec;

    #[test]
    fn every_version_can_say_every_answer() {
        let joined = Joined {
            generation: 3,
            protocol_type: Some("consumer".into()),
            protocol: Some("range".into()),
            leader: Some("m".into()),
            member_id: "m".into(),
            skip_assignment: false,
            members: vec![JoinedMember {
                member_id: "m".into(),
                instance_id: Some("i".into()),
                metadata: bytes::Bytes::from_static(b"x"),
            }],
        };
        let refused = JoinRefused {
            error: GroupError::MemberIdRequired,
            member_id: "m".into(),
        };
        for version in JoinGroup::VERSIONS.0..=JoinGroup::VERSIONS.1 {
            for reply in [Ok(joined.clone()), Err(refused.clone())] {
                let mut bytes = bytes::BytesMut::new();
                let answer = answer(reply, version);
                assert!(
                    codec::encode(&answer, version, &mut bytes).is_ok(),
                    "{version}"
                );
            }
        }
    }

    #[test]
    fn no_protocol_is_null_or_empty_by_version() {
        let refused = || {
            Err(JoinRefused {
                error: GroupError::UnknownMember,
                member_id: "m".into(),
            })
        };
        assert_eq!(answer(refused(), 6).protocol_name.as_deref(), Some(""));
        assert_eq!(answer(refused(), 7).protocol_name, None);
        assert_eq!(answer(refused(), 7).generation_id, -1);
    }
}
