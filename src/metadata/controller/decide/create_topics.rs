//! Pure: CreateTopics: which topics are created, and what is wrong with the others.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::config::{InvalidValue, check_topic};
use crate::base::{NodeId, PartitionIndex, TopicId};
use crate::metadata::controller::request::{CreateTopics, NewTopic};
use crate::metadata::image::ResourceKind;
use crate::metadata::record::{Config, MetadataRecord, Topic};

use super::assign::{self, AssignmentError, PlacementError};
use super::directories::Directories;
use super::names::{Collisions, NameError, check_topic_name};
use super::{Deciding, Decision, METADATA_TOPIC, RECORDS_MAX, VALUE_MAX};

/// The most partitions that one request may create.
const PARTITIONS_MAX: i64 = 10_000;

/// What came of one topic to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateTopicResult {
    /// The topic's name.
    pub name: String,
    /// How it went.
    pub result: Result<CreatedTopic, CreateTopicError>,
}

/// A topic that was created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreatedTopic {
    /// Its id.
    pub id: TopicId,
    /// Count of partitions.
    pub partitions: i32,
    /// Count of replicas of each.
    pub replication_factor: i16,
}

/// Why a topic was not created. The text is Kafka's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CreateTopicError {
    /// The request names it more than once.
    #[error("Duplicate topic name.")]
    Duplicate,
    /// It would be the metadata log.
    #[error("Creation of internal topic {METADATA_TOPIC} is prohibited.")]
    Reserved,
    /// The request asks for more partitions than one may.
    #[error("Excessively large number of partitions per request.")]
    TooManyPartitions,
    /// The request would take more records than one may.
    #[error("Unable to perform excessively large batch operation.")]
    TooLarge,
    /// Its name is illegal.
    #[error("{0}")]
    Name(NameError),
    /// Its name differs from that of an existing topic only in dots and underscores.
    #[error("Topic '{name}' collides with existing topic: {existing}")]
    Collides {
        /// Its name.
        name: String,
        /// The existing one.
        existing: String,
    },
    /// It exists.
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    /// These settings have no value.
    #[error("Null value not supported for topic configs: {}", .0.join(","))]
    NullConfigs(Vec<String>),
    /// A setting's value is longer than may be stored.
    #[error("{}", super::LONG_VALUE)]
    LongConfig,
    /// A setting is not right.
    #[error("{0}")]
    Config(InvalidValue),
    /// A replica count although the partitions are assigned by hand.
    #[error(
        "A manual partition assignment was specified, but replication factor was not set to -1."
    )]
    AssignedWithReplicas,
    /// A partition count although the partitions are assigned by hand.
    #[error("A manual partition assignment was specified, but numPartitions was not set to -1.")]
    AssignedWithCount,
    /// A partition is assigned twice.
    #[error("Found multiple manual partition assignments for partition {0}")]
    AssignedTwice(PartitionIndex),
    /// A partition is assigned badly.
    #[error("{0}")]
    Assignment(AssignmentError),
    /// The assigned partitions are not 0, 1, 2…
    #[error("partitions should be a consecutive 0-based integer sequence")]
    AssignedGaps,
    /// A replica count of 0, or below -1.
    #[error("Replication factor must be larger than 0, or -1 to use the default value.")]
    ReplicationFactor,
    /// A partition count of 0, or below -1.
    #[error("Number of partitions was set to an invalid non-positive value.")]
    PartitionCount,
    /// The partitions cannot be placed.
    #[error("Unable to replicate the partition {replicas} time(s): {error}")]
    Placement {
        /// Replicas of each.
        replicas: i16,
        /// Why not.
        error: PlacementError,
    },
}

impl From<AssignmentError> for CreateTopicError {
    fn from(error: AssignmentError) -> CreateTopicError {
        CreateTopicError::Assignment(error)
    }
}

/// Decides on a whole request.
pub fn create_topics(
    with: &mut Deciding<'_>,
    request: &CreateTopics,
) -> Decision<Vec<CreateTopicResult>> {
    let duplicates = duplicates(request);
    let (reserved, others): (Vec<_>, Vec<_>) = request
        .topics
        .iter()
        .filter(|topic| !duplicates.contains(topic.name.as_str()))
        .partition(|topic| topic.name == METADATA_TOPIC);
    if partitions_asked_for(&others, with.config.num_partitions) > PARTITIONS_MAX {
        return refuse_all(request, &CreateTopicError::TooManyPartitions);
    }
    let collisions = Collisions::new(
        &with.image.topics,
        others.iter().map(|topic| topic.name.as_str()),
    );
    let mut leaders = assign::leaders_by_node(with.image);
    let mut directories = Directories::new(with.image);
    let mut records = Vec::new();
    let mut results = Vec::new();
    for topic in others {
        let new = check(with, topic, &collisions)
            .and_then(|()| create(with, topic, &leaders, &mut directories));
        let result = new.map(|new| {
            for partition in &new.partitions {
                *leaders.entry(partition.leader).or_default() += 1;
            }
            let created = new.created();
            new.put(topic, &mut records);
            created
        });
        if records.len() > RECORDS_MAX {
            return refuse_all(request, &CreateTopicError::TooLarge);
        }
        results.push(CreateTopicResult {
            name: topic.name.clone(),
            result,
        });
    }
    let refused = |name: &str, error| CreateTopicResult {
        name: name.into(),
        result: Err(error),
    };
    results.extend(
        duplicates
            .iter()
            .map(|name| refused(name, CreateTopicError::Duplicate)),
    );
    results.extend(
        reserved
            .iter()
            .map(|topic| refused(&topic.name, CreateTopicError::Reserved)),
    );
    if request.validate_only {
        records.clear();
    }
    Decision {
        records,
        answer: results,
    }
}

/// Names that stand in the request more than once.
fn duplicates(request: &CreateTopics) -> BTreeSet<&str> {
    let mut seen = BTreeSet::new();
    let names = request.topics.iter().map(|topic| topic.name.as_str());
    names.filter(|name| !seen.insert(*name)).collect()
}

fn partitions_asked_for(topics: &[&NewTopic], default: i32) -> i64 {
    let of_one = |topic: &&NewTopic| match topic {
        topic if !topic.assignments.is_empty() => topic.assignments.len() as i64,
        topic if topic.partitions == -1 => i64::from(default),
        topic => i64::from(topic.partitions.max(0)),
    };
    topics.iter().map(of_one).sum()
}

fn refuse_all(
    request: &CreateTopics,
    error: &CreateTopicError,
) -> Decision<Vec<CreateTopicResult>> {
    let refuse = |topic: &NewTopic| CreateTopicResult {
        name: topic.name.clone(),
        result: Err(error.clone()),
    };
    Decision {
        records: Vec::new(),
        answer: request.topics.iter().map(refuse).collect(),
    }
}

/// Checks name and settings, in the order of Kafka, which answers the first thing that is wrong.
fn check(
    with: &Deciding<'_>,
    topic: &NewTopic,
    collisions: &Collisions<'_>,
) -> Result<(), CreateTopicError> {
    let name = &topic.name;
    if with.image.topics.named(name).is_some() {
        return Err(CreateTopicError::Exists(name.clone()));
    }
    if let Some(existing) = collisions.of(name) {
        let existing = existing.to_owned();
        return Err(CreateTopicError::Collides {
            name: name.clone(),
            existing,
        });
    }
    check_topic_name(name).map_err(CreateTopicError::Name)?;
    let without_value = topic.configs.iter().filter(|(_, value)| value.is_none());
    let null: Vec<String> = without_value.map(|(name, _)| name.clone()).collect();
    if !null.is_empty() {
        return Err(CreateTopicError::NullConfigs(null));
    }
    let settings = settings(topic);
    if settings
        .values()
        .any(|value| value.encode_utf16().count() > VALUE_MAX)
    {
        return Err(CreateTopicError::LongConfig);
    }
    check_topic(&settings).map_err(CreateTopicError::Config)
}

fn settings(topic: &NewTopic) -> BTreeMap<String, String> {
    let set = topic.configs.iter();
    set.filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
        .collect()
}

/// A topic that can be created.
struct New {
    topic: Topic,
    partitions: Vec<crate::metadata::record::Partition>,
}

fn create(
    with: &mut Deciding<'_>,
    topic: &NewTopic,
    leaders: &BTreeMap<NodeId, usize>,
    directories: &mut Directories,
) -> Result<New, CreateTopicError> {
    let replicas = if topic.assignments.is_empty() {
        placed(with, topic, leaders)?
    } else {
        assigned(with, topic)?
    };
    let topic_id = with.random.topic_id();
    let partitions = replicas.into_iter().zip(0..).map(|(nodes, index)| {
        let brokers = &with.image.brokers;
        assign::new_partition(brokers, topic_id, index, nodes, directories)
    });
    Ok(New {
        topic: Topic {
            name: topic.name.clone(),
            topic_id,
        },
        partitions: partitions.collect(),
    })
}

fn assigned(with: &Deciding<'_>, topic: &NewTopic) -> Result<Vec<Vec<NodeId>>, CreateTopicError> {
    if topic.replication_factor != -1 {
        return Err(CreateTopicError::AssignedWithReplicas);
    }
    if topic.partitions != -1 {
        return Err(CreateTopicError::AssignedWithCount);
    }
    let mut by_index = BTreeMap::new();
    let mut expected = None;
    for (index, nodes) in &topic.assignments {
        if by_index.contains_key(index) {
            return Err(CreateTopicError::AssignedTwice(*index));
        }
        assign::check_manual(with.image, *index, nodes, expected)?;
        expected = Some(nodes.len());
        by_index.insert(*index, nodes.clone());
    }
    if by_index
        .keys()
        .zip(0..)
        .any(|(index, expected)| *index != expected)
    {
        return Err(CreateTopicError::AssignedGaps);
    }
    Ok(by_index.into_values().collect())
}

fn placed(
    with: &mut Deciding<'_>,
    topic: &NewTopic,
    leaders: &BTreeMap<NodeId, usize>,
) -> Result<Vec<Vec<NodeId>>, CreateTopicError> {
    let replicas = match topic.replication_factor {
        -1 => with.config.default_replication_factor,
        replicas if replicas < 1 => return Err(CreateTopicError::ReplicationFactor),
        replicas => replicas,
    };
    let count = match topic.partitions {
        -1 => with.config.num_partitions,
        count if count < 1 => return Err(CreateTopicError::PartitionCount),
        count => count,
    };
    assign::place_new(with.image, count, replicas, with.random, leaders)
        .map_err(|error| CreateTopicError::Placement { replicas, error })
}

// === impl New ===

impl New {
    fn created(&self) -> CreatedTopic {
        let first = self.partitions.first();
        let replicas = first.map_or(0, |partition| partition.replicas.len());
        CreatedTopic {
            id: self.topic.topic_id,
            partitions: self.partitions.len() as i32,
            replication_factor: replicas as i16,
        }
    }

    /// The topic first, its settings next, its partitions last: the order that Kafka keeps.
    fn put(self, asked: &NewTopic, records: &mut Vec<MetadataRecord>) {
        let resource_name = self.topic.name.clone();
        records.push(self.topic.into());
        records.extend(settings(asked).into_iter().map(|(name, value)| {
            MetadataRecord::from(Config {
                resource_type: ResourceKind::Topic.id(),
                resource_name: resource_name.clone(),
                name,
                value: Some(value),
            })
        }));
        records.extend(self.partitions.into_iter().map(MetadataRecord::from));
    }
}
