//! Pure: one producer: its epoch and the last batches it wrote.

use crate::base::{Offset, ProducerId, WallMs};
use crate::wire::batch::{BatchView, NO_SEQUENCE, NO_TIMESTAMP};

use super::{ProducerError, Verdict};

/// Batches remembered per producer: as many as an idempotent client keeps in flight.
pub const BATCHES_KEPT: usize = 5;
/// Epoch of a producer that has written nothing.
pub const NO_EPOCH: i16 = -1;
const NO_OFFSET: Offset = -1;

/// A batch that was appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// Sequence number of its last record.
    pub last_sequence: i32,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Last offset minus base offset, which is also last minus first sequence.
    pub offset_delta: i32,
    /// Its max timestamp.
    pub timestamp: WallMs,
}

impl Appended {
    const NONE: Appended = Appended {
        last_sequence: NO_SEQUENCE,
        last_offset: NO_OFFSET,
        offset_delta: 0,
        timestamp: NO_TIMESTAMP,
    };

    /// Offset of its first record.
    pub fn base_offset(&self) -> Offset {
        self.last_offset - i64::from(self.offset_delta)
    }

    /// Sequence number of its first record; numbers wrap from the largest `i32` to 0.
    pub fn base_sequence(&self) -> i32 {
        self.last_sequence.wrapping_sub(self.offset_delta) & i32::MAX
    }
}

/// What a partition knows of one producer.
#[derive(Clone, Copy, Debug)]
pub struct Producer {
    epoch: i16,
    kept: u8,
    newest: u8,
    coordinator_epoch: i32,
    last_timestamp: WallMs,
    transaction_start: Offset,
    batches: [Appended; BATCHES_KEPT],
}

impl Producer {
    /// A producer of which nothing is known.
    pub const UNKNOWN: Producer = Producer {
        epoch: NO_EPOCH,
        kept: 0,
        newest: 0,
        coordinator_epoch: -1,
        last_timestamp: NO_TIMESTAMP,
        transaction_start: NO_OFFSET,
        batches: [Appended::NONE; BATCHES_KEPT],
    };

    /// As a snapshot remembers it: at most one batch.
    pub(super) fn restored(
        epoch: i16,
        coordinator_epoch: i32,
        last_timestamp: WallMs,
        transaction_start: Option<Offset>,
        last: Option<Appended>,
    ) -> Producer {
        let mut producer = Producer {
            epoch,
            coordinator_epoch,
            transaction_start: transaction_start.unwrap_or(NO_OFFSET),
            ..Producer::UNKNOWN
        };
        if let Some(last) = last {
            producer.keep(last);
        }
        producer.last_timestamp = last_timestamp;
        producer
    }

    /// The newest epoch seen.
    pub fn epoch(&self) -> i16 {
        self.epoch
    }

    /// Epoch of the transaction coordinator that wrote the last marker, or -1.
    pub fn coordinator_epoch(&self) -> i32 {
        self.coordinator_epoch
    }

    /// Max timestamp of the last batch or marker, or -1.
    pub fn last_timestamp(&self) -> WallMs {
        self.last_timestamp
    }

    /// Offset of the first record of the open transaction, if one is open.
    pub fn transaction_start(&self) -> Option<Offset> {
        (self.transaction_start != NO_OFFSET).then_some(self.transaction_start)
    }

    /// Whether a transaction is open that it began in this epoch.
    pub(super) fn is_open_in(&self, epoch: i16) -> bool {
        self.transaction_start().is_some() && epoch == self.epoch
    }

    /// The last batch written in the current epoch.
    pub fn last(&self) -> Option<&Appended> {
        (self.kept > 0).then(|| &self.batches[usize::from(self.newest)])
    }

    /// Sequence number of the last record written in the current epoch, or -1.
    pub fn last_sequence(&self) -> i32 {
        self.last().map_or(NO_SEQUENCE, |last| last.last_sequence)
    }

    fn next_sequence(&self) -> i32 {
        self.last_sequence().wrapping_add(1) & i32::MAX
    }

    /// `may_begin`: its coordinator knows of a transaction that this batch would begin here.
    #[inline]
    pub(super) fn check(
        &self,
        producer_id: ProducerId,
        batch: &BatchView<'_>,
        may_begin: bool,
    ) -> Result<Verdict, ProducerError> {
        if let Some(duplicate) = self.duplicate_of(batch) {
            return Ok(Verdict::Duplicate {
                base_offset: duplicate.base_offset(),
                last_offset: duplicate.last_offset,
                timestamp: duplicate.timestamp,
            });
        }
        let epoch = batch.producer_epoch();
        let transactional = batch.attributes().is_transactional();
        self.check_transaction(producer_id, epoch, transactional, may_begin)?;
        let expected = match self.epoch {
            NO_EPOCH => batch.base_sequence(),
            same if same == epoch => self.next_sequence(),
            _ => 0,
        };
        if batch.base_sequence() != expected {
            return Err(ProducerError::OutOfOrderSequence {
                producer_id,
                expected,
                found: batch.base_sequence(),
            });
        }
        if self.transaction_start().is_some() && !transactional {
            return Err(ProducerError::InvalidTxnState { producer_id });
        }
        Ok(Verdict::Accept)
    }

    /// What is checked of a coordinator's batches, too: they have no sequence.
    pub(super) fn check_transaction(
        &self,
        producer_id: ProducerId,
        epoch: i16,
        transactional: bool,
        may_begin: bool,
    ) -> Result<(), ProducerError> {
        self.check_epoch(producer_id, epoch)?;
        match transactional && !self.is_open_in(epoch) && !may_begin {
            true => Err(ProducerError::InvalidTxnState { producer_id }),
            false => Ok(()),
        }
    }

    pub(super) fn check_epoch(
        &self,
        producer_id: ProducerId,
        epoch: i16,
    ) -> Result<(), ProducerError> {
        match epoch < self.epoch {
            true => Err(ProducerError::InvalidProducerEpoch {
                producer_id,
                current: self.epoch,
                found: epoch,
            }),
            false => Ok(()),
        }
    }

    fn duplicate_of(&self, batch: &BatchView<'_>) -> Option<&Appended> {
        if batch.producer_epoch() != self.epoch {
            return None;
        }
        let (first, last) = (batch.base_sequence(), batch.last_sequence());
        self.batches[..usize::from(self.kept)]
            .iter()
            .find(|kept| kept.last_sequence == last && kept.base_sequence() == first)
    }

    /// Whether it begins a transaction.
    pub(super) fn append(&mut self, epoch: i16, appended: Appended, transactional: bool) -> bool {
        self.enter(epoch);
        self.keep(appended);
        self.last_timestamp = appended.timestamp;
        let begins = transactional && self.transaction_start == NO_OFFSET;
        if begins {
            self.transaction_start = appended.base_offset();
        }
        begins
    }

    /// The offset at which the transaction began that ends so, if one was open.
    pub(super) fn end_transaction(
        &mut self,
        epoch: i16,
        coordinator_epoch: i32,
        timestamp: WallMs,
    ) -> Option<Offset> {
        let begun = self.transaction_start();
        self.enter(epoch);
        self.coordinator_epoch = coordinator_epoch;
        self.transaction_start = NO_OFFSET;
        self.last_timestamp = timestamp;
        begun
    }

    /// Batches of another epoch can be no duplicates any more.
    fn enter(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.kept = 0;
        }
    }

    fn keep(&mut self, appended: Appended) {
        let full = usize::from(self.kept) == BATCHES_KEPT;
        let slot = match full {
            true => (usize::from(self.newest) + 1) % BATCHES_KEPT,
            false => usize::from(self.kept),
        };
        self.batches[slot] = appended;
        self.newest = slot as u8;
        self.kept += u8::from(!full);
    }
}
