//! Pure: a partition as a fetch names it, and what is wanted of it.

use std::rc::Rc;

use crate::base::{LeaderEpoch, Offset, PartitionIndex, TopicId};

/// A partition as a fetch names it: by topic name before version 13, by topic id since.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The topic's name; empty where the id counts.
    pub topic: Rc<str>,
    /// The topic's id; zero where the name counts.
    pub topic_id: TopicId,
    /// The partition.
    pub index: PartitionIndex,
}

/// What a client wants of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The first offset it lacks.
    pub offset: Offset,
    /// At most so many bytes of this partition.
    pub max_bytes: i32,
    /// The term the client believes in; -1 for any.
    pub leader_epoch: LeaderEpoch,
    /// The term of the last batch it has; -1 for none.
    pub last_fetched_epoch: LeaderEpoch,
    /// Where the log of a follower begins; -1 of a consumer.
    pub start_offset: Offset,
}

// === impl Key ===

impl Key {
    /// A partition of no topic yet; `nameless` is the empty name.
    pub fn nameless(nameless: &Rc<str>) -> Key {
        Key {
            topic: nameless.clone(),
            topic_id: TopicId::ZERO,
            index: 0,
        }
    }

    /// Makes it one of another topic. The name is shared by all its partitions.
    pub fn move_to(&mut self, name: &str, id: TopicId, nameless: &Rc<str>) {
        self.topic_id = id;
        if !name.is_empty() {
            self.topic = name.into();
        } else if !self.topic.is_empty() {
            self.topic = nameless.clone();
        }
    }
}
