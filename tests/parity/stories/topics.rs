//! Stories about making and ending topics: CreateTopics, DeleteTopics, CreatePartitions.

use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
};
use uuid::Uuid;

use super::scene::{look_up, topic, wait_for_leaders};
use crate::script::{Story, make, s, since, t};
use crate::value::Value;

/// A topic to be created.
fn new(name: &str, partitions: i32, replicas: i16) -> CreatableTopic {
    make!(CreatableTopic {
        name: t(name),
        num_partitions: partitions,
        replication_factor: replicas,
    })
}

/// The same with settings; `None` is a null value.
fn with_settings(name: &str, settings: &[(&str, Option<&str>)]) -> CreatableTopic {
    let setting = |(name, value): &(&str, Option<&str>)| {
        make!(CreatableTopicConfig {
            name: s(name),
            value: value.map(s)
        })
    };
    let mut topic = new(name, 1, 1);
    topic.configs = settings.iter().map(setting).collect();
    topic
}

/// The same with replicas by partition.
fn assigned(name: &str, partitions: i32, replicas: i16, to: &[(i32, &[i32])]) -> CreatableTopic {
    let assignment = |(partition, brokers): &(i32, &[i32])| {
        make!(CreatableReplicaAssignment {
            partition_index: *partition,
            broker_ids: brokers.iter().copied().map(BrokerId).collect(),
        })
    };
    let mut topic = new(name, partitions, replicas);
    topic.assignments = to.iter().map(assignment).collect();
    topic
}

/// Whether a setting is the topic's own.
pub fn own(setting: &mut Value) -> bool {
    match setting.field("config_source") {
        Some(Value::Atom(source)) => source == "1",
        _ => false,
    }
}

/// Settings by name; `None` is a null value.
type Settings = &'static [(&'static str, Option<&'static str>)];

/// Settings that are asked for at creation, each with what it is about.
const SETTINGS: &[(&str, Settings)] = &[
    (
        "good",
        &[
            ("cleanup.policy", Some("compact")),
            ("retention.ms", Some("1000")),
        ],
    ),
    (
        "both policies",
        &[("cleanup.policy", Some("compact,delete"))],
    ),
    (
        "both policies with spaces",
        &[("cleanup.policy", Some(" compact , delete "))],
    ),
    (
        "a setting twice",
        &[("retention.ms", Some("1")), ("retention.ms", Some("2"))],
    ),
    (
        "spaces around a number",
        &[("retention.ms", Some(" 1000 "))],
    ),
    ("truth in capitals", &[("preallocate", Some("TRUE"))]),
    (
        "unlimited",
        &[
            ("retention.ms", Some("-1")),
            ("retention.bytes", Some("-1")),
        ],
    ),
    ("an unknown name", &[("no.such.setting", Some("1"))]),
    ("an empty name", &[("", Some("1"))]),
    (
        "a removed setting",
        &[("message.format.version", Some("3.0"))],
    ),
    ("a broker's setting", &[("log.retention.hours", Some("1"))]),
    ("a null value", &[("retention.ms", None)]),
    ("an empty number", &[("retention.ms", Some(""))]),
    ("no number", &[("retention.ms", Some("abc"))]),
    ("a fraction", &[("retention.ms", Some("1.5"))]),
    ("too small", &[("retention.ms", Some("-2"))]),
    (
        "too large for its type",
        &[("segment.bytes", Some("3000000000"))],
    ),
    ("a small segment", &[("segment.bytes", Some("13"))]),
    (
        "the smallest segment but one byte",
        &[("segment.bytes", Some("1048575"))],
    ),
    (
        "the smallest segment",
        &[("segment.bytes", Some("1048576"))],
    ),
    (
        "negative message size",
        &[("max.message.bytes", Some("-1"))],
    ),
    ("no policy", &[("cleanup.policy", Some(""))]),
    ("unknown policy", &[("cleanup.policy", Some("forget"))]),
    ("unknown codec", &[("compression.type", Some("rar"))]),
    ("no codec", &[("compression.type", Some("uncompressed"))]),
    (
        "unknown timestamp type",
        &[("message.timestamp.type", Some("Now"))],
    ),
    ("no truth value", &[("preallocate", Some("maybe"))]),
    ("a ratio of 2", &[("min.cleanable.dirty.ratio", Some("2"))]),
    (
        "zero in-sync replicas",
        &[("min.insync.replicas", Some("0"))],
    ),
    (
        "more in-sync replicas than nodes",
        &[("min.insync.replicas", Some("3"))],
    ),
    (
        "local retention over retention",
        &[
            ("retention.ms", Some("1000")),
            ("local.retention.ms", Some("2000")),
        ],
    ),
    (
        "compaction lags crossed",
        &[
            ("min.compaction.lag.ms", Some("10")),
            ("max.compaction.lag.ms", Some("5")),
        ],
    ),
    ("remote storage", &[("remote.storage.enable", Some("true"))]),
];

pub fn create_topics(story: &mut Story) {
    story.versions(2..=7, |story, v| {
        let ask = |story: &mut Story, what: &str, topics: Vec<CreatableTopic>, only_check: bool| {
            let request = make!(CreateTopicsRequest {
                topics: topics,
                timeout_ms: 10_000,
                validate_only: only_check,
            });
            story.ask(what, v, request);
        };
        let one = story.name("one");
        ask(story, "only to be checked", vec![new(&one, 3, 1)], true);
        ask(story, "new", vec![new(&one, 3, 1)], false);
        wait_for_leaders(story, &t(&one));
        ask(story, "existing", vec![new(&one, 3, 1)], false);
        ask(
            story,
            "existing, only to be checked",
            vec![new(&one, 3, 1)],
            true,
        );
        ask(story, "nothing", vec![], false);
        let two = story.name("two");
        ask(story, "default counts", vec![new(&two, -1, -1)], false);
        let [a, b] = ["a", "b"].map(|short| story.name(short));
        ask(
            story,
            "two at once",
            vec![new(&b, 1, 1), new(&a, 2, 1)],
            false,
        );
        let (c, d) = (story.name("c"), story.name("d"));
        ask(
            story,
            "a good, a bad, an existing one",
            vec![new(&c, 1, 1), new("a b", 1, 1), new(&one, 1, 1)],
            false,
        );
        ask(
            story,
            "a name twice",
            vec![new(&d, 1, 1), new(&d, 1, 1)],
            false,
        );
        let name = story.name("checked");
        for (partitions, replicas) in [
            (0, 1),
            (-2, 1),
            (1, 0),
            (1, -2),
            (1, 2),
            (-1, 2),
            (20_000, 1),
            (i32::MAX, 1),
        ] {
            let what = format!("{partitions} partitions, {replicas} replicas");
            ask(story, &what, vec![new(&name, partitions, replicas)], true);
        }
        let long = "x".repeat(250);
        for bad in [
            "",
            ".",
            "..",
            "a b",
            "a/b",
            "é",
            &long,
            "__consumer_offsets",
        ] {
            ask(
                story,
                &format!("the name {bad:.10?}"),
                vec![new(bad, 1, 1)],
                true,
            );
        }
        // Kafka's metrics cannot tell these two apart.
        let (dot, line) = (format!("{name}.x"), format!("{name}_x"));
        ask(story, "a name with a dot", vec![new(&dot, 1, 1)], false);
        ask(
            story,
            "the same name with an underscore",
            vec![new(&line, 1, 1)],
            true,
        );
        type Assignment<'a> = &'a [(i32, &'a [i32])];
        let assignments: &[(&str, i32, i16, Assignment)] = &[
            ("good", -1, -1, &[(0, &[1]), (1, &[1])]),
            ("in reverse", -1, -1, &[(1, &[1]), (0, &[1])]),
            ("with counts", 1, 1, &[(0, &[1])]),
            ("with a partition count", 1, -1, &[(0, &[1])]),
            ("with a replica count", -1, 1, &[(0, &[1])]),
            ("an unknown node", -1, -1, &[(0, &[99])]),
            ("a node twice", -1, -1, &[(0, &[1, 1])]),
            ("a gap", -1, -1, &[(1, &[1])]),
            ("a partition twice", -1, -1, &[(0, &[1]), (0, &[1])]),
            ("no nodes", -1, -1, &[(0, &[])]),
            ("a negative partition", -1, -1, &[(-1, &[1])]),
            ("different counts", -1, -1, &[(0, &[1]), (1, &[1, 2])]),
        ];
        for (what, partitions, replicas, to) in assignments {
            let topic = assigned(&name, *partitions, *replicas, to);
            ask(story, &format!("assigned: {what}"), vec![topic], true);
        }
        for (what, settings) in SETTINGS {
            let request = make!(CreateTopicsRequest {
                topics: vec![with_settings(&name, settings)],
                validate_only: true,
            });
            story.ask_and(
                &format!("settings: {what} {settings:?}"),
                v,
                request,
                |answer| {
                    if let Some(Value::List(configs)) = answer.list("topics")[0].field("configs") {
                        configs.retain_mut(own);
                    }
                },
            );
        }
    });
}

pub fn delete_topics(story: &mut Story) {
    story.versions(1..=6, |story, v| {
        let ask = |story: &mut Story, what: &str, topics: &[(Option<&str>, Uuid)]| {
            let state = |(name, id): &(Option<&str>, Uuid)| {
                make!(DeleteTopicState {
                    name: name.map(t),
                    topic_id: *id
                })
            };
            let name = |(name, _): &(Option<&str>, Uuid)| t(name.expect("a name below v6"));
            let request = match v {
                6.. => make!(DeleteTopicsRequest {
                    topics: topics.iter().map(state).collect(),
                    timeout_ms: 10_000,
                }),
                _ => make!(DeleteTopicsRequest {
                    topic_names: topics.iter().map(name).collect(),
                    timeout_ms: 10_000,
                }),
            };
            story.ask(what, v, request);
        };
        let nil = Uuid::nil();
        let one = topic(story, "one", 2, &[]);
        let gone = |story: &mut Story| {
            story.wait_until("the topic is gone", |story| {
                look_up(story, &one.name).topics[0].error_code != 0
            });
        };
        ask(story, "by name", &[(Some(&one.name), nil)]);
        gone(story);
        ask(story, "again", &[(Some(&one.name), nil)]);
        let two = topic(story, "two", 1, &[]);
        let other = topic(story, "other", 1, &[]);
        ask(
            story,
            "two topics",
            &[(Some(&two.name), nil), (Some(&other.name), nil)],
        );
        let kept = topic(story, "kept", 1, &[]);
        ask(
            story,
            "an unknown one and one twice",
            &[
                (Some("delete_topics-nowhere"), nil),
                (Some(&kept.name), nil),
                (Some(&kept.name), nil),
            ],
        );
        ask(
            story,
            "illegal names",
            &[(Some("a b"), nil), (Some(""), nil)],
        );
        ask(story, "nothing", &[]);
        if v >= 6 {
            let one = topic(story, "by-id", 1, &[]);
            let unknown = Uuid::from_u128(7);
            ask(story, "an id and its name", &[(Some(&one.name), one.id)]);
            ask(story, "an id twice", &[(None, one.id), (None, one.id)]);
            let one = topic(story, "by-id-2", 1, &[]);
            let twice = [(None, one.id), (Some(one.name.as_str()), nil)];
            ask(story, "an id, and its name in another entry", &twice);
            let one = topic(story, "by-id-3", 1, &[]);
            ask(story, "an id", &[(None, one.id)]);
            ask(story, "an unknown id", &[(None, unknown)]);
            ask(story, "no id and no name", &[(None, nil)]);
        }
    });
}

pub fn create_partitions(story: &mut Story) {
    story.versions(0..=3, |story, v| {
        let one = topic(story, "one", 1, &[]);
        let ask = |story: &mut Story, what: &str, topics: &[(&str, i32)], only_check: bool| {
            let topic = |(name, count): &(&str, i32)| {
                make!(CreatePartitionsTopic {
                    name: t(name),
                    count: *count,
                    assignments: None
                })
            };
            let request = make!(CreatePartitionsRequest {
                topics: topics.iter().map(topic).collect(),
                timeout_ms: 10_000,
                validate_only: only_check,
            });
            story.ask(what, v, request);
        };
        ask(story, "three, only to be checked", &[(&one.name, 3)], true);
        ask(story, "three", &[(&one.name, 3)], false);
        story.wait_until("there are three", |story| {
            look_up(story, &one.name).topics[0].partitions.len() == 3
        });
        wait_for_leaders(story, &one.name);
        for count in [3, 2, 0, -1, 20_000, i32::MAX] {
            ask(
                story,
                &format!("{count} of a topic of three"),
                &[(&one.name, count)],
                true,
            );
        }
        ask(
            story,
            "an unknown topic",
            &[("create_partitions-nowhere", 3)],
            false,
        );
        ask(story, "an illegal name", &[("a b", 3)], false);
        ask(
            story,
            "a topic twice",
            &[(&one.name, 4), (&one.name, 5)],
            false,
        );
        ask(story, "nothing", &[], false);
        let two = topic(story, "two", 1, &[]);
        ask(
            story,
            "a good and a bad one",
            &[(&two.name, 2), (&one.name, 1)],
            false,
        );
        let assignments: &[(&str, i32, &[&[i32]])] = &[
            ("one", 4, &[&[1]]),
            ("two", 5, &[&[1], &[1]]),
            ("too few", 5, &[&[1]]),
            ("too many", 4, &[&[1], &[1]]),
            ("none", 4, &[]),
            ("an unknown node", 4, &[&[99]]),
            ("a node twice", 4, &[&[1, 1]]),
            ("no nodes", 4, &[&[]]),
        ];
        for (what, count, to) in assignments {
            let brokers = |brokers: &&[i32]| {
                make!(CreatePartitionsAssignment {
                    broker_ids: brokers.iter().copied().map(BrokerId).collect(),
                })
            };
            let topic = make!(CreatePartitionsTopic {
                name: one.name.clone(),
                count: *count,
                assignments: Some(to.iter().map(brokers).collect()),
            });
            let request = make!(CreatePartitionsRequest {
                topics: vec![topic],
                timeout_ms: since(v, 0, 10_000),
                validate_only: true,
            });
            story.ask(&format!("assigned: {what}"), v, request);
        }
    });
}
