//! Drives: asks a broker what it says of a topic: its configuration, copies and leaders.

use std::collections::BTreeSet;
use std::net::{TcpListener, ToSocketAddrs};

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{DescribeConfigsRequest, MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use serde_json::{Map, Value, json};

use crate::measure::client::{ClientError, Connection};

/// DescribeConfigs' code for a topic (Kafka: ConfigResource.Type).
const TOPIC: i8 = 2;

/// What there is to know; parts that the broker does not tell are missing.
pub fn ask(bootstrap: &str, topic: &str) -> Value {
    let mut facts = Map::new();
    if let Ok(mut connection) = Connection::open(bootstrap) {
        // A broker that refuses a request may hang up: each has a connection of its own.
        let _ = shape(&mut connection, topic, &mut facts);
        if let Ok(mut connection) = Connection::open(bootstrap)
            && let Ok(configs) = configs(&mut connection, topic)
        {
            facts.insert("topic_configs".to_owned(), configs);
        }
    }
    Value::Object(facts)
}

fn shape(
    connection: &mut Connection,
    topic: &str,
    facts: &mut Map<String, Value>,
) -> Result<(), ClientError> {
    let name = TopicName(StrBytes::from_string(topic.to_owned()));
    let asked = MetadataRequestTopic::default().with_name(Some(name));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![asked]))
        .with_allow_auto_topic_creation(false);
    let answer = connection.call(&request, 4)?;
    let Some(found) = answer.topics.first().filter(|topic| topic.error_code == 0) else {
        return Ok(());
    };
    let leaders: BTreeSet<i32> = found
        .partitions
        .iter()
        .map(|partition| partition.leader_id.0)
        .collect();
    let copies = found.partitions.iter().map(|one| one.replica_nodes.len());
    let here = answer
        .brokers
        .iter()
        .filter(|broker| leaders.contains(&broker.node_id.0))
        .map(|broker| is_here(&broker.host))
        .collect::<Option<Vec<bool>>>();
    facts.insert("leaders".to_owned(), json!(leaders.len()));
    facts.insert("replication_factor".to_owned(), json!(copies.min()));
    facts.insert(
        "broker_on_this_host".to_owned(),
        json!(here.map(|here| here.contains(&true))),
    );
    Ok(())
}

/// Whether `host` is this one: then its address can be listened at.
fn is_here(host: &str) -> Option<bool> {
    let address = (host, 0).to_socket_addrs().ok()?.next()?;
    Some(TcpListener::bind(address).is_ok())
}

fn configs(connection: &mut Connection, topic: &str) -> Result<Value, ClientError> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(StrBytes::from_string(topic.to_owned()))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let answer = connection.call(&request, 1)?;
    let Some(found) = answer.results.first() else {
        return Err(ClientError::Malformed(
            "an answer without the topic".to_owned(),
        ));
    };
    if found.error_code != 0 {
        return Err(ClientError::Refused("DescribeConfigs", found.error_code));
    }
    let all = found.configs.iter().map(|config| {
        let value = config.value.as_ref().map(ToString::to_string);
        (config.name.to_string(), json!(value))
    });
    Ok(Value::Object(all.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_is_known_and_others_are_not_taken_for_it() {
        assert_eq!(is_here("127.0.0.1"), Some(true));
        assert_eq!(is_here("192.0.2.7"), Some(false)); // Kept for documentation, RFC 5737.
        assert_eq!(is_here("no such name"), None);
        assert_eq!(ask("127.0.0.1:1", "t"), json!({}));
    }
}
