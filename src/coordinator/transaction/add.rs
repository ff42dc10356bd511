//! Pure: partitions that a transaction is about to write to: AddPartitionsToTxn, AddOffsetsToTxn.

use crate::coordinator::record::transaction::TransactionState;

use super::state::{Durable, Transaction};
use super::{Add, Now, Outcome, Producer, TopicPartition, TransactionError, TransactionMachine};

impl TransactionMachine {
    /// Adds partitions to a transaction, and begins it if there is none.
    pub(super) fn add(
        &mut self,
        add: &Add,
        now: Now,
        out: &mut Outcome,
    ) -> Result<(), TransactionError> {
        let found = self.of_producer(&add.id, add.producer)?;
        let durable = &found.durable;
        let is_ongoing = durable.state == TransactionState::Ongoing;
        if is_ongoing
            && add
                .partitions
                .iter()
                .all(|it| durable.partitions.contains(it))
        {
            return Ok(());
        }
        let mut next = Durable {
            client_version: add.client_version,
            ..durable.in_state(TransactionState::Ongoing, now.wall_ms)
        };
        if !is_ongoing {
            next.started_ms = now.wall_ms;
        }
        for partition in &add.partitions {
            next.partitions.insert(partition);
        }
        let more = next.partitions.bytes() - durable.partitions.bytes();
        let last_epoch = found.last_epoch;
        if !self.memory.can_take(more) {
            return Err(TransactionError::NoMemory);
        }
        if !self.fits(&add.id, &next) {
            return Err(TransactionError::RecordTooLarge);
        }
        self.write(&add.id, next, last_epoch, out);
        Ok(())
    }

    /// Whether each partition is in the producer's transaction, in the order of the request
    /// (KIP-890).
    pub fn verify(
        &self,
        id: &str,
        producer: Producer,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Result<(), TransactionError>>, TransactionError> {
        let found = self.of_producer(id, producer)?;
        let verified = partitions.iter().map(|partition| {
            let is_in = found.durable.partitions.contains(partition);
            is_in.then_some(()).ok_or(TransactionError::Abortable)
        });
        Ok(verified.collect())
    }

    /// A producer's transactional id, unless its last transaction is still being ended.
    fn of_producer(&self, id: &str, producer: Producer) -> Result<&Transaction, TransactionError> {
        if id.is_empty() {
            return Err(TransactionError::InvalidRequest);
        }
        let found = self.transactions.get(id);
        let found = found.ok_or(TransactionError::InvalidProducerIdMapping)?;
        let current = found.durable.producer;
        if current.id != producer.id {
            return Err(TransactionError::InvalidProducerIdMapping);
        }
        if current.epoch != producer.epoch {
            return Err(TransactionError::ProducerFenced);
        }
        match found.durable.is_prepared() {
            true => Err(TransactionError::Concurrent),
            false => Ok(found),
        }
    }
}
