//! Stories about Produce; that of producers with ids is in `producers.rs`.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ProduceRequest, TopicName, TransactionalId};
use uuid::Uuid;

use super::scene::{self, Topic, topic};
use crate::batch::{Batch, TIME, batch, joined, old_set};
use crate::script::{Story, make, s, t};

/// Asks to append to partition 0.
fn ask(story: &mut Story, v: i16, topic: &Topic, what: &str, records: impl Into<Option<Bytes>>) {
    story.ask(
        what,
        v,
        scene::produce(v, topic, -1, vec![(0, records.into())]),
    );
}

/// Notes what partition 0 of a topic holds at the end.
fn stored(story: &mut Story, topic: &Topic) {
    story.aside(
        &format!("what {} holds in the end", part(topic)),
        4,
        scene::fetch(4, topic, &[(0, 0)]),
    );
}

/// The last word of a topic's name.
fn part(topic: &Topic) -> &str {
    topic.name.rsplit('-').next().unwrap_or_default()
}

pub fn produce(story: &mut Story) {
    story.versions(3..=13, |story, v| {
        let one = topic(story, "one", 2, &[]);
        let records = || Some(batch(&["a", "b"]).bytes());
        for acks in [1, -1, 2, -2, i16::MAX] {
            let request = scene::produce(v, &one, acks, vec![(0, records())]);
            story.ask(&format!("acks {acks}"), v, request);
        }
        // Nothing answers acks 0: what comes next is the answer to the next request.
        story.begin(0, v, &scene::produce(v, &one, 0, vec![(0, records())]));
        ask(story, v, &one, "after one with acks 0", records());
        // Something wrong with acks 0 closes the connection, as there is no other way to tell.
        story.begin(0, v, &scene::produce(v, &one, 0, vec![(9, records())]));
        ask(story, v, &one, "after a bad one with acks 0", records());
        let both = vec![(1, records()), (0, records())];
        story.ask("two partitions", v, scene::produce(v, &one, -1, both));
        let some = vec![(0, records()), (7, records()), (-1, records())];
        story.ask(
            "a good and two unknown partitions",
            v,
            scene::produce(v, &one, 1, some),
        );
        let twice = vec![(0, records()), (0, records())];
        story.ask("a partition twice", v, scene::produce(v, &one, 1, twice));
        let mut request = scene::produce(v, &one, 1, vec![(0, records())]);
        request.topic_data.push(request.topic_data[0].clone());
        story.ask("a topic twice", v, request);
        story.ask(
            "a topic without partitions",
            v,
            scene::produce(v, &one, 1, vec![]),
        );
        story.ask("nothing", v, make!(ProduceRequest { acks: 1 }));
        let mut request = scene::produce(v, &one, 1, vec![(0, records())]);
        request.timeout_ms = -1;
        story.ask("a negative timeout", v, request);
        let nowhere = Topic {
            name: t("produce-nowhere"),
            id: Uuid::from_u128(7),
        };
        ask(story, v, &nowhere, "an unknown topic", records());
        let unknown = Topic {
            name: TopicName::default(),
            id: Uuid::nil(),
        };
        ask(story, v, &unknown, "no topic", records());
        let request = scene::produce(v, &one, 1, vec![(0, None)]);
        story.ask_unanswered("no records", v, request);
        ask(story, v, &one, "empty records", Bytes::new());
        let mut request = scene::produce(v, &one, -1, vec![(0, records())]);
        request.transactional_id = Some(TransactionalId(s("produce-transaction")));
        story.ask("a transaction's id and records without", v, request);
        stored(story, &one);
    });
}

/// Batches that are odd or wrong, and in which way.
fn odd_batches() -> Vec<(&'static str, Bytes)> {
    let one = || batch(&["a"]);
    let of = |change: fn(&mut Batch)| one().with(change).bytes();
    let cut = |bytes: Bytes, end: usize| bytes.slice(..end);
    let tail = |more: &[u8]| [&one().bytes()[..], more].concat().into();
    vec![
        ("a wrong crc", of(|b| b.crc_error = 1)),
        ("format 3", of(|b| b.magic = 3)),
        ("format -1", of(|b| b.magic = -1)),
        ("format 1 said, 2 meant", of(|b| b.magic = 1)),
        ("format 0 said, 2 meant", of(|b| b.magic = 0)),
        ("a length of one less", of(|b| b.length_error = -1)),
        ("a length of one more", of(|b| b.length_error = 1)),
        ("a length of nothing", of(|b| b.length_error = -57)),
        ("a negative length", of(|b| b.length_error = -1000)),
        (
            "a length of two billion",
            of(|b| b.length_error = 2_000_000_000),
        ),
        ("5 bytes", cut(one().bytes(), 5)),
        ("12 bytes", cut(one().bytes(), 12)),
        ("60 bytes", cut(one().bytes(), 60)),
        (
            "a byte is missing",
            cut(one().bytes(), one().bytes().len() - 1),
        ),
        ("a byte too many", tail(&[0])),
        ("a half batch behind", tail(&one().bytes()[..30])),
        ("garbage", Bytes::from_static(&[0xa5; 100])),
        ("zeros", Bytes::from_static(&[0; 100])),
        ("two batches", joined(&[one(), one()])),
        ("no records, said so", batch(&[]).bytes()),
        (
            "no records, one said",
            batch(&[]).with(|b| b.count = Some(1)).bytes(),
        ),
        ("one record, none said", of(|b| b.count = Some(0))),
        ("one record, two said", of(|b| b.count = Some(2))),
        ("one record, -1 said", of(|b| b.count = Some(-1))),
        (
            "one record, two billion said",
            of(|b| b.count = Some(2_000_000_000)),
        ),
        (
            "last offset delta 3 of 0",
            of(|b| b.last_offset_delta = Some(3)),
        ),
        (
            "last offset delta -1 of 0",
            of(|b| b.last_offset_delta = Some(-1)),
        ),
        (
            "count and last delta 3 of 0",
            of(|b| (b.count, b.last_offset_delta) = (Some(4), Some(3))),
        ),
        (
            "first delta 1, last delta 1",
            of(|b| (b.first_delta, b.last_offset_delta) = (1, Some(1))),
        ),
        ("base offset 5", of(|b| b.base_offset = 5)),
        ("base offset -5", of(|b| b.base_offset = -5)),
        ("leader epoch 7", of(|b| b.leader_epoch = 7)),
        ("append time said", of(|b| b.attributes = 0x08)),
        (
            "transactional, without a transaction's id",
            of(|b| b.attributes = 0x10),
        ),
        ("a control batch", of(|b| b.attributes = 0x20)),
        ("a delete horizon", of(|b| b.attributes = 0x40)),
        ("an unknown attribute", of(|b| b.attributes = 0x80)),
        ("codec 5", of(|b| b.attributes = 5)),
        ("codec 7", of(|b| b.attributes = 7)),
        (
            "gzip said, plain meant",
            of(|b| (b.attributes, b.body) = (1, Some(batch(&["a"]).plain()))),
        ),
        (
            "zstd said, plain meant",
            of(|b| (b.attributes, b.body) = (4, Some(batch(&["a"]).plain()))),
        ),
        (
            "lz4 said, plain meant",
            of(|b| (b.attributes, b.body) = (3, Some(batch(&["a"]).plain()))),
        ),
        (
            "snappy said, plain meant",
            of(|b| (b.attributes, b.body) = (2, Some(batch(&["a"]).plain()))),
        ),
        (
            "latest timestamp too early",
            of(|b| b.max_timestamp = Some(TIME - 1)),
        ),
        (
            "latest timestamp too late",
            of(|b| b.max_timestamp = Some(TIME + 5)),
        ),
        (
            "no timestamps",
            of(|b| (b.base_timestamp, b.max_timestamp) = (-1, Some(-1))),
        ),
        (
            "timestamp -2",
            of(|b| (b.base_timestamp, b.max_timestamp) = (-2, Some(-2))),
        ),
        ("timestamp 0", of(|b| b.base_timestamp = 0)),
        ("a record earlier than the first", {
            batch(&["a", "b"]).with(|b| b.records[1].2 = -1000).bytes()
        }),
        (
            "garbage for a record",
            of(|b| b.body = Some(Bytes::from_static(&[0x51; 9]))),
        ),
        (
            "a record of negative length",
            of(|b| b.body = Some(Bytes::from_static(b"\x01\0\0\0\0\0"))),
        ),
        (
            "a record of great length",
            of(|b| b.body = Some(Bytes::from_static(b"\xfe\xff\xff\x0f\0"))),
        ),
        ("more behind the last record", {
            of(|b| b.body = Some([&batch(&["a"]).plain()[..], b"more"].concat().into()))
        }),
        (
            "a null value",
            of(|b| b.records = vec![(Some("k".into()), None, 0)]),
        ),
        (
            "an empty key and value",
            of(|b| b.records = vec![(Some("".into()), Some("".into()), 0)]),
        ),
        ("an id without an epoch", one().by(4_000_000, -1, 0).bytes()),
        (
            "an id without a sequence",
            one().by(4_000_000, 0, -1).bytes(),
        ),
        ("an epoch without an id", one().by(-1, 3, -1).bytes()),
        ("a sequence without an id", one().by(-1, -1, 3).bytes()),
        ("an id of -2", one().by(-2, 0, 0).bytes()),
    ]
}

pub fn bad_batches(story: &mut Story) {
    story.versions(3..=13, |story, v| {
        let one = topic(story, "one", 1, &[]);
        for (what, bytes) in odd_batches() {
            ask(story, v, &one, what, bytes);
        }
        // Kafka stores this as it is, so that two records have the same offset: what is stored
        // is not compared.
        let delta = topic(story, "delta", 1, &[]);
        let shifted = batch(&["a"]).with(|b| b.first_delta = 1);
        ask(story, v, &delta, "the first delta 1", shifted.bytes());
        let two = topic(story, "two", 2, &[]);
        let mixed = vec![
            (0, Some(batch(&["good"]).bytes())),
            (1, Some(batch(&["bad"]).with(|b| b.crc_error = 1).bytes())),
        ];
        story.ask(
            "a good and a bad partition",
            v,
            scene::produce(v, &two, -1, mixed),
        );
        stored(story, &one);
    });
}

pub fn old_formats(story: &mut Story) {
    story.versions(3..=13, |story, v| {
        let one = topic(story, "one", 1, &[]);
        for version in [0, 1] {
            let plain = old_set(version, false, &["a", "b"]);
            ask(story, v, &one, &format!("format {version}"), plain.clone());
            let gzip = old_set(version, true, &["a", "b"]);
            ask(story, v, &one, &format!("format {version}, gzip"), gzip);
            let mut bad = BytesMut::from(&plain[..]);
            bad[12] ^= 1;
            ask(
                story,
                v,
                &one,
                &format!("format {version}, a wrong crc"),
                bad.freeze(),
            );
            let mixed = [&plain[..], &batch(&["c"]).bytes()[..]].concat();
            ask(
                story,
                v,
                &one,
                &format!("format {version}, format 2 behind"),
                Bytes::from(mixed),
            );
        }
        stored(story, &one);
    });
}

pub fn compressed(story: &mut Story) {
    let codecs = [(1, "gzip"), (2, "snappy"), (3, "lz4"), (4, "zstd")];
    story.versions(3..=13, |story, v| {
        let kept = topic(story, "kept", 1, &[]);
        let gzip = topic(story, "gzip", 1, &[("compression.type", "gzip")]);
        let plain = topic(story, "plain", 1, &[("compression.type", "uncompressed")]);
        for (codec, name) in codecs {
            let records = batch(&["a", "b", "c"]).with(|b| b.attributes = codec);
            for topic in [&kept, &gzip, &plain] {
                let what = format!("{name} to {}", part(topic));
                ask(story, v, topic, &what, records.bytes());
            }
            let wrong = records.clone().with(|b| b.count = Some(2));
            ask(
                story,
                v,
                &kept,
                &format!("{name}, one record more than said"),
                wrong.bytes(),
            );
            let wrong = records.clone().with(|b| b.count = Some(4));
            ask(
                story,
                v,
                &kept,
                &format!("{name}, one record less than said"),
                wrong.bytes(),
            );
            let wrong = records.clone().with(|b| b.first_delta = 1);
            ask(
                story,
                v,
                &kept,
                &format!("{name}, the first delta 1"),
                wrong.bytes(),
            );
        }
        ask(story, v, &gzip, "plain to gzip", batch(&["d"]).bytes());
        for topic in [&kept, &gzip, &plain] {
            stored(story, topic);
        }
    });
    // Kilobytes that become 32 MiB.
    let bombs = topic(story, "bombs", 1, &[]);
    for (codec, name) in codecs {
        let value = "0".repeat(32 << 20);
        let records = batch(&[&value]).with(|b| b.attributes = codec).bytes();
        ask(story, 9, &bombs, &format!("a bomb of {name}"), records);
    }
}

pub fn topic_settings(story: &mut Story) {
    let now = || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.unwrap_or_default().as_millis() as i64
    };
    let hours = |count: u64| Duration::from_secs(count * 3600).as_millis() as i64;
    let at = |time: i64| batch(&["a"]).with(|b| b.base_timestamp = time).bytes();
    // A batch of this many bytes: what is around the value differs with its length.
    let sized = |bytes: usize| {
        let around = |bytes: usize| batch(&[&"x".repeat(bytes)]).bytes().len() - bytes;
        batch(&[&"x".repeat(bytes - around(bytes - 80))]).bytes()
    };
    story.versions(3..=13, |story, v| {
        let small = topic(story, "small", 1, &[("max.message.bytes", "500")]);
        assert_eq!([sized(500).len(), sized(1_048_588).len()], [500, 1_048_588]);
        ask(story, v, &small, "the largest batch", sized(500));
        ask(story, v, &small, "a byte too large", sized(501));
        ask(story, v, &small, "two large batches", {
            Bytes::from([&sized(400)[..], &sized(400)[..]].concat())
        });
        ask(story, v, &small, "a small and a too large batch", {
            Bytes::from([&sized(400)[..], &sized(600)[..]].concat())
        });
        let usual = topic(story, "usual", 1, &[]);
        ask(
            story,
            v,
            &usual,
            "the largest batch by default",
            sized(1_048_588),
        );
        ask(
            story,
            v,
            &usual,
            "a byte larger than by default",
            sized(1_048_589),
        );
        ask(
            story,
            v,
            &usual,
            "a record of two hours ahead",
            at(now() + hours(2)),
        );
        ask(
            story,
            v,
            &usual,
            "a record of half an hour ahead",
            at(now() + hours(1) / 2),
        );
        let timely = topic(
            story,
            "timely",
            1,
            &[("message.timestamp.before.max.ms", "3600000")],
        );
        ask(
            story,
            v,
            &timely,
            "a record of two hours ago",
            at(now() - hours(2)),
        );
        ask(
            story,
            v,
            &timely,
            "a record of half an hour ago",
            at(now() - hours(1) / 2),
        );
        let untimed = batch(&["a"]).with(|b| (b.base_timestamp, b.max_timestamp) = (-1, Some(-1)));
        ask(story, v, &timely, "a record without time", untimed.bytes());
        let append_time = topic(
            story,
            "appendtime",
            1,
            &[
                ("message.timestamp.type", "LogAppendTime"),
                ("message.timestamp.before.max.ms", "3600000"),
            ],
        );
        ask(
            story,
            v,
            &append_time,
            "plain, to be stamped",
            batch(&["a", "b"]).bytes(),
        );
        let gzip = batch(&["c", "d"]).with(|b| b.attributes = 1);
        ask(story, v, &append_time, "gzip, to be stamped", gzip.bytes());
        stored(story, &append_time);
        let compact = topic(story, "compact", 1, &[("cleanup.policy", "compact")]);
        ask(story, v, &compact, "no key", batch(&["a"]).bytes());
        let keyed = batch(&["a"]).with(|b| b.records[0].0 = Some("k".into()));
        ask(story, v, &compact, "a key", keyed.bytes());
        ask(story, v, &compact, "a record with and two without a key", {
            let with = |b: &mut Batch| b.records[0].0 = Some("k".into());
            batch(&["a", "b", "c"]).with(with).bytes()
        });
    });
}
