//! Pure: CreatePartitions: topics grow, never shrink.

use std::collections::BTreeMap;

use crate::metadata::controller::request::{CreatePartitions, MorePartitions};
use crate::metadata::image::Topic;
use crate::metadata::record::MetadataRecord;

use super::assign::{self, AssignmentError, PlacementError};
use super::directories::Directories;
use super::{Deciding, Decision, RECORDS_MAX};

/// Why a topic did not grow. The text is Kafka's, which has none for some.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CreatePartitionsError {
    /// The request names the topic more than once.
    #[error("Duplicate topic name.")]
    Duplicate,
    /// There is no such topic.
    #[error("there is no such topic")]
    UnknownTopic,
    /// It has that many partitions.
    #[error("Topic already has {0} partition(s).")]
    SameCount(usize),
    /// It has more partitions than that.
    #[error("The topic {name} currently has {has} partition(s); {asked} would not be an increase.")]
    Fewer {
        /// The topic.
        name: String,
        /// What it has.
        has: usize,
        /// What was asked for.
        asked: i32,
    },
    /// As many lists of nodes as new partitions were expected.
    #[error(
        "Attempted to add {additional} additional partition(s), but only {assignments} \
         assignment(s) were specified."
    )]
    AssignmentCount {
        /// New partitions.
        additional: usize,
        /// Lists of nodes.
        assignments: usize,
    },
    /// A list of nodes is not right.
    #[error("{0}")]
    Assignment(AssignmentError),
    /// The partitions cannot be placed.
    #[error("{0}")]
    Placement(PlacementError),
    /// More partitions than one request may create.
    #[error("too many partitions in one request")]
    TooLarge,
}

/// Decides on a whole request.
pub fn create_partitions(
    with: &Deciding<'_>,
    request: &CreatePartitions,
) -> Decision<Vec<(String, Result<(), CreatePartitionsError>)>> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for topic in &request.topics {
        *times.entry(topic.name.as_str()).or_default() += 1;
    }
    let duplicates = times.iter().filter(|(_, times)| **times > 1);
    let mut results: Vec<_> = duplicates
        .map(|(name, _)| ((*name).to_owned(), Err(CreatePartitionsError::Duplicate)))
        .collect();
    let mut records = Vec::new();
    let mut directories = Directories::new(with.image);
    for more in request
        .topics
        .iter()
        .filter(|topic| times[topic.name.as_str()] == 1)
    {
        let result = grow(with, more, RECORDS_MAX - records.len(), &mut directories);
        let result = result.map(|new| records.extend(new));
        results.push((more.name.clone(), result));
    }
    if request.validate_only {
        records.clear();
    }
    Decision {
        records,
        answer: results,
    }
}

/// The new partitions of one topic, at most `count_max` of them.
fn grow(
    with: &Deciding<'_>,
    more: &MorePartitions,
    count_max: usize,
    directories: &mut Directories,
) -> Result<Vec<MetadataRecord>, CreatePartitionsError> {
    let topic = with
        .image
        .topics
        .named(&more.name)
        .ok_or(CreatePartitionsError::UnknownTopic)?;
    let has = topic.partitions.len();
    let asked = usize::try_from(more.count)
        .ok()
        .filter(|asked| *asked >= has);
    let Some(additional) = asked.map(|asked| asked - has) else {
        let name = more.name.clone();
        return Err(CreatePartitionsError::Fewer {
            name,
            has,
            asked: more.count,
        });
    };
    if additional == 0 {
        return Err(CreatePartitionsError::SameCount(has));
    }
    if let Some(assignments) = more.assignments.as_ref().map(Vec::len)
        && assignments != additional
    {
        return Err(CreatePartitionsError::AssignmentCount {
            additional,
            assignments,
        });
    }
    if additional > count_max {
        return Err(CreatePartitionsError::TooLarge);
    }
    let nodes = place(with, topic, more, additional)?;
    let partitions = nodes.into_iter().zip(has as i32..).map(|(nodes, index)| {
        assign::new_partition(&with.image.brokers, topic.id, index, nodes, directories).into()
    });
    Ok(partitions.collect())
}

fn place(
    with: &Deciding<'_>,
    topic: &Topic,
    more: &MorePartitions,
    additional: usize,
) -> Result<Vec<Vec<crate::base::NodeId>>, CreatePartitionsError> {
    let replicas = topic
        .partitions
        .first()
        .map_or(1, |partition| partition.replicas.len());
    let Some(assignments) = &more.assignments else {
        return assign::place_more(with.image, topic, additional as i32, replicas as i16)
            .map_err(CreatePartitionsError::Placement);
    };
    for (nodes, index) in assignments.iter().zip(topic.partitions.len() as i32..) {
        assign::check_manual(with.image, index, nodes, Some(replicas))
            .map_err(CreatePartitionsError::Assignment)?;
    }
    Ok(assignments.clone())
}
