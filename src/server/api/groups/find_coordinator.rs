//! Drives: FindCoordinator, versions 0 to 6 (KIP-98 types in 1, KIP-699 several keys in 4).
//!
//! Knows the coordinators of groups and of transactional ids. The first one asked for has
//! `__consumer_offsets` or `__transaction_state` created, and the answer waits for that
//! (docs/decisions/0006). Left out: share groups, whose clients are told so at once instead of
//! being kept waiting.

use crate::base::{ErrorCode, PartitionIndex};
use crate::server::api::{Api, Context};
use crate::server::state::codes::codes;
use crate::shard::auto_create;
use crate::shard::coordinators::{OFFSETS_TOPIC, TRANSACTIONS_TOPIC};
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::find_coordinator_response::Coordinator;
use crate::wire::codec::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};

/// What a key takes in an answer while that is made, in bytes.
const KEY_BYTES: usize = 256;

/// Types of keys.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

/// The API.
pub struct FindCoordinator;

/// A node, and where it listens.
struct Found {
    node: i32,
    host: String,
    port: i32,
}

/// Why there is none: the code, and words for the client's log.
struct Missing(ErrorCode, &'static str);

codes!(FindCoordinatorResponse: [] [coordinators]);

impl Api for FindCoordinator {
    type Request = FindCoordinatorRequest;
    const VERSIONS: (i16, i16) = (0, 6);
    const NAME: &'static str = "FindCoordinator";

    async fn handle(cx: &Context, mut request: FindCoordinatorRequest) -> FindCoordinatorResponse {
        if let Some(topic) = topic(request.key_type)
            && cx.image().topics.named(topic).is_none()
        {
            auto_create::create(&cx.shard, &[topic]).await;
        }
        if cx.version < 4 {
            return single(find(cx, request.key_type, &request.key), cx.version);
        }
        if !cx.claim(KEY_BYTES * request.coordinator_keys.len()).await {
            return FindCoordinatorResponse::default();
        }
        let mut coordinators = Vec::with_capacity(request.coordinator_keys.len());
        for key in request.coordinator_keys.drain(..) {
            let found = find(cx, request.key_type, &key);
            coordinators.push(coordinator(key, found));
            cx.pace().await;
        }
        cx.drop_later(request);
        FindCoordinatorResponse::default().with_coordinators(coordinators)
    }
}

/// The topic that keeps what has keys of this type.
fn topic(key_type: i8) -> Option<&'static str> {
    match key_type {
        GROUP => Some(OFFSETS_TOPIC),
        TRANSACTION => Some(TRANSACTIONS_TOPIC),
        _ => None,
    }
}

fn find(cx: &Context, key_type: i8, key: &str) -> Result<Found, Missing> {
    let coordinators = &cx.shard.coordinators;
    match key_type {
        GROUP => leader_of(cx, OFFSETS_TOPIC, coordinators.groups.partition_of(key)),
        TRANSACTION => {
            let partition = coordinators.transactions.partition_of(key);
            leader_of(cx, TRANSACTIONS_TOPIC, partition)
        }
        SHARE if cx.version >= 6 => Err(Missing(
            ErrorCode::UNSUPPORTED_VERSION,
            "this broker serves no share groups yet",
        )),
        _ => Err(Missing(ErrorCode::INVALID_REQUEST, INVALID)),
    }
}

fn leader_of(cx: &Context, topic: &str, partition: PartitionIndex) -> Result<Found, Missing> {
    let not_yet = Missing(
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
        "The coordinator is not available.",
    );
    let image = cx.image();
    let leader = image.topics.partition(topic, partition);
    let leader = leader.map(|partition| partition.leader);
    let leader = leader.filter(|leader| image.brokers.is_alive(*leader));
    let broker = leader.and_then(|leader| image.brokers.get(leader));
    let endpoint = broker.and_then(|broker| broker.endpoint(&cx.session.listener));
    match (leader, endpoint) {
        (Some(leader), Some(endpoint)) => Ok(Found {
            node: leader.0,
            host: endpoint.host.to_string(),
            port: i32::from(endpoint.port),
        }),
        _ => Err(not_yet),
    }
}

const INVALID: &str = "This most likely occurs because of a request being malformed by the \
    client library or the message was sent to an incompatible broker. See the broker logs for \
    more details.";

/// The answer before version 4. That a success says "NONE" is Kafka's own way.
fn single(found: Result<Found, Missing>, version: i16) -> FindCoordinatorResponse {
    let (code, message, node, host, port) = parts(found, "NONE");
    let answer = FindCoordinatorResponse::default()
        .with_error_code(code.0)
        .with_node_id(BrokerId(node))
        .with_host(host)
        .with_port(port);
    match version {
        0 => answer,
        _ => answer.with_error_message(Some(message)),
    }
}

fn coordinator(key: StrBytes, found: Result<Found, Missing>) -> Coordinator {
    let has_text =
        matches!(found, Err(Missing(code, _)) if code != ErrorCode::COORDINATOR_NOT_AVAILABLE);
    let (code, message, node, host, port) = parts(found, "");
    let message = if has_text {
        message
    } else {
        StrBytes::default()
    };
    Coordinator::default()
        .with_key(key)
        .with_error_code(code.0)
        .with_error_message(Some(message))
        .with_node_id(BrokerId(node))
        .with_host(host)
        .with_port(port)
}

fn parts(
    found: Result<Found, Missing>,
    success: &'static str,
) -> (ErrorCode, StrBytes, i32, StrBytes, i32) {
    match found {
        Ok(found) => {
            let host = StrBytes::from_string(found.host);
            let message = StrBytes::from_static_str(success);
            (ErrorCode::NONE, message, found.node, host, found.port)
        }
        Err(Missing(code, message)) => {
            let message = StrBytes::from_static_str(message);
            (code, message, -1, StrBytes::default(), -1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::codec;

    #[test]
    fn every_version_can_say_every_answer() {
        for version in FindCoordinator::VERSIONS.0..=FindCoordinator::VERSIONS.1 {
            for missing in [true, false] {
                let found = || match missing {
                    true => Err(Missing(ErrorCode::INVALID_REQUEST, INVALID)),
                    false => Ok(Found {
                        node: 1,
                        host: "h".to_owned(),
                        port: 9092,
                    }),
                };
                let answer = if version < 4 {
                    single(found(), version)
                } else {
                    let key = StrBytes::from_static_str("g");
                    let coordinators = vec![coordinator(key, found())];
                    FindCoordinatorResponse::default().with_coordinators(coordinators)
                };
                let mut bytes = bytes::BytesMut::new();
                assert!(
                    codec::encode(&answer, version, &mut bytes).is_ok(),
                    "{version}"
                );
            }
        }
    }
}
