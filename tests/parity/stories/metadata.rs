//! Stories about where things are: Metadata, DescribeTopicPartitions, FindCoordinator.

use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    DescribeTopicPartitionsRequest, FindCoordinatorRequest, MetadataRequest,
};
use uuid::Uuid;

use super::scene::{topic, wait_for_leaders};
use crate::script::{Story, make, s, t};
use crate::value::Value;

pub fn metadata(story: &mut Story) {
    let one = topic(story, "one", 1, &[]);
    let three = topic(story, "three", 3, &[]);
    story.versions(0..=13, |story, v| {
        let by_name = |names: &[&str], create: bool| {
            let topic = |name: &&str| {
                make!(MetadataRequestTopic {
                    name: Some(t(name))
                })
            };
            make!(MetadataRequest {
                topics: Some(names.iter().map(topic).collect()),
                allow_auto_topic_creation: create || v < 4,
            })
        };
        let all = make!(MetadataRequest { topics: None });
        let mine = |answer: &mut Value| {
            crate::script::keep(answer.list("topics"), "name", "metadata-o");
        };
        if v == 0 {
            story.ask_and("no topics, which means all", v, by_name(&[], true), mine);
        } else {
            story.ask_and("all topics", v, all, mine);
            story.ask("no topics", v, by_name(&[], false));
        }
        story.ask("two topics", v, by_name(&[&three.name, &one.name], false));
        story.ask("a topic twice", v, by_name(&[&one.name, &one.name], false));
        let new = story.name("new");
        if v >= 4 {
            story.ask(
                "an unknown topic, not to be created",
                v,
                by_name(&[&new], false),
            );
        }
        let to_be_created = "an unknown topic, to be created (or as the next)";
        story.ask(to_be_created, v, by_name(&[&new], true));
        wait_for_leaders(story, &t(&new));
        story.ask("the topic that was created so", v, by_name(&[&new], true));
        for name in ["", ".", "..", "a b", "a/b", "é", "__cluster_metadata"] {
            story.ask(&format!("the name {name:?}"), v, by_name(&[name], true));
        }
        let (longest, too_long) = ("x".repeat(249), "x".repeat(250));
        if v >= 4 {
            story.ask(
                "a name of 249 letters, unknown",
                v,
                by_name(&[&longest], false),
            );
        }
        story.ask("a name of 250 letters", v, by_name(&[&too_long], true));
        story.ask("a good, a bad and an unknown one", v, {
            by_name(
                &[
                    &one.name,
                    "a b",
                    &story.name(if v < 4 { "new" } else { "un" }),
                ],
                false,
            )
        });
        let offsets = by_name(&["__consumer_offsets"], false);
        story.ask_and(
            "the topic of offsets, its first partition",
            v,
            offsets,
            |answer| {
                answer.list("topics")[0].list("partitions").truncate(1);
            },
        );
        if (8..=10).contains(&v) {
            let mut request = by_name(&[&one.name], false);
            request.include_cluster_authorized_operations = true;
            story.ask("authorized operations of the cluster", v, request);
        }
        if v >= 8 {
            let mut request = by_name(&[&one.name, "metadata-nowhere"], false);
            request.include_topic_authorized_operations = true;
            story.ask("authorized operations of topics", v, request);
        }
        if v >= 10 {
            let mut by_id = |what: &str, topics: &[(Uuid, Option<&str>)]| {
                let topic = |(id, name): &(Uuid, Option<&str>)| {
                    make!(MetadataRequestTopic {
                        topic_id: *id,
                        name: name.map(t)
                    })
                };
                let request = make!(MetadataRequest {
                    topics: Some(topics.iter().map(topic).collect()),
                });
                story.ask(what, v, request);
            };
            let unknown = Uuid::from_u128(7);
            by_id("by id", &[(three.id, None)]);
            by_id("by two ids", &[(three.id, None), (one.id, None)]);
            by_id("by an unknown id", &[(unknown, None)]);
            by_id("by no id and no name", &[(Uuid::nil(), None)]);
            by_id("by id and its name", &[(one.id, Some(&one.name))]);
            by_id("by an id and another name", &[(one.id, Some(&three.name))]);
            by_id(
                "one by id, one by name",
                &[(one.id, None), (Uuid::nil(), Some(&three.name))],
            );
        }
    });
}

pub fn describe_topic_partitions(story: &mut Story) {
    let a = topic(story, "a", 2, &[]);
    let b = topic(story, "b", 3, &[]);
    let mut ask = |what: &str, names: &[&str], limit: i32, cursor: Option<(&str, i32)>| {
        let topic = |name: &&str| make!(TopicRequest { name: t(name) });
        let start = |(name, index)| {
            make!(Cursor {
                topic_name: t(name),
                partition_index: index
            })
        };
        let request = make!(DescribeTopicPartitionsRequest {
            topics: names.iter().map(topic).collect(),
            response_partition_limit: limit,
            cursor: cursor.map(start),
        });
        story.ask(what, 0, request);
    };
    let both: &[&str] = &[&b.name, &a.name];
    ask("two topics", both, 2000, None);
    ask("a topic twice", &[&a.name, &a.name], 2000, None);
    for limit in [0, -1, 1, 2, 3, 5, 6, i32::MAX] {
        ask(&format!("limit {limit}"), both, limit, None);
    }
    ask(
        "from the second partition of the first",
        both,
        2000,
        Some((&a.name, 1)),
    );
    ask("from there, limit 2", both, 2, Some((&a.name, 1)));
    ask(
        "from past the end of the first",
        both,
        2000,
        Some((&a.name, 2)),
    );
    ask("from the second topic", both, 2000, Some((&b.name, 0)));
    ask("from a negative partition", both, 2000, Some((&a.name, -1)));
    ask(
        "from a name between",
        both,
        2000,
        Some(("describe_topic_partitions-aa", 0)),
    );
    ask(
        "from a name after all",
        both,
        2000,
        Some(("describe_topic_partitions-z", 0)),
    );
    ask("from an empty name", both, 2000, Some(("", 0)));
    ask(
        "from a topic that was not asked for",
        &[&a.name],
        2000,
        Some((&b.name, 1)),
    );
    ask(
        "an unknown topic",
        &[&a.name, "describe_topic_partitions-nowhere"],
        2000,
        None,
    );
    ask(
        "only an unknown topic",
        &["describe_topic_partitions-nowhere"],
        2000,
        None,
    );
    ask("illegal names", &["", "a b"], 2000, None);
    ask(
        "the topic of offsets, limit 1",
        &["__consumer_offsets"],
        1,
        None,
    );
}

pub fn find_coordinator(story: &mut Story) {
    story.versions(0..=6, |story, v| {
        let mut ask = |what: &str, kind: i8, keys: &[&str]| {
            let request = match v {
                0..=3 => make!(FindCoordinatorRequest {
                    key: s(keys[0]),
                    key_type: kind
                }),
                _ => make!(FindCoordinatorRequest {
                    key_type: kind,
                    coordinator_keys: keys.iter().map(s).collect(),
                }),
            };
            story.ask(what, v, request);
        };
        ask("of a group", 0, &["find_coordinator-group"]);
        ask("of the group with the empty name", 0, &[""]);
        if v >= 1 {
            ask(
                "of a transaction (or unsupported)",
                1,
                &["find_coordinator-transaction"],
            );
            ask("of the empty transaction (or unsupported)", 1, &[""]);
            ask(
                "of a share group's partition (or unsupported)",
                2,
                &["find_coordinator:AAAAAAAAAAAAAAAAAAAAAQ:0"],
            );
            ask(
                "of a share group, badly named (or unsupported)",
                2,
                &["find_coordinator"],
            );
            ask("of an unknown kind", 3, &["find_coordinator"]);
            ask("of a negative kind", -1, &["find_coordinator"]);
        }
        if v >= 4 {
            ask("of no keys", 0, &[]);
            ask("of two groups and one twice", 0, &["g2", "g1", "g2"]);
            ask("of a group and the empty name", 0, &["g1", ""]);
            ask("of two keys of an unknown kind", 9, &["g1", "g2"]);
        }
    });
}
