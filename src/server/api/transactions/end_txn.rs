//! Drives: EndTxn, versions 0 to 5 (KIP-98, KIP-588 in 2, KIP-890 in 4 and 5). Answered when it is
//! durable how the transaction ends; its markers are written afterwards.

use super::code;
use crate::coordinator::WITH_EPOCHS;
use crate::coordinator::transaction::{End, Producer};
use crate::server::api::groups::kept;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::shard::producer_ids;
use crate::wire::codec::messages::{EndTxnRequest, EndTxnResponse};

/// From this version on clients know the code of a producer that was fenced.
const FENCED_FROM: i16 = 2;
/// From this version on each transaction has an epoch of its own.
const EPOCHS_FROM: i16 = 5;

/// The API.
pub struct EndTxn;

codes!(EndTxnResponse: []);

impl Api for EndTxn {
    type Request = EndTxnRequest;
    const VERSIONS: (i16, i16) = (0, 5);
    const NAME: &'static str = "EndTxn";

    async fn handle(cx: &Context, request: EndTxnRequest) -> EndTxnResponse {
        let end = End {
            id: kept(&request.transactional_id),
            producer: Producer {
                id: request.producer_id.0,
                epoch: request.producer_epoch,
            },
            committed: request.committed,
            client_version: match cx.version >= EPOCHS_FROM {
                true => WITH_EPOCHS,
                false => 0,
            },
            fresh_id: None,
        };
        let fresh_id = async || producer_ids::next(&cx.shard).await;
        let transactions = &cx.shard.coordinators.transactions;
        let code = match transactions.end(end, fresh_id).await {
            Ok(Ok(producer)) => return answer(producer, cx.version),
            Ok(Err(error)) => code(error, cx.version, FENCED_FROM),
            Err(error) => errors::producer_id(error, cx.server.is_in_cluster),
        };
        answer(Producer::NONE, cx.version).with_error_code(code.0)
    }
}

fn answer(producer: Producer, version: i16) -> EndTxnResponse {
    match version >= EPOCHS_FROM {
        true => EndTxnResponse::default()
            .with_producer_id(producer.id.into())
            .with_producer_epoch(producer.epoch),
        false => EndTxnResponse::default(),
    }
}
