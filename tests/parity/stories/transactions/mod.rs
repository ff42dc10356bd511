//! Stories about the coordinator of transactions: InitProducerId with a transactional id,
//! AddPartitionsToTxn, AddOffsetsToTxn, EndTxn, DescribeTransactions, ListTransactions; and about
//! what it has others do: TxnOffsetCommit, WriteTxnMarkers, DescribeProducers.
//!
//! Kafka answers CONCURRENT_TRANSACTIONS at once while markers are being written, where Corelane
//! waits a while: steps that may meet that are played when it is over ([`settle`], [`in_the_end`]).

mod adding;
mod ending;
mod markers;
mod members;
mod offsets;
mod showing;

use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, DescribeTransactionsRequest, EndTxnRequest, InitProducerIdRequest,
    InitProducerIdResponse, ProducerId, TransactionalId,
};

pub use adding::{add_offsets_to_txn, add_partitions_to_txn};
pub use ending::end_txn;
pub use markers::{describe_producers, write_txn_markers};
pub use members::commits_in_groups;
pub use offsets::txn_offset_commit;
pub use showing::{describe_transactions, list_transactions};

use crate::script::{Story, make, s, t};
use crate::value::Value;

const CONCURRENT_TRANSACTIONS: i16 = 51;

/// A producer id and its epoch.
type Producer = (i64, i16);

fn id(text: impl AsRef<str>) -> TransactionalId {
    TransactionalId(s(text))
}

fn init(text: &str, timeout_ms: i32, (known, epoch): Producer) -> InitProducerIdRequest {
    make!(InitProducerIdRequest {
        transactional_id: Some(id(text)),
        transaction_timeout_ms: timeout_ms,
        producer_id: ProducerId(known),
        producer_epoch: epoch,
    })
}

const NEW: Producer = (-1, -1);

/// Asks again until no transaction is being ended.
fn in_the_end(story: &mut Story, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    loop {
        let answer = story.get(4, request);
        if answer.error_code != CONCURRENT_TRANSACTIONS {
            return answer;
        }
        story.pause(10);
    }
}

/// A producer that has just begun.
fn begun(story: &mut Story, text: &str) -> Producer {
    let answer = in_the_end(story, &init(text, 60_000, NEW));
    assert_eq!(answer.error_code, 0, "{text}");
    (answer.producer_id.0, answer.producer_epoch)
}

/// Waits until the transaction is not being ended any more.
fn settle(story: &mut Story, text: &str) {
    let request = make!(DescribeTransactionsRequest {
        transactional_ids: vec![id(text)]
    });
    story.wait_until("markers are written", |story| {
        let state = &story.get(0, &request).transaction_states[0];
        !state.transaction_state.starts_with("Prepare")
    });
}

fn describe(story: &mut Story, what: &str, texts: &[&str]) {
    let request = make!(DescribeTransactionsRequest {
        transactional_ids: texts.iter().map(id).collect()
    });
    // The order of partitions is that of a hash table.
    story.aside_and(what, 0, request, |answer| {
        for state in answer.list("transaction_states") {
            for topic in state.list("topics") {
                let indices = topic.list("partitions");
                indices.sort_by_key(|index| match index {
                    Value::Atom(text) => text.parse::<i32>().ok(),
                    _ => None,
                });
            }
        }
    });
}

fn places(list: &[(&str, &[i32])]) -> Vec<AddPartitionsToTxnTopic> {
    let topic = |(name, partitions): &(&str, &[i32])| {
        make!(AddPartitionsToTxnTopic {
            name: t(name),
            partitions: partitions.to_vec()
        })
    };
    list.iter().map(topic).collect()
}

/// What a client sends.
fn add(text: &str, (known, epoch): Producer, list: &[(&str, &[i32])]) -> AddPartitionsToTxnRequest {
    make!(AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: id(text),
        v3_and_below_producer_id: ProducerId(known),
        v3_and_below_producer_epoch: epoch,
        v3_and_below_topics: places(list),
    })
}

/// What a broker sends of one transaction.
fn batched(
    text: &str,
    (known, epoch): Producer,
    verify_only: bool,
    list: &[(&str, &[i32])],
) -> AddPartitionsToTxnTransaction {
    make!(AddPartitionsToTxnTransaction {
        transactional_id: id(text),
        producer_id: ProducerId(known),
        producer_epoch: epoch,
        verify_only: verify_only,
        topics: places(list),
    })
}

fn end(text: &str, (known, epoch): Producer, committed: bool) -> EndTxnRequest {
    make!(EndTxnRequest {
        transactional_id: id(text),
        producer_id: ProducerId(known),
        producer_epoch: epoch,
        committed: committed,
    })
}

pub fn init_transactions(story: &mut Story) {
    story.versions(0..=5, |story, v| {
        let name = story.name("id");
        for timeout in [i32::MAX, 900_001, 0, -1] {
            let what = format!("timeout {timeout}");
            story.ask(&what, v, init(&name, timeout, NEW));
        }
        story.ask("a new id", v, init(&name, 900_000, NEW));
        story.ask("once more", v, init(&name, 1, NEW));
        describe(story, "how it stands", &[&name]);
        if v < 3 {
            return;
        }
        let (known, epoch) = begun(story, &name);
        for (what, had) in [
            ("the id and epoch that it has", (known, epoch)),
            ("the same again", (known, epoch)),
            ("the epoch that it got", (known, epoch + 1)),
            ("an epoch of long ago", (known, epoch)),
            ("an epoch that there was not yet", (known, epoch + 7)),
            ("another id", (known + 4_000_000, epoch)),
            ("an id without an epoch", (known, -1)),
            ("an epoch without an id", (-1, epoch)),
        ] {
            story.ask(what, v, init(&name, 60_000, had));
        }
        let other = story.name("unknown");
        let had = (known, epoch);
        story.ask("an unknown transactional id", v, init(&other, 60_000, had));
    });
}
