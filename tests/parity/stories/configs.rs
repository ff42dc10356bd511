//! Stories about looking at settings: DescribeConfigs, ListConfigResources.

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{DescribeConfigsRequest, ListConfigResourcesRequest};

use super::scene::topic;
use crate::script::{Story, keep, make, s};
use crate::value::Value;

/// Kinds of resources.
pub const TOPIC: i8 = 2;
pub const BROKER: i8 = 4;
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
pub fn resource(kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResource {
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
