//! Drives: DescribeTransactions, version 0 (KIP-664): how transactional ids stand.

use crate::base::ErrorCode;
use crate::coordinator::transaction::Described;
use crate::server::api::groups::sent;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::describe_transactions_response::{TopicData, TransactionState};
use crate::wire::codec::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, TopicName,
};

/// What a topic of a transaction takes in an answer besides its name, in bytes.
const TOPIC_BYTES: usize = 256;

/// The API.
pub struct DescribeTransactions;

codes!(DescribeTransactionsResponse: [transaction_states]);

impl Api for DescribeTransactions {
    type Request = DescribeTransactionsRequest;
    const VERSIONS: (i16, i16) = (0, 0);
    const NAME: &'static str = "DescribeTransactions";

    async fn handle(
        cx: &Context,
        request: DescribeTransactionsRequest,
    ) -> DescribeTransactionsResponse {
        let transactions = &cx.shard.coordinators.transactions;
        let mut states = Vec::with_capacity(request.transactional_ids.len());
        for id in request.transactional_ids {
            let state = match transactions.describe(&id).await {
                Ok(found) if cx.claim(memory_bytes(&found)).await => described(&found),
                // There is no memory: the answer is not sent.
                Ok(_) => break,
                Err(error) => {
                    let code = errors::transaction(error);
                    TransactionState::default().with_error_code(code.0)
                }
            };
            states.push(state.with_transactional_id(id));
            cx.pace().await;
        }
        DescribeTransactionsResponse::default().with_transaction_states(states)
    }
}

fn memory_bytes(found: &Described) -> usize {
    let topic = |(name, indices): &(std::sync::Arc<str>, Vec<i32>)| {
        TOPIC_BYTES + 2 * (name.len() + 4 * indices.len())
    };
    found.topics.iter().map(topic).sum()
}

fn described(found: &Described) -> TransactionState {
    let topic = |(name, indices): &(std::sync::Arc<str>, Vec<i32>)| {
        TopicData::default()
            .with_topic(TopicName(sent(name)))
            .with_partitions(indices.clone())
    };
    TransactionState::default()
        .with_error_code(ErrorCode::NONE.0)
        .with_transaction_state(StrBytes::from_static_str(found.state.name()))
        .with_transaction_timeout_ms(found.timeout_ms)
        .with_transaction_start_time_ms(found.started_ms)
        .with_producer_id(found.producer.id.into())
        .with_producer_epoch(found.producer.epoch)
        .with_topics(found.topics.iter().map(topic).collect())
}
