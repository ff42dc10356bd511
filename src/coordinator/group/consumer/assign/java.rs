//! Pure: the order in which Java's hash tables are walked, which decides where Kafka's assignors
//! choose between equals. Where two keys share a bucket, the one that was put first comes first.

use std::cmp::Ordering;

use crate::base::{PartitionIndex, TopicId};

/// A hash table with so many buckets, a power of two.
#[derive(Clone, Copy)]
pub(super) struct Table(u32);

impl Table {
    /// One that has grown to `count` keys.
    pub fn grown_to(count: usize) -> Table {
        let mut buckets = 16u32;
        while count > buckets as usize / 4 * 3 {
            buckets *= 2;
        }
        Table(buckets)
    }

    /// One that was made from a collection of `count` keys.
    pub fn made_of(count: usize) -> Table {
        let wanted = (count as f32 / 0.75) as u32 + 1;
        Table(wanted.max(16).next_power_of_two())
    }

    /// Where a key with this hash lies.
    pub fn bucket(self, hash: i32) -> u32 {
        let hash = hash as u32;
        (hash ^ (hash >> 16)) & (self.0 - 1)
    }
}

/// `Uuid.hashCode`.
pub(super) fn hash_of_topic(topic: TopicId) -> i32 {
    let (high, low) = halves(topic);
    let both = (high ^ low) as u64;
    ((both >> 32) ^ both) as u32 as i32
}

/// `Uuid.compareTo`: the halves are compared as signed numbers.
pub(super) fn compare_topics(a: TopicId, b: TopicId) -> Ordering {
    halves(a).cmp(&halves(b))
}

/// `String.compareTo`: by UTF-16 units.
pub(super) fn compare_texts(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

fn halves(topic: TopicId) -> (i64, i64) {
    let (high, low) = topic.0.as_u64_pair();
    (high as i64, low as i64)
}

/// Partitions in the order of a `HashSet` that was made of them.
pub(super) fn in_order_of_set(
    partitions: impl ExactSizeIterator<Item = PartitionIndex>,
) -> Vec<PartitionIndex> {
    let table = Table::made_of(partitions.len());
    let mut partitions: Vec<_> = partitions.collect();
    partitions.sort_by_key(|index| table.bucket(*index));
    partitions
}
