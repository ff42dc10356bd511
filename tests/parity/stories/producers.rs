//! Stories about producers with ids: InitProducerId, and Produce in sequence.

use kafka_protocol::messages::{InitProducerIdRequest, ProducerId, TransactionalId};

use super::scene::{self, Topic, topic};
use crate::batch::{batch, joined};
use crate::script::{Story, make, s};

pub fn init_producer_id(story: &mut Story) {
    story.versions(0..=5, |story, v| {
        let request = |timeout: i32| {
            make!(InitProducerIdRequest {
                transactional_id: None,
                transaction_timeout_ms: timeout
            })
        };
        for timeout in [i32::MAX, 60_000, 0, -1] {
            story.ask(&format!("timeout {timeout}"), v, request(timeout));
        }
        let mut empty = request(60_000);
        empty.transactional_id = Some(TransactionalId(s("")));
        story.ask("a transaction with an empty id", v, empty);
        if v >= 3 {
            let known = story.get(4, &request(60_000)).producer_id.0;
            let mut again = |what: &str, id: i64, epoch: i16| {
                let mut request = request(60_000);
                (request.producer_id, request.producer_epoch) = (ProducerId(id), epoch);
                story.ask(what, v, request);
            };
            again("an id that was given out", known, 0);
            again("an id that was not given out", 4_000_000, 3);
            again("the last epoch", known, i16::MAX);
            again("an id without an epoch", known, -1);
            again("an epoch without an id", -1, 0);
            again("an id of -2", -2, 0);
            again("an epoch of -2", known, -2);
        }
    });
}

/// Asks to append a batch of some records from a producer.
fn ask(
    story: &mut Story,
    v: i16,
    topic: &Topic,
    what: &str,
    (id, epoch, sequence): (i64, i16, i32),
    values: &[&str],
) {
    let records = batch(values).by(id, epoch, sequence).bytes();
    story.ask(
        what,
        v,
        scene::produce(v, topic, -1, vec![(0, Some(records))]),
    );
}

pub fn idempotent_produce(story: &mut Story) {
    story.versions(3..=13, |story, v| {
        let one = topic(story, "one", 1, &[]);
        let id = story
            .get(
                4,
                &make!(InitProducerIdRequest {
                    transactional_id: None
                }),
            )
            .producer_id
            .0;
        let mut play = |what: &str, producer: (i64, i16, i32), values: &[&str]| {
            ask(story, v, &one, what, producer, values);
        };
        play("the first", (id, 0, 0), &["a", "b"]);
        play("the first again", (id, 0, 0), &["a", "b"]);
        play("the second", (id, 0, 2), &["c"]);
        play("the first again, later", (id, 0, 0), &["a", "b"]);
        play("a gap", (id, 0, 4), &["d"]);
        play("the first, of another length", (id, 0, 0), &["a"]);
        play("overlapping", (id, 0, 2), &["c", "d"]);
        for sequence in 3..8 {
            play(&format!("sequence {sequence}"), (id, 0, sequence), &["e"]);
        }
        play("one that is no longer remembered", (id, 0, 0), &["a", "b"]);
        play("the oldest that is remembered", (id, 0, 3), &["e"]);
        play("a newer epoch, not from the start", (id, 1, 8), &["f"]);
        play("a newer epoch", (id, 1, 0), &["f"]);
        play("the older epoch", (id, 0, 8), &["g"]);
        play("a newer epoch by far", (id, 7, 0), &["h"]);
        // No broker gave this id out.
        play("an unknown id from the start", (4_000_000, 0, 0), &["i"]);
        play(
            "an unknown id, not from the start",
            (4_000_001, 2, 5),
            &["j"],
        );
        play("the same, next", (4_000_001, 2, 6), &["k"]);
        play(
            "an unknown id before the wrap",
            (4_000_002, 0, i32::MAX - 1),
            &["l", "m"],
        );
        play("after the wrap", (4_000_002, 0, 0), &["n"]);
        play(
            "an unknown id over the wrap",
            (4_000_003, 0, i32::MAX),
            &["o", "p", "q"],
        );
        play("after being over the wrap", (4_000_003, 0, 2), &["r"]);
        let of = |values: &[&str], sequence| batch(values).by(4_000_010, 0, sequence);
        for (what, batches) in [
            ("two batches in sequence", [of(&["s"], 0), of(&["t"], 1)]),
            ("two batches with a gap", [of(&["s"], 2), of(&["t"], 9)]),
            (
                "a batch with an id and one without",
                [of(&["s"], 2), batch(&["t"])],
            ),
            (
                "a batch without an id and one with",
                [batch(&["t"]), of(&["s"], 2)],
            ),
        ] {
            let request = scene::produce(v, &one, -1, vec![(0, Some(joined(&batches)))]);
            story.ask(what, v, request);
        }
        story.aside(
            "what is there in the end",
            4,
            scene::fetch(4, &one, &[(0, 0)]),
        );
    });
}
