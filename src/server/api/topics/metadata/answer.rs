//! Pure: the answer to a Metadata request, from the cluster's image.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::{NO_OPERATIONS, TOPIC_OPERATIONS, name, view};
use super::asked::Asked;
use crate::base::{ErrorCode, NodeId, TopicId};
use crate::metadata::controller::decide::check_topic_name;
use crate::metadata::image::{Brokers, Image, Partition, Topic, is_internal};
use crate::server::api::cluster::describe_cluster::CLUSTER_OPERATIONS;
use crate::server::api::errors;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::wire::codec::messages::{BrokerId, MetadataRequest, MetadataResponse};

/// Nodes that an answer about named topics lists at the least: a client pays for each node it
/// hears of, but needs some to go on with when one is away.
const NODES_MIN: usize = 4;

/// What the answer depends on besides the cluster and what is asked for.
pub(super) struct Asker {
    /// The node that is asked.
    pub node: NodeId,
    /// The name of the listener that it is asked on.
    pub listener: Arc<str>,
    pub version: i16,
    pub topic_operations: bool,
    pub cluster_operations: bool,
}

/// The answer to a request for what was `asked`.
pub(super) fn answer(image: &Image, asked: &Asked, asker: &Asker) -> MetadataResponse {
    let version = asker.version;
    let mut topics = match asked {
        Asked::All => image
            .topics
            .sorted()
            .iter()
            .map(|t| known(image, t, version))
            .collect(),
        Asked::Ids(ids) => by_ids(image, ids, version),
        Asked::Names(names) => by_names(image, names, version),
    };
    if asker.topic_operations {
        for topic in &mut topics {
            topic.topic_authorized_operations = TOPIC_OPERATIONS;
        }
    }
    let named = !matches!(asked, Asked::All) && !topics.is_empty();
    let brokers = brokers(&image.brokers, asker, named.then_some(&topics[..]));
    let mut answer = MetadataResponse::default()
        .with_brokers(brokers)
        .with_topics(topics);
    if version >= 1 {
        // Every node hands changes on to the controller.
        answer.controller_id = BrokerId(asker.node.0);
    }
    if version >= 2 {
        answer.cluster_id = Some(StrBytes::from_string(image.cluster_id.to_string()));
    }
    if asker.cluster_operations {
        answer.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    answer
}

/// The answer to a request that cannot be answered.
pub(super) fn refused(
    request: &MetadataRequest,
    version: i16,
    code: ErrorCode,
) -> MetadataResponse {
    let topics = request.topics.iter().flatten().map(|topic| {
        let mut refused = MetadataResponseTopic::default()
            .with_name(Some(topic.name.clone().unwrap_or_default()))
            .with_error_code(code.0);
        if version >= 10 {
            refused.topic_id = topic.topic_id;
        }
        refused
    });
    let answer = MetadataResponse::default().with_topics(topics.collect());
    if version >= 13 {
        return answer.with_error_code(code.0);
    }
    answer
}

fn by_ids(image: &Image, ids: &[TopicId], version: i16) -> Vec<MetadataResponseTopic> {
    let one = |id: &TopicId| match image.topics.with_id(*id) {
        Some(topic) => known(image, topic, version),
        None => MetadataResponseTopic::default()
            .with_error_code(ErrorCode::UNKNOWN_TOPIC_ID.0)
            .with_name(None)
            .with_topic_id(id.0),
    };
    ids.iter().map(one).collect()
}

fn by_names(image: &Image, names: &[String], version: i16) -> Vec<MetadataResponseTopic> {
    let one = |wanted: &String| {
        if let Some(topic) = image.topics.named(wanted) {
            return known(image, topic, version);
        }
        let code = match check_topic_name(wanted) {
            Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Err(error) => errors::topic_name(&error),
        };
        let unknown = MetadataResponseTopic::default()
            .with_error_code(code.0)
            .with_name(Some(name(wanted)));
        internal(unknown, is_internal(wanted), version)
    };
    names.iter().map(one).collect()
}

/// A topic that there is.
fn known(image: &Image, topic: &Topic, version: i16) -> MetadataResponseTopic {
    let indexed = (0..).zip(&topic.partitions);
    let partitions = indexed.map(|(index, one)| partition(&image.brokers, index, one, version));
    let mut known = MetadataResponseTopic::default()
        .with_name(Some(name(&topic.name)))
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(NO_OPERATIONS);
    if version >= 10 {
        known.topic_id = topic.id.0;
    }
    internal(known, topic.is_internal(), version)
}

fn internal(topic: MetadataResponseTopic, is: bool, version: i16) -> MetadataResponseTopic {
    topic.with_is_internal(is && version >= 1)
}

fn partition(
    brokers: &Brokers,
    index: i32,
    partition: &Partition,
    version: i16,
) -> MetadataResponsePartition {
    // Only the oldest clients are spared replicas that do not serve.
    let nodes = |nodes: &[NodeId]| match version {
        0 => view::alive(brokers, nodes),
        _ => view::ids(nodes),
    };
    let (replicas, isr) = (nodes(&partition.replicas), nodes(&partition.isr));
    let leader = view::leader(brokers, partition);
    let hidden = replicas.len() < partition.replicas.len() || isr.len() < partition.isr.len();
    let code = match leader {
        None => ErrorCode::LEADER_NOT_AVAILABLE,
        Some(_) if hidden => ErrorCode::REPLICA_NOT_AVAILABLE,
        Some(_) => ErrorCode::NONE,
    };
    let mut answer = MetadataResponsePartition::default()
        .with_error_code(code.0)
        .with_partition_index(index)
        .with_leader_id(leader.unwrap_or(BrokerId(-1)))
        .with_replica_nodes(replicas)
        .with_isr_nodes(isr);
    if version >= 5 {
        answer.offline_replicas = view::offline(brokers, partition);
    }
    if version >= 7 {
        answer.leader_epoch = partition.leader_epoch;
    }
    answer
}

/// The nodes an answer lists: all, or those that the named topics need and some to go on with.
fn brokers(
    brokers: &Brokers,
    asker: &Asker,
    named: Option<&[MetadataResponseTopic]>,
) -> Vec<MetadataResponseBroker> {
    let mut needed: BTreeSet<NodeId> = brokers.alive().map(|broker| broker.id).collect();
    if let Some(topics) = named.filter(|_| needed.len() > NODES_MIN) {
        let partitions = topics.iter().flat_map(|topic| &topic.partitions);
        let replicas = partitions.flat_map(|partition| &partition.replica_nodes);
        let mut listed: BTreeSet<NodeId> = replicas.map(|id| NodeId(id.0)).collect();
        listed.insert(asker.node);
        // The ones to go on with follow the node that was asked, so that they differ.
        let after = needed.range(asker.node..).chain(needed.range(..asker.node));
        for node in after {
            if listed.len() >= NODES_MIN {
                break;
            }
            listed.insert(*node);
        }
        needed.retain(|node| listed.contains(node));
    }
    let broker = |id: &NodeId| {
        let broker = brokers.get(*id)?;
        let endpoint = broker.endpoint(&asker.listener)?;
        let rack = broker.rack.clone().filter(|_| asker.version >= 1);
        let node = MetadataResponseBroker::default()
            .with_node_id(BrokerId(id.0))
            .with_host(StrBytes::from_string(endpoint.host.clone()))
            .with_port(i32::from(endpoint.port))
            .with_rack(rack.map(StrBytes::from_string));
        Some(node)
    };
    needed.iter().filter_map(broker).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::cluster;
    use super::*;

    fn asker(node: i32) -> Asker {
        Asker {
            node: NodeId(node),
            listener: "PLAINTEXT".into(),
            version: 9,
            topic_operations: false,
            cluster_operations: false,
        }
    }

    #[test]
    fn an_answer_about_named_topics_lists_the_nodes_they_need_and_some_more() {
        let image = cluster(9, &[("two", 2), ("wide", 9)]);
        let listed = |topic: Option<&str>, asked: i32| -> Vec<i32> {
            let topics =
                topic.map(|topic| vec![known(&image, image.topics.named(topic).unwrap(), 9)]);
            let nodes = brokers(&image.brokers, &asker(asked), topics.as_deref());
            nodes.iter().map(|node| node.node_id.0).collect()
        };
        assert_eq!(listed(None, 1).len(), 9);
        assert_eq!(listed(Some("wide"), 1).len(), 9);
        let leaders = image
            .topics
            .named("two")
            .unwrap()
            .partitions
            .iter()
            .map(|p| p.leader.0);
        let leaders: Vec<i32> = leaders.collect();
        for asked in 1..=9 {
            let nodes = listed(Some("two"), asked);
            assert!((4..=5).contains(&nodes.len()), "{nodes:?}");
            assert!(
                leaders.iter().chain([&asked]).all(|id| nodes.contains(id)),
                "{nodes:?}"
            );
        }
        let small = cluster(4, &[("one", 1)]);
        let topics = [known(&small, small.topics.named("one").unwrap(), 9)];
        let listed = brokers(&small.brokers, &asker(1), Some(&topics));
        assert_eq!(listed.len(), 4);
        let elsewhere = Asker {
            listener: "INTERNAL".into(),
            ..asker(1)
        };
        let listed = brokers(&small.brokers, &elsewhere, Some(&topics));
        assert!(listed.is_empty(), "no node listens there");
    }
}
