//! Drives: SyncGroup, versions 0 to 5 (KIP-345 static members in 3, KIP-559 protocol in 5).
//! Answered when the leader's assignment is there and durable.

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;

use super::{AT_ONCE, kept, kept_option, sent_option};
use crate::base::ErrorCode;
use crate::coordinator::group::{Sync, SyncReply};
use crate::io::turn;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::messages::{SyncGroupRequest, SyncGroupResponse};

/// The API.
pub struct SyncGroup;

codes!(SyncGroupResponse: []);

impl Api for SyncGroup {
    type Request = SyncGroupRequest;
    const VERSIONS: (i16, i16) = (0, 5);
    const NAME: &'static str = "SyncGroup";

    async fn handle(cx: &Context, request: SyncGroupRequest) -> SyncGroupResponse {
        let named = request.protocol_type.is_some() && request.protocol_name.is_some();
        if cx.version >= 5 && !named {
            return refused(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        let sync = sync(cx, &request).await;
        // It may wait for long, and not with its bytes.
        match request.assignments.len() > AT_ONCE {
            true => cx.shard.runtime().drop_later(request),
            false => drop(request),
        }
        let reply = cx.shard.coordinators.groups.sync(sync).await;
        if let Ok(synced) = &reply
            && !cx.claim(synced.assignment.len()).await
        {
            return SyncGroupResponse::default();
        }
        answer(reply)
    }
}

/// The assignments that a request gives. Where there are very many only those of members are
/// taken, as the group would do it in one go.
async fn assignments(cx: &Context, request: &SyncGroupRequest) -> Vec<(Rc<str>, Bytes)> {
    let groups = &cx.shard.coordinators.groups;
    let are_many = request.assignments.len() > AT_ONCE;
    let mut members = HashMap::new();
    for given in &request.assignments {
        if !are_many || groups.is_member(&request.group_id, &given.member_id) {
            let assignment = Bytes::copy_from_slice(&given.assignment);
            members.insert(kept(&given.member_id), assignment);
        }
        turn::pace().await;
    }
    members.into_iter().collect()
}

async fn sync(cx: &Context, request: &SyncGroupRequest) -> Sync {
    Sync {
        group: kept(&request.group_id),
        generation: request.generation_id,
        member_id: kept(&request.member_id),
        instance_id: kept_option(&request.group_instance_id),
        protocol_type: kept_option(&request.protocol_type),
        protocol: kept_option(&request.protocol_name),
        assignments: assignments(cx, request).await,
    }
}

fn answer(reply: SyncReply) -> SyncGroupResponse {
    match reply {
        Ok(synced) => SyncGroupResponse::default()
            .with_protocol_type(sent_option(&synced.protocol_type))
            .with_protocol_name(sent_option(&synced.protocol))
            .with_assignment(synced.assignment),
        Err(error) => refused(errors::group(error)),
    }
}

fn refused(code: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(code.0)
}
