//! Pure: taking over what another controller decided: the topics, settings and producer ids of a
//! Kafka cluster of one broker, put on the nodes of this one.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::config::{check_broker, check_group, check_topic};
use crate::base::ids::Uuid;
use crate::base::{NodeId, PartitionIndex};
use crate::metadata::image::{Image, ResourceKind, Topic};
use crate::metadata::record::{self, Config, MetadataRecord, ProducerIds};

use super::assign;
use super::directories::Directories;
use super::{Deciding, Decision};

/// A cluster to be taken over.
#[derive(Debug)]
pub struct Adopted<'a> {
    /// The cluster as it was.
    pub image: &'a Image,
    /// Its one broker.
    pub node: NodeId,
}

/// What is left out when a cluster is taken over, and what makes that impossible.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AdoptNotes {
    /// Why it cannot be taken over, a sentence each.
    pub problems: Vec<String>,
    /// What is left out, a sentence each.
    pub left_out: Vec<String>,
}

/// Decides to take a cluster over: topics keep their ids, partitions, settings and terms; each
/// partition comes to one of our nodes, in turn. `near` picks, of a node's directories, those
/// that a partition should go to if there are any.
pub fn adopt(
    with: &mut Deciding<'_>,
    adopted: &Adopted<'_>,
    near: &dyn Fn(&str, PartitionIndex, Uuid) -> bool,
) -> Decision<AdoptNotes> {
    let mut notes = AdoptNotes::default();
    let mut records = Vec::new();
    let mut leaders = assign::leaders_by_node(with.image);
    let mut directories = Directories::new(with.image);
    for topic in adopted.image.topics.sorted() {
        let settings = adopted.image.configs.topic(&topic.name);
        if let Err(error) = check_topic(settings) {
            notes
                .problems
                .push(format!("topic {}: {error}", topic.name));
            continue;
        }
        let count = topic.partitions.len() as i32;
        let Ok(nodes) = assign::place_new(with.image, count, 1, with.random, &leaders) else {
            let problem = format!("topic {} cannot be placed on any node", topic.name);
            notes.problems.push(problem);
            continue;
        };
        records.push(
            record::Topic {
                name: topic.name.to_string(),
                topic_id: topic.id,
            }
            .into(),
        );
        records.extend(set(ResourceKind::Topic, &topic.name, settings));
        for (nodes, index) in nodes.into_iter().zip(0..) {
            for node in &nodes {
                *leaders.entry(*node).or_default() += 1;
            }
            let near = |id| near(&topic.name, index, id);
            let new = partition(with.image, topic, index, nodes, &mut directories, &near);
            records.push(new.into());
        }
    }
    adopt_settings(with, adopted, &mut records, &mut notes);
    let next_producer_id = adopted.image.next_producer_id;
    if let Some(broker) = with.image.brokers.iter().next()
        && next_producer_id > with.image.next_producer_id
    {
        let ids = ProducerIds {
            broker_id: broker.id,
            broker_epoch: broker.epoch,
            next_producer_id,
        };
        records.push(ids.into());
    }
    Decision {
        records,
        answer: notes,
    }
}

/// A partition in its next term: its leader has changed.
fn partition(
    image: &Image,
    topic: &Arc<Topic>,
    index: PartitionIndex,
    nodes: Vec<NodeId>,
    directories: &mut Directories,
    near: &dyn Fn(Uuid) -> bool,
) -> record::Partition {
    let before = topic.partition(index);
    let (term, changes) = before.map_or((-1, -1), |it| (it.leader_epoch, it.partition_epoch));
    let mut near_ones = directories.only(near);
    let new = assign::new_partition(&image.brokers, topic.id, index, nodes, &mut near_ones);
    directories.note(&new);
    record::Partition {
        leader_epoch: term + 1,
        partition_epoch: changes + 1,
        ..new
    }
}

/// Settings of brokers, groups and subscriptions. What this build does not take is left out.
fn adopt_settings(
    with: &Deciding<'_>,
    adopted: &Adopted<'_>,
    records: &mut Vec<MetadataRecord>,
    notes: &mut AdoptNotes,
) {
    let configs = &adopted.image.configs;
    let own = adopted.node.to_string();
    for kind in [
        ResourceKind::Broker,
        ResourceKind::Group,
        ResourceKind::ClientMetrics,
    ] {
        for name in configs.names(kind) {
            let mut taken = BTreeMap::new();
            for (setting, value) in configs.of(kind, name).iter() {
                let one = BTreeMap::from([(setting.clone(), value.clone())]);
                let checked = match kind {
                    ResourceKind::Broker => check_broker(!name.is_empty(), &one),
                    ResourceKind::Group => check_group(with.config, &one),
                    _ => Ok(()),
                };
                match checked {
                    Ok(()) => taken.extend(one),
                    Err(error) => notes
                        .left_out
                        .push(format!("{setting} of {name:?}: {error}")),
                }
            }
            if kind == ResourceKind::Broker && **name == *own {
                // What was set for the one broker there was holds for each of our nodes.
                for broker in with.image.brokers.iter() {
                    records.extend(set(kind, &broker.id.to_string(), &taken));
                }
            } else if kind != ResourceKind::Broker || name.is_empty() {
                records.extend(set(kind, name, &taken));
            }
        }
    }
}

fn set(
    kind: ResourceKind,
    resource: &str,
    settings: &BTreeMap<String, String>,
) -> impl Iterator<Item = MetadataRecord> {
    settings.iter().map(move |(name, value)| {
        Config {
            resource_type: kind.id(),
            resource_name: resource.to_owned(),
            name: name.clone(),
            value: Some(value.clone()),
        }
        .into()
    })
}
