//! Pure: from a request to the records that it leads to and its answer. One file per request.
//! May use: `base`, `metadata::{image, record}`. Never: waits, or changes an image itself.

mod adopt;
mod assign;
mod random;
mod configs;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod directories;
mod features;
mod format;
mod names;
mod moves;
mod nodes;
mod quotas;
mod subscription;

use crate::base::config::BrokerConfig;
use crate::metadata::image::Image;
use crate::metadata::record::MetadataRecord;

pub use adopt::{AdoptNotes, Adopted, adopt};
pub use assign::{AssignmentError, PlacementError};
pub use configs::{AlterConfigsError, SET, alter_configs, check_levels};
pub use create_partitions::{CreatePartitionsError, create_partitions};
pub use create_topics::{CreateTopicError, CreateTopicResult, CreatedTopic, create_topics};
pub use delete_topics::{DeleteTopicError, DeleteTopicResult, delete_topics};
pub use directories::{assign_directories, fail_directories, follow_directories, is_reserved};
pub use features::{UpdateFeaturesError, update_features};
pub use format::{FEATURES, catch_up, format};
pub use moves::{ReassignError, end_move, is_to_move, reassign};
pub use names::{NameError, check_topic_name};
pub use nodes::{NodeStart, allocate_producer_ids, register_nodes, renew_leaders};
pub use quotas::{AlterQuotasError, AlteredQuotas, CLIENT_ID, IP, USER, alter_client_quotas};
pub use random::Random;

/// The topic name that belongs to the metadata log.
pub const METADATA_TOPIC: &str = "__cluster_metadata";
/// The most records of one decision: what one batch of the metadata log holds
/// (`QuorumController.MAX_RECORDS_PER_USER_OP` of Kafka).
pub const RECORDS_MAX: usize = 10_000;
/// The longest value of a setting, in UTF-16 units: Java's largest short.
const VALUE_MAX: usize = 32_767;
/// What is said of a longer one.
const LONG_VALUE: &str = "The configuration value cannot be added because it exceeds the \
                          maximum value size of 32767 bytes.";

/// What a decision is made with.
#[derive(Debug)]
pub struct Deciding<'a> {
    /// The cluster as it is.
    pub image: &'a Image,
    /// The settings of the brokers, with what was changed while running.
    pub config: &'a BrokerConfig,
    /// A source of numbers, for ids and for the choice of nodes.
    pub random: &'a mut Random,
}

/// The outcome of a request. The answer is true once the records are durable.
#[derive(Debug)]
pub struct Decision<T> {
    /// All of these, or none.
    pub records: Vec<MetadataRecord>,
    /// The answer to the request.
    pub answer: T,
}

#[cfg(test)]
mod tests;
