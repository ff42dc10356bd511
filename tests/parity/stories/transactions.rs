//! Stories about the coordinator of transactions: InitProducerId with a transactional id,
//! AddPartitionsToTxn, AddOffsetsToTxn, EndTxn, DescribeTransactions, ListTransactions.
//!
//! Kafka answers CONCURRENT_TRANSACTIONS at once while markers are being written, where Corelane
//! waits a while: steps that may meet that are played when it is over ([`settle`], [`in_the_end`]).

use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeTransactionsRequest, EndTxnRequest,
    GroupId, InitProducerIdRequest, InitProducerIdResponse, ListTransactionsRequest, ProducerId,
    TransactionalId,
};

use super::scene::{self, topic};
use crate::script::{Story, keep, make, s, t};

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
    story.aside(what, 0, request);
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

pub fn add_partitions_to_txn(story: &mut Story) {
    story.versions(0..=3, |story, v| {
        let one = topic(story, "one", 2, &[]);
        let (name, one) = (story.name("id"), one.name.to_string());
        let mut ask = |what: &str, text: &str, by: Producer, list: &[(&str, &[i32])]| {
            story.ask(what, v, add(text, by, list));
        };
        ask("an empty id", "", (1, 0), &[(&one, &[0])]);
        ask("an unknown id", &name, (1, 0), &[(&one, &[0])]);
        ask("an unknown id, no partitions", &name, (1, 0), &[]);
        let by = begun(story, &name);
        let mut ask = |what: &str, by: Producer, list: &[(&str, &[i32])]| {
            story.ask(what, v, add(&name, by, list));
        };
        ask(
            "another producer id",
            (by.0 + 4_000_000, 0),
            &[(&one, &[0])],
        );
        ask("an epoch of the future", (by.0, by.1 + 1), &[(&one, &[0])]);
        ask("an epoch of the past", (by.0, by.1 - 1), &[(&one, &[0])]);
        ask("an unknown topic", by, &[("no-such-topic", &[0])]);
        ask("a known and an unknown partition", by, &[(&one, &[0, 2])]);
        ask("partition -1", by, &[(&one, &[-1])]);
        ask("an internal topic", by, &[("__consumer_offsets", &[0])]);
        ask(
            "an internal topic, too",
            by,
            &[(&one, &[0]), ("__transaction_state", &[0])],
        );
        ask("a partition", by, &[(&one, &[0])]);
        ask("the same partition", by, &[(&one, &[0])]);
        ask(
            "both partitions, one of them twice",
            by,
            &[(&one, &[0, 1, 1])],
        );
        ask("no partitions", by, &[]);
        describe(story, "the transaction", &[&name]);
        story.get(4, &end(&name, by, true));
        settle(story, &name);
        story.ask("the next transaction", v, add(&name, by, &[(&one, &[1])]));
        describe(story, "the next one", &[&name]);
    });
    batches(story);
}

fn batches(story: &mut Story) {
    story.versions(4..=5, |story, v| {
        let one = topic(story, "one", 2, &[]);
        let one = one.name.to_string();
        let (first, second) = (story.name("first"), story.name("second"));
        let mut ask = |what: &str, transactions: Vec<AddPartitionsToTxnTransaction>| {
            let request = make!(AddPartitionsToTxnRequest {
                transactions: transactions
            });
            story.ask(what, v, request);
        };
        for verify in [true, false] {
            let of = |text: &str| batched(text, (1, 0), verify, &[(&one, &[0])]);
            ask(&format!("an empty id, verify {verify}"), vec![of("")]);
            ask(&format!("an unknown id, verify {verify}"), vec![of(&first)]);
        }
        let (a, b) = (begun(story, &first), begun(story, &second));
        let mut ask = |what: &str, transactions: Vec<AddPartitionsToTxnTransaction>| {
            let request = make!(AddPartitionsToTxnRequest {
                transactions: transactions
            });
            story.ask(what, v, request);
        };
        let only_one: &[(&str, &[i32])] = &[(&one, &[0])];
        let both: &[(&str, &[i32])] = &[(&one, &[0, 1])];
        for verify in [true, false] {
            for (what, by) in [
                ("another id", (a.0 + 4_000_000, 0)),
                ("an epoch of the future", (a.0, a.1 + 1)),
            ] {
                let of = batched(&first, by, verify, only_one);
                ask(&format!("{what}, verify {verify}"), vec![of]);
            }
            let unknown = &[("no-such-topic", &[0][..]), (&one, &[0])];
            let of = batched(&first, a, verify, unknown);
            ask(&format!("an unknown topic, verify {verify}"), vec![of]);
        }
        ask(
            "verified, none is in",
            vec![batched(&first, a, true, only_one)],
        );
        ask("added", vec![batched(&first, a, false, only_one)]);
        ask("verified, one is in", vec![batched(&first, a, true, both)]);
        let internal = &[("__consumer_offsets", &[0][..])];
        ask(
            "an internal topic",
            vec![batched(&first, a, false, internal)],
        );
        let two = vec![
            batched(&first, a, false, both),
            batched(&second, b, true, only_one),
        ];
        ask("two transactions", two);
        describe(story, "both", &[&first, &second]);
    });
}

pub fn add_offsets_to_txn(story: &mut Story) {
    story.versions(0..=4, |story, v| {
        let (name, group) = (story.name("id"), story.name("group"));
        let request = |text: &str, (known, epoch): Producer, group: &str| {
            make!(AddOffsetsToTxnRequest {
                transactional_id: id(text),
                producer_id: ProducerId(known),
                producer_epoch: epoch,
                group_id: GroupId(s(group)),
            })
        };
        story.ask("an empty id", v, request("", (1, 0), &group));
        story.ask("an unknown id", v, request(&name, (1, 0), &group));
        let by = begun(story, &name);
        let other = (by.0 + 4_000_000, by.1);
        story.ask("another producer id", v, request(&name, other, &group));
        let later = (by.0, by.1 + 1);
        story.ask("an epoch of the future", v, request(&name, later, &group));
        story.ask("a group", v, request(&name, by, &group));
        story.ask("the same group", v, request(&name, by, &group));
        story.ask("a group without a name", v, request(&name, by, ""));
        let asked = make!(DescribeTransactionsRequest {
            transactional_ids: vec![id(&name)]
        });
        let state = &story.get(0, &asked).transaction_states[0];
        let topics: Vec<_> = state.topics.iter().map(|it| it.topic.to_string()).collect();
        let text = format!("{} {topics:?}", &*state.transaction_state);
        story.tell("the transaction", &text);
        story.ask("ended", v.max(2), end(&name, by, false));
    });
}

pub fn end_txn(story: &mut Story) {
    story.versions(0..=4, |story, v| {
        let one = topic(story, "one", 2, &[]);
        let (name, one) = (story.name("id"), one.name.to_string());
        story.ask("an empty id", v, end("", (1, 0), true));
        story.ask("an unknown id", v, end(&name, (1, 0), true));
        let by = begun(story, &name);
        let mut ask = |what: &str, by: Producer, committed: bool| {
            story.ask(what, v, end(&name, by, committed));
        };
        ask("another producer id", (by.0 + 4_000_000, 0), true);
        ask("an epoch of the future", (by.0, by.1 + 1), true);
        ask("an epoch of the past", (by.0, by.1 - 1), true);
        ask("nothing is committed", by, true);
        ask("nothing is aborted", by, false);
        for committed in [true, false] {
            let verb = if committed { "committed" } else { "aborted" };
            story.get(3, &add(&name, by, &[(&one, &[0, 1])]));
            story.ask(&format!("it is {verb}"), v, end(&name, by, committed));
            settle(story, &name);
            describe(story, &format!("what was {verb}"), &[&name]);
            for again in [true, false] {
                let what = format!("was {verb}, again, commit {again}");
                story.ask(&what, v, end(&name, by, again));
            }
        }
    });
    epochs(story);
    fenced(story);
}

/// From version 5 on each transaction has an epoch of its own.
fn epochs(story: &mut Story) {
    story.versions(5..=5, |story, v| {
        let one = topic(story, "one", 2, &[]);
        let (name, one) = (story.name("id"), one.name.to_string());
        story.ask("an empty id", v, end("", (1, 0), true));
        story.ask("an unknown id", v, end(&name, (1, 0), true));
        let (known, mut epoch) = begun(story, &name);
        for (what, by, committed) in [
            ("another producer id", (known + 4_000_000, 0), true),
            ("an epoch of the future", (known, epoch + 1), true),
            ("an epoch of the past", (known, epoch - 1), true),
            ("nothing is committed", (known, epoch), true),
            ("nothing is aborted", (known, epoch), false),
        ] {
            story.ask(what, v, end(&name, by, committed));
            settle(story, &name);
        }
        describe(story, "nothing", &[&name]);
        epoch += 1;
        for committed in [true, false] {
            let verb = if committed { "committed" } else { "aborted" };
            let transaction = batched(&name, (known, epoch), false, &[(&one, &[0, 1])]);
            story.get(
                5,
                &make!(AddPartitionsToTxnRequest {
                    transactions: vec![transaction]
                }),
            );
            let by = (known, epoch);
            story.ask(&format!("it is {verb}"), v, end(&name, by, committed));
            settle(story, &name);
            describe(story, &format!("what was {verb}"), &[&name]);
            for again in [true, false] {
                let what = format!("was {verb}, repeated, commit {again}");
                story.ask(&what, v, end(&name, by, again));
            }
            epoch += 1;
            let by = (known, epoch);
            story.ask(
                &format!("was {verb}, then a commit"),
                v,
                end(&name, by, true),
            );
            story.ask(
                &format!("was {verb}, then an abort"),
                v,
                end(&name, by, false),
            );
            settle(story, &name);
            epoch += 1;
            let by = (known, epoch - 2);
            story.ask(
                &format!("was {verb}, too late"),
                v,
                end(&name, by, committed),
            );
        }
        // A client that does not know of epochs goes on.
        story.get(3, &add(&name, (known, epoch), &[(&one, &[0])]));
        story.ask("an older client", 4, end(&name, (known, epoch), true));
        settle(story, &name);
        describe(story, "what an older client committed", &[&name]);
        story.ask(
            "the newer one repeats it",
            v,
            end(&name, (known, epoch), true),
        );
    });
}

/// A producer takes a transactional id over while a transaction is open.
fn fenced(story: &mut Story) {
    story.versions(0..=5, |story, v| {
        let one = topic(story, "fenced", 1, &[]);
        let (name, one) = (story.name("fenced"), one.name.to_string());
        let first = begun(story, &name);
        story.get(3, &add(&name, first, &[(&one, &[0])]));
        let (known, epoch) = begun(story, &name);
        let same = known == first.0;
        let text = format!(
            "the same producer id: {same}, epoch {}, then {epoch}",
            first.1
        );
        story.tell("the second producer", &text);
        story.ask("the first goes on, commits", v, end(&name, first, true));
        story.ask("the first goes on, aborts", v, end(&name, first, false));
        describe(story, "the second one's", &[&name]);
        story.get(3, &add(&name, (known, epoch), &[(&one, &[0])]));
        // It comes back after an error.
        let again = in_the_end(story, &init(&name, 60_000, (known, epoch)));
        let text = format!("{} epoch {}", again.error_code, again.producer_epoch);
        story.tell("the second one comes back", &text);
    });
}

pub fn describe_transactions(story: &mut Story) {
    let one = topic(story, "one", 3, &[]);
    let two = topic(story, "two", 1, &[]);
    let (one_name, two_name) = (one.name.to_string(), two.name.to_string());
    let names = ["empty", "open", "done", "unknown"].map(|short| story.name(short));
    let [empty, open, done, unknown] = &names;
    begun(story, empty);
    let by = begun(story, open);
    let list: &[(&str, &[i32])] = &[(&one_name, &[2, 0]), (&two_name, &[0])];
    story.get(3, &add(open, by, list));
    let by = begun(story, done);
    story.get(3, &add(done, by, &[(&one_name, &[1])]));
    story.get(4, &end(done, by, true));
    settle(story, done);
    for (what, texts) in [
        ("none", &[][..]),
        ("an empty id", &[""]),
        ("an unknown id", &[unknown]),
        ("one that has only begun", &[empty]),
        ("an open one", &[open]),
        ("one that was committed", &[done]),
        (
            "all of them, one twice",
            &[empty, "", open, unknown, done, open],
        ),
    ] {
        describe(story, what, texts);
    }
    // A topic that is deleted stays in an open transaction until that ends.
    scene::delete(story, &two);
    describe(story, "an open one whose topic was deleted", &[open]);
    let by = {
        let request = make!(DescribeTransactionsRequest {
            transactional_ids: vec![id(open)]
        });
        let state = &story.get(0, &request).transaction_states[0];
        (state.producer_id.0, state.producer_epoch)
    };
    story.ask("it is ended", 4, end(open, by, false));
    settle(story, open);
    describe(story, "the one whose topic was deleted, ended", &[open]);
}

pub fn list_transactions(story: &mut Story) {
    let one = topic(story, "one", 1, &[]);
    let one = one.name.to_string();
    let names = ["empty", "open", "done"].map(|short| story.name(short));
    let [empty, open, done] = &names;
    let known = begun(story, empty).0;
    let by = begun(story, open);
    story.get(3, &add(open, by, &[(&one, &[0])]));
    let by = begun(story, done);
    story.get(3, &add(done, by, &[(&one, &[0])]));
    story.get(4, &end(done, by, false));
    settle(story, done);
    story.versions(0..=2, |story, v| {
        let mut ask = |what: &str, request: ListTransactionsRequest| {
            story.ask_and(what, v, request, |answer| {
                let states = answer.list("transaction_states");
                keep(states, "transactional_id", "list_transactions-");
            });
        };
        let states = |names: &[&str]| {
            make!(ListTransactionsRequest {
                state_filters: names.iter().map(s).collect()
            })
        };
        ask("all", states(&[]));
        for names in [
            &["Ongoing"][..],
            &["ongoing"],
            &["Empty", "CompleteAbort"],
            &["PrepareCommit", "PrepareAbort", "CompleteCommit"],
            &["Dead", "PrepareEpochFence"],
            &["Bogus"],
            &["Bogus", "Ongoing", "Other"],
            &[""],
        ] {
            ask(&format!("in states {names:?}"), states(names));
        }
        for (what, ids) in [
            ("of a producer id", vec![known]),
            ("of two, one of them unknown", vec![known, 4_000_000]),
            ("of an id below zero", vec![-1]),
        ] {
            let ids = ids.into_iter().map(ProducerId).collect();
            ask(
                what,
                make!(ListTransactionsRequest {
                    producer_id_filters: ids
                }),
            );
        }
        for duration in [-2, 0, 3_600_000].into_iter().filter(|_| v >= 1) {
            let request = make!(ListTransactionsRequest {
                duration_filter: duration
            });
            ask(&format!("longer than {duration}"), request);
        }
        for pattern in [
            None,
            Some(""),
            Some("list_transactions-(open|done)"),
            Some(".*-open"),
            Some("list_transactions"),
            Some("LIST_TRANSACTIONS-.*"),
            Some("(?i)LIST_TRANSACTIONS-.*"),
            Some("["),
            Some("a)(b"),
        ]
        .into_iter()
        .filter(|_| v >= 2)
        {
            let request = make!(ListTransactionsRequest {
                transactional_id_pattern: pattern.map(s)
            });
            ask(&format!("of the pattern {pattern:?}"), request);
        }
    });
}
