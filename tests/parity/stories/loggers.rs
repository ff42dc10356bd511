//! Stories about the levels of a broker's log: DescribeConfigs and IncrementalAlterConfigs of
//! BROKER_LOGGER. Of the loggers only the root is known to both brokers. (An unknown operation is
//! not asked for: Kafka trips over it, UNKNOWN_SERVER_ERROR, and we call it INVALID_REQUEST.)

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use crate::script::{Story, make, s};

const LOGGER: i8 = 8;
const SET: i8 = 0;
const DELETE: i8 = 1;

pub fn loggers(story: &mut Story) {
    let describe = |story: &mut Story, what: &str, v: i16| {
        let resource = make!(DescribeConfigsResource {
            resource_type: LOGGER,
            resource_name: s("1"),
            configuration_keys: Some(vec![s("root"), s("no.such.logger")]),
        });
        let request = make!(DescribeConfigsRequest {
            resources: vec![resource],
            include_synonyms: true,
            include_documentation: v >= 3,
        });
        story.ask(what, v, request);
    };
    type Changes<'a> = &'a [(&'a str, i8, Option<&'a str>)];
    let alter = |story: &mut Story, what: &str, node: &str, check: bool, changes: Changes| {
        let config = |(name, op, value): &(&str, i8, Option<&str>)| {
            make!(AlterableConfig {
                name: s(name),
                config_operation: *op,
                value: value.map(s),
            })
        };
        let resource = make!(AlterConfigsResource {
            resource_type: LOGGER,
            resource_name: s(node),
            configs: changes.iter().map(config).collect(),
        });
        let request = make!(IncrementalAlterConfigsRequest {
            resources: vec![resource],
            validate_only: check,
        });
        story.ask(what, 1, request);
    };
    alter(
        story,
        "root=WARN",
        "1",
        false,
        &[("root", SET, Some("WARN"))],
    );
    for v in 1..=4 {
        describe(story, "the root logger", v);
    }
    alter(
        story,
        "root=INFO",
        "1",
        false,
        &[("root", SET, Some("INFO"))],
    );
    describe(story, "the root logger afterwards", 4);
    alter(
        story,
        "root=ERROR, only a check",
        "1",
        true,
        &[("root", SET, Some("ERROR"))],
    );
    describe(story, "the root logger after a check", 4);
    let bad: &[(&str, &str, Changes)] = &[
        (
            "an unknown logger",
            "1",
            &[("no.such.logger", SET, Some("INFO"))],
        ),
        (
            "an unknown logger deleted",
            "1",
            &[("no.such.logger", DELETE, None)],
        ),
        ("an unknown level", "1", &[("root", SET, Some("LOUD"))]),
        (
            "a level in small letters",
            "1",
            &[("root", SET, Some("info"))],
        ),
        ("no level", "1", &[("root", SET, None)]),
        ("an empty level", "1", &[("root", SET, Some(""))]),
        ("the root deleted", "1", &[("root", DELETE, None)]),
        ("appended", "1", &[("root", 2, Some("INFO"))]),
        ("subtracted", "1", &[("root", 3, Some("INFO"))]),
        (
            "twice",
            "1",
            &[("root", SET, Some("INFO")), ("root", SET, Some("WARN"))],
        ),
        (
            "a good and a bad one",
            "1",
            &[("root", SET, Some("WARN")), ("no", SET, Some("INFO"))],
        ),
        ("another node", "99", &[("root", SET, Some("INFO"))]),
        ("no node", "", &[("root", SET, Some("INFO"))]),
        (
            "a node without a number",
            "x",
            &[("root", SET, Some("INFO"))],
        ),
        ("nothing", "1", &[]),
    ];
    for (what, node, changes) in bad {
        alter(story, what, node, false, changes);
    }
    describe(story, "the root logger after mistakes", 4);
}
