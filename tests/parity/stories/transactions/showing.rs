//! Stories about what is shown of transactional ids.

use kafka_protocol::messages::ListTransactionsRequest;

use super::*;
use crate::script::keep;
use crate::stories::scene::{self, topic};

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
