//! Pure: the topics of an image, by id and by name, and what records do to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::ids::Uuid;
use crate::base::{LeaderEpoch, NodeId, PartitionIndex, TopicId};
use crate::metadata::record;

use super::ReplayError;
use super::shared::SharedMap;

/// Topics that the broker itself writes (`Topic.INTERNAL_TOPICS` of Kafka).
const INTERNAL: [&str; 3] = [
    "__consumer_offsets",
    "__transaction_state",
    "__share_group_state",
];

/// All topics of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Topics {
    by_id: SharedMap<TopicId, Arc<Topic>>,
    by_name: SharedMap<Arc<str>, Arc<Topic>>,
}

/// One topic. Shared by all images in which it is the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topic {
    /// Its id.
    pub id: TopicId,
    /// Its name.
    pub name: Arc<str>,
    /// Its partitions; the index in this list is the partition's.
    pub partitions: Vec<Arc<Partition>>,
}

/// One partition, as the cluster knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    /// The leader; -1 for none.
    pub leader: NodeId,
    /// Count of leadership terms.
    pub leader_epoch: LeaderEpoch,
    /// Count of changes.
    pub partition_epoch: i32,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// Those in sync.
    pub isr: Vec<NodeId>,
    /// Those on their way in.
    pub adding: Vec<NodeId>,
    /// Those on their way out.
    pub removing: Vec<NodeId>,
    /// The log directory of each replica, in the order of `replicas`; may be empty.
    pub directories: Vec<Uuid>,
    /// Replicas out of sync that may lead all the same (KIP-966).
    pub elr: Vec<NodeId>,
    /// The last known such replicas.
    pub last_known_elr: Vec<NodeId>,
    /// 1 while the leader recovers from an unclean election, else 0.
    pub recovery_state: i8,
}

/// A topic that is not the same in two images.
#[derive(Clone, Debug)]
pub struct TopicChange {
    /// As it was; `None` where it is new.
    pub before: Option<Arc<Topic>>,
    /// As it is; `None` where it is gone.
    pub after: Option<Arc<Topic>>,
}

// === impl Topics ===

impl Topics {
    /// Count of topics.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are no topics.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The topic of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    /// The topic with this id.
    pub fn with_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    /// One partition of the topic of this name.
    pub fn partition(&self, name: &str, index: PartitionIndex) -> Option<&Arc<Partition>> {
        self.named(name)?.partition(index)
    }

    /// All topics, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_id.iter().map(|(_, topic)| topic)
    }

    /// All topics by rising names.
    pub fn sorted(&self) -> Vec<&Arc<Topic>> {
        let mut topics: Vec<_> = self.iter().collect();
        topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        topics
    }

    /// The partitions that have a replica on `node`, in no order that means anything.
    pub fn on(&self, node: NodeId) -> impl Iterator<Item = (&Arc<Topic>, PartitionIndex)> {
        self.iter().flat_map(move |topic| {
            let indexed = topic.partitions.iter().zip(0..);
            let here = indexed.filter(move |(partition, _)| partition.replicas.contains(&node));
            here.map(move |(_, index)| (topic, index))
        })
    }

    /// The topics that differ from those of an `older` image, in no order that means anything;
    /// a topic deleted and created again under its name is two changes. Costs what differs, not
    /// what there is.
    pub fn changes_since(&self, older: &Topics) -> Vec<TopicChange> {
        let mut changes: BTreeMap<TopicId, TopicChange> = BTreeMap::new();
        for (is_new, id, topic) in self.by_id.differing(&older.by_id) {
            let change = changes.entry(*id).or_insert(TopicChange {
                before: None,
                after: None,
            });
            let side = if is_new {
                &mut change.after
            } else {
                &mut change.before
            };
            *side = Some(Arc::clone(topic));
        }
        changes.retain(|_, change| match (&change.before, &change.after) {
            (Some(before), Some(after)) => before != after,
            _ => true,
        });
        changes.into_values().collect()
    }

    fn put(&mut self, topic: Topic) {
        let topic = Arc::new(topic);
        self.by_name
            .insert(Arc::clone(&topic.name), Arc::clone(&topic));
        self.by_id.insert(topic.id, topic);
    }
}

// === impl Topic ===

impl Topic {
    /// One partition.
    pub fn partition(&self, index: PartitionIndex) -> Option<&Arc<Partition>> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    /// Whether the broker itself writes this topic.
    pub fn is_internal(&self) -> bool {
        is_internal(&self.name)
    }
}

/// Whether a topic of this name would be one that the broker itself writes.
pub fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}

// === impl Partition ===

impl Partition {
    fn from_record(record: &record::Partition) -> Partition {
        Partition {
            leader: record.leader,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            adding: record.adding_replicas.clone(),
            removing: record.removing_replicas.clone(),
            directories: record.directories.clone(),
            elr: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
            recovery_state: record.leader_recovery_state,
        }
    }

    fn change(&mut self, change: &record::PartitionChange) {
        let set = |ours: &mut Vec<NodeId>, theirs: &Option<Vec<NodeId>>| {
            if let Some(theirs) = theirs {
                ours.clone_from(theirs);
            }
        };
        set(&mut self.isr, &change.isr);
        set(&mut self.replicas, &change.replicas);
        set(&mut self.removing, &change.removing_replicas);
        set(&mut self.adding, &change.adding_replicas);
        set(&mut self.elr, &change.eligible_leader_replicas);
        set(&mut self.last_known_elr, &change.last_known_elr);
        if let Some(directories) = &change.directories {
            self.directories.clone_from(directories);
        }
        if change.leader != record::NO_LEADER_CHANGE {
            self.leader = change.leader;
            self.leader_epoch += 1;
        }
        if change.leader_recovery_state >= 0 {
            self.recovery_state = change.leader_recovery_state;
        }
        self.partition_epoch += 1;
    }
}

/// Changes of topics, gathered from records until they are made into the next image.
#[derive(Debug, Default)]
pub(super) struct TopicsDelta {
    /// Topics as they become; `None` where they go.
    changed: BTreeMap<TopicId, Option<Topic>>,
}

impl TopicsDelta {
    fn topic<'a>(&'a mut self, base: &Topics, id: TopicId) -> Result<&'a mut Topic, ReplayError> {
        self.changed
            .entry(id)
            .or_insert_with(|| base.with_id(id).map(|topic| Topic::clone(topic)))
            .as_mut()
            .ok_or(ReplayError::UnknownTopic(id))
    }

    pub(super) fn create(&mut self, record: &record::Topic) {
        let topic = Topic {
            id: record.topic_id,
            name: record.name.as_str().into(),
            partitions: Vec::new(),
        };
        self.changed.insert(topic.id, Some(topic));
    }

    pub(super) fn partition(
        &mut self,
        base: &Topics,
        record: &record::Partition,
    ) -> Result<(), ReplayError> {
        let (id, index) = (record.topic_id, record.partition_id);
        let partitions = &mut self.topic(base, id)?.partitions;
        let partition = Arc::new(Partition::from_record(record));
        match usize::try_from(index) {
            Ok(at) if at < partitions.len() => partitions[at] = partition,
            Ok(at) if at == partitions.len() => partitions.push(partition),
            // Writers give partitions in rising order, without gaps.
            _ => return Err(ReplayError::UnknownPartition(id, index)),
        }
        Ok(())
    }

    pub(super) fn change(
        &mut self,
        base: &Topics,
        record: &record::PartitionChange,
    ) -> Result<(), ReplayError> {
        let (id, index) = (record.topic_id, record.partition_id);
        let partitions = &mut self.topic(base, id)?.partitions;
        let partition = usize::try_from(index)
            .ok()
            .and_then(|at| partitions.get_mut(at))
            .ok_or(ReplayError::UnknownPartition(id, index))?;
        Arc::make_mut(partition).change(record);
        Ok(())
    }

    /// Takes a topic out; answers its name.
    pub(super) fn remove(&mut self, base: &Topics, id: TopicId) -> Result<Arc<str>, ReplayError> {
        let name = Arc::clone(&self.topic(base, id)?.name);
        self.changed.insert(id, None);
        Ok(name)
    }

    pub(super) fn clear_elr(&mut self, base: &Topics, name: &str) -> Result<(), ReplayError> {
        let with_elr = |topic: &Topic| {
            let mut partitions = topic.partitions.iter();
            (name.is_empty() || *topic.name == *name)
                && partitions.any(|p| !p.elr.is_empty() || !p.last_known_elr.is_empty())
        };
        let ids: Vec<TopicId> = {
            let known = base
                .iter()
                .filter(|topic| !self.changed.contains_key(&topic.id));
            let known = known
                .map(Arc::as_ref)
                .chain(self.changed.values().flatten());
            known
                .filter(|topic| with_elr(topic))
                .map(|topic| topic.id)
                .collect()
        };
        for id in ids {
            for partition in &mut self.topic(base, id)?.partitions {
                let partition = Arc::make_mut(partition);
                partition.elr.clear();
                partition.last_known_elr.clear();
                partition.partition_epoch += 1;
            }
        }
        Ok(())
    }

    pub(super) fn apply(self, base: &Topics) -> Topics {
        let mut topics = base.clone();
        // First what goes, so that a name can be taken again in the same step.
        for id in self.changed.keys() {
            if let Some(before) = topics.by_id.remove(id) {
                topics.by_name.remove(&*before.name);
            }
        }
        for topic in self.changed.into_values().flatten() {
            topics.put(topic);
        }
        topics
    }
}
