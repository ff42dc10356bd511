//! Pure: what consumer groups see of the cluster: the topics, the racks of their replicas, and the
//! settings of groups.

use std::sync::Arc;

use twox_hash::XxHash3_64;

use crate::base::{PartitionIndex, TopicId};
use crate::metadata::image::{Image, Overrides, ResourceKind, Topic};

/// The cluster as groups see it. Copies share everything.
#[derive(Clone, Debug, Default)]
pub struct Topics {
    image: Arc<Image>,
}

impl Topics {
    /// Those of an image.
    pub fn of(image: Arc<Image>) -> Topics {
        Topics { image }
    }

    /// The version of the metadata that they are of, as Kafka counts it.
    pub(super) fn version(&self) -> i64 {
        self.image.highest_offset()
    }

    /// The id of the topic of this name.
    pub(super) fn id_of(&self, name: &str) -> Option<TopicId> {
        self.image.topics.named(name).map(|topic| topic.id)
    }

    /// The name of the topic with this id.
    pub(super) fn name_of(&self, id: TopicId) -> Option<&Arc<str>> {
        self.image.topics.with_id(id).map(|topic| &topic.name)
    }

    /// How many partitions a topic has.
    pub(super) fn partitions_of(&self, id: TopicId) -> PartitionIndex {
        let topic = self.image.topics.with_id(id);
        topic.map_or(0, |topic| topic.partitions.len() as PartitionIndex)
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<Topic>> {
        self.image.topics.iter().cloned().collect()
    }

    /// The settings of a group.
    pub(super) fn settings_of(&self, group: &str) -> &Overrides {
        self.image.configs.of(ResourceKind::Group, group)
    }

    /// The dynamic value of `group.consumer.assignment.interval.ms` for all brokers, in
    /// milliseconds.
    pub(super) fn assignment_interval_ms(&self) -> Option<i32> {
        let settings = self.image.configs.all_brokers();
        let text = settings.get("group.consumer.assignment.interval.ms")?;
        text.trim().parse().ok()
    }

    /// A hash of these topics and of where their partitions are (KIP-1101), as Kafka computes it
    /// (`Utils.computeGroupHash`). Takes names in order and skips unknown ones.
    pub(super) fn hash_of<'a>(&self, names: impl Iterator<Item = &'a str>) -> i64 {
        let topics = names.filter_map(|name| self.image.topics.named(name));
        let mut bytes = Vec::new();
        for topic in topics {
            bytes.extend_from_slice(&self.hash_of_topic(topic).to_le_bytes());
        }
        match bytes.is_empty() {
            true => 0,
            false => XxHash3_64::oneshot(&bytes) as i64,
        }
    }

    /// `Utils.computeTopicHash` of Kafka, whose library writes numbers little-endian, and a text
    /// as UTF-16 with its length behind it.
    fn hash_of_topic(&self, topic: &Topic) -> i64 {
        let mut bytes = vec![0];
        let (high, low) = topic.id.0.as_u64_pair();
        bytes.extend_from_slice(&high.to_le_bytes());
        bytes.extend_from_slice(&low.to_le_bytes());
        put_text(&mut bytes, &topic.name);
        put_number(&mut bytes, topic.partitions.len());
        for (index, partition) in topic.partitions.iter().enumerate() {
            put_number(&mut bytes, index);
            let brokers = &self.image.brokers;
            let racks = partition.replicas.iter();
            let racks = racks.filter_map(|node| brokers.get(*node)?.rack.as_deref());
            let mut racks: Vec<_> = racks.collect();
            racks.sort_unstable();
            for rack in racks {
                put_number(&mut bytes, rack.encode_utf16().count());
                put_text(&mut bytes, rack);
            }
        }
        XxHash3_64::oneshot(&bytes) as i64
    }
}

fn put_number(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend_from_slice(&(number as u32).to_le_bytes());
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let before = bytes.len();
    for unit in text.encode_utf16() {
        bytes.extend_from_slice(&unit.to_le_bytes());
    }
    put_number(bytes, (bytes.len() - before) / 2);
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use crate::coordinator::record::{ConsumerChange, Record};
    use crate::wire::batch::{Records, batches};

    #[test]
    fn the_hash_of_topics_is_the_one_that_kafka_wrote() {
        // A group that consumed a topic of its own name, with four partitions.
        let name = "consumer_group_static-v1-group";
        let log = include_bytes!("../../../tests/golden/offsets/kafka-4.3.1-static-members.log");
        let (mut ids, mut hashes) = (Vec::new(), Vec::new());
        for batch in batches(log) {
            let batch = batch.unwrap();
            for record in Records::of(&batch) {
                let record = record.unwrap();
                let Ok(Record::Consumer(record)) = Record::decode(record.key, record.value) else {
                    continue;
                };
                match record.change {
                    ConsumerChange::Target(_, Some(target)) if &*record.group == name => {
                        ids.extend(target.iter().map(|of| of.topic.0.as_u128()));
                    }
                    // Once it has no members it consumes nothing.
                    ConsumerChange::Epoch(Some(epoch))
                        if &*record.group == name && epoch.metadata_hash != 0 =>
                    {
                        hashes.push(epoch.metadata_hash);
                    }
                    _ => {}
                }
            }
        }
        let topics = samples::topics(&[(name, ids[0], 4)]);
        assert!(hashes.len() > 1);
        let hash = topics.hash_of([name].into_iter());
        assert!(hashes.iter().all(|known| *known == hash), "{hashes:?}");
    }

    #[test]
    fn the_hash_of_topics_is_kafkas() {
        // What the library of Kafka 4.3.1 makes of it.
        let id = 0xfa33_af22_e142_3d94_c7fb_b721_8950_b503;
        let topics = samples::topics(&[("orders", id, 2)]);
        let hash = |names: &[&str]| topics.hash_of(names.iter().copied());
        assert_eq!(hash(&["orders"]), 0x17a8_98ef_51f0_6377);
        assert_eq!(hash(&["no topic", "orders"]), hash(&["orders"]));
        assert_eq!(hash(&["no topic"]), 0);
    }
}
