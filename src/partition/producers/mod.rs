//! Pure: what idempotent producers have written to one partition (KIP-98): a batch that was
//! appended before is recognised, one that skips ahead is refused.
//! May use: `base`, `wire::batch`. Never: reads a clock, touches the log.

mod expiry;
mod sequence;
mod snapshot;

use std::collections::HashMap;

use crate::base::{Offset, ProducerId, WallMs};
use crate::wire::batch::{BatchView, ControlKind, EndMarker, Records};

pub use expiry::{DEFAULT_EXPIRATION_MS, PRODUCER_BYTES, PRODUCER_COUNT_MAX};
pub use sequence::{Appended, BATCHES_KEPT, NO_EPOCH, Producer};
pub use snapshot::SnapshotError;

/// What is to be done with a batch that may be appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is new: append it, then [`Producers::record`] it.
    Accept,
    /// It is in the log already: answer as if it had been appended now.
    Duplicate {
        /// Offset of its first record.
        base_offset: Offset,
        /// Offset of its last record.
        last_offset: Offset,
        /// Its max timestamp, which Kafka answers as log append time whatever the topic's
        /// timestamp type.
        timestamp: WallMs,
    },
}

/// Why a batch may not be appended (`ProducerAppendInfo` of Kafka makes the same checks).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProducerError {
    /// Batches between the last one and this one are missing, or it is an old one that is not
    /// remembered any more.
    #[error("producer {producer_id} sent sequence {found} where {expected} was to come")]
    OutOfOrderSequence {
        /// Who wrote it.
        producer_id: ProducerId,
        /// The sequence number that was to come.
        expected: i32,
        /// The one that came.
        found: i32,
    },
    /// A newer instance of the producer has written already.
    #[error("producer {producer_id} sent epoch {found} after epoch {current}")]
    InvalidProducerEpoch {
        /// Who wrote it.
        producer_id: ProducerId,
        /// The newest epoch seen.
        current: i16,
        /// The one that came.
        found: i16,
    },
    /// Transactional outside a transaction, or not transactional inside one.
    #[error("producer {producer_id} and its transaction disagree")]
    InvalidTxnState {
        /// Who wrote it.
        producer_id: ProducerId,
    },
}

/// All idempotent producers of one partition. Checking and recording the batches of known
/// producers allocates nothing.
#[derive(Clone, Debug)]
pub struct Producers {
    by_id: HashMap<ProducerId, Producer>,
    expiration_ms: i64,
}

impl Default for Producers {
    fn default() -> Producers {
        Producers::new(DEFAULT_EXPIRATION_MS)
    }
}

impl Producers {
    /// No producers yet. One that is idle for `expiration_ms` (`producer.id.expiration.ms`) may be
    /// forgotten.
    pub fn new(expiration_ms: i64) -> Producers {
        Producers {
            by_id: HashMap::new(),
            expiration_ms,
        }
    }

    /// Decides about a batch from a client. A batch without producer id is always accepted.
    /// The first batch of an unknown producer is accepted whatever its sequence: what was
    /// known of it may have expired.
    #[inline]
    pub fn check(&self, batch: &BatchView<'_>) -> Result<Verdict, ProducerError> {
        if !batch.has_producer_id() {
            return Ok(Verdict::Accept);
        }
        let producer_id = batch.producer_id();
        let known = self.by_id.get(&producer_id).unwrap_or(&Producer::UNKNOWN);
        known.check(producer_id, batch)
    }

    /// Remembers a batch that was appended at `base_offset`; `log_append_time` is what its
    /// timestamps were replaced with, if they were.
    #[inline]
    pub fn record(
        &mut self,
        batch: &BatchView<'_>,
        base_offset: Offset,
        log_append_time: Option<WallMs>,
    ) {
        if !batch.has_producer_id() {
            return;
        }
        let timestamp = log_append_time.unwrap_or_else(|| batch.max_timestamp());
        if batch.attributes().is_control() {
            self.record_marker(batch, timestamp);
            return;
        }
        let appended = Appended {
            last_sequence: batch.last_sequence(),
            last_offset: base_offset.wrapping_add(i64::from(batch.last_offset_delta())),
            offset_delta: batch.last_offset_delta(),
            timestamp,
        };
        let transactional = batch.attributes().is_transactional();
        self.entry(batch.producer_id())
            .append(batch.producer_epoch(), appended, transactional);
    }

    /// Remembers a batch read back from the log.
    pub fn replay(&mut self, batch: &BatchView<'_>) {
        self.record(batch, batch.base_offset(), None);
    }

    fn record_marker(&mut self, batch: &BatchView<'_>, timestamp: WallMs) {
        // A marker that compaction has emptied ends nothing any more.
        let Some(Ok(record)) = Records::of(batch).next() else {
            return;
        };
        let kind = ControlKind::parse_key(record.key.unwrap_or_default());
        let Ok(ControlKind::Abort | ControlKind::Commit) = kind else {
            return;
        };
        if let Ok(marker) = EndMarker::parse(record.value.unwrap_or_default()) {
            self.entry(batch.producer_id()).end_transaction(
                batch.producer_epoch(),
                marker.coordinator_epoch,
                timestamp,
            );
        }
    }

    fn entry(&mut self, id: ProducerId) -> &mut Producer {
        if self.by_id.len() >= PRODUCER_COUNT_MAX && !self.by_id.contains_key(&id) {
            self.forget_oldest();
        }
        self.by_id.entry(id).or_insert(Producer::UNKNOWN)
    }

    /// What is known of a producer.
    pub fn get(&self, id: ProducerId) -> Option<&Producer> {
        self.by_id.get(&id)
    }

    /// All known producers, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (ProducerId, &Producer)> {
        self.by_id.iter().map(|(id, producer)| (*id, producer))
    }

    /// Count of known producers.
    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// Forgets all producers, as after the log was truncated to nothing.
    pub fn clear(&mut self) {
        self.by_id.clear();
    }
}

#[cfg(test)]
mod tests;
