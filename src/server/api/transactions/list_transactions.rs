//! Drives: ListTransactions, versions 0 to 2 (KIP-664, KIP-994 durations in 1, KIP-1152 patterns in
//! 2): the transactional ids whose coordinator is this node.

use std::collections::BTreeSet;
use std::rc::Rc;

use regex::{Regex, RegexBuilder};

use crate::base::ErrorCode;
use crate::coordinator::record::transaction::TransactionState;
use crate::coordinator::transaction::{Filter, Listed, TransactionError};
use crate::server::api::groups::sent;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::list_transactions_response;
use crate::wire::codec::messages::{
    ListTransactionsRequest, ListTransactionsResponse, TransactionalId,
};

/// What a pattern may take once it is compiled, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// What a transactional id takes in an answer besides its text, in bytes.
const LISTED_BYTES: usize = 256;

/// The API.
pub struct ListTransactions;

codes!(ListTransactionsResponse: []);

impl Api for ListTransactions {
    type Request = ListTransactionsRequest;
    const VERSIONS: (i16, i16) = (0, 2);
    const NAME: &'static str = "ListTransactions";

    async fn handle(cx: &Context, request: ListTransactionsRequest) -> ListTransactionsResponse {
        let answer = ListTransactionsResponse::default();
        let pattern = match pattern(cx, &request).await {
            Ok(pattern) => pattern,
            Err(()) => return answer.with_error_code(ErrorCode::INVALID_REGULAR_EXPRESSION.0),
        };
        let (filter, unknown) = filter(cx, &request).await;
        let answer = answer.with_unknown_state_filters(unknown);
        match list(cx, &filter, pattern.as_ref()).await {
            Ok(states) => answer.with_transaction_states(states),
            Err(error) => {
                let code = errors::transaction(error);
                ListTransactionsResponse::default().with_error_code(code.0)
            }
        }
    }
}

/// What is asked for, and the names that are no states.
async fn filter(cx: &Context, request: &ListTransactionsRequest) -> (Filter, Vec<StrBytes>) {
    let mut filter = Filter {
        longer_than_ms: Some(request.duration_filter).filter(|ms| *ms >= 0),
        ..Filter::default()
    };
    let mut unknown = BTreeSet::new();
    for name in &request.state_filters {
        let states = filter.states.get_or_insert_default();
        match TransactionState::ALL
            .iter()
            .find(|state| state.name() == &**name)
        {
            Some(state) => drop(states.insert(*state)),
            None => drop(unknown.insert(name.clone())),
        }
        cx.pace().await;
    }
    for id in &request.producer_id_filters {
        filter.producer_ids.insert(id.0);
        cx.pace().await;
    }
    (filter, unknown.into_iter().collect())
}

/// The pattern that a transactional id must match as a whole, if there is one. Patterns are of
/// RE2's kind, in Kafka as here, and take time in proportion to the text.
async fn pattern(cx: &Context, request: &ListTransactionsRequest) -> Result<Option<Regex>, ()> {
    let Some(text) = &request.transactional_id_pattern else {
        return Ok(None);
    };
    if text.is_empty() {
        return Ok(None);
    }
    let text = text.to_string();
    let compiled = cx.beside(move || compile(&text)).await;
    compiled.flatten().map(Some).ok_or(())
}

fn compile(text: &str) -> Option<Regex> {
    let compiled = |text: &str| {
        RegexBuilder::new(text)
            .size_limit(PATTERN_BYTES_MAX)
            .build()
    };
    // By itself, since it may close a group that it did not open.
    compiled(text).ok()?;
    compiled(&format!(r"\A(?:{text})\z")).ok()
}

async fn list(
    cx: &Context,
    filter: &Filter,
    pattern: Option<&Regex>,
) -> Result<Vec<list_transactions_response::TransactionState>, TransactionError> {
    let transactions = &cx.shard.coordinators.transactions;
    let mut states = Vec::new();
    for index in transactions.led() {
        let mut behind: Option<Rc<str>> = None;
        loop {
            let some = transactions
                .list_some(index, filter, behind.as_deref())
                .await;
            let (listed, next) = match some {
                // It has moved: its new leader answers for it.
                Err(TransactionError::NotCoordinator) => break,
                some => some?,
            };
            for one in &listed {
                cx.pace().await;
                if !pattern.is_none_or(|pattern| pattern.is_match(&one.id)) {
                    continue;
                }
                if !cx.claim(LISTED_BYTES + 2 * one.id.len()).await {
                    return Ok(states);
                }
                states.push(state(one));
            }
            behind = next;
            if behind.is_none() {
                break;
            }
        }
    }
    Ok(states)
}

fn state(listed: &Listed) -> list_transactions_response::TransactionState {
    list_transactions_response::TransactionState::default()
        .with_transactional_id(TransactionalId(sent(&listed.id)))
        .with_producer_id(listed.producer_id.into())
        .with_transaction_state(StrBytes::from_static_str(listed.state.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_id() {
        let matches = |pattern: &str, id: &str| compile(pattern).is_some_and(|it| it.is_match(id));
        assert!(matches("a|ab", "ab"));
        assert!(!matches("a", "ab"));
        assert!(matches("pay.*", "payments-7"));
        assert!(!matches("pay", "payments-7"));
    }

    #[test]
    fn what_is_no_pattern_or_too_large_is_refused() {
        for bad in ["(", "a)(b", "*", "(?=a)", r"(\pL{1000}){1000}"] {
            assert!(compile(bad).is_none(), "{bad}");
        }
    }
}
