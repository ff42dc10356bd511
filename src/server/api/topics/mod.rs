//! Drives: what clients ask about topics, and how they make and end them.

pub mod create_partitions;
pub mod create_topics;
pub mod delete_topics;
pub mod describe_topic_partitions;
pub mod metadata;
mod view;

use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::TopicName;

/// What anybody may do with a topic where nobody is kept from anything: read, write, create,
/// delete, alter, describe, and the two about its settings (`AclEntry.supportedOperations` of
/// Kafka), as a bit field.
pub const TOPIC_OPERATIONS: i32 = 3576;
/// The bit field of operations where none was asked for.
pub const NO_OPERATIONS: i32 = i32::MIN;

fn name(text: &str) -> TopicName {
    TopicName(StrBytes::from_string(text.to_owned()))
}
