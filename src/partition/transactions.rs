//! Drives: transactions at the leader of a partition: what begins one here, and the markers that
//! end them (KIP-98, KIP-890).

use super::Partition;
use super::append::{AppendError, Appended, Origin};
use super::producers::{Ended, Guard};
use super::validate::Validated;
use crate::base::{ProducerId, WallMs};
use crate::log::AbortedTransaction;
use crate::wire::batch::{BatchView, TimestampType, marker_batch};

/// The end of a producer's transaction, as its coordinator decided it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Marker {
    /// Whose transaction it ends.
    pub producer_id: ProducerId,
    /// The epoch of the producer from then on: what it sends in an older one is refused.
    pub producer_epoch: i16,
    /// Whether it was committed.
    pub committed: bool,
    /// The coordinator's term: an older one is refused.
    pub coordinator_epoch: i32,
    /// Whether each transaction of the producer has an epoch of its own (`transaction.version` 2),
    /// of which this is the next: where one is open in this epoch, it has begun since the marker
    /// was sent for the one before (KIP-1228).
    pub has_epochs: bool,
}

impl Partition {
    /// To be called before the coordinator of a transaction is asked about a batch of it; shows
    /// that the answer is about the transaction that is open then. `None` where a batch of it is
    /// there already, so that nothing is to be asked.
    pub fn ask_about(
        &self,
        producer_id: ProducerId,
        producer_epoch: i16,
        sequence: i32,
        now: WallMs,
    ) -> Option<Guard> {
        let mut producers = self.producers.borrow_mut();
        producers.ask(producer_id, producer_epoch, sequence, now)
    }

    /// Whether a coordinator may append what belongs to a transaction.
    pub fn check_in_transaction(
        &self,
        producer_id: ProducerId,
        producer_epoch: i16,
        guard: Option<Guard>,
    ) -> Result<(), AppendError> {
        let producers = self.producers.borrow();
        let checked = producers.check_in_transaction(producer_id, producer_epoch, guard);
        checked.map_err(AppendError::Producer)
    }

    /// Whether a marker may be appended.
    pub fn check_marker(&self, marker: &Marker) -> Result<(), AppendError> {
        self.check_origin(Origin::Coordinator)?;
        let (id, epoch) = (marker.producer_id, marker.producer_epoch);
        let producers = self.producers.borrow();
        let (term, has_epochs) = (marker.coordinator_epoch, marker.has_epochs);
        let checked = producers.check_marker(id, epoch, term, has_epochs);
        checked.map_err(AppendError::Producer)
    }

    /// Appends the marker that ends a transaction; it counts once it is acked by all replicas in
    /// sync.
    pub fn append_marker(&self, marker: &Marker, now: WallMs) -> Result<Appended, AppendError> {
        self.check_marker(marker)?;
        let Marker {
            committed,
            coordinator_epoch,
            ..
        } = *marker;
        let producer = (marker.producer_id, marker.producer_epoch);
        let bytes = marker_batch(producer, committed, coordinator_epoch, now);
        let batch = BatchView::parse(&bytes).expect("what was just built is a batch");
        let clock = self.rules().timestamp_type;
        let valid = Validated {
            batch,
            log_append_time: (clock == TimestampType::LogAppendTime).then_some(now),
        };
        self.append_new(&valid, now)
    }

    /// Has readers of committed records told of a transaction that was aborted.
    pub(super) fn note_ended(&self, ended: Option<Ended>) {
        if let Some(aborted) = ended.as_ref().and_then(aborted_by) {
            self.log.note_aborted(aborted);
        }
    }
}

/// The entry of a transaction in the index of aborted ones, if it was aborted.
pub(super) fn aborted_by(ended: &Ended) -> Option<AbortedTransaction> {
    (!ended.committed).then_some(AbortedTransaction {
        producer_id: ended.producer_id,
        first_offset: ended.first_offset,
        last_offset: ended.marker_offset,
        stable: ended.stable,
    })
}
