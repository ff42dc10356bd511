//! Drives: InitProducerId, versions 0 to 5 (KIP-98, KIP-360): ids of idempotent producers.
//!
//! Left out: transactions. A producer that asks for one is told at once that there are none, with
//! an error that its client does not try again.

use std::cell::RefCell;
use std::ops::Range;

use crate::base::{ErrorCode, ProducerId};
use crate::server::api::{Api, Context, errors};
use crate::wire::codec::messages::{InitProducerIdRequest, InitProducerIdResponse};

/// The API.
pub struct InitProducerId;

/// The producer ids that this shard may still give out.
#[derive(Debug, Default)]
pub struct ProducerIds {
    left: RefCell<Range<ProducerId>>,
}

impl Api for InitProducerId {
    type Request = InitProducerIdRequest;
    const VERSIONS: (i16, i16) = (0, 5);
    const NAME: &'static str = "InitProducerId";

    async fn handle(cx: &Context, request: InitProducerIdRequest) -> InitProducerIdResponse {
        match check(&request, cx.version) {
            ErrorCode::NONE => {}
            code => return refused(code),
        }
        let ids = &cx.server.producer_ids;
        // Whoever had an id before gets a new one: what it wrote under the old one stands.
        let id = match ids.take() {
            Some(id) => Some(id),
            None => match cx.shard.control.allocate_producer_ids(cx.shard.node).await {
                Ok(Some(block)) => ids.put(block),
                Ok(None) => return refused(ErrorCode::UNKNOWN_SERVER_ERROR),
                Err(_) => None,
            },
        };
        match id {
            Some(id) => InitProducerIdResponse::default()
                .with_producer_id(id.into())
                .with_producer_epoch(0),
            None => refused(errors::CONTROLLER_FAILED),
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

// === impl ProducerIds ===

impl ProducerIds {
    /// The next id, if there is one.
    fn take(&self) -> Option<ProducerId> {
        self.left.borrow_mut().next()
    }

    /// Takes the first id of a new block and keeps the others, unless somebody who asked at the
    /// same time has brought some already: they are many.
    fn put(&self, mut block: Range<ProducerId>) -> Option<ProducerId> {
        let first = block.next();
        let mut left = self.left.borrow_mut();
        if left.is_empty() {
            *left = block;
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_is_given_out_twice() {
        let ids = ProducerIds::default();
        assert_eq!(ids.take(), None);
        // Two asked at the same time.
        assert_eq!(ids.put(0..3), Some(0));
        assert_eq!(ids.put(3..6), Some(3));
        assert_eq!(
            [ids.take(), ids.take(), ids.take()],
            [Some(1), Some(2), None]
        );
        assert_eq!(ids.put(6..9), Some(6));
        assert_eq!(ids.take(), Some(7));
    }

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
