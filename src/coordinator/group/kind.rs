//! Pure: a group of either kind: of the classic or of the consumer protocol.

use std::rc::Rc;

use crate::base::WallMs;
use crate::coordinator::record::Record;

use super::classic::Group;
use super::consumer::ConsumerGroup;
use super::request::GroupError;
use super::step::Timer;

/// A group of either kind.
#[derive(Debug)]
pub(super) enum AnyGroup {
    /// Of the classic protocol; also one that only has offsets.
    Classic(Box<Group>),
    /// Of the consumer protocol (KIP-848).
    Consumer(Box<ConsumerGroup>),
}

/// The protocol type of consumers.
const CONSUMER: &str = "consumer";

impl AnyGroup {
    /// Its id.
    pub fn id(&self) -> &Rc<str> {
        match self {
            AnyGroup::Classic(group) => &group.id,
            AnyGroup::Consumer(group) => &group.id,
        }
    }

    /// Kafka's name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            AnyGroup::Classic(_) => "classic",
            AnyGroup::Consumer(_) => CONSUMER,
        }
    }

    /// Kafka's name of its state.
    pub fn state(&self) -> &'static str {
        match self {
            AnyGroup::Classic(group) => group.state.name(),
            AnyGroup::Consumer(group) => group.state(),
        }
    }

    /// The class of protocols, empty where none ever joined.
    pub fn protocol_type(&self) -> Rc<str> {
        match self {
            AnyGroup::Classic(group) => group.protocol_type.clone().unwrap_or_default(),
            AnyGroup::Consumer(_) => CONSUMER.into(),
        }
    }

    /// Memory that it takes.
    pub fn bytes(&self) -> usize {
        match self {
            AnyGroup::Classic(group) => group.bytes,
            AnyGroup::Consumer(group) => group.bytes,
        }
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        match self {
            AnyGroup::Classic(group) => group.is_empty(),
            AnyGroup::Consumer(group) => group.is_empty(),
        }
    }

    /// Whether it has this member.
    pub fn has_member(&self, id: &str) -> bool {
        match self {
            AnyGroup::Classic(group) => group.members.contains_key(id),
            AnyGroup::Consumer(group) => group.has_member(id),
        }
    }

    /// Whether it consumes `topic`.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match self {
            AnyGroup::Classic(group) => group.is_subscribed_to(topic),
            AnyGroup::Consumer(group) => group.is_subscribed_to(topic),
        }
    }

    /// Whether some of its offsets may be deleted while it is as it is.
    pub fn check_offset_delete(&self) -> Result<(), GroupError> {
        match self {
            AnyGroup::Classic(group) => group.check_offset_delete(),
            AnyGroup::Consumer(_) => Ok(()),
        }
    }

    /// From when on the retention of an offset committed at `commit_timestamp` counts; `None`
    /// while offsets do not expire.
    pub fn retention_start(&self, commit_timestamp: WallMs) -> Option<WallMs> {
        match self {
            AnyGroup::Classic(group) => group.retention_start(commit_timestamp),
            AnyGroup::Consumer(_) => Some(commit_timestamp),
        }
    }

    /// All deadlines that it may have.
    pub fn all_timers(&self) -> Vec<Timer> {
        match self {
            AnyGroup::Classic(group) => group.all_timers(),
            AnyGroup::Consumer(group) => group.all_timers(),
        }
    }

    /// The records that remove it, once it has neither members nor offsets.
    pub fn removal(&self) -> Vec<Record> {
        match self {
            AnyGroup::Classic(group) => vec![Record::Group(group.id.clone(), None)],
            AnyGroup::Consumer(group) => Record::of_consumers(&group.id, group.removal()).collect(),
        }
    }

    /// The classic group, if it is one.
    pub fn classic(&self) -> Option<&Group> {
        match self {
            AnyGroup::Classic(group) => Some(group),
            AnyGroup::Consumer(_) => None,
        }
    }

    /// The classic group, if it is one, to work on.
    pub fn classic_mut(&mut self) -> Option<&mut Group> {
        match self {
            AnyGroup::Classic(group) => Some(group),
            AnyGroup::Consumer(_) => None,
        }
    }

    /// The group of the consumer protocol, if it is one.
    pub fn consumer(&self) -> Option<&ConsumerGroup> {
        match self {
            AnyGroup::Classic(_) => None,
            AnyGroup::Consumer(group) => Some(group),
        }
    }

    /// The group of the consumer protocol, if it is one, to work on.
    pub fn consumer_mut(&mut self) -> Option<&mut ConsumerGroup> {
        match self {
            AnyGroup::Classic(_) => None,
            AnyGroup::Consumer(group) => Some(group),
        }
    }
}
