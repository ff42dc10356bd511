//! The levels of the broker's log, changed while it runs.

use corelane_testing::Client;
use corelane_testing::requests::{create_topic, text};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use crate::HERE;

const LOGGER: i8 = 8;

/// Sets a logger's level, or takes it back.
fn set(client: &mut Client, logger: &str, level: Option<&str>) {
    let change = AlterableConfig::default()
        .with_name(text(logger))
        .with_config_operation(i8::from(level.is_none()))
        .with_value(level.map(text));
    let resource = AlterConfigsResource::default()
        .with_resource_type(LOGGER)
        .with_resource_name(text("1"))
        .with_configs(vec![change]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let answer = client.call(1, &request);
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
}

fn levels(client: &mut Client, node: &str) -> Vec<(String, String)> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(LOGGER)
        .with_resource_name(text(node))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let answer = client.call(4, &request);
    let level = |one: &kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult| {
        (one.name.to_string(), one.value.as_ref().unwrap().to_string())
    };
    answer.results[0].configs.iter().map(level).collect()
}

#[test]
fn a_level_that_is_set_holds_at_once_and_until_it_is_taken_back() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).shards(2).ready();
    let mut client = broker.client();
    let at_start = levels(&mut client, "1");
    assert!(
        at_start.contains(&("root".to_owned(), "INFO".to_owned())),
        "{at_start:?}"
    );
    assert!(
        at_start.iter().all(|(_, level)| level == "INFO"),
        "{at_start:?}"
    );

    set(&mut client, "root", Some("TRACE"));
    // One process, one log: the other node says the same.
    let other = levels(&mut broker.client_of(1), "2");
    assert!(other.iter().all(|(_, level)| level == "TRACE"), "{other:?}");
    assert_eq!(create_topic(&mut client, "loud", 1), 0);
    set(&mut client, "root", Some("FATAL"));
    let lines = broker.log().lines().count();
    let said = broker.log();
    assert!(
        said.contains("the levels of the log were changed"),
        "{said}"
    );
    assert_eq!(create_topic(&mut client, "silent", 1), 0);
    set(&mut client, "corelane::server", Some("DEBUG"));
    set(&mut client, "corelane::server", None);
    let said = broker.log();
    let later: Vec<&str> = said.lines().skip(lines).collect();
    assert_eq!(
        later.len(),
        1,
        "only that the server's level was set: {later:?}"
    );
    broker.stop();
}
