//! Pure: what transactions take of a shard's memory. The figures are estimates of what the
//! allocator sets aside, with maps and deadlines: rather too much than too little.

/// A partition of a transaction.
pub(super) const PARTITION_BYTES: usize = 16;
/// A transactional id, without its text and partitions.
const ID_BYTES: usize = 400;
/// A topic of a transaction, without its name.
const TOPIC_BYTES: usize = 200;

/// What a transactional id takes, without partitions.
pub(super) fn of_id(id: &str) -> usize {
    ID_BYTES + id.len()
}

/// What a topic of a transaction takes, without its partitions.
pub(super) fn of_topic(name: &str) -> usize {
    TOPIC_BYTES + name.len()
}
