//! Drives: Metadata, versions 0 to 13 (KIP-4, KIP-430, KIP-516 topic ids).
//!
//! Where topics and nodes are, which every client asks before anything else. Naming a topic
//! that does not exist may create it (`auto.create.topics.enable`); the answer waits for that and
//! says what there is then (docs/decisions/0006).

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;

use crate::base::{ErrorCode, NodeId, TopicId, limits};
use crate::metadata::controller::decide::check_topic_name;
use crate::metadata::image::{Brokers, Image, Partition, Topic, is_internal};
use crate::server::api::cluster::describe_cluster::CLUSTER_OPERATIONS;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::{ErrorCounts, codes};
use crate::server::state::shared_answers::{Recipe, SharedAnswer, SharedError, SharedKey};
use crate::shard::auto_create;
use crate::wire::codec::messages::metadata_request::MetadataRequestTopic;
use crate::wire::codec::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::wire::codec::messages::{BrokerId, MetadataRequest, MetadataResponse};
use crate::wire::codec::{self, Request, StrBytes};

use super::{NO_OPERATIONS, TOPIC_OPERATIONS, name, view};

/// The API.
pub struct Metadata;

/// Nodes that an answer about named topics lists at the least: a client pays for each node it
/// hears of, but needs some to go on with when one is away.
const NODES_MIN: usize = 4;

/// Topics that are looked up in one turn; where more are asked for it is done beside the core.
const NAMED_MAX: usize = 200;
/// What a partition takes in an answer while that is made, in bytes: its struct, three lists of
/// nodes, and the same encoded.
const PARTITION_BYTES: usize = 400;

/// What a topic takes in an answer whether there is one or not, in bytes.
const UNKNOWN_BYTES: usize = 192;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    All,
    Ids(Vec<TopicId>),
    Names(Vec<String>),
}

codes!(MetadataResponse: [] [topics] [topics partitions]);

impl Api for Metadata {
    type Request = MetadataRequest;
    const VERSIONS: (i16, i16) = (0, 13);
    const NAME: &'static str = "Metadata";

    async fn shared(
        cx: &Context,
        request: &MetadataRequest,
    ) -> Option<Result<Rc<SharedAnswer>, SharedError>> {
        if !asks_for_all(request, cx.version) {
            return None;
        }
        let asker = Asker::of(cx, request);
        let key = SharedKey {
            api_key: MetadataRequest::KEY,
            version: cx.version,
            listener: asker.listener.clone(),
            flags: u8::from(asker.topic_operations) | u8::from(asker.cluster_operations) << 1,
        };
        let recipe = Recipe {
            asked: asker,
            cost: |image| memory_bytes(image.topics.iter()),
            make: |image, asker| {
                let mut body = BytesMut::new();
                let answer = answer(image, &Asked::All, asker);
                codec::encode(&answer, asker.version, &mut body)?;
                Ok((body.freeze(), ErrorCounts::of(&answer)))
            },
        };
        let shared = &cx.server.shared_answers;
        Some(shared.get(&cx.shard, key, recipe).await)
    }

    async fn handle(cx: &Context, request: MetadataRequest) -> MetadataResponse {
        let asker = Asker::of(cx, &request);
        let may_create = request.allow_auto_topic_creation && cx.shard.config().auto_create_topics;
        let is_long = request
            .topics
            .as_ref()
            .is_some_and(|it| it.len() > NAMED_MAX);
        let version = cx.version;
        let asked =
            move || asked(&request, version).map_err(|code| refused(&request, version, code));
        let asked = match is_long {
            true => cx.beside(asked).await,
            false => Some(asked()),
        };
        let asked = match asked {
            Some(Ok(asked)) => asked,
            Some(Err(refused)) => return refused,
            None => return MetadataResponse::default(),
        };
        if let (Asked::Names(names), true) = (&asked, may_create) {
            create_missing(cx, names).await;
        }
        // Only now: it has the topics that this request had created.
        let image = cx.image();
        if is_long {
            let cost = {
                let image = image.clone();
                cx.beside(move || (asked.memory_bytes(&image), asked)).await
            };
            let Some((cost, asked)) = cost else {
                return MetadataResponse::default();
            };
            if !cx.claim(cost).await {
                return MetadataResponse::default();
            }
            let answered = cx.beside(move || answer(&image, &asked, &asker)).await;
            return answered.unwrap_or_default();
        }
        let cost = asked.memory_bytes(&image);
        if !cx.claim(cost).await {
            return MetadataResponse::default();
        }
        match cost < limits::LARGE_ANSWER_BYTES {
            true => answer(&image, &asked, &asker),
            false => {
                let answered = cx.beside(move || answer(&image, &asked, &asker)).await;
                answered.unwrap_or_default()
            }
        }
    }
}

/// What the answer depends on besides the cluster and what is asked for.
struct Asker {
    /// The node that is asked.
    node: NodeId,
    /// The name of the listener that it is asked on.
    listener: Arc<str>,
    version: i16,
    topic_operations: bool,
    cluster_operations: bool,
}

/// Memory that an answer about these topics takes while it is made, in bytes.
fn memory_bytes<'a>(topics: impl Iterator<Item = &'a Arc<Topic>>) -> usize {
    let one =
        |topic: &Arc<Topic>| 256 + 2 * topic.name.len() + topic.partitions.len() * PARTITION_BYTES;
    topics.map(one).sum()
}

fn answer(image: &Image, asked: &Asked, asker: &Asker) -> MetadataResponse {
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
        // Whichever node is asked hands changes on to the controller.
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

fn asks_for_all(request: &MetadataRequest, version: i16) -> bool {
    match &request.topics {
        None => true,
        Some(topics) => topics.is_empty() && version == 0,
    }
}

// === impl Asked ===

impl Asked {
    /// Memory that the answer takes while it is made, in bytes.
    fn memory_bytes(&self, image: &Image) -> usize {
        let asked = match self {
            Asked::All => image.topics.len(),
            Asked::Ids(ids) => ids.len(),
            Asked::Names(names) => names.len(),
        };
        asked * UNKNOWN_BYTES + memory_bytes(self.known(image))
    }

    /// Those of the topics that there are.
    fn known<'a>(&'a self, image: &'a Image) -> impl Iterator<Item = &'a Arc<Topic>> {
        let (ids, names): (&[TopicId], &[String]) = match self {
            Asked::All => (&[], &[]),
            Asked::Ids(ids) => (ids, &[]),
            Asked::Names(names) => (&[], names),
        };
        let by_id = ids.iter().filter_map(|id| image.topics.with_id(*id));
        by_id.chain(names.iter().filter_map(|name| image.topics.named(name)))
    }
}

// === impl Asker ===

impl Asker {
    fn of(cx: &Context, request: &MetadataRequest) -> Asker {
        let version = cx.version;
        Asker {
            node: cx.shard.node,
            listener: cx.session.listener.clone(),
            version,
            topic_operations: version >= 8 && request.include_topic_authorized_operations,
            cluster_operations: (8..=10).contains(&version)
                && request.include_cluster_authorized_operations,
        }
    }
}

/// What is asked for, each thing once; or why it cannot be answered.
fn asked(request: &MetadataRequest, version: i16) -> Result<Asked, ErrorCode> {
    if asks_for_all(request, version) {
        return Ok(Asked::All);
    }
    let topics = request.topics.as_deref().unwrap_or_default();
    let has_id = |topic: &MetadataRequestTopic| !topic.topic_id.is_nil();
    if version < 12
        && topics
            .iter()
            .any(|topic| topic.name.is_none() || has_id(topic))
    {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let mut seen = BTreeSet::new();
    if topics.iter().any(has_id) {
        let ids = topics
            .iter()
            .filter(|topic| has_id(topic))
            .map(|topic| TopicId(topic.topic_id));
        return Ok(Asked::Ids(ids.filter(|id| seen.insert(*id)).collect()));
    }
    let mut seen = BTreeSet::new();
    let mut names = Vec::new();
    for topic in topics {
        // Kafka fails over a topic with neither; so its clients never send one.
        let name = topic.name.as_ref().ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
        if seen.insert(name) {
            names.push(name.to_string());
        }
    }
    Ok(Asked::Names(names))
}

/// The answer to a request that cannot be answered.
fn refused(request: &MetadataRequest, version: i16, code: ErrorCode) -> MetadataResponse {
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

/// Has those of `names` created that there are not.
async fn create_missing(cx: &Context, names: &[String]) {
    let image = cx.image();
    let mut missing: Vec<&str> = Vec::new();
    for name in names {
        if image.topics.named(name).is_none() {
            missing.push(name);
        }
        // More are not begun at a time.
        if missing.len() >= limits::AUTO_CREATE_TOPICS_MAX {
            break;
        }
        cx.pace().await;
    }
    if !missing.is_empty() {
        auto_create::create(&cx.shard, &missing).await;
    }
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
    use super::super::tests::cluster;
    use super::*;
    use crate::base::ids::Uuid;

    fn request(topics: &[(u128, Option<&str>)]) -> MetadataRequest {
        let topic = |(id, text): &(u128, Option<&str>)| {
            MetadataRequestTopic::default()
                .with_topic_id(Uuid::from_u128(*id))
                .with_name(text.map(name))
        };
        MetadataRequest::default().with_topics(Some(topics.iter().map(topic).collect()))
    }

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
    fn what_is_asked_depends_on_the_version() {
        let all = MetadataRequest::default().with_topics(None);
        assert_eq!(asked(&all, 13), Ok(Asked::All));
        assert_eq!(asked(&request(&[]), 0), Ok(Asked::All));
        assert_eq!(asked(&request(&[]), 1), Ok(Asked::Names(vec![])));
        let twice = request(&[(0, Some("b")), (0, Some("a")), (0, Some("b"))]);
        assert_eq!(
            asked(&twice, 4),
            Ok(Asked::Names(vec!["b".into(), "a".into()]))
        );
        // Names count for nothing beside ids.
        let mixed = request(&[(0, Some("a")), (7, None), (7, None)]);
        assert_eq!(
            asked(&mixed, 12),
            Ok(Asked::Ids(vec![TopicId(Uuid::from_u128(7))]))
        );
        assert_eq!(asked(&mixed, 11), Err(ErrorCode::INVALID_REQUEST));
        assert_eq!(
            asked(&request(&[(0, None)]), 11),
            Err(ErrorCode::INVALID_REQUEST)
        );
        assert_eq!(
            asked(&request(&[(0, None)]), 12),
            Err(ErrorCode::UNKNOWN_SERVER_ERROR)
        );
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
