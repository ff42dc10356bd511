//! Drives: what clients ask about topics, and how they make and end them.

pub mod alter_partition_reassignments;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_topics;
pub mod describe_topic_partitions;
pub mod elect_leaders;
pub mod list_partition_reassignments;
pub mod metadata;
mod view;

use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::TopicName;

/// What a client may do with a topic where there is no authorizer: read, write, create,
/// delete, alter, describe, and the two about its settings (`AclEntry.supportedOperations` of
/// Kafka), as a bit field.
pub const TOPIC_OPERATIONS: i32 = 3576;
/// The bit field of operations where none was asked for.
pub const NO_OPERATIONS: i32 = i32::MIN;

fn name(text: &str) -> TopicName {
    TopicName(StrBytes::from_string(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use crate::base::NodeId;
    use crate::base::config::{Flags, HostFacts, load};
    use crate::base::ids::Uuid;
    use crate::metadata::controller::decide::{
        Deciding, NodeStart, Random, create_topics, register_nodes,
    };
    use crate::metadata::controller::{CreateTopics, NewTopic};
    use crate::metadata::image::{Delta, Image};
    use crate::metadata::record::{Endpoint, MetadataRecord};

    fn apply(image: &Image, records: &[MetadataRecord]) -> Image {
        let mut delta = Delta::new(image);
        for record in records {
            delta.replay(record).unwrap();
        }
        delta.apply(image.end_offset + records.len() as i64)
    }

    /// A cluster of so many nodes with topics of so many partitions.
    pub fn cluster(nodes: i32, topics: &[(&str, i32)]) -> Image {
        let host = HostFacts::of_cores(1);
        let config = load(None, &Flags::default(), &host).unwrap();
        let mut random = Random::new([5; 32]);
        let start = |id: i32| NodeStart {
            id: NodeId(id),
            endpoint: Endpoint {
                name: "PLAINTEXT".into(),
                host: "h".into(),
                port: 9000 + id as u16,
                security_protocol: 0,
            },
            rack: None,
            log_dirs: vec![Uuid::from_u128(id as u128)],
        };
        let starts: Vec<_> = (1..=nodes).map(start).collect();
        let empty = Image::empty("c");
        let image = apply(&empty, &register_nodes(&empty, &starts, 0, &mut random));
        let topics = topics
            .iter()
            .map(|(name, count)| NewTopic::new(name, *count));
        let request = CreateTopics::new(topics.collect());
        let mut with = Deciding {
            image: &image,
            config: &config,
            random: &mut random,
        };
        let records = create_topics(&mut with, &request).records;
        apply(&image, &records)
    }
}
