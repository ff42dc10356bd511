//! Drives: asks a broker what it says of a topic: its configuration, copies and leaders.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{TcpListener, ToSocketAddrs};

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{DescribeConfigsRequest, MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use serde::{Deserialize, Serialize};

use crate::measure::client::{ClientError, Connection};

/// DescribeConfigs' code for a topic (Kafka: ConfigResource.Type).
const TOPIC: i8 = 2;

/// What the broker says of the topic; parts that it does not tell are missing.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct TopicFacts {
    /// Copies and leaders.
    #[serde(flatten)]
    pub shape: Option<Shape>,
    /// Its configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_configs: Option<BTreeMap<String, Option<String>>>,
}

/// Where a topic's partitions are.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Shape {
    /// How many broker nodes lead partitions of it.
    pub leaders: usize,
    /// Copies of the partition that has the fewest.
    pub replication_factor: Option<usize>,
    /// Whether one of the leaders is on this host; `None` if that cannot be told.
    pub broker_on_this_host: Option<bool>,
}

/// Asks the broker at `bootstrap` for what there is to know of `topic`.
pub fn ask(bootstrap: &str, topic: &str) -> TopicFacts {
    let Ok(mut connection) = Connection::open(bootstrap) else {
        return TopicFacts::default();
    };
    // A broker that refuses a request may hang up: each has a connection of its own.
    let shape = shape(&mut connection, topic).ok().flatten();
    let connection = Connection::open(bootstrap).ok();
    TopicFacts {
        shape,
        topic_configs: connection.and_then(|mut own| configs(&mut own, topic).ok()),
    }
}

fn shape(connection: &mut Connection, topic: &str) -> Result<Option<Shape>, ClientError> {
    let name = TopicName(StrBytes::from_string(topic.to_owned()));
    let asked = MetadataRequestTopic::default().with_name(Some(name));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![asked]))
        .with_allow_auto_topic_creation(false);
    let answer = connection.call(&request, 4)?;
    let Some(found) = answer.topics.first().filter(|topic| topic.error_code == 0) else {
        return Ok(None);
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
    Ok(Some(Shape {
        leaders: leaders.len(),
        replication_factor: copies.min(),
        broker_on_this_host: here.map(|here| here.contains(&true)),
    }))
}

/// Whether `host` is this one: then its address can be listened at.
fn is_here(host: &str) -> Option<bool> {
    let address = (host, 0).to_socket_addrs().ok()?.next()?;
    Some(TcpListener::bind(address).is_ok())
}

fn configs(
    connection: &mut Connection,
    topic: &str,
) -> Result<BTreeMap<String, Option<String>>, ClientError> {
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
        (config.name.to_string(), value)
    });
    Ok(all.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_is_known_and_others_are_not_taken_for_it() {
        assert_eq!(is_here("127.0.0.1"), Some(true));
        assert_eq!(is_here("192.0.2.7"), Some(false)); // Kept for documentation, RFC 5737.
        assert_eq!(is_here("no such name"), None);
        assert_eq!(ask("127.0.0.1:1", "t"), TopicFacts::default());
    }
}
