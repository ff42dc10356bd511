//! Stories about what joins a transaction.

use kafka_protocol::messages::{AddOffsetsToTxnRequest, GroupId};

use super::*;
use crate::stories::scene::topic;

pub fn add_partitions_to_txn(story: &mut Story) {
    story.versions(0..=3, |story, v| {
        let one = topic(story, "one", 3, &[]);
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
        ask("a known and an unknown partition", by, &[(&one, &[0, 3])]);
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
            "two partitions, one of them twice",
            by,
            &[(&one, &[0, 2, 2])],
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
