//! Pure: the cluster's state as an immutable image, which only records change.
//! May use: `base`, `metadata::record`. Never: changes an image that may be in use.

mod brokers;
mod configs;
mod quotas;
mod shared;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{NodeId, Offset, PartitionIndex, ProducerId, TopicId};
use crate::metadata::record::{MetadataRecord, ProducerIds};

pub use brokers::{Broker, Brokers};
pub use configs::{Configs, Overrides, ResourceKind};
pub use quotas::{ClientQuotas, QuotaEntity, QuotaValues};
pub use shared::SharedMap;
pub use topics::{Partition, Topic, TopicChange, Topics, is_internal};

/// What the cluster is, as of one offset of the metadata log. Copies share what they have in
/// common: making the next image costs what changes, and so does dropping the one before.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The cluster's id, as Kafka prints UUIDs.
    pub cluster_id: Arc<str>,
    /// First offset of the metadata log that is not in here.
    pub end_offset: Offset,
    /// Topics and their partitions.
    pub topics: Topics,
    /// Registered brokers.
    pub brokers: Brokers,
    /// Dynamic settings.
    pub configs: Configs,
    /// What users, clients and addresses may use; not enforced yet.
    pub quotas: ClientQuotas,
    /// Levels of the features, by name; 0 for one that was switched off.
    pub features: Arc<BTreeMap<String, i16>>,
    /// First producer id that was not given out.
    pub next_producer_id: ProducerId,
}

/// A record that contradicts what the records before it say: the log is damaged, or was written
/// by something that is not a Kafka controller.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReplayError {
    /// It names a topic that is not there.
    #[error("a record names the unknown topic {0}")]
    UnknownTopic(TopicId),
    /// It names a partition that is not there, or creates one and leaves a gap before it.
    #[error("a record names the unknown partition {1} of topic {0}")]
    UnknownPartition(TopicId, PartitionIndex),
    /// It names a registration that is not there.
    #[error("a record names node {0} at epoch {1}, which is not registered")]
    UnknownBroker(NodeId, i64),
    /// It sets something of an unknown kind of resource.
    #[error("a record sets something of resource type {0}")]
    UnknownResource(i8),
    /// It gives out producer ids a second time.
    #[error("a record gives out producer ids below {claimed} although {next} is already next")]
    ProducerIds {
        /// The first id not given out, before the record.
        next: ProducerId,
        /// The same, by the record.
        claimed: ProducerId,
    },
    /// It begins a transaction inside one, or ends one that was not begun.
    #[error("a metadata transaction is not nested right")]
    Transaction,
}

/// Changes to an image, gathered record by record.
#[derive(Debug)]
pub struct Delta {
    /// The image as it becomes, but for its topics, which are as they were.
    next: Image,
    topics: topics::TopicsDelta,
}

// === impl Image ===

impl Image {
    /// The image of a cluster without any records.
    pub fn empty(cluster_id: &str) -> Image {
        Image {
            cluster_id: cluster_id.into(),
            ..Image::default()
        }
    }

    /// Offset of the newest record in here; -1 where there is none.
    pub fn highest_offset(&self) -> Offset {
        self.end_offset - 1
    }
}

// === impl Delta ===

impl Delta {
    /// No changes to `image` yet.
    pub fn new(image: &Image) -> Delta {
        Delta {
            next: image.clone(),
            topics: topics::TopicsDelta::default(),
        }
    }

    /// Takes one record in. After an error the delta must be dropped.
    pub fn replay(&mut self, record: &MetadataRecord) -> Result<(), ReplayError> {
        let Delta { next, topics } = self;
        match record {
            MetadataRecord::Topic(record) => topics.create(record),
            MetadataRecord::Partition(record) => topics.partition(&next.topics, record)?,
            MetadataRecord::PartitionChange(record) => topics.change(&next.topics, record)?,
            MetadataRecord::RemoveTopic(record) => {
                let name = topics.remove(&next.topics, record.topic_id)?;
                next.configs.remove_topic(&name);
            }
            MetadataRecord::ClearElr(record) => {
                topics.clear_elr(&next.topics, &record.topic_name)?;
            }
            MetadataRecord::RegisterBroker(record) => next.brokers.register(record),
            MetadataRecord::UnregisterBroker(record) => {
                next.brokers
                    .unregister(record.broker_id, record.broker_epoch)?;
            }
            MetadataRecord::FenceBroker(record) => {
                next.brokers.fence(record.id, record.epoch, true)?;
            }
            MetadataRecord::UnfenceBroker(record) => {
                next.brokers.fence(record.id, record.epoch, false)?;
            }
            MetadataRecord::BrokerRegistrationChange(record) => next.brokers.change(record)?,
            MetadataRecord::Config(record) => next.configs.replay(record)?,
            MetadataRecord::FeatureLevel(record) => {
                let features = Arc::make_mut(&mut next.features);
                features.insert(record.name.clone(), record.feature_level);
            }
            MetadataRecord::ClientQuota(record) => next.quotas.replay(record),
            MetadataRecord::ProducerIds(record) => next.give_out_producer_ids(record)?,
            // Controllers are of interest to controllers only; a no-op moves the end.
            MetadataRecord::RegisterController(_)
            | MetadataRecord::NoOp(_)
            | MetadataRecord::ZkMigrationState(_) => {}
            // The reader of a log resolves its transactions before anything is replayed.
            MetadataRecord::BeginTransaction(_)
            | MetadataRecord::EndTransaction(_)
            | MetadataRecord::AbortTransaction(_) => return Err(ReplayError::Transaction),
        }
        Ok(())
    }

    /// The next image, which has all records before `end_offset`.
    pub fn apply(self, end_offset: Offset) -> Image {
        let Delta { mut next, topics } = self;
        next.topics = topics.apply(&next.topics);
        next.end_offset = end_offset;
        next
    }
}

impl Image {
    fn give_out_producer_ids(&mut self, record: &ProducerIds) -> Result<(), ReplayError> {
        let (next, claimed) = (self.next_producer_id, record.next_producer_id);
        if claimed <= next {
            return Err(ReplayError::ProducerIds { next, claimed });
        }
        self.next_producer_id = claimed;
        Ok(())
    }
}
