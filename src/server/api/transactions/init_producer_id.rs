//! Drives: InitProducerId, versions 0 to 5 (KIP-98, KIP-360 in 3, KIP-588 in 4, KIP-890 in 5): ids
//! of idempotent producers, and of transactional ones.

use super::code;
use crate::base::ErrorCode;
use crate::coordinator::transaction::{Init, Producer};
use crate::server::api::groups::kept;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::shard::producer_ids::{self, NoProducerId};
use crate::wire::codec::messages::{InitProducerIdRequest, InitProducerIdResponse};

/// From this version on clients know the code of a producer that was fenced.
const FENCED_FROM: i16 = 4;

/// The API.
pub struct InitProducerId;

codes!(InitProducerIdResponse: []);

impl Api for InitProducerId {
    type Request = InitProducerIdRequest;
    const VERSIONS: (i16, i16) = (0, 5);
    const NAME: &'static str = "InitProducerId";

    async fn handle(cx: &Context, request: InitProducerIdRequest) -> InitProducerIdResponse {
        let Ok(expected) = expected(&request) else {
            return refused(ErrorCode::INVALID_REQUEST);
        };
        let Some(id) = &request.transactional_id else {
            // A producer that had an id gets a new one: what it wrote under the old one stands.
            return match producer_ids::next(&cx.shard).await {
                Ok(id) => answer(Producer { id, epoch: 0 }),
                Err(error) => no_id(cx, error),
            };
        };
        let init = Init {
            id: kept(id),
            timeout_ms: request.transaction_timeout_ms,
            expected,
            fresh_id: None,
        };
        let fresh_id = async || producer_ids::next(&cx.shard).await;
        let transactions = &cx.shard.coordinators.transactions;
        match transactions.init(init, fresh_id).await {
            Ok(Ok(producer)) => answer(producer),
            Ok(Err(error)) => refused(code(error, cx.version, FENCED_FROM)),
            Err(error) => no_id(cx, error),
        }
    }
}

/// What the producer had before, if it says so; an error where it gives only half of that.
fn expected(request: &InitProducerIdRequest) -> Result<Option<Producer>, ()> {
    let (id, epoch) = (request.producer_id.0, request.producer_epoch);
    match (id != -1, epoch != -1) {
        (false, false) => Ok(None),
        (true, true) => Ok(Some(Producer { id, epoch })),
        _ => Err(()),
    }
}

fn answer(producer: Producer) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_producer_id(producer.id.into())
        .with_producer_epoch(producer.epoch)
}

fn no_id(cx: &Context, error: NoProducerId) -> InitProducerIdResponse {
    refused(errors::producer_id(error, cx.server.is_in_cluster))
}

fn refused(code: ErrorCode) -> InitProducerIdResponse {
    answer(Producer::NONE).with_error_code(code.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_producer_says_both_its_id_and_its_epoch_or_none() {
        let request = |id: i64, epoch: i16| {
            let request = InitProducerIdRequest::default().with_producer_id(id.into());
            request.with_producer_epoch(epoch)
        };
        assert_eq!(expected(&request(-1, -1)), Ok(None));
        let had = Producer { id: 7, epoch: 3 };
        assert_eq!(expected(&request(7, 3)), Ok(Some(had)));
        assert_eq!(expected(&request(7, -1)), Err(()));
        assert_eq!(expected(&request(-1, 3)), Err(()));
    }
}
