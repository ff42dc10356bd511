//! Pure: what a Metadata request asks for.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::{ErrorCode, TopicId};
use crate::metadata::image::{Image, Topic};
use crate::wire::codec::messages::MetadataRequest;
use crate::wire::codec::messages::metadata_request::MetadataRequestTopic;

/// What a partition takes in an answer while that is made, in bytes: its struct, three lists of
/// nodes, and the same encoded.
const PARTITION_BYTES: usize = 400;

/// What a topic takes in an answer whether there is one or not, in bytes.
const UNKNOWN_BYTES: usize = 192;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    All,
    Ids(Vec<TopicId>),
    Names(Vec<String>),
}

/// Memory that an answer about these topics takes while it is made, in bytes.
pub(super) fn memory_bytes<'a>(topics: impl Iterator<Item = &'a Arc<Topic>>) -> usize {
    let one =
        |topic: &Arc<Topic>| 256 + 2 * topic.name.len() + topic.partitions.len() * PARTITION_BYTES;
    topics.map(one).sum()
}

/// Whether a request asks for all topics.
pub(super) fn asks_for_all(request: &MetadataRequest, version: i16) -> bool {
    match &request.topics {
        None => true,
        Some(topics) => topics.is_empty() && version == 0,
    }
}

/// What is asked for, each thing once; or why it cannot be answered.
pub(super) fn asked(request: &MetadataRequest, version: i16) -> Result<Asked, ErrorCode> {
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

// === impl Asked ===

impl Asked {
    /// Memory that the answer takes while it is made, in bytes.
    pub(super) fn memory_bytes(&self, image: &Image) -> usize {
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

#[cfg(test)]
mod tests {
    use super::super::super::name;
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
}
