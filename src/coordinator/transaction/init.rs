//! Pure: InitProducerId of a transactional producer.

use crate::base::ProducerId;
use crate::coordinator::record::transaction::TransactionState;

use super::state::{Durable, Partitions, Transaction, is_exhausted};
use super::{Init, Now, Outcome, Producer, TransactionError, TransactionMachine, memory};

/// The new state of a transactional id, and the epoch that its producer had before, -1 if that is
/// unknown.
struct Initialised {
    next: Durable,
    last_epoch: i16,
}

impl TransactionMachine {
    /// InitProducerId. A producer that finds a transaction open has it aborted, with an epoch that
    /// fences the one before, and comes again once that is done.
    pub(super) fn init(
        &mut self,
        init: &Init,
        now: Now,
        out: &mut Outcome,
    ) -> Result<Producer, TransactionError> {
        self.check_init(init)?;
        let found = self.transactions.get(&init.id);
        if let Some(found) = found {
            if !is_expected(init, found) {
                return Err(TransactionError::ProducerFenced);
            }
            if found.durable.is_prepared() {
                return Err(TransactionError::Concurrent);
            }
            if found.durable.state == TransactionState::Ongoing {
                self.fence(&init.id, init.fresh_id, now, out)?;
                return Err(TransactionError::Concurrent);
            }
        }
        let is_new = found.is_none();
        let Initialised { next, last_epoch } = match found {
            Some(found) => initialised(init, found, now)?,
            None => {
                let id = needed(init.fresh_id, true)?;
                initialised(init, &Transaction::new(id, init.timeout_ms), now)?
            }
        };
        if is_new && !self.memory.can_take(memory::of_id(&init.id)) {
            return Err(TransactionError::NoMemory);
        }
        if !self.fits(&init.id, &next) {
            return Err(TransactionError::RecordTooLarge);
        }
        let producer = next.producer;
        self.write(&init.id, next, last_epoch, out);
        Ok(producer)
    }

    fn check_init(&self, init: &Init) -> Result<(), TransactionError> {
        if init.id.is_empty() {
            return Err(TransactionError::InvalidRequest);
        }
        match (1..=self.config.timeout_max_ms).contains(&init.timeout_ms) {
            true => Ok(()),
            false => Err(TransactionError::InvalidTimeout),
        }
    }
}

/// Whether a producer that says what it had before may have had it. One that repeats a request
/// which has given it another id, since its epochs were used up, names the id before.
fn is_expected(init: &Init, found: &Transaction) -> bool {
    init.expected.is_none_or(|expected| {
        let Durable {
            producer,
            previous_id,
            ..
        } = found.durable;
        producer.epoch == -1
            || expected.id == producer.id
            || expected.id == previous_id && is_exhausted(expected.epoch)
    })
}

/// The state of a producer that has no transaction, after it has begun anew.
fn initialised(
    init: &Init,
    found: &Transaction,
    now: Now,
) -> Result<Initialised, TransactionError> {
    let before = found.durable.producer;
    let expected = init.expected.map(|expected| expected.epoch);
    if is_exhausted(before.epoch) && expected.is_none_or(|epoch| epoch == before.epoch) {
        let id = needed(init.fresh_id, true)?;
        let last_epoch = expected.map_or(-1, |_| before.epoch);
        return Ok(empty(
            init,
            found,
            Producer { id, epoch: 0 },
            last_epoch,
            now,
        ));
    }
    let bumped = before.epoch.checked_add(1);
    let (epoch, last_epoch) = match expected {
        None => (bumped, -1),
        Some(epoch) if before.epoch == -1 || epoch == before.epoch => (bumped, before.epoch),
        // It was bumped, and the answer got lost.
        Some(epoch) if epoch == found.last_epoch => (Some(before.epoch), epoch),
        Some(_) => return Err(TransactionError::ProducerFenced),
    };
    // The highest epoch is never that of a producer without a transaction.
    let epoch = epoch.ok_or(TransactionError::Unexpected)?;
    let producer = Producer { epoch, ..before };
    Ok(empty(init, found, producer, last_epoch, now))
}

fn empty(
    init: &Init,
    found: &Transaction,
    producer: Producer,
    last_epoch: i16,
    now: Now,
) -> Initialised {
    let next = Durable {
        producer,
        timeout_ms: init.timeout_ms,
        partitions: Partitions::default(),
        started_ms: -1,
        ..found.durable.in_state(TransactionState::Empty, now.wall_ms)
    };
    Initialised { next, last_epoch }
}

/// A producer id that was brought along, where it is needed.
pub(super) fn needed(
    fresh_id: Option<ProducerId>,
    is_needed: bool,
) -> Result<ProducerId, TransactionError> {
    match is_needed {
        true => fresh_id.ok_or(TransactionError::NeedsProducerId),
        false => Ok(-1),
    }
}
