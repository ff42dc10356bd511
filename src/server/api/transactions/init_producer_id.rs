//! Drives: InitProducerId, versions 0 to 5 (KIP-98, KIP-360): ids of idempotent producers.
//!
//! Left out: transactions. A producer that asks for one is told at once that there are none, with
//! an error that its client does not try again.

use crate::base::ErrorCode;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::shard::producer_ids;
use crate::wire::codec::messages::{InitProducerIdRequest, InitProducerIdResponse};

/// The API.
pub struct InitProducerId;

codes!(InitProducerIdResponse: []);

impl Api for InitProducerId {
    type Request = InitProducerIdRequest;
    const VERSIONS: (i16, i16) = (0, 5);
    const NAME: &'static str = "InitProducerId";

    async fn handle(cx: &Context, request: InitProducerIdRequest) -> InitProducerIdResponse {
        match check(&request, cx.version) {
            ErrorCode::NONE => {}
            code => return refused(code),
        }
        // A producer that had an id gets a new one: what it wrote under the old one stands.
        match producer_ids::next(&cx.shard).await {
            Ok(id) => InitProducerIdResponse::default()
                .with_producer_id(id.into())
                .with_producer_epoch(0),
            Err(error) => refused(errors::producer_id(error, cx.server.is_in_cluster)),
        }
    }
}

fn check(request: &InitProducerIdRequest, version: i16) -> ErrorCode {
    let (has_id, has_epoch) = (request.producer_id.0 != -1, request.producer_epoch != -1);
    match &request.transactional_id {
        _ if version >= 3 && has_id != has_epoch => ErrorCode::INVALID_REQUEST,
        None => ErrorCode::NONE,
        Some(id) if id.is_empty() => ErrorCode::INVALID_REQUEST,
        Some(_) => ErrorCode::UNSUPPORTED_VERSION,
    }
}

fn refused(code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(code.0)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_are_refused_for_good_and_odd_requests_as_kafka_does() {
        let request = |text: Option<&'static str>, id: i64, epoch: i16| {
            InitProducerIdRequest::default()
                .with_transactional_id(
                    text.map(|t| crate::wire::codec::StrBytes::from_static_str(t).into()),
                )
                .with_producer_id(id.into())
                .with_producer_epoch(epoch)
        };
        assert_eq!(check(&request(None, -1, -1), 5), ErrorCode::NONE);
        assert_eq!(check(&request(None, 7, 3), 5), ErrorCode::NONE);
        assert_eq!(check(&request(None, 7, -1), 5), ErrorCode::INVALID_REQUEST);
        assert_eq!(
            check(&request(Some(""), -1, -1), 5),
            ErrorCode::INVALID_REQUEST
        );
        assert_eq!(
            check(&request(Some("t"), -1, -1), 5),
            ErrorCode::UNSUPPORTED_VERSION
        );
    }
}
