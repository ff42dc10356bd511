//! Pure: the nodes: their registrations, new leadership terms, and blocks of producer ids.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::base::ids::Uuid;
use crate::base::{NodeId, Offset, ProducerId};
use crate::metadata::image::{Broker, Image};
use crate::metadata::record::{
    Endpoint, MetadataRecord, PartitionChange, ProducerIds, RegisterBroker,
};

use super::format::feature_ranges;
use super::random::Random;
use super::{Deciding, Decision};

/// Count of producer ids in a block, as in Kafka (`ProducerIdsBlock`).
const PRODUCER_IDS: ProducerId = 1000;

/// A node that starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeStart {
    /// Its id.
    pub id: NodeId,
    /// Where clients find it.
    pub endpoint: Endpoint,
    /// Its rack.
    pub rack: Option<String>,
    /// Ids of its log directories that can be used.
    pub log_dirs: Vec<Uuid>,
}

/// Registers the nodes that differ from what the image says of them. The first record made here
/// gets the offset `offset`.
pub fn register_nodes(
    image: &Image,
    nodes: &[NodeStart],
    offset: Offset,
    random: &mut Random,
) -> Vec<MetadataRecord> {
    let changed = nodes.iter().filter(|node| {
        image
            .brokers
            .get(node.id)
            .is_none_or(|broker| !is_registered_as(node, broker))
    });
    let records = changed.zip(offset..).map(|(node, broker_epoch)| {
        RegisterBroker {
            broker_id: node.id,
            is_migrating_zk_broker: false,
            incarnation_id: random.uuid(),
            broker_epoch,
            end_points: vec![node.endpoint.clone()],
            features: feature_ranges(),
            rack: node.rack.clone(),
            // A shard serves from its start on: it waits for no other node.
            fenced: false,
            in_controlled_shutdown: false,
            log_dirs: node.log_dirs.clone(),
            cordoned_log_dirs: None,
        }
        .into()
    });
    records.collect()
}

fn is_registered_as(node: &NodeStart, broker: &Broker) -> bool {
    broker.endpoints == [node.endpoint.clone()]
        && broker.rack == node.rack
        && broker.log_dirs == node.log_dirs
        && broker.features == feature_ranges()
        && !broker.fenced
        && !broker.in_controlled_shutdown
}

/// Hands out the next block of producer ids; none where there are no more.
pub fn allocate_producer_ids(
    with: &Deciding<'_>,
    node: NodeId,
) -> Decision<Option<Range<ProducerId>>> {
    let first = with.image.next_producer_id;
    let Some(next) = first.checked_add(PRODUCER_IDS) else {
        return Decision {
            records: Vec::new(),
            answer: None,
        };
    };
    let epoch = with
        .image
        .brokers
        .get(node)
        .map_or(-1, |broker| broker.epoch);
    let record = ProducerIds {
        broker_id: node,
        broker_epoch: epoch,
        next_producer_id: next,
    };
    Decision {
        records: vec![record.into()],
        answer: Some(first..next),
    }
}

/// Begins a new term for every partition that `node` leads.
pub fn renew_leaders(with: &Deciding<'_>, node: NodeId) -> Decision<usize> {
    let mut led = BTreeMap::new();
    for (topic, index) in with.image.topics.on(node) {
        if topic
            .partition(index)
            .is_some_and(|partition| partition.leader == node)
        {
            led.insert((topic.id, index), node);
        }
    }
    let records: Vec<MetadataRecord> = led
        .into_iter()
        .map(|((topic_id, index), leader)| {
            PartitionChange {
                leader,
                ..PartitionChange::none(topic_id, index)
            }
            .into()
        })
        .collect();
    Decision {
        answer: records.len(),
        records,
    }
}
