//! Pure: what is known of the partitions of a core: which are here, and where the others are.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::rc::Rc;
use std::sync::Arc;

use crate::base::ids::Uuid;
use crate::base::{LeaderEpoch, NodeId, PartitionIndex, TopicId};
use crate::partition::Partition;

/// What is known of the partitions of a core, by topic name and by topic id.
#[derive(Default)]
pub struct Partitions {
    /// Ids are random: a table of them needs no random numbers of its own, and so has the same
    /// order in every run of a simulated world.
    by_id: RefCell<HashMap<TopicId, Rc<Topic>, BuildHasherDefault<DefaultHasher>>>,
    by_name: RefCell<HashMap<Arc<str>, Rc<Topic>>>,
}

/// A topic as this shard sees it.
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id.
    pub id: TopicId,
    /// By partition index: who leads it, and the replica if this shard has one.
    pub partitions: Vec<Place>,
}

/// Where a partition is.
#[derive(Clone)]
pub enum Place {
    /// Here: the leader, or a follower.
    Here(Rc<Partition>),
    /// On other nodes.
    There {
        /// The node that leads it; -1 where it has no leader.
        leader: NodeId,
        /// Its term.
        leader_epoch: LeaderEpoch,
    },
    /// Here, but its log could not be opened, or its folder has failed: the log line of then
    /// says why.
    Broken {
        /// The folder's `directory.id`.
        directory: Uuid,
        /// When that is tried again.
        retry: Retry,
    },
}

/// When a log is opened that could not be opened before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Soon: the host was short of something.
    Soon,
    /// With the next change of the topic.
    WithTopic,
    /// At the next start, which finds out in which of two folders it lies.
    NextStart,
}

/// Why a partition cannot be used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// No such topic name, or no such partition of it.
    UnknownTopicOrPartition,
    /// No such topic id.
    UnknownTopicId,
    /// Another node leads it.
    NotLeader {
        /// That node.
        leader: NodeId,
        /// Its term.
        leader_epoch: LeaderEpoch,
    },
    /// The partition's log could not be opened.
    Storage,
}

impl Partitions {
    /// The topic called `name`.
    pub fn topic(&self, name: &str) -> Option<Rc<Topic>> {
        self.by_name.borrow().get(name).cloned()
    }

    /// The topic with `id`.
    pub fn topic_by_id(&self, id: TopicId) -> Option<Rc<Topic>> {
        self.by_id.borrow().get(&id).cloned()
    }

    /// The partition `index` of the topic called `name`, if it is led here.
    pub fn lookup(&self, name: &str, index: PartitionIndex) -> Result<Rc<Partition>, LookupError> {
        let topics = self.by_name.borrow();
        let topic = topics
            .get(name)
            .ok_or(LookupError::UnknownTopicOrPartition)?;
        topic.partition(index)
    }

    /// The partition `index` of the topic with `id`, if it is led here.
    pub fn lookup_id(
        &self,
        id: TopicId,
        index: PartitionIndex,
    ) -> Result<Rc<Partition>, LookupError> {
        let topics = self.by_id.borrow();
        let topic = topics.get(&id).ok_or(LookupError::UnknownTopicId)?;
        topic.partition(index)
    }

    /// Every partition that has a replica here.
    pub fn local(&self) -> Vec<Rc<Partition>> {
        let topics = self.by_id.borrow();
        topics
            .values()
            .flat_map(|topic| topic.local().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// Whether a log in the folder with this `directory.id` could not be opened.
    pub fn any_broken(&self, dir: Uuid) -> bool {
        let topics = self.by_id.borrow();
        let mut places = topics.values().flat_map(|topic| &topic.partitions);
        places.any(|place| matches!(place, Place::Broken { directory, .. } if *directory == dir))
    }

    /// Replaces what is known of a topic.
    pub fn insert(&self, topic: Topic) {
        let topic = Rc::new(topic);
        self.by_name
            .borrow_mut()
            .insert(topic.name.clone(), topic.clone());
        self.by_id.borrow_mut().insert(topic.id, topic);
    }

    /// Forgets a topic; its former entry is returned.
    pub fn remove(&self, id: TopicId) -> Option<Rc<Topic>> {
        let topic = self.by_id.borrow_mut().remove(&id)?;
        let mut names = self.by_name.borrow_mut();
        // The name may already belong to a topic created after this one was deleted.
        if names.get(&topic.name).is_some_and(|named| named.id == id) {
            names.remove(&topic.name);
        }
        Some(topic)
    }

    /// All topics known.
    pub fn all(&self) -> Vec<Rc<Topic>> {
        self.by_id.borrow().values().cloned().collect()
    }
}

// === impl Topic ===

impl Topic {
    /// The partition `index`, if it is led here.
    pub fn partition(&self, index: PartitionIndex) -> Result<Rc<Partition>, LookupError> {
        let place = usize::try_from(index)
            .ok()
            .and_then(|index| self.partitions.get(index));
        match place {
            Some(Place::Here(partition)) if partition.is_leader() => Ok(partition.clone()),
            Some(Place::Here(partition)) => Err(LookupError::NotLeader {
                leader: partition.leader(),
                leader_epoch: partition.leader_epoch(),
            }),
            Some(Place::There {
                leader,
                leader_epoch,
            }) => Err(LookupError::NotLeader {
                leader: *leader,
                leader_epoch: *leader_epoch,
            }),
            Some(Place::Broken { .. }) => Err(LookupError::Storage),
            None => Err(LookupError::UnknownTopicOrPartition),
        }
    }

    /// The replica of the partition `index` on this node, be it the leader or a follower.
    pub fn replica(&self, index: PartitionIndex) -> Result<Rc<Partition>, LookupError> {
        let at = usize::try_from(index).ok();
        match at.and_then(|at| self.partitions.get(at)) {
            Some(Place::Here(partition)) => Ok(partition.clone()),
            _ => self.partition(index),
        }
    }

    /// The partitions that have a replica here.
    pub fn local(&self) -> impl Iterator<Item = &Rc<Partition>> {
        self.partitions.iter().filter_map(|place| match place {
            Place::Here(partition) => Some(partition),
            _ => None,
        })
    }
}
