//! Stories about changing settings: AlterConfigs, IncrementalAlterConfigs.

use kafka_protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    alter_configs_request as alter, incremental_alter_configs_request as incremental,
};

use super::configs::{BROKER, TOPIC, resource};
use super::scene::{Topic, topic};
use crate::script::{Story, make, s};

/// What is called a broker, and by which name.
const BROKERS: [(&str, &str); 4] = [
    ("the broker, only checked", "1"),
    ("all brokers, only checked", ""),
    ("an unknown broker", "99"),
    ("a broker without a number", "one"),
];

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
        for (what, name) in BROKERS {
            ask(story, what, true, vec![part(BROKER, name, size)]);
        }
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
        for (what, name) in BROKERS {
            ask(story, what, true, vec![part(BROKER, name, size)]);
        }
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
