//! Pure: DeleteTopics: which topics go, by name or by id.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::TopicId;
use crate::metadata::controller::request::TopicRef;
use crate::metadata::record::RemoveTopic;

use super::{Deciding, Decision};

/// What came of one topic to be deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteTopicResult {
    /// The topic's name, where it is known.
    pub name: Option<String>,
    /// The topic's id, or zero.
    pub id: TopicId,
    /// How it went.
    pub result: Result<(), DeleteTopicError>,
}

/// Why a topic was not deleted. The text is Kafka's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DeleteTopicError {
    /// Neither a name nor an id.
    #[error("Neither topic name nor id were specified.")]
    Nameless,
    /// A name and an id.
    #[error("You may not specify both topic name and topic id.")]
    NameAndId,
    /// The request has this name more than once.
    #[error("Duplicate topic name.")]
    DuplicateName,
    /// The request has this id more than once.
    #[error("Duplicate topic id.")]
    DuplicateId,
    /// The request has this topic by name and, elsewhere, by id.
    #[error("The provided topic name maps to an ID that was already supplied.")]
    NameOfDuplicateId,
    /// There is no topic of this name.
    #[error("This server does not host this topic-partition.")]
    UnknownName,
    /// There is no topic with this id.
    #[error("This server does not host this topic ID.")]
    UnknownId,
}

/// Decides on a whole request.
pub fn delete_topics(with: &Deciding<'_>, topics: &[TopicRef]) -> Decision<Vec<DeleteTopicResult>> {
    let mut named = Seen::default();
    let mut identified = Seen::default();
    let mut results = Vec::new();
    let mut refuse = |name: Option<&str>, id, error| {
        let name = name.map(str::to_owned);
        results.push(DeleteTopicResult {
            name,
            id,
            result: Err(error),
        });
    };
    for topic in topics {
        match (&topic.name, topic.id) {
            (None, TopicId::ZERO) => refuse(None, TopicId::ZERO, DeleteTopicError::Nameless),
            (None, id) => identified.see(id),
            (Some(name), TopicId::ZERO) => named.see(name.as_str()),
            (Some(name), id) => refuse(Some(name), id, DeleteTopicError::NameAndId),
        }
    }
    for name in &named.twice {
        refuse(Some(name), TopicId::ZERO, DeleteTopicError::DuplicateName);
    }
    for id in &identified.twice {
        refuse(None, *id, DeleteTopicError::DuplicateId);
    }
    let mut going: BTreeMap<TopicId, String> = BTreeMap::new();
    for id in identified.once() {
        match with.image.topics.with_id(id) {
            Some(topic) => drop(going.insert(id, topic.name.to_string())),
            None => refuse(None, id, DeleteTopicError::UnknownId),
        }
    }
    for name in named.once() {
        let Some(topic) = with.image.topics.named(name) else {
            refuse(Some(name), TopicId::ZERO, DeleteTopicError::UnknownName);
            continue;
        };
        let by_id = going.insert(topic.id, topic.name.to_string()).is_some();
        if by_id || identified.twice.contains(&topic.id) {
            going.remove(&topic.id);
            refuse(Some(name), topic.id, DeleteTopicError::NameOfDuplicateId);
        }
    }
    let records = going
        .keys()
        .map(|id| RemoveTopic { topic_id: *id }.into())
        .collect();
    results.extend(going.into_iter().map(|(id, name)| DeleteTopicResult {
        name: Some(name),
        id,
        result: Ok(()),
    }));
    Decision {
        records,
        answer: results,
    }
}

/// Finds out what a request names once, and what more often.
struct Seen<T> {
    all: BTreeSet<T>,
    twice: BTreeSet<T>,
}

impl<T> Default for Seen<T> {
    fn default() -> Seen<T> {
        Seen {
            all: BTreeSet::new(),
            twice: BTreeSet::new(),
        }
    }
}

impl<T: Ord + Copy> Seen<T> {
    fn see(&mut self, value: T) {
        if !self.all.insert(value) {
            self.twice.insert(value);
        }
    }

    fn once(&self) -> impl Iterator<Item = T> {
        self.all.difference(&self.twice).copied()
    }
}
