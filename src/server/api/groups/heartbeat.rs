//! Drives: Heartbeat, versions 0 to 4 (KIP-345 static members in 3).

use super::{kept, kept_option};
use crate::base::ErrorCode;
use crate::coordinator::group::{self, GroupError};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::messages::{HeartbeatRequest, HeartbeatResponse};

/// The API.
pub struct Heartbeat;

codes!(HeartbeatResponse: []);

impl Api for Heartbeat {
    type Request = HeartbeatRequest;
    const VERSIONS: (i16, i16) = (0, 4);
    const NAME: &'static str = "Heartbeat";

    async fn handle(cx: &Context, request: HeartbeatRequest) -> HeartbeatResponse {
        let code = match beat(cx, &request).await {
            // Members get a whole session once the groups are loaded: there is nothing to say.
            Ok(()) | Err(GroupError::Loading) => ErrorCode::NONE,
            Err(error) => errors::group(error),
        };
        HeartbeatResponse::default().with_error_code(code.0)
    }
}

async fn beat(cx: &Context, request: &HeartbeatRequest) -> Result<(), GroupError> {
    if request.group_id.is_empty() {
        return Err(GroupError::InvalidGroupId);
    }
    let beat = group::Heartbeat {
        group: kept(&request.group_id),
        generation: request.generation_id,
        member_id: kept(&request.member_id),
        instance_id: kept_option(&request.group_instance_id),
    };
    let groups = &cx.shard.coordinators.groups;
    groups
        .ask(&beat.group, |machine, now, _| machine.heartbeat(&beat, now))
        .await?
}
