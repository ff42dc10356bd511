//! Pure: how one transactional id stands, and the states that it may go to next
//! (`TransactionMetadata` of Kafka).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::{PartitionIndex, ProducerId, WallMs};
use crate::coordinator::record::transaction::{TransactionState, TransactionValue};

use super::memory;
use super::request::{Producer, TopicPartition};

/// How one transactional id stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Transaction {
    /// What its record says.
    pub durable: Durable,
    /// The epoch that the producer had before its last bump, -1 if unknown. In memory only: a
    /// producer that repeats its request after the coordinator has moved is fenced, as in Kafka.
    pub last_epoch: i16,
    /// While its markers are being written: the partitions that have none yet.
    pub unmarked: Partitions,
}

/// What a record says of a transactional id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Durable {
    /// The producer in use.
    pub producer: Producer,
    /// The producer id in use before, -1 for none.
    pub previous_id: ProducerId,
    /// The producer id that takes over once the transaction has ended, -1 for none.
    pub next_id: ProducerId,
    /// How long a transaction may last, in milliseconds.
    pub timeout_ms: i32,
    /// The state.
    pub state: TransactionState,
    /// The partitions of the transaction.
    pub partitions: Partitions,
    /// When that was written.
    pub updated_ms: WallMs,
    /// When the transaction began, -1 for never.
    pub started_ms: WallMs,
    /// The `transaction.version` of the client that brought it there.
    pub client_version: i16,
}

/// Partitions, by topic.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Partitions {
    by_topic: BTreeMap<Arc<str>, BTreeSet<PartitionIndex>>,
    bytes: usize,
}

/// Clients may not use the highest epoch, so that there is always one left to fence them with.
pub(super) fn is_exhausted(epoch: i16) -> bool {
    epoch >= i16::MAX - 1
}

/// Whether each transaction of such a client has an epoch of its own (KIP-890).
pub(super) fn bumps_epoch(version: i16) -> bool {
    version >= 2
}

// === impl Transaction ===

impl Transaction {
    /// A transactional id of which nothing is written yet.
    pub fn new(producer_id: ProducerId, timeout_ms: i32) -> Transaction {
        Transaction {
            durable: Durable {
                producer: Producer {
                    id: producer_id,
                    epoch: -1,
                },
                previous_id: -1,
                next_id: -1,
                timeout_ms,
                state: TransactionState::Empty,
                partitions: Partitions::default(),
                updated_ms: -1,
                started_ms: -1,
                client_version: 0,
            },
            last_epoch: -1,
            unmarked: Partitions::default(),
        }
    }

    /// Bytes that it takes of a shard's memory, with an id of that length.
    pub fn bytes(&self, id: &str) -> usize {
        memory::of_id(id) + self.durable.partitions.bytes() + self.unmarked.bytes()
    }
}

// === impl Durable ===

impl Durable {
    /// What a record says.
    pub fn of(value: &TransactionValue) -> Durable {
        let mut partitions = Partitions::default();
        for (topic, indices) in value.partitions.iter().flatten() {
            for index in indices {
                partitions.insert(&(topic.clone(), *index));
            }
        }
        Durable {
            producer: Producer {
                id: value.producer_id,
                epoch: value.producer_epoch,
            },
            previous_id: value.previous_producer_id,
            next_id: value.next_producer_id,
            timeout_ms: value.timeout_ms,
            state: value.state,
            partitions,
            updated_ms: value.updated_ms,
            started_ms: value.started_ms,
            client_version: value.client_version,
        }
    }

    /// The record that says so.
    pub fn value(&self) -> TransactionValue {
        let is_empty = self.state == TransactionState::Empty;
        TransactionValue {
            producer_id: self.producer.id,
            previous_producer_id: self.previous_id,
            next_producer_id: self.next_id,
            producer_epoch: self.producer.epoch,
            next_producer_epoch: -1,
            timeout_ms: self.timeout_ms,
            state: self.state,
            partitions: (!is_empty).then(|| self.partitions.by_topic()),
            updated_ms: self.updated_ms,
            started_ms: self.started_ms,
            client_version: self.client_version,
        }
    }

    /// The same in another state.
    pub fn in_state(&self, state: TransactionState, now: WallMs) -> Durable {
        Durable {
            previous_id: self.producer.id,
            state,
            updated_ms: now,
            ..self.clone()
        }
    }

    /// Whether it is decided how the transaction ends, and markers are being written.
    pub fn is_prepared(&self) -> bool {
        use TransactionState::{PrepareAbort, PrepareCommit};
        matches!(self.state, PrepareCommit | PrepareAbort)
    }

    /// Whether there is no transaction, so that the transactional id may expire.
    pub fn is_idle(&self) -> bool {
        use TransactionState::{CompleteAbort, CompleteCommit, Empty};
        matches!(self.state, Empty | CompleteCommit | CompleteAbort)
    }

    /// Whether a transaction is open and has lasted longer than it may. One with the longest
    /// timeout there is never has (KIP-939).
    pub fn is_timed_out(&self, now: WallMs) -> bool {
        self.state == TransactionState::Ongoing
            && self.timeout_ms != i32::MAX
            && self.started_ms.saturating_add(self.timeout_ms.into()) < now
    }
}

// === impl Partitions ===

impl Partitions {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_topic.is_empty()
    }

    /// Whether a partition is among them.
    pub fn contains(&self, (topic, index): &TopicPartition) -> bool {
        let indices = self.by_topic.get(&**topic);
        indices.is_some_and(|indices| indices.contains(index))
    }

    /// Adds one.
    pub fn insert(&mut self, (topic, index): &TopicPartition) {
        if !self.by_topic.contains_key(&**topic) {
            self.by_topic.insert(topic.clone(), BTreeSet::new());
            self.bytes += memory::of_topic(topic);
        }
        if let Some(indices) = self.by_topic.get_mut(&**topic)
            && indices.insert(*index)
        {
            self.bytes += memory::PARTITION_BYTES;
        }
    }

    /// Removes one.
    pub fn remove(&mut self, (topic, index): &TopicPartition) {
        let Some(indices) = self.by_topic.get_mut(&**topic) else {
            return;
        };
        if indices.remove(index) {
            self.bytes -= memory::PARTITION_BYTES;
        }
        if indices.is_empty() {
            self.by_topic.remove(&**topic);
            self.bytes -= memory::of_topic(topic);
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = TopicPartition> {
        let topics = self.by_topic.iter();
        topics.flat_map(|(topic, indices)| indices.iter().map(|index| (topic.clone(), *index)))
    }

    /// All of them, topic by topic.
    pub fn by_topic(&self) -> Vec<(Arc<str>, Vec<PartitionIndex>)> {
        let topics = self.by_topic.iter();
        topics
            .map(|(topic, indices)| (topic.clone(), indices.iter().copied().collect()))
            .collect()
    }

    /// More bytes than they take in a record.
    pub fn record_bytes(&self) -> usize {
        let topics = self.by_topic.iter();
        topics
            .map(|(name, indices)| 16 + name.len() + 4 * indices.len())
            .sum()
    }

    /// Bytes that they take of a shard's memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
