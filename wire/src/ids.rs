//! Pure: the identifiers that name things across rooms.

use std::fmt;

pub use uuid::Uuid;

/// Position of a record in a partition; the first one is 0.
pub type Offset = i64;
/// Number of leadership terms a partition has had; stamped into every batch.
pub type LeaderEpoch = i32;
/// Index of a partition within its topic, from 0.
pub type PartitionIndex = i32;
/// Identity of an idempotent producer; -1 where there is none.
pub type ProducerId = i64;

/// A topic's identity (KIP-516). Names can be reused, ids never are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId(pub Uuid);

impl TopicId {
    /// The all-zero id, which the wire uses for "none".
    pub const ZERO: TopicId = TopicId(Uuid::nil());
}

impl fmt::Display for TopicId {
    /// Kafka's text form: URL-safe base64 of the sixteen bytes, without padding.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64_url(self.0.as_bytes()))
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({self})")
    }
}

/// A Kafka node (broker) id. Shard `i` of this process is node `i + 1`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct NodeId(pub i32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// URL-safe base64 without padding, the form in which Kafka prints its UUIDs.
pub fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group.iter().enumerate().fold(0u32, |word, (i, byte)| {
            word | u32::from(*byte) << (16 - 8 * i)
        });
        for position in 0..=group.len() {
            let index = (word >> (18 - 6 * position)) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_id_prints_as_kafka_prints_it() {
        // Uuid.ONE_UUID and METADATA_TOPIC_ID of Kafka both print like this.
        let one = TopicId(Uuid::from_u128(1));
        assert_eq!(one.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(base64_url(&[0xff, 0xfe]), "__4");
    }
}
