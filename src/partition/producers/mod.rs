//! Pure: what idempotent producers have written to one partition (KIP-98): a batch that was
//! appended before is recognised, one that skips ahead is refused.
//! May use: `base`, `wire::batch`. Never: reads a clock, touches the log.

mod expiry;
mod sequence;
mod snapshot;
mod transactions;
mod verification;

use std::collections::HashMap;

use crate::base::{Offset, ProducerId, WallMs};
use crate::wire::batch::{BatchView, ControlKind, EndMarker, Records};

pub use expiry::{DEFAULT_EXPIRATION_MS, PRODUCER_BYTES, PRODUCER_COUNT_MAX};
pub use sequence::{Appended, BATCHES_KEPT, NO_EPOCH, Producer};
pub use snapshot::SnapshotError;
pub use transactions::Ended;
use transactions::Transactions;
pub use verification::Guard;
use verification::Verifications;

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
        /// The producer that wrote it.
        producer_id: ProducerId,
        /// The sequence number that was to come.
        expected: i32,
        /// The one that came.
        found: i32,
    },
    /// A newer instance of the producer has written already.
    #[error("producer {producer_id} sent epoch {found} after epoch {current}")]
    InvalidProducerEpoch {
        /// The producer that wrote it.
        producer_id: ProducerId,
        /// The newest epoch seen.
        current: i16,
        /// The one that came.
        found: i16,
    },
    /// Transactional outside a transaction, or not transactional inside one.
    #[error("producer {producer_id} and its transaction disagree")]
    InvalidTxnState {
        /// The producer that wrote it.
        producer_id: ProducerId,
    },
    /// A newer coordinator has ended a transaction of the producer already.
    #[error("a coordinator of term {found} ends a transaction after one of term {current}")]
    CoordinatorFenced {
        /// The newest term seen.
        current: i32,
        /// The one that came.
        found: i32,
    },
}

/// All idempotent producers of one partition. Checking and recording the batches of known
/// producers allocates nothing.
#[derive(Clone, Debug)]
pub struct Producers {
    by_id: HashMap<ProducerId, Producer>,
    transactions: Transactions,
    verifications: Verifications,
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
            transactions: Transactions::default(),
            verifications: Verifications::default(),
            expiration_ms,
        }
    }

    /// Decides about a batch from a client. A batch without producer id is always accepted.
    /// The first batch of an unknown producer is accepted whatever its sequence: what was
    /// known of it may have expired. The first batch of a transaction needs a `guard`, got from
    /// [`Self::ask`] before its coordinator was asked.
    #[inline]
    pub fn check(
        &self,
        batch: &BatchView<'_>,
        guard: Option<Guard>,
    ) -> Result<Verdict, ProducerError> {
        if !batch.has_producer_id() {
            return Ok(Verdict::Accept);
        }
        let producer_id = batch.producer_id();
        let known = self.known(producer_id);
        let may_begin = self.may_begin(producer_id, guard);
        let verdict = known.check(producer_id, batch, may_begin)?;
        if let Verdict::Accept = verdict
            && let Some(lowest) = self.verifications.lowest_sequence(producer_id)
            && batch.base_sequence() > lowest
        {
            return Err(ProducerError::OutOfOrderSequence {
                producer_id,
                expected: lowest,
                found: batch.base_sequence(),
            });
        }
        Ok(verdict)
    }

    /// Decides about a batch from a coordinator of this broker: what belongs to a transaction has
    /// the producer's id and epoch, and no sequence.
    pub fn check_coordinators(
        &self,
        batch: &BatchView<'_>,
        guard: Option<Guard>,
    ) -> Result<(), ProducerError> {
        if !batch.has_producer_id() {
            return Ok(());
        }
        let (id, epoch) = (batch.producer_id(), batch.producer_epoch());
        match batch.attributes().is_control() {
            true => self.known(id).check_epoch(id, epoch),
            false => self.check_in_transaction(id, epoch, guard),
        }
    }

    /// Decides whether a coordinator of this broker may append what belongs to the transaction of
    /// a producer.
    pub fn check_in_transaction(
        &self,
        producer_id: ProducerId,
        epoch: i16,
        guard: Option<Guard>,
    ) -> Result<(), ProducerError> {
        let may_begin = self.may_begin(producer_id, guard);
        let known = self.known(producer_id);
        known.check_transaction(producer_id, epoch, true, may_begin)
    }

    fn known(&self, producer_id: ProducerId) -> &Producer {
        self.by_id.get(&producer_id).unwrap_or(&Producer::UNKNOWN)
    }

    /// Decides about the marker that ends a transaction; with `has_epochs` not one that is open in
    /// the marker's own epoch.
    pub fn check_marker(
        &self,
        producer_id: ProducerId,
        epoch: i16,
        coordinator_epoch: i32,
        has_epochs: bool,
    ) -> Result<(), ProducerError> {
        let known = self.known(producer_id);
        known.check_epoch(producer_id, epoch)?;
        if has_epochs && known.is_open_in(epoch) {
            return Err(ProducerError::InvalidProducerEpoch {
                producer_id,
                current: epoch,
                found: epoch,
            });
        }
        match known.coordinator_epoch() {
            current if current > coordinator_epoch => Err(ProducerError::CoordinatorFenced {
                current,
                found: coordinator_epoch,
            }),
            _ => Ok(()),
        }
    }

    /// To be called before the coordinator of a transaction is asked whether the partition is part
    /// of it, for a batch with this epoch and first sequence; `None` where a batch of it is there,
    /// so that nothing is to be asked.
    pub fn ask(
        &mut self,
        producer_id: ProducerId,
        epoch: i16,
        sequence: i32,
        now: WallMs,
    ) -> Option<Guard> {
        match self.known(producer_id).is_open_in(epoch) {
            true => None,
            false => Some(self.verifications.begin(producer_id, epoch, sequence, now)),
        }
    }

    fn may_begin(&self, producer_id: ProducerId, guard: Option<Guard>) -> bool {
        guard.is_some_and(|guard| self.verifications.is_current(producer_id, guard))
    }

    /// Remembers a batch that was appended at `base_offset`; `log_append_time` is what its
    /// timestamps were replaced with, if they were. Returns the transaction that it has ended.
    #[inline]
    pub fn record(
        &mut self,
        batch: &BatchView<'_>,
        base_offset: Offset,
        log_append_time: Option<WallMs>,
    ) -> Option<Ended> {
        if !batch.has_producer_id() {
            return None;
        }
        let producer_id = batch.producer_id();
        self.verifications.end(producer_id);
        let timestamp = log_append_time.unwrap_or_else(|| batch.max_timestamp());
        if batch.attributes().is_control() {
            return self.record_marker(batch, base_offset, timestamp);
        }
        let appended = Appended {
            last_sequence: batch.last_sequence(),
            last_offset: base_offset.wrapping_add(i64::from(batch.last_offset_delta())),
            offset_delta: batch.last_offset_delta(),
            timestamp,
        };
        let transactional = batch.attributes().is_transactional();
        let begun = self
            .entry(producer_id)
            .append(batch.producer_epoch(), appended, transactional);
        if begun {
            self.transactions.begin(base_offset);
        }
        None
    }

    /// Remembers a batch read back from the log, or sent by a leader; returns the transaction that
    /// it has ended.
    pub fn replay(&mut self, batch: &BatchView<'_>) -> Option<Ended> {
        self.record(batch, batch.base_offset(), None)
    }

    fn record_marker(
        &mut self,
        batch: &BatchView<'_>,
        marker_offset: Offset,
        timestamp: WallMs,
    ) -> Option<Ended> {
        // A marker that compaction has emptied ends nothing any more.
        let record = Records::of(batch).next()?.ok()?;
        let kind = ControlKind::parse_key(record.key.unwrap_or_default());
        let committed = match kind {
            Ok(ControlKind::Commit) => true,
            Ok(ControlKind::Abort) => false,
            _ => return None,
        };
        let marker = EndMarker::parse(record.value.unwrap_or_default()).ok()?;
        let producer_id = batch.producer_id();
        let first_offset = self.entry(producer_id).end_transaction(
            batch.producer_epoch(),
            marker.coordinator_epoch,
            timestamp,
        )?;
        Some(Ended {
            producer_id,
            first_offset,
            marker_offset,
            stable: self.transactions.end(first_offset, marker_offset),
            committed,
        })
    }

    /// The first offset that belongs to a transaction which is not decided for good, everything
    /// before `committed` being committed.
    #[inline]
    pub fn first_unstable(&mut self, committed: Offset) -> Option<Offset> {
        self.transactions.first_unstable(committed)
    }

    /// The first offset of the oldest transaction that is open.
    pub fn first_open(&self) -> Option<Offset> {
        self.transactions.first_open()
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
        self.transactions.clear();
    }
}

#[cfg(test)]
mod tests;
