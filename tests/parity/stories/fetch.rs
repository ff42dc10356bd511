//! Stories about Fetch: what is read, limits, waits, sessions.

use std::time::Duration;

use kafka_protocol::messages::fetch_request::ForgottenTopic;
use kafka_protocol::messages::{BrokerId, FetchRequest, TopicName};
use uuid::Uuid;

use super::scene::{self, Topic, append, topic};
use crate::batch::{Batch, batch};
use crate::script::{Story, make, s, since, t};
use crate::value::Value;

/// A topic of three batches in partition 0, offsets 0-1, 2 and 3-5, and nothing in partition 1.
fn filled(story: &mut Story, short: &str) -> Topic {
    let topic = topic(story, short, 2, &[]);
    for values in [&["a", "b"][..], &["c"], &["d", "e", "f"]] {
        append(story, &topic, 0, batch(values).bytes());
    }
    topic
}

/// A fetch with its first partition changed.
fn changed(
    mut request: FetchRequest,
    change: impl FnOnce(&mut kafka_protocol::messages::fetch_request::FetchPartition),
) -> FetchRequest {
    change(&mut request.topics[0].partitions[0]);
    request
}

pub fn fetch(story: &mut Story) {
    let one = filled(story, "one");
    let other = filled(story, "other");
    let squeezed = topic(story, "squeezed", 1, &[]);
    let records = batch(&["a", "b", "c"]);
    for codec in 1..=4 {
        let gzip = |b: &mut Batch| b.attributes = codec;
        append(story, &squeezed, 0, records.clone().with(gzip).bytes());
    }
    story.versions(4..=18, |story, v| {
        for offset in [0, 1, 2, 5, 6, 7, -1, -2, i64::MAX] {
            story.ask(
                &format!("from {offset}"),
                v,
                scene::fetch(v, &one, &[(0, offset)]),
            );
        }
        story.ask("an empty partition", v, scene::fetch(v, &one, &[(1, 0)]));
        story.ask(
            "an empty partition from 1",
            v,
            scene::fetch(v, &one, &[(1, 1)]),
        );
        story.ask(
            "compressed batches",
            v,
            scene::fetch(v, &squeezed, &[(0, 0)]),
        );
        story.ask(
            "two partitions",
            v,
            scene::fetch(v, &one, &[(1, 0), (0, 3)]),
        );
        story.ask(
            "an unknown partition",
            v,
            scene::fetch(v, &one, &[(9, 0), (-1, 0), (0, 5)]),
        );
        story.ask(
            "a partition twice",
            v,
            scene::fetch(v, &one, &[(0, 2), (0, 5)]),
        );
        let mut request = scene::fetch(v, &one, &[(0, 5)]);
        request
            .topics
            .push(scene::fetch_topic(v, &other, &[(0, 2)]));
        story.ask("two topics", v, request);
        let nowhere = Topic {
            name: t("fetch-nowhere"),
            id: Uuid::from_u128(7),
        };
        story.ask("an unknown topic", v, scene::fetch(v, &nowhere, &[(0, 0)]));
        let unknown = Topic {
            name: TopicName::default(),
            id: Uuid::nil(),
        };
        story.ask("no topic", v, scene::fetch(v, &unknown, &[(0, 0)]));
        story.ask("no partitions", v, scene::fetch(v, &one, &[]));
        story.ask(
            "nothing",
            v,
            make!(FetchRequest {
                max_wait_ms: 0,
                max_bytes: 1000
            }),
        );
        for level in [1, 2, -1] {
            let mut request = scene::fetch(v, &one, &[(0, 5)]);
            request.isolation_level = level;
            story.ask(&format!("isolation {level}"), v, request);
        }
        for epoch in [0, 1, -2] {
            if v >= 9 {
                let request = scene::fetch(v, &one, &[(0, 5)]);
                let request = changed(request, |one| one.current_leader_epoch = epoch);
                story.ask(&format!("current leader epoch {epoch}"), v, request);
            }
            if v >= 12 {
                let request = scene::fetch(v, &one, &[(0, 5)]);
                let request = changed(request, |one| one.last_fetched_epoch = epoch);
                story.ask(&format!("last fetched epoch {epoch}"), v, request);
            }
        }
        if v >= 11 {
            let mut request = scene::fetch(v, &one, &[(0, 5)]);
            request.rack_id = s("rack-a");
            story.ask("from a rack", v, request);
        }
        if v >= 12 {
            let mut request = scene::fetch(v, &one, &[(0, 5)]);
            request.cluster_id = Some(s("another"));
            story.ask("of another cluster", v, request);
        }
        for replica in [-2, 1, 7] {
            let mut request = scene::fetch(v, &one, &[(0, 5)]);
            match v {
                15.. => request.replica_state.replica_id = BrokerId(replica),
                _ => request.replica_id = BrokerId(replica),
            }
            story.ask(&format!("as replica {replica}"), v, request);
        }
    });
}

pub fn limits(story: &mut Story) {
    let one = topic(story, "one", 2, &[]);
    let values: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|letter| letter.repeat(100))
        .collect();
    for value in &values {
        append(story, &one, 0, batch(&[value]).bytes());
        append(story, &one, 1, batch(&[value]).bytes());
    }
    let size = batch(&[&values[0]]).bytes().len() as i32;
    story.versions(4..=18, |story, v| {
        let mut ask = |what: &str, max_bytes: i32, partition_max_bytes: i32| {
            let mut request = scene::fetch(v, &one, &[(0, 0), (1, 0)]);
            request.max_bytes = max_bytes;
            for one in &mut request.topics[0].partitions {
                one.partition_max_bytes = partition_max_bytes;
            }
            story.ask_and(what, v, request, only_offsets);
        };
        let much = 1_000_000;
        ask("no bytes", 0, much);
        ask("a byte", 1, much);
        ask("a batch", size, much);
        ask("a byte more than a batch", size + 1, much);
        ask("two batches", 2 * size, much);
        ask("three batches", 3 * size, much);
        ask("four batches", 4 * size, much);
        ask("a byte less than six batches", 6 * size - 1, much);
        ask("six batches", 6 * size, much);
        ask("no bytes for a partition", much, 0);
        ask("a byte for a partition", much, 1);
        ask("a batch for a partition", much, size);
        ask("two batches and a byte for a partition", much, 2 * size + 1);
        ask("negative", -1, much);
        ask("negative for a partition", much, -1);
        ask("a byte, and a byte for a partition", 1, 1);
    });
}

/// Of batches, keeps only the offsets.
fn only_offsets(answer: &mut Value) {
    let topics = answer.list("responses").iter_mut();
    for partition in topics.flat_map(|topic| topic.list("partitions")) {
        for batch in partition.list("records") {
            *batch = batch.field("base_offset").expect("an offset").clone();
        }
    }
}

pub fn waits(story: &mut Story) {
    let one = filled(story, "one");
    let limit = Duration::from_millis(250);
    story.versions(4..=18, |story, v| {
        let mut ask = |what: &str, from: &[(i32, i64)], wait: i32, min_bytes: i32| {
            let mut request = scene::fetch(v, &one, from);
            (request.max_wait_ms, request.min_bytes) = (wait, min_bytes);
            story.ask_timed(what, v, request, limit);
        };
        ask("something there, for a byte", &[(0, 5)], 300, 1);
        ask(
            "something there, for more than that",
            &[(0, 5)],
            300,
            100_000,
        );
        ask("nothing there, for a byte", &[(1, 0)], 300, 1);
        ask("nothing there, for no bytes", &[(1, 0)], 300, 0);
        ask("nothing there, no wait", &[(1, 0)], 0, 1);
        ask("something and an error", &[(0, 5), (9, 0)], 300, 100_000);
        ask("out of range", &[(1, 5)], 300, 1);
        ask("something in one of two", &[(0, 5), (1, 0)], 300, 1);
        let new = topic(story, "new", 1, &[]);
        let mut request = scene::fetch(v, &new, &[(0, 0)]);
        (request.max_wait_ms, request.min_bytes) = (10_000, 1);
        story.begin(1, v, &request);
        story.pause(50);
        append(story, &new, 0, batch(&["now"]).bytes());
        story.finish::<FetchRequest>(1, "woken by what is produced meanwhile", v, |_| ());
    });
}

pub fn deleted(story: &mut Story) {
    story.versions(11..=15, |story, v| {
        for (short, again) in [("gone", false), ("back", true)] {
            let one = topic(story, short, 1, &[]);
            let mut request = scene::fetch(v, &one, &[(0, 0)]);
            (request.max_wait_ms, request.min_bytes) = (10_000, 1);
            story.begin(1, v, &request);
            story.pause(100);
            scene::delete(story, &one);
            if again {
                topic(story, short, 1, &[]);
            }
            let what = format!("one that waits while the topic is {short}");
            story.finish::<FetchRequest>(1, &what, v, |_| ());
        }
    });
}

pub fn sessions(story: &mut Story) {
    story.versions(7..=18, |story, v| {
        let one = filled(story, "one");
        let other = filled(story, "other");
        let in_session = |id: i32, epoch: i32, topics: &[(&Topic, &[(i32, i64)])]| {
            make!(FetchRequest {
                max_bytes: 1_000_000,
                session_id: id,
                session_epoch: epoch,
                topics: topics
                    .iter()
                    .map(|(topic, from)| scene::fetch_topic(v, topic, from))
                    .collect(),
            })
        };
        let forget = |request: FetchRequest, topic: &Topic, partitions: &[i32]| {
            let mut request = request;
            request.forgotten_topics_data = vec![make!(ForgottenTopic {
                topic: if v < 13 {
                    topic.name.clone()
                } else {
                    TopicName::default()
                },
                topic_id: since(v, 13, topic.id),
                partitions: partitions.to_vec(),
            })];
            request
        };
        let end: &[(i32, i64)] = &[(0, 6), (1, 0)];
        story.ask("no session", v, in_session(0, -1, &[(&one, end)]));
        let answer = story.ask("a new session", v, in_session(0, 0, &[(&one, end)]));
        let id = answer.map_or(0, |answer| answer.session_id);
        story.ask("the next, nothing new", v, in_session(id, 1, &[]));
        append(story, &one, 1, batch(&["g"]).bytes());
        story.ask("something new in partition 1", v, in_session(id, 2, &[]));
        story.ask(
            "the same again, as not confirmed",
            v,
            in_session(id, 3, &[]),
        );
        story.ask("confirmed", v, in_session(id, 4, &[(&one, &[(1, 1)])]));
        story.ask(
            "another topic added",
            v,
            in_session(id, 5, &[(&other, &[(0, 3)])]),
        );
        story.ask(
            "it is read on",
            v,
            in_session(id, 6, &[(&other, &[(0, 6)])]),
        );
        append(story, &other, 0, batch(&["h"]).bytes());
        append(story, &one, 0, batch(&["i"]).bytes());
        story.ask(
            "forgotten while it has news",
            v,
            forget(in_session(id, 7, &[]), &other, &[0]),
        );
        story.ask(
            "forgotten what is not there",
            v,
            forget(in_session(id, 8, &[]), &other, &[5]),
        );
        let unknown = Topic {
            name: t("fetch_sessions-nowhere"),
            id: Uuid::from_u128(7),
        };
        story.ask(
            "an unknown partition added",
            v,
            in_session(id, 9, &[(&one, &[(9, 0)])]),
        );
        story.ask(
            "an unknown topic added",
            v,
            in_session(id, 10, &[(&unknown, &[(0, 0)])]),
        );
        story.ask("it is still unknown", v, in_session(id, 11, &[]));
        story.ask("an old epoch", v, in_session(id, 2, &[]));
        story.ask("a skipped epoch", v, in_session(id, 99, &[]));
        story.ask("the right epoch still", v, in_session(id, 12, &[]));
        story.ask("an unknown session", v, in_session(id ^ 1, 1, &[]));
        story.ask("session 0 in the middle", v, in_session(0, 1, &[]));
        story.ask("a negative epoch", v, in_session(id, -2, &[]));
        story.ask(
            "another new one in its place",
            v,
            in_session(id, 0, &[(&one, &[(0, 6)])]),
        );
        story.ask("the old one then", v, in_session(id, 13, &[]));
        let answer = story.ask("a new one without partitions", v, in_session(0, 0, &[]));
        let empty = answer.map_or(0, |answer| answer.session_id);
        story.ask("the next of that", v, in_session(empty, 1, &[]));
        let answer = story.ask(
            "one more",
            v,
            in_session(0, 0, &[(&one, &[(0, 0), (9, 0)])]),
        );
        let id = answer.map_or(0, |answer| answer.session_id);
        story.ask("closed", v, in_session(id, -1, &[(&one, &[(0, 6)])]));
        story.ask("after it was closed", v, in_session(id, 1, &[]));
    });
}
