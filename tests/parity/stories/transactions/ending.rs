//! Stories about how transactions end.

use super::*;
use crate::stories::scene::topic;

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
