//! Drives: AddOffsetsToTxn, versions 0 to 4 (KIP-98, KIP-588 in 2, KIP-890 in 4): the partition of
//! `__consumer_offsets` that keeps a group's offsets joins a transaction.

use super::code;
use crate::base::ErrorCode;
use crate::coordinator::transaction::{Add, Producer};
use crate::server::api::groups::kept;
use crate::server::api::{Api, Context};
use crate::server::state::codes::codes;
use crate::shard::coordinators::OFFSETS_TOPIC;
use crate::wire::codec::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

/// From this version on clients know the code of a producer that was fenced.
const FENCED_FROM: i16 = 2;

/// The API.
pub struct AddOffsetsToTxn;

codes!(AddOffsetsToTxnResponse: []);

impl Api for AddOffsetsToTxn {
    type Request = AddOffsetsToTxnRequest;
    const VERSIONS: (i16, i16) = (0, 4);
    const NAME: &'static str = "AddOffsetsToTxn";

    async fn handle(cx: &Context, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
        let coordinators = &cx.shard.coordinators;
        let partition = coordinators.groups.partition_of(&request.group_id);
        let add = Add {
            id: kept(&request.transactional_id),
            producer: Producer {
                id: request.producer_id.0,
                epoch: request.producer_epoch,
            },
            partitions: vec![(OFFSETS_TOPIC.into(), partition)],
            client_version: 0,
        };
        let code = match coordinators.transactions.add(add).await {
            Ok(()) => ErrorCode::NONE,
            Err(error) => code(error, cx.version, FENCED_FROM),
        };
        AddOffsetsToTxnResponse::default().with_error_code(code.0)
    }
}
