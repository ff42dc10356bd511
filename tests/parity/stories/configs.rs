//! Stories about settings: DescribeConfigs, AlterConfigs, IncrementalAlterConfigs,
//! ListConfigResources.

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    ListConfigResourcesRequest, alter_configs_request as alter,
    incremental_alter_configs_request as incremental,
};

use super::scene::{Topic, topic};
use crate::script::{Story, keep, make, s};
use crate::value::Value;

/// Kinds of resources.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

/// The settings of a broker that are compared; the others concern what Corelane has not.
const BROKER_SETTINGS: &[&str] = &[
    "auto.create.topics.enable",
    "compression.type",
    "default.replication.factor",
    "delete.topic.enable",
    "group.max.session.timeout.ms",
    "group.max.size",
    "group.min.session.timeout.ms",
    "log.cleanup.policy",
    "log.message.timestamp.after.max.ms",
    "log.message.timestamp.before.max.ms",
    "log.message.timestamp.type",
    "log.retention.bytes",
    "log.retention.hours",
    "log.segment.bytes",
    "max.connections",
    "message.max.bytes",
    "min.insync.replicas",
    "node.id",
    "num.partitions",
    "offset.metadata.max.bytes",
    "offsets.retention.minutes",
    "offsets.topic.num.partitions",
    "socket.request.max.bytes",
];

/// One resource of a DescribeConfigs request; without keys, all settings.
fn resource(kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResource {
    make!(DescribeConfigsResource {
        resource_type: kind,
        resource_name: s(name),
        configuration_keys: keys.map(|keys| keys.iter().map(s).collect()),
    })
}

pub fn describe_configs(story: &mut Story) {
    let plain = topic(story, "plain", 1, &[]);
    let set = topic(
        story,
        "set",
        1,
        &[
            ("cleanup.policy", "compact,delete"),
            ("retention.ms", "1000"),
            ("max.message.bytes", "2000"),
        ],
    );
    story.versions(1..=4, |story, v| {
        let mut ask = |what: &str, synonyms: bool, resources: Vec<DescribeConfigsResource>| {
            let request = make!(DescribeConfigsRequest {
                resources: resources,
                include_synonyms: synonyms,
                include_documentation: v >= 3 && synonyms,
            });
            story.ask(what, v, request);
        };
        let nowhere = "describe_configs-nowhere";
        ask(
            "a topic, with synonyms",
            true,
            vec![resource(TOPIC, &plain.name, None)],
        );
        ask(
            "a topic with settings",
            false,
            vec![resource(TOPIC, &set.name, None)],
        );
        let some: &[&str] = &[
            "retention.ms",
            "cleanup.policy",
            "max.message.bytes",
            "no.such",
        ];
        ask(
            "some of it, with synonyms",
            true,
            vec![resource(TOPIC, &set.name, Some(some))],
        );
        ask(
            "none of it",
            false,
            vec![resource(TOPIC, &set.name, Some(&[]))],
        );
        ask("a setting twice", false, {
            vec![resource(
                TOPIC,
                &set.name,
                Some(&["retention.ms", "retention.ms"]),
            )]
        });
        ask("two topics, one unknown", false, {
            vec![
                resource(TOPIC, &set.name, Some(some)),
                resource(TOPIC, nowhere, None),
            ]
        });
        ask("a topic twice", false, {
            vec![
                resource(TOPIC, &set.name, Some(some)),
                resource(TOPIC, &set.name, Some(&[])),
            ]
        });
        ask(
            "illegal names",
            false,
            vec![resource(TOPIC, "a b", None), resource(TOPIC, "", None)],
        );
        ask(
            "the broker",
            true,
            vec![resource(BROKER, "1", Some(BROKER_SETTINGS))],
        );
        ask(
            "all brokers",
            true,
            vec![resource(BROKER, "", Some(BROKER_SETTINGS))],
        );
        ask(
            "an unknown broker",
            false,
            vec![resource(BROKER, "99", None)],
        );
        ask(
            "a broker without a number",
            false,
            vec![resource(BROKER, "one", None)],
        );
        ask(
            "an unknown broker's logger",
            false,
            vec![resource(LOGGER, "99", None)],
        );
        ask(
            "a logger without a name",
            false,
            vec![resource(LOGGER, "", None)],
        );
        ask(
            "a group",
            true,
            vec![resource(GROUP, "describe_configs-g", Some(&["no.such"]))],
        );
        ask(
            "a group without a name",
            false,
            vec![resource(GROUP, "", Some(&["no.such"]))],
        );
        ask(
            "metrics of clients",
            false,
            vec![resource(CLIENT_METRICS, "m", Some(&["no.such"]))],
        );
        ask(
            "unknown kinds",
            false,
            vec![resource(0, "x", None), resource(99, "x", None)],
        );
        ask("nothing", false, vec![]);
    });
}

/// Notes what a topic's own settings are now.
fn settings(story: &mut Story, what: &str, topic: &Topic) {
    // What was accepted takes a moment to be seen.
    story.pause(150);
    let request = make!(DescribeConfigsRequest {
        resources: vec![resource(TOPIC, &topic.name, None)],
        include_synonyms: true,
    });
    story.ask_and(&format!("after {what}"), 4, request, |answer| {
        let configs = answer.list("results")[0].list("configs");
        configs.retain_mut(super::topics::own);
    });
}

/// Settings with values; `None` is a null value.
type Settings<'a> = &'a [(&'a str, Option<&'a str>)];

pub fn alter_configs(story: &mut Story) {
    let part = |kind: i8, name: &str, settings: Settings| {
        let setting = |(name, value): &(&str, Option<&str>)| {
            make!(alter::AlterableConfig {
                name: s(name),
                value: value.map(s)
            })
        };
        make!(alter::AlterConfigsResource {
            resource_type: kind,
            resource_name: s(name),
            configs: settings.iter().map(setting).collect(),
        })
    };
    story.versions(0..=2, |story, v| {
        let one = topic(story, "one", 1, &[("retention.bytes", "5")]);
        let ask = |story: &mut Story, what: &str, only_check: bool, parts: Vec<_>| {
            let request = make!(AlterConfigsRequest {
                resources: parts,
                validate_only: only_check
            });
            story.ask(what, v, request);
        };
        let two: Settings = &[
            ("retention.ms", Some("1000")),
            ("cleanup.policy", Some("compact")),
        ];
        ask(
            story,
            "two settings, only checked",
            true,
            vec![part(TOPIC, &one.name, two)],
        );
        settings(story, "only a check", &one);
        ask(
            story,
            "two settings",
            false,
            vec![part(TOPIC, &one.name, two)],
        );
        settings(story, "two settings", &one);
        let bad: &[(&str, Settings)] = &[
            ("an unknown setting", &[("no.such.setting", Some("1"))]),
            ("no number", &[("retention.ms", Some("abc"))]),
            ("too small", &[("retention.ms", Some("-2"))]),
            ("null", &[("retention.ms", None)]),
            (
                "a setting twice",
                &[("retention.ms", Some("1")), ("retention.ms", Some("2"))],
            ),
            (
                "a good and a bad one",
                &[("retention.ms", Some("1")), ("flush.ms", Some("x"))],
            ),
            ("an unknown policy", &[("cleanup.policy", Some("forget"))]),
        ];
        for (what, settings) in bad {
            ask(story, what, false, vec![part(TOPIC, &one.name, settings)]);
        }
        let good: Settings = &[("retention.ms", Some("7"))];
        ask(
            story,
            "an unknown topic",
            false,
            vec![part(TOPIC, "alter_configs-nowhere", good)],
        );
        ask(
            story,
            "illegal topics",
            false,
            vec![part(TOPIC, "a b", good), part(TOPIC, "", good)],
        );
        let unanswered = |story: &mut Story, what: &str, parts: Vec<_>| {
            let request = make!(AlterConfigsRequest {
                resources: parts,
                validate_only: false
            });
            story.ask_unanswered(what, v, request);
        };
        unanswered(story, "a topic twice", {
            vec![part(TOPIC, &one.name, good), part(TOPIC, &one.name, good)]
        });
        settings(story, "what was refused", &one);
        ask(
            story,
            "no settings, which removes all",
            false,
            vec![part(TOPIC, &one.name, &[])],
        );
        settings(story, "removing all", &one);
        let size: Settings = &[("message.max.bytes", Some("1000000"))];
        ask(
            story,
            "the broker, only checked",
            true,
            vec![part(BROKER, "1", size)],
        );
        ask(
            story,
            "all brokers, only checked",
            true,
            vec![part(BROKER, "", size)],
        );
        ask(
            story,
            "an unknown broker",
            true,
            vec![part(BROKER, "99", size)],
        );
        ask(
            story,
            "a broker without a number",
            true,
            vec![part(BROKER, "one", size)],
        );
        ask(story, "a read-only setting of the broker", true, {
            vec![part(BROKER, "1", &[("log.dirs", Some("/tmp"))])]
        });
        ask(story, "a bad value of the broker", true, {
            vec![part(BROKER, "1", &[("message.max.bytes", Some("x"))])]
        });
        unanswered(
            story,
            "unknown kinds",
            vec![part(0, "x", good), part(99, "x", good)],
        );
        ask(story, "nothing", false, vec![]);
    });
}

/// Operations of IncrementalAlterConfigs.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub fn incremental_alter_configs(story: &mut Story) {
    type Changes<'a> = &'a [(&'a str, i8, Option<&'a str>)];
    let part = |kind: i8, name: &str, changes: Changes| {
        let change = |(name, operation, value): &(&str, i8, Option<&str>)| {
            make!(incremental::AlterableConfig {
                name: s(name),
                config_operation: *operation,
                value: value.map(s),
            })
        };
        make!(incremental::AlterConfigsResource {
            resource_type: kind,
            resource_name: s(name),
            configs: changes.iter().map(change).collect(),
        })
    };
    story.versions(0..=1, |story, v| {
        let one = topic(story, "one", 1, &[("retention.bytes", "5")]);
        let ask = |story: &mut Story, what: &str, only_check: bool, parts: Vec<_>| {
            let request = make!(IncrementalAlterConfigsRequest {
                resources: parts,
                validate_only: only_check,
            });
            story.ask(what, v, request);
        };
        let set: Changes = &[
            ("retention.ms", SET, Some("1000")),
            ("flush.ms", SET, Some("9")),
        ];
        ask(
            story,
            "set, only checked",
            true,
            vec![part(TOPIC, &one.name, set)],
        );
        settings(story, "only a check", &one);
        let good: &[(&str, Changes)] = &[
            ("set", set),
            ("delete", &[("flush.ms", DELETE, None)]),
            (
                "delete what is not set, with a value",
                &[("segment.ms", DELETE, Some("1"))],
            ),
            ("append", &[("cleanup.policy", APPEND, Some("compact"))]),
            (
                "append what is there",
                &[("cleanup.policy", APPEND, Some("compact"))],
            ),
            ("subtract", &[("cleanup.policy", SUBTRACT, Some("delete"))]),
            (
                "subtract what is not there",
                &[("cleanup.policy", SUBTRACT, Some("delete"))],
            ),
            (
                "set to the default",
                &[("retention.bytes", SET, Some("-1"))],
            ),
        ];
        for (what, changes) in good {
            ask(story, what, false, vec![part(TOPIC, &one.name, changes)]);
            settings(story, what, &one);
        }
        let bad: &[(&str, Changes)] = &[
            ("an unknown setting", &[("no.such.setting", SET, Some("1"))]),
            (
                "delete an unknown setting",
                &[("no.such.setting", DELETE, None)],
            ),
            ("no number", &[("retention.ms", SET, Some("abc"))]),
            ("set to null", &[("retention.ms", SET, None)]),
            ("append to a number", &[("retention.ms", APPEND, Some("1"))]),
            (
                "subtract from a number",
                &[("retention.ms", SUBTRACT, Some("1"))],
            ),
            ("append null", &[("cleanup.policy", APPEND, None)]),
            (
                "append an unknown policy",
                &[("cleanup.policy", APPEND, Some("forget"))],
            ),
            (
                "subtract the last",
                &[("cleanup.policy", SUBTRACT, Some("compact"))],
            ),
            ("an unknown operation", &[("retention.ms", 9, Some("1"))]),
            ("a negative operation", &[("retention.ms", -1, Some("1"))]),
            (
                "a setting twice",
                &[("flush.ms", SET, Some("1")), ("flush.ms", DELETE, None)],
            ),
            ("no changes", &[]),
        ];
        for (what, changes) in bad {
            ask(
                story,
                &format!("bad: {what}"),
                false,
                vec![part(TOPIC, &one.name, changes)],
            );
        }
        settings(story, "what was refused", &one);
        let nowhere = "incremental_alter_configs-nowhere";
        let flush: Changes = &[("flush.ms", SET, Some("1"))];
        ask(
            story,
            "an unknown topic",
            false,
            vec![part(TOPIC, nowhere, flush)],
        );
        ask(
            story,
            "illegal topics",
            false,
            vec![part(TOPIC, "a b", flush), part(TOPIC, "", flush)],
        );
        ask(story, "a good and an unknown topic", false, {
            vec![part(TOPIC, &one.name, flush), part(TOPIC, nowhere, flush)]
        });
        ask(story, "a topic twice", false, {
            vec![part(TOPIC, &one.name, flush), part(TOPIC, &one.name, flush)]
        });
        let size: Changes = &[("message.max.bytes", SET, Some("1000000"))];
        ask(
            story,
            "the broker, only checked",
            true,
            vec![part(BROKER, "1", size)],
        );
        ask(
            story,
            "all brokers, only checked",
            true,
            vec![part(BROKER, "", size)],
        );
        ask(
            story,
            "an unknown broker",
            true,
            vec![part(BROKER, "99", size)],
        );
        ask(
            story,
            "a broker without a number",
            true,
            vec![part(BROKER, "one", size)],
        );
        ask(story, "a read-only setting of the broker", true, {
            vec![part(BROKER, "1", &[("log.dirs", SET, Some("/tmp"))])]
        });
        ask(story, "an unknown setting of the broker", true, {
            vec![part(BROKER, "1", &[("no.such.setting", SET, Some("1"))])]
        });
        ask(
            story,
            "unknown kinds",
            true,
            vec![part(0, "x", flush), part(99, "x", flush)],
        );
        ask(story, "nothing", false, vec![]);
    });
}

pub fn list_config_resources(story: &mut Story) {
    topic(story, "b", 1, &[("retention.ms", "1000")]);
    topic(story, "a", 1, &[]);
    // Every topic is listed; those of other stories are left out.
    let mine = |answer: &mut Value| {
        let list = answer.list("config_resources");
        let (mut topics, others): (Vec<_>, Vec<_>) = list.drain(..).partition(|one| {
            one.clone()
                .field("resource_type")
                .is_some_and(|kind| matches!(kind, Value::Atom(kind) if kind == "2"))
        });
        keep(&mut topics, "resource_name", "list_config_resources-");
        list.extend(topics.into_iter().chain(others));
    };
    story.ask(
        "of clients' metrics, the only kind then",
        0,
        ListConfigResourcesRequest::default(),
    );
    for kinds in [
        &[][..],
        &[TOPIC],
        &[BROKER],
        &[LOGGER],
        &[CLIENT_METRICS],
        &[GROUP],
        &[TOPIC, BROKER],
        &[BROKER, BROKER],
        &[0],
        &[99],
        &[BROKER, 99],
        &[-1],
    ] {
        let request = make!(ListConfigResourcesRequest {
            resource_types: kinds.to_vec()
        });
        story.ask_and(&format!("of kinds {kinds:?}"), 1, request, mine);
    }
}
