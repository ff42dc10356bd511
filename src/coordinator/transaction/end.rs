//! Pure: the end of transactions: EndTxn, and the abort of one whose producer is fenced.

use std::rc::Rc;

use crate::base::ProducerId;
use crate::coordinator::record::transaction::TransactionState::{
    CompleteAbort, CompleteCommit, Dead, Empty, Ongoing, PrepareAbort, PrepareCommit,
    PrepareEpochFence,
};

use super::init::needed;
use super::state::{Durable, Partitions, Transaction, bumps_epoch, is_exhausted};
use super::{End, Now, Outcome, Producer, TransactionError, TransactionMachine};

/// What EndTxn comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// It is prepared now.
    Prepare,
    /// There was no transaction, and there is an aborted one now: its producer begins the next one
    /// with another epoch (KIP-890).
    PrepareNothing,
    /// It was ended so before: the answer got lost.
    Repeated,
}

impl TransactionMachine {
    /// EndTxn. The producer that comes back is what the client goes on with: with
    /// `transaction.version` 2 each transaction has an epoch of its own.
    pub(super) fn end(
        &mut self,
        end: &End,
        now: Now,
        out: &mut Outcome,
    ) -> Result<Producer, TransactionError> {
        if end.id.is_empty() {
            return Err(TransactionError::InvalidRequest);
        }
        let found = self.transactions.get(&end.id);
        let found = found.ok_or(TransactionError::InvalidProducerIdMapping)?;
        let (ending, bumps) = match bumps_epoch(end.client_version) {
            true => (ending_with_epochs(end, found)?, true),
            false => (ending(end, found)?, false),
        };
        if ending == Ending::Repeated {
            return Ok(match bumps {
                true => found.durable.producer,
                false => Producer::NONE,
            });
        }
        let before = found.durable.producer;
        let next_id = needed(end.fresh_id, bumps && is_exhausted(before.epoch))?;
        let state = match end.committed {
            true => PrepareCommit,
            false => PrepareAbort,
        };
        let mut next = Durable {
            next_id,
            client_version: if bumps { end.client_version } else { 0 },
            ..found.durable.in_state(state, now.wall_ms)
        };
        if ending == Ending::PrepareNothing {
            next.started_ms = now.wall_ms;
        }
        let mut last_epoch = found.last_epoch;
        if bumps {
            last_epoch = before.epoch;
            next.producer.epoch = before.epoch.saturating_add(1);
        }
        let after = next.producer_after();
        self.decide(&end.id, next, last_epoch, now, out);
        Ok(if bumps { after } else { Producer::NONE })
    }

    /// Aborts an open transaction with a higher epoch than its producer has, which is fenced so.
    pub(super) fn fence(
        &mut self,
        id: &Rc<str>,
        fresh_id: Option<ProducerId>,
        now: Now,
        out: &mut Outcome,
    ) -> Result<(), TransactionError> {
        let Some(found) = self.transactions.get(id) else {
            return Ok(());
        };
        let before = found.durable.producer;
        let bumps = bumps_epoch(self.version);
        let next_id = needed(fresh_id, bumps && is_exhausted(before.epoch))?;
        let producer = Producer {
            epoch: before.epoch.saturating_add(1),
            ..before
        };
        let next = Durable {
            producer,
            next_id,
            client_version: if bumps { self.version } else { 0 },
            ..found.durable.in_state(PrepareAbort, now.wall_ms)
        };
        let last_epoch = if bumps { before.epoch } else { -1 };
        self.decide(id, next, last_epoch, now, out);
        Ok(())
    }

    fn decide(
        &mut self,
        id: &Rc<str>,
        next: Durable,
        last_epoch: i16,
        now: Now,
        out: &mut Outcome,
    ) {
        let is_empty = next.partitions.is_empty();
        self.write(id, next, last_epoch, out);
        match is_empty {
            true => self.complete(id, now, out),
            false => self.hand_out(id, out),
        }
    }

    /// Every partition has its marker.
    pub(super) fn complete(&mut self, id: &Rc<str>, now: Now, out: &mut Outcome) {
        let Some(found) = self.transactions.get(id) else {
            return;
        };
        let (next, last_epoch) = (found.durable.completed(now.wall_ms), found.last_epoch);
        match next.state {
            CompleteCommit => self.probe.committed.add(1),
            _ => self.probe.aborted.add(1),
        }
        self.write(id, next, last_epoch, out);
        self.wake(id, now, out);
    }
}

/// What an EndTxn comes to whose client keeps its epoch.
fn ending(end: &End, found: &Transaction) -> Result<Ending, TransactionError> {
    let current = found.durable.producer;
    if current.id != end.producer.id {
        return Err(TransactionError::InvalidProducerIdMapping);
    }
    if current.epoch != end.producer.epoch {
        return Err(TransactionError::ProducerFenced);
    }
    match (found.durable.state, end.committed) {
        (Ongoing, _) => Ok(Ending::Prepare),
        (CompleteCommit, true) | (CompleteAbort, false) => Ok(Ending::Repeated),
        (PrepareCommit, true) | (PrepareAbort, false) => Err(TransactionError::Concurrent),
        (
            Empty | CompleteCommit | CompleteAbort | PrepareCommit | PrepareAbort | Dead
            | PrepareEpochFence,
            _,
        ) => Err(TransactionError::InvalidState),
    }
}

/// What an EndTxn comes to whose client gets another epoch with each transaction: the epoch before
/// the current one is that of a request which is repeated.
fn ending_with_epochs(end: &End, found: &Transaction) -> Result<Ending, TransactionError> {
    let Durable {
        producer: current,
        previous_id,
        state,
        ..
    } = found.durable;
    let asked = end.producer;
    // Its epochs were used up, so that it got another id.
    let after_last_epoch =
        previous_id == asked.id && asked.epoch == i16::MAX - 1 && current.epoch == 0;
    let after_bump = i32::from(current.epoch) == i32::from(asked.epoch) + 1;
    let is_current = current.epoch == asked.epoch;
    let is_repeated = after_bump || after_last_epoch;
    let may_be = match state {
        Ongoing | Empty | Dead | PrepareEpochFence => is_current,
        PrepareCommit | PrepareAbort => after_bump,
        CompleteCommit | CompleteAbort => is_repeated || is_current,
    };
    if current.id != asked.id && !after_last_epoch {
        return Err(TransactionError::InvalidProducerIdMapping);
    }
    if !may_be {
        return Err(TransactionError::ProducerFenced);
    }
    match (state, end.committed) {
        (Ongoing, _) => Ok(Ending::Prepare),
        (CompleteCommit, true) | (CompleteAbort, false) if is_repeated => Ok(Ending::Repeated),
        (CompleteCommit, false) if is_repeated => Err(TransactionError::InvalidState),
        (Empty | CompleteCommit | CompleteAbort, false) => Ok(Ending::PrepareNothing),
        (PrepareCommit, true) | (PrepareAbort, false) => Err(TransactionError::Concurrent),
        (
            Empty | CompleteCommit | CompleteAbort | PrepareCommit | PrepareAbort | Dead
            | PrepareEpochFence,
            _,
        ) => Err(TransactionError::InvalidState),
    }
}

// === impl Durable ===

impl Durable {
    /// The same with every marker written: where epochs were used up the next id takes over.
    pub(super) fn completed(&self, now: i64) -> Durable {
        let state = match self.state {
            PrepareCommit => CompleteCommit,
            _ => CompleteAbort,
        };
        Durable {
            producer: self.producer_after(),
            next_id: -1,
            partitions: Partitions::default(),
            ..self.in_state(state, now)
        }
    }

    /// The producer once every marker is written.
    fn producer_after(&self) -> Producer {
        match bumps_epoch(self.client_version) && self.next_id != -1 {
            true => Producer {
                id: self.next_id,
                epoch: 0,
            },
            false => self.producer,
        }
    }

    /// The partitions that are to get a marker.
    pub(super) fn to_be_marked(&self) -> Partitions {
        match self.is_prepared() {
            true => self.partitions.clone(),
            false => Partitions::default(),
        }
    }
}
