//! Drives: the first batches of a transaction, which its coordinator must know of (KIP-890).

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use super::outcome::{Failed, Outcome};
use super::pending::Pending;
use crate::base::{ErrorCode, PartitionIndex, ProducerId};
use crate::partition::producers::Guard;
use crate::partition::validate;
use crate::server::api::transactions::joining::{self, Understands};
use crate::shard::Shard;
use crate::shard::mesh::Joining;
use crate::wire::produce::{Item, Items};

/// First version whose client understands TRANSACTION_ABORTABLE.
const ABORTABLE_FROM: i16 = 11;
/// First version with which partitions need not be added by the client before.
const ADDS_FROM: i16 = 12;

/// What is to be asked of a partition.
struct Asked {
    /// Its place in the request.
    at: usize,
    name: (Arc<str>, PartitionIndex),
    sequence: i32,
    guard: Guard,
}

impl Pending {
    /// Has the coordinator of the transaction `id` know of the partitions that have no batch of it
    /// yet, and fails those that it refuses.
    pub(super) async fn verify(&mut self, shard: &Rc<Shard>, id: &str, body: &[u8]) {
        let mut producer = None;
        let mut asked = Vec::new();
        let Ok(mut items) = Items::new(body, self.version) else {
            debug_assert!(false, "the body was walked before");
            return;
        };
        let now = shard.runtime().wall_ms();
        let mut at = 0;
        while let Ok(Some(item)) = items.next() {
            let Item::Partition { records, .. } = item else {
                continue;
            };
            let place = at;
            at += 1;
            let Some(batch) = validate::in_transaction(records.unwrap_or_default()) else {
                continue;
            };
            let (producer_id, epoch, sequence) = batch;
            if *producer.get_or_insert((producer_id, epoch)) != (producer_id, epoch) {
                self.refuse_producers();
                return;
            }
            let Some(Outcome::Due(partition)) = self.partitions.get(place).map(|it| &it.result)
            else {
                continue;
            };
            if let Some(guard) = partition.ask_about(producer_id, epoch, sequence, now) {
                let name = partition.name();
                asked.push(Asked {
                    at: place,
                    name: (name.topic.clone(), name.index),
                    sequence,
                    guard,
                });
            }
        }
        if let Some(producer) = producer.filter(|_| !asked.is_empty()) {
            let again = self.ask(shard, id, producer, asked).await;
            if !again.is_empty() {
                self.ask(shard, id, producer, again).await;
            }
        }
    }

    /// Returns what is to be asked again under a new guard, as Kafka's ReplicaManager does, too: a
    /// coordinator that still ends the transaction before this one lets the question wait, and the
    /// marker of that one, which has come meanwhile, has made the guard worthless.
    async fn ask(
        &mut self,
        shard: &Rc<Shard>,
        id: &str,
        (producer_id, producer_epoch): (ProducerId, i16),
        asked: Vec<Asked>,
    ) -> Vec<Asked> {
        let joining = Joining {
            transactional_id: id.into(),
            producer_id,
            producer_epoch,
            verify_only: self.version < ADDS_FROM,
            partitions: asked.iter().map(|one| one.name.clone()).collect(),
        };
        let client = match self.version < ABORTABLE_FROM {
            true => Understands::Old,
            false => Understands::Abortable,
        };
        let codes = joining::ask(shard, joining, client).await;
        let now = shard.runtime().wall_ms();
        let mut again = Vec::new();
        for (one, code) in asked.into_iter().zip(codes) {
            let out = &mut self.partitions[one.at];
            if code.is_error() {
                out.result = Outcome::Failed(refused(code));
                continue;
            }
            out.guard = Some(one.guard);
            let Outcome::Due(partition) = &out.result else {
                continue;
            };
            let guard = partition.ask_about(producer_id, producer_epoch, one.sequence, now);
            if let Some(guard) = guard.filter(|guard| *guard != one.guard) {
                again.push(Asked { guard, ..one });
            }
        }
        again
    }

    /// The batches are of more than one producer.
    fn refuse_producers(&mut self) {
        for out in &mut self.partitions {
            if !matches!(out.result, Outcome::Repeated) {
                let code = ErrorCode::INVALID_PRODUCER_ID_MAPPING;
                out.result = Outcome::Failed(Failed::code(code));
            }
        }
    }
}

/// What a client is told that the coordinator has refused: a temporary error becomes
/// NOT_ENOUGH_REPLICAS, on which every client sends the batch again.
fn refused(code: ErrorCode) -> Failed {
    let (code, message) = match code {
        ErrorCode::INVALID_TXN_STATE => (
            code,
            Some(Cow::Borrowed("Partition was not added to the transaction")),
        ),
        ErrorCode::CONCURRENT_TRANSACTIONS
        | ErrorCode::NETWORK_EXCEPTION
        | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
        | ErrorCode::COORDINATOR_NOT_AVAILABLE
        | ErrorCode::NOT_COORDINATOR => {
            let message = format!(
                "Unable to verify the partition has been added to the transaction. \
                 Underlying error: {}",
                code.name()
            );
            (ErrorCode::NOT_ENOUGH_REPLICAS, Some(Cow::Owned(message)))
        }
        code => (code, None),
    };
    let mut failed = Failed::code(code);
    failed.0.message = message;
    failed
}
