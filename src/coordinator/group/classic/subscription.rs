//! Pure: which topics a consumer group consumes, and what that means for its offsets.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::base::WallMs;
use crate::coordinator::group::memory;
use crate::coordinator::group::request::GroupError;

use super::{Group, State};

/// The protocol type of consumers, the only one whose metadata the broker looks into.
const CONSUMER: &str = "consumer";

fn hash_of(topic: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    topic.hash(&mut hasher);
    hasher.finish()
}

impl Group {
    /// Memory that the hashes of its topics take.
    pub(super) fn subscribed_bytes(&self) -> usize {
        let count = self.subscribed_topics.as_ref().map_or(0, |it| it.len());
        count * memory::SUBSCRIBED_BYTES
    }

    /// Reads anew which topics its members consume.
    pub(super) fn note_subscriptions(&mut self) {
        self.bytes -= self.subscribed_bytes();
        self.subscribed_topics = self.read_subscriptions();
        self.bytes += self.subscribed_bytes();
    }

    /// Hashes of the topics that its members consume; `None` where one of the subscriptions cannot
    /// be read.
    fn read_subscriptions(&self) -> Option<Box<[u64]>> {
        if !self.is_consumers() {
            return None;
        }
        if self.members.is_empty() {
            return Some(Box::default());
        }
        let protocol = self.protocol.as_deref()?;
        let mut topics = Vec::new();
        for member in self.members.values() {
            match member.topics(protocol) {
                Ok(names) => topics.extend(names.into_iter().map(hash_of)),
                Err(_) => {
                    let (group, member) = (&*self.id, &*member.id);
                    // With every generation, and whenever it is loaded: its client decides how
                    // often.
                    tracing::debug!(group, member, "a member's subscription cannot be read");
                    return None;
                }
            }
        }
        topics.sort_unstable();
        topics.dedup();
        Some(topics.into_boxed_slice())
    }

    pub fn is_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// Whether it consumes `topic`; a consumer group that cannot be read consumes every topic.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.binary_search(&hash_of(topic)).is_ok(),
            None => self.is_consumers(),
        }
    }

    /// Whether some of its offsets may be deleted while it is as it is.
    pub fn check_offset_delete(&self) -> Result<(), GroupError> {
        match self.is_empty() || self.is_consumers() {
            true => Ok(()),
            false => Err(GroupError::NonEmpty),
        }
    }

    /// From when on the retention of an offset committed at `commit_timestamp` counts; `None`
    /// while offsets do not expire (`ClassicGroup.offsetExpirationCondition`).
    pub fn retention_start(&self, commit_timestamp: WallMs) -> Option<WallMs> {
        if self.protocol_type.is_none() {
            return Some(commit_timestamp);
        }
        match self.state {
            State::Empty => Some(self.state_timestamp.unwrap_or(commit_timestamp)),
            State::Stable if self.is_consumers() && self.subscribed_topics.is_some() => {
                Some(commit_timestamp)
            }
            _ => None,
        }
    }
}
