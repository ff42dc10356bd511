//! Drives: DescribeQuorum, versions 0 to 2 (KIP-595, KIP-836, KIP-853). In a cluster the
//! controllers answer. A broker that runs alone has its metadata log to itself: its first node is
//! the leader and the only voter, its other nodes observe.

use crate::base::ErrorCode;
use crate::base::ids::Uuid;
use crate::metadata::controller::EPOCH;
use crate::metadata::image::Image;
use crate::server::api::{Api, Context};
use crate::server::state::codes::Codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::describe_quorum_request::TopicData as Asked;
use crate::wire::codec::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use crate::wire::codec::messages::{BrokerId, DescribeQuorumRequest, DescribeQuorumResponse};

/// The API.
pub struct DescribeQuorum;

/// The only partition that a quorum keeps.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// First version with texts beside errors, and with nodes.
const NODES_FROM: i16 = 2;
/// First version with times of fetches.
const TIMES_FROM: i16 = 1;

impl Codes for DescribeQuorumResponse {
    fn codes(&self, see: &mut dyn FnMut(i16)) {
        see(self.error_code);
        let partitions = self.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.for_each(|partition| see(partition.error_code));
    }
}

impl Api for DescribeQuorum {
    type Request = DescribeQuorumRequest;
    const VERSIONS: (i16, i16) = (0, 2);
    const NAME: &'static str = "DescribeQuorum";
    const FORWARDED: bool = true;

    async fn handle(cx: &Context, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
        let is_it = match &request.topics[..] {
            [only] => {
                let indexes = only.partitions.iter().map(|it| it.partition_index);
                only.topic_name.as_str() == METADATA_TOPIC && indexes.eq([0])
            }
            _ => false,
        };
        if !is_it {
            let topics = request
                .topics
                .iter()
                .map(|topic| unknown(topic, cx.version));
            return DescribeQuorumResponse::default().with_topics(topics.collect());
        }
        let image = cx.image();
        let topic = TopicData::default()
            .with_topic_name(request.topics[0].topic_name.clone())
            .with_partitions(vec![quorum(cx, &image)]);
        let answer = DescribeQuorumResponse::default().with_topics(vec![topic]);
        match cx.version < NODES_FROM {
            true => answer,
            false => answer.with_nodes(nodes(cx, &image)),
        }
    }
}

fn unknown(topic: &Asked, version: i16) -> TopicData {
    let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let text = "This server does not host this topic-partition.";
    let partitions = topic.partitions.iter().map(|asked| {
        let partition = PartitionData::default()
            .with_partition_index(asked.partition_index)
            .with_error_code(code.0);
        match version < NODES_FROM {
            true => partition,
            false => partition.with_error_message(Some(StrBytes::from_static_str(text))),
        }
    });
    TopicData::default()
        .with_topic_name(topic.topic_name.clone())
        .with_partitions(partitions.collect())
}

/// The node that leads.
fn leader(cx: &Context) -> i32 {
    cx.shard.config().node_id(0)
}

fn quorum(cx: &Context, image: &Image) -> PartitionData {
    let (end, now) = (image.highest_offset() + 1, cx.wall_ms);
    let replica = |node: i32| {
        let state = ReplicaState::default()
            .with_replica_id(BrokerId(node))
            .with_log_end_offset(end);
        let times = match cx.version < TIMES_FROM {
            true => state,
            false => state
                .with_last_fetch_timestamp(now)
                .with_last_caught_up_timestamp(now),
        };
        match cx.version < NODES_FROM {
            true => times,
            false => times.with_replica_directory_id(directory(image, node)),
        }
    };
    let leader = leader(cx);
    let others = image.brokers.iter().map(|broker| broker.id.0);
    let others = others.filter(|node| *node != leader);
    PartitionData::default()
        .with_leader_id(BrokerId(leader))
        .with_leader_epoch(EPOCH)
        .with_high_watermark(end)
        .with_current_voters(vec![replica(leader)])
        .with_observers(others.map(replica).collect())
}

/// The first folder of a node.
fn directory(image: &Image, node: i32) -> Uuid {
    let broker = image.brokers.iter().find(|broker| broker.id.0 == node);
    let first = broker.and_then(|broker| broker.log_dirs.first().copied());
    first.unwrap_or_default()
}

fn nodes(cx: &Context, image: &Image) -> Vec<Node> {
    let leader = leader(cx);
    let broker = image.brokers.iter().find(|broker| broker.id.0 == leader);
    let listeners = broker.into_iter().flat_map(|broker| {
        let name = cx.session.listener.clone();
        let endpoint = broker.endpoint(&name)?;
        let listener = Listener::default()
            .with_name(StrBytes::from_string(name.to_string()))
            .with_host(StrBytes::from_string(endpoint.host.clone()))
            .with_port(endpoint.port);
        Some(listener)
    });
    let node = Node::default()
        .with_node_id(BrokerId(leader))
        .with_listeners(listeners.collect());
    vec![node]
}
