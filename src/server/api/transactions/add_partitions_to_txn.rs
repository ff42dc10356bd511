//! Drives: AddPartitionsToTxn, versions 0 to 5 (KIP-98, KIP-588 in 2; from 4 on brokers send it,
//! for many transactions at a time, KIP-890).

use std::sync::Arc;

use futures_util::future::join_all;
use indexmap::IndexMap;

use super::code;
use crate::base::{ErrorCode, PartitionIndex};
use crate::coordinator::Verdicts;
use crate::coordinator::transaction::{Add, Producer, TopicPartition, TransactionError};
use crate::metadata::image::{Image, is_internal};
use crate::server::api::groups::kept;
use crate::server::api::{Api, Context};
use crate::wire::codec::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use crate::wire::codec::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use crate::wire::codec::messages::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, TopicName,
};

/// From this version on clients know the code of a producer that was fenced.
const FENCED_FROM: i16 = 2;
/// From this version on brokers send it.
const BATCHED_FROM: i16 = 4;
/// Transactions of one request that are looked after at the same time.
const AT_ONCE: usize = 64;

/// The API.
pub struct AddPartitionsToTxn;

impl crate::server::state::codes::Codes for AddPartitionsToTxnResponse {
    fn codes(&self, see: &mut dyn FnMut(i16)) {
        see(self.error_code);
        let batched = self.results_by_transaction.iter();
        let topics = batched.flat_map(|one| &one.topic_results);
        for topic in topics.chain(&self.results_by_topic_v3_and_below) {
            for partition in &topic.results_by_partition {
                see(partition.partition_error_code);
            }
        }
    }
}

/// The partitions of a request, in its order.
type Wanted = IndexMap<TopicName, Vec<PartitionIndex>>;

impl Api for AddPartitionsToTxn {
    type Request = AddPartitionsToTxnRequest;
    const VERSIONS: (i16, i16) = (0, 5);
    const NAME: &'static str = "AddPartitionsToTxn";

    async fn handle(
        cx: &Context,
        mut request: AddPartitionsToTxnRequest,
    ) -> AddPartitionsToTxnResponse {
        if cx.version < BATCHED_FROM {
            let transaction = AddPartitionsToTxnTransaction::default()
                .with_transactional_id(request.v3_and_below_transactional_id)
                .with_producer_id(request.v3_and_below_producer_id)
                .with_producer_epoch(request.v3_and_below_producer_epoch)
                .with_topics(request.v3_and_below_topics);
            let topics = one(cx, transaction).await.topic_results;
            return AddPartitionsToTxnResponse::default()
                .with_results_by_topic_v3_and_below(topics);
        }
        let mut results = Vec::with_capacity(request.transactions.len());
        while !request.transactions.is_empty() {
            let count = request.transactions.len().min(AT_ONCE);
            let some = request.transactions.drain(..count);
            results.extend(join_all(some.map(|transaction| one(cx, transaction))).await);
            cx.pace().await;
        }
        AddPartitionsToTxnResponse::default().with_results_by_transaction(results)
    }
}

/// What is answered about one transaction.
async fn one(cx: &Context, transaction: AddPartitionsToTxnTransaction) -> AddPartitionsToTxnResult {
    let wanted = wanted(cx, &transaction.topics).await;
    let image = cx.image();
    let codes = match missing(cx, &image, &wanted).await {
        Some(codes) => codes,
        None => ask(cx, &transaction, &image, &wanted).await,
    };
    let mut codes = codes.into_iter();
    let topics = wanted.into_iter().map(|(name, indices)| {
        let partitions = indices.into_iter().zip(codes.by_ref());
        let partitions = partitions.map(|(index, code)| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(index)
                .with_partition_error_code(code.0)
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(name)
            .with_results_by_partition(partitions.collect())
    });
    AddPartitionsToTxnResult::default()
        .with_topic_results(topics.collect())
        .with_transactional_id(transaction.transactional_id)
}

async fn wanted(cx: &Context, topics: &[AddPartitionsToTxnTopic]) -> Wanted {
    let mut wanted = Wanted::new();
    for topic in topics {
        let indices = wanted.entry(topic.name.clone()).or_default();
        indices.extend(&topic.partitions);
        cx.pace().await;
    }
    wanted
}

fn flat(wanted: &Wanted) -> impl Iterator<Item = (&TopicName, PartitionIndex)> {
    let topics = wanted.iter();
    topics.flat_map(|(name, indices)| indices.iter().map(move |index| (name, *index)))
}

/// Where a partition cannot join: a code for each, in their order. Then none joins. Clients may not
/// name internal topics, as for every other authorization in Kafka.
async fn missing(cx: &Context, image: &Image, wanted: &Wanted) -> Option<Vec<ErrorCode>> {
    let code = |(name, index): (&TopicName, PartitionIndex)| {
        if cx.version < BATCHED_FROM && is_internal(name) {
            return ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        }
        match image.topics.partition(name, index) {
            Some(_) => ErrorCode::OPERATION_NOT_ATTEMPTED,
            None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        }
    };
    let mut codes = Vec::new();
    for one in flat(wanted) {
        codes.push(code(one));
        cx.pace().await;
    }
    let all_may = |code: &ErrorCode| *code == ErrorCode::OPERATION_NOT_ATTEMPTED;
    (!codes.iter().all(all_may)).then_some(codes)
}

/// What the coordinator says of each partition, in their order.
async fn ask(
    cx: &Context,
    transaction: &AddPartitionsToTxnTransaction,
    image: &Image,
    wanted: &Wanted,
) -> Vec<ErrorCode> {
    let name = |name: &TopicName| match image.topics.named(name) {
        Some(topic) => topic.name.clone(),
        None => Arc::from(name.as_str()),
    };
    let mut partitions: Vec<TopicPartition> = Vec::new();
    for (topic, indices) in wanted {
        let topic = name(topic);
        for index in indices {
            partitions.push((topic.clone(), *index));
            cx.pace().await;
        }
    }
    let count = partitions.len();
    let verdicts = verdicts(cx, transaction, partitions).await;
    let verdicts = verdicts.unwrap_or_else(|error| vec![Err(error); count]);
    let code = |verdict: Result<(), TransactionError>| match verdict {
        Ok(()) => ErrorCode::NONE,
        Err(error) => code(error, cx.version, FENCED_FROM),
    };
    verdicts.into_iter().map(code).collect()
}

async fn verdicts(
    cx: &Context,
    transaction: &AddPartitionsToTxnTransaction,
    partitions: Vec<TopicPartition>,
) -> Result<Verdicts, TransactionError> {
    let transactions = &cx.shard.coordinators.transactions;
    let producer = Producer {
        id: transaction.producer_id.0,
        epoch: transaction.producer_epoch,
    };
    let id = &transaction.transactional_id;
    if cx.version >= BATCHED_FROM {
        let verify_only = transaction.verify_only;
        let asked = transactions.verify_or_add(id, producer, partitions, verify_only);
        return asked.await;
    }
    let count = partitions.len();
    let add = Add {
        id: kept(id),
        producer,
        partitions,
        client_version: 0,
    };
    transactions.add(add).await.map(|()| vec![Ok(()); count])
}
