//! Drives: partitions into transactions: a partition's leader asks the coordinator of a transaction
//! before it appends the first batch of it (KIP-890): the coordinator of this shard at once, that
//! of another shard over the mesh, one on another machine by AddPartitionsToTxn.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use crate::base::{ErrorCode, NodeId};
use crate::coordinator::transaction::{Producer, TopicPartition};
use crate::server::api::errors;
use crate::server::api::groups::sent;
use crate::shard::Shard;
use crate::shard::coordinators::TRANSACTIONS_TOPIC;
use crate::shard::mesh::Joining;
use crate::shard::nodes::CallError;
use crate::wire::codec::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use crate::wire::codec::messages::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, ProducerId, TopicName, TransactionalId,
};

/// The version of AddPartitionsToTxn that adds and verifies, for many transactions at a time.
const VERSION: i16 = 5;

/// How long a coordinator has to answer (`request.timeout.ms`): while its log cannot be written it
/// gives none.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What a client understands of the coordinator's errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Understands {
    /// None that says that the transaction must be aborted.
    Old,
    /// That one, too (TRANSACTION_ABORTABLE).
    Abortable,
}

/// Asks the coordinator of the transaction; what it says of each partition, in their order.
pub async fn ask(shard: &Rc<Shard>, joining: Joining, client: Understands) -> Vec<ErrorCode> {
    let count = joining.partitions.len();
    let asking = ask_wherever(shard, joining);
    let codes = shard.runtime().within(ANSWER_WITHIN, asking).await;
    let codes = codes.unwrap_or_else(|| vec![ErrorCode::NETWORK_EXCEPTION; count]);
    let codes = codes.into_iter().map(|code| match code {
        ErrorCode::PRODUCER_FENCED => ErrorCode::INVALID_PRODUCER_EPOCH,
        ErrorCode::TRANSACTION_ABORTABLE if client == Understands::Old => {
            ErrorCode::INVALID_TXN_STATE
        }
        code => code,
    });
    codes.collect()
}

async fn ask_wherever(shard: &Rc<Shard>, joining: Joining) -> Vec<ErrorCode> {
    let count = joining.partitions.len();
    let all = |code: ErrorCode| vec![code; count];
    let image = shard.image();
    let transactions = &shard.coordinators.transactions;
    let kept_in = transactions.partition_of(&joining.transactional_id);
    let leader = image.topics.partition(TRANSACTIONS_TOPIC, kept_in);
    let leader = leader.map(|partition| partition.leader);
    let Some(leader) = leader.filter(|leader| image.brokers.is_alive(*leader)) else {
        return all(ErrorCode::COORDINATOR_NOT_AVAILABLE);
    };
    if leader == shard.node {
        return ask_here(shard, joining).await;
    }
    if let Some(sibling) = shard.nodes.sibling(leader) {
        let answer = sibling.join(joining).await;
        return answer.unwrap_or_else(|_| all(ErrorCode::NETWORK_EXCEPTION));
    }
    match ask_there(shard, leader, &joining).await {
        Ok(codes) => codes,
        Err(CallError::Unknown) => all(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        Err(CallError::Peer(_)) => all(ErrorCode::NETWORK_EXCEPTION),
    }
}

/// Asks the coordinator of this shard.
pub async fn ask_here(shard: &Shard, joining: Joining) -> Vec<ErrorCode> {
    let producer = Producer {
        id: joining.producer_id,
        epoch: joining.producer_epoch,
    };
    let count = joining.partitions.len();
    let image = shard.image();
    let is_known =
        |(topic, index): &TopicPartition| image.topics.partition(topic, *index).is_some();
    if !joining.partitions.iter().all(is_known) {
        // Another shard may know of a topic before this one: a transaction that has it and ends
        // here now would take its partitions for gone, and leave them without a marker.
        return vec![ErrorCode::COORDINATOR_LOAD_IN_PROGRESS; count];
    }
    let transactions = &shard.coordinators.transactions;
    let answer = transactions.verify_or_add(
        &joining.transactional_id,
        producer,
        joining.partitions,
        joining.verify_only,
    );
    match answer.await {
        Ok(verdicts) => {
            let verdicts = verdicts.into_iter();
            let codes =
                verdicts.map(|it| it.map_or_else(errors::transaction, |()| ErrorCode::NONE));
            codes.collect()
        }
        Err(error) => vec![errors::transaction(error); count],
    }
}

async fn ask_there(
    shard: &Shard,
    leader: NodeId,
    joining: &Joining,
) -> Result<Vec<ErrorCode>, CallError> {
    let request = request(joining);
    let answer = shard.nodes.call(shard, leader, VERSION, &request).await?;
    Ok(codes(joining, &answer))
}

fn request(joining: &Joining) -> AddPartitionsToTxnRequest {
    let mut topics: Vec<AddPartitionsToTxnTopic> = Vec::new();
    for (topic, index) in &joining.partitions {
        match topics.last_mut() {
            Some(last) if last.name.as_str() == &**topic => last.partitions.push(*index),
            _ => {
                let name = TopicName(sent(topic));
                let topic = AddPartitionsToTxnTopic::default().with_name(name);
                topics.push(topic.with_partitions(vec![*index]));
            }
        }
    }
    let id = sent(&joining.transactional_id);
    let transaction = AddPartitionsToTxnTransaction::default()
        .with_transactional_id(TransactionalId(id))
        .with_producer_id(ProducerId(joining.producer_id))
        .with_producer_epoch(joining.producer_epoch)
        .with_verify_only(joining.verify_only)
        .with_topics(topics);
    AddPartitionsToTxnRequest::default().with_transactions(vec![transaction])
}

/// What the answer says of each partition; one that it does not name is to be tried again.
fn codes(joining: &Joining, answer: &AddPartitionsToTxnResponse) -> Vec<ErrorCode> {
    let whole = ErrorCode(answer.error_code);
    if whole.is_error() {
        return vec![whole; joining.partitions.len()];
    }
    let transactions = answer.results_by_transaction.iter();
    let mut named = HashMap::new();
    for topic in transactions.flat_map(|it| &it.topic_results) {
        for partition in &topic.results_by_partition {
            let code = ErrorCode(partition.partition_error_code);
            named.insert((topic.name.as_str(), partition.partition_index), code);
        }
    }
    let code = |(topic, index): &TopicPartition| {
        let found = named.get(&(&**topic, *index)).copied();
        found.unwrap_or(ErrorCode::NETWORK_EXCEPTION)
    };
    joining.partitions.iter().map(code).collect()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::wire::codec::messages::add_partitions_to_txn_response::{
        AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
    };
    use crate::wire::codec::{StrBytes, encode};

    #[test]
    fn each_partition_gets_its_code_and_what_is_left_out_is_tried_again() {
        let joining = Joining {
            transactional_id: "x".into(),
            producer_id: 7,
            producer_epoch: 1,
            verify_only: true,
            partitions: vec![("a".into(), 0), ("a".into(), 2), ("b".into(), 0)],
        };
        let asked = request(&joining);
        encode(&asked, VERSION, &mut BytesMut::new()).unwrap();
        assert_eq!(asked.transactions[0].topics.len(), 2);
        let partition = AddPartitionsToTxnPartitionResult::default()
            .with_partition_index(2)
            .with_partition_error_code(ErrorCode::INVALID_TXN_STATE.0);
        let topic = AddPartitionsToTxnTopicResult::default()
            .with_name(TopicName(StrBytes::from_static_str("a")))
            .with_results_by_partition(vec![partition]);
        let result = AddPartitionsToTxnResult::default().with_topic_results(vec![topic]);
        let answer = AddPartitionsToTxnResponse::default();
        let answer = answer.with_results_by_transaction(vec![result]);
        let again = ErrorCode::NETWORK_EXCEPTION;
        assert_eq!(
            codes(&joining, &answer),
            [again, ErrorCode::INVALID_TXN_STATE, again]
        );
        let whole = answer.with_error_code(ErrorCode::CLUSTER_AUTHORIZATION_FAILED.0);
        let refused = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        assert_eq!(codes(&joining, &whole), [refused; 3]);
    }
}
