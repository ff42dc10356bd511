//! Drives: the transactional ids of one shard: the machines of [`super::transaction`] on the
//! partitions of `__transaction_state` that are led here.

use std::cell::Cell;
use std::rc::Rc;

use crate::base::metrics::Snapshot;
use crate::base::{LeaderEpoch, PartitionIndex, ProducerId, limits};
use crate::io::budget::{Budget, Use};
use crate::io::event::Event;
use crate::partition::Partition;

use super::runtime::{Factory, Now, Partitions};
use super::share::ShareOf;
use super::transaction::{
    Add, Described, End, Filter, Init, Listed, Markers, MarkersWanted, Probe, Producer, Reply,
    Request, StateCounts, TopicPartition, TransactionConfig, TransactionError, TransactionMachine,
};

/// Transactional ids that are looked at in one go for a list.
const LISTED_AT_ONCE: usize = 500;
/// The level of `transaction.version` of a client that sends AddPartitionsToTxn from version 4 on,
/// or EndTxn from version 5 on.
pub const WITH_EPOCHS: i16 = 2;

/// The transactional ids whose partitions of `__transaction_state` this shard leads.
pub struct Transactions {
    partitions: Partitions<Ids>,
    /// Partitions have come or gone.
    led_changed: Event,
}

/// Makes machines for transactional ids, which share their settings, counters and memory.
struct Ids {
    config: TransactionConfig,
    budget: Rc<Budget>,
    probe: Rc<Probe>,
    /// The level of `transaction.version` in the cluster.
    version: Cell<i16>,
}

/// What each partition of a request gets, in its order.
pub type Verdicts = Vec<Result<(), TransactionError>>;

// === impl Transactions: partitions come and go ===

impl Transactions {
    /// A coordinator without partitions; `partition_count` as configured. Transactional ids take
    /// their memory from `budget`.
    pub fn new(
        config: TransactionConfig,
        partition_count: i32,
        budget: &Rc<Budget>,
    ) -> Transactions {
        let ids = Ids {
            config,
            budget: budget.clone(),
            probe: Rc::default(),
            version: Cell::new(0),
        };
        Transactions {
            partitions: Partitions::new(ids, partition_count),
            led_changed: Event::default(),
        }
    }

    /// The topic is there, with this many partitions.
    pub fn set_partition_count(&self, count: i32) {
        self.partitions.set_count(count);
    }

    /// The level of `transaction.version` in the cluster from now on.
    pub fn set_version(&self, level: i16) {
        if self.partitions.factory().version.replace(level) != level {
            self.partitions.follow(&level);
        }
    }

    /// The partition of `__transaction_state` that keeps this transactional id.
    pub fn partition_of(&self, id: &str) -> PartitionIndex {
        self.partitions.partition_of(id)
    }

    /// Serves the ids of exactly these partitions from now on, see [`Partitions::lead`].
    pub fn lead(&self, partitions: Vec<Rc<Partition>>) {
        self.partitions.lead(partitions);
        self.led_changed.call();
    }

    /// Serves no ids any more.
    pub fn stop(&self) {
        self.lead(Vec::new());
    }
}

// === impl Transactions: requests ===

impl Transactions {
    /// InitProducerId of a transactional producer. Where a producer id is needed `fresh_id` gives
    /// one that nothing uses; its error is handed through.
    pub async fn init<E>(
        &self,
        init: Init,
        fresh_id: impl AsyncFn() -> Result<ProducerId, E>,
    ) -> Result<Result<Producer, TransactionError>, E> {
        let id = init.id.clone();
        self.producer(&id, Request::Init(init), fresh_id).await
    }

    /// EndTxn. The producer that comes back is the one to go on with; `fresh_id` is as for
    /// [`Self::init`].
    pub async fn end<E>(
        &self,
        end: End,
        fresh_id: impl AsyncFn() -> Result<ProducerId, E>,
    ) -> Result<Result<Producer, TransactionError>, E> {
        let id = end.id.clone();
        self.producer(&id, Request::End(end), fresh_id).await
    }

    async fn producer<E>(
        &self,
        id: &str,
        mut request: Request,
        fresh_id: impl AsyncFn() -> Result<ProducerId, E>,
    ) -> Result<Result<Producer, TransactionError>, E> {
        loop {
            match self.reply(id, request.clone()).await {
                Ok(Reply::Producer(Err(TransactionError::NeedsProducerId))) => {
                    request.bring(fresh_id().await?);
                }
                Ok(Reply::Producer(reply)) => return Ok(reply),
                Ok(Reply::Added(_) | Reply::Markers(_)) => {
                    return Ok(Err(TransactionError::Unexpected));
                }
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// An empty id is refused before it is known whose it would be, as by Kafka.
    async fn reply(&self, id: &str, request: Request) -> Result<Reply, TransactionError> {
        match id.is_empty() {
            true => Err(TransactionError::InvalidRequest),
            false => Ok(self.partitions.handle(id, request).await?),
        }
    }

    /// AddPartitionsToTxn of one transaction, and AddOffsetsToTxn.
    pub async fn add(&self, add: Add) -> Result<(), TransactionError> {
        let id = add.id.clone();
        match self.reply(&id, Request::Add(add)).await? {
            Reply::Added(reply) => reply,
            Reply::Producer(_) | Reply::Markers(_) => Err(TransactionError::Unexpected),
        }
    }

    /// What leaders of partitions ask before they append to a transaction (KIP-890): whether the
    /// partitions are in it, or, unless `verify_only`, that they are added. Says so for each
    /// partition, in their order.
    pub async fn verify_or_add(
        &self,
        id: &str,
        producer: Producer,
        partitions: Vec<TopicPartition>,
        verify_only: bool,
    ) -> Result<Verdicts, TransactionError> {
        if id.is_empty() {
            return Err(TransactionError::InvalidRequest);
        }
        if verify_only {
            let verify = |machine: &mut TransactionMachine, _, _: &mut _| {
                machine.verify(id, producer, &partitions)
            };
            return self.partitions.ask(id, verify).await?;
        }
        let count = partitions.len();
        let add = Add {
            id: id.into(),
            producer,
            partitions,
            client_version: WITH_EPOCHS,
        };
        self.add(add).await.map(|()| vec![Ok(()); count])
    }

    /// DescribeTransactions, for one transactional id.
    pub async fn describe(&self, id: &str) -> Result<Described, TransactionError> {
        if id.is_empty() {
            return Err(TransactionError::InvalidRequest);
        }
        let found = self
            .partitions
            .ask(id, |machine, _, _| machine.describe(id));
        found.await?.ok_or(TransactionError::NotFound)
    }

    /// ListTransactions, for a partition of `__transaction_state`: some of the transactional ids
    /// behind `behind` that `filter` lets pass. Also says where to go on, if there are more.
    pub async fn list_some(
        &self,
        index: PartitionIndex,
        filter: &Filter,
        behind: Option<&str>,
    ) -> Result<(Vec<Listed>, Option<Rc<str>>), TransactionError> {
        let list = |machine: &mut TransactionMachine, now: Now, _: &mut _| {
            machine.list_some(filter, behind, LISTED_AT_ONCE, now.wall_ms)
        };
        Ok(self.partitions.ask_at(index, list).await?)
    }
}

// === impl Transactions: markers ===

impl Transactions {
    /// Waits until other partitions are led here.
    pub async fn wait_for_change(&self) {
        self.led_changed.wait().await;
    }

    /// The partitions of `__transaction_state` that are led here.
    pub fn led(&self) -> Vec<PartitionIndex> {
        self.partitions.led()
    }

    /// The next transactions of a partition whose markers are to be written; waits for them.
    /// `spare_id` is a producer id that nothing uses, if the answer before wanted one.
    pub async fn next_markers(
        &self,
        index: PartitionIndex,
        spare_id: Option<ProducerId>,
    ) -> Result<MarkersWanted, TransactionError> {
        let request = Request::NextMarkers(spare_id);
        match self.partitions.handle_at(index, request).await? {
            Reply::Markers(wanted) => Ok(wanted),
            Reply::Producer(_) | Reply::Added(_) => Err(TransactionError::Unexpected),
        }
    }

    /// The epoch that markers of this transactional id carry; `None` if it is not kept here.
    pub fn coordinator_epoch(&self, id: &str) -> Option<LeaderEpoch> {
        let partition = self.partitions.partition(self.partition_of(id))?;
        // A follower knows the term of its leader, whose markers these are not.
        partition.is_leader().then(|| partition.leader_epoch())
    }

    /// These partitions have their marker, or are gone. Says whether others are left: then their
    /// markers are to be written; else the transaction is complete, or it is not kept here.
    pub async fn marked(&self, markers: &Markers, done: &[TopicPartition]) -> bool {
        let Markers { id, producer, .. } = markers;
        let take = |machine: &mut TransactionMachine, now, out: &mut _| {
            machine.marked(id, *producer, done, now, out)
        };
        self.partitions.ask(id, take).await.unwrap_or(false)
    }
}

// === impl Transactions: numbers ===

impl Transactions {
    /// Adds the counts of its transactional ids to a snapshot, one partition of
    /// `__transaction_state` after the other.
    pub async fn export(&self, to: &mut Snapshot) {
        let mut counts = StateCounts::new();
        let count = |machine: &TransactionMachine| machine.count_states(&mut counts);
        self.partitions.look_at_all(count).await;
        self.probe().export(&counts, to);
    }

    /// What its transactions count.
    pub fn probe(&self) -> &Probe {
        &self.partitions.factory().probe
    }
}

// === impl Ids ===

impl Ids {
    fn memory(&self) -> ShareOf {
        ShareOf::new(&self.budget, Use::Transactions, limits::TRANSACTIONS_SHARE)
    }
}

impl Factory for Ids {
    type Machine = TransactionMachine;

    fn make(&self, batch_bytes_max: usize) -> TransactionMachine {
        let config = self.config.clone().with_batch_bytes_max(batch_bytes_max);
        TransactionMachine::new(config, self.version.get())
            .counting_into(self.probe.clone())
            .within(Box::new(self.memory()))
    }
}

#[cfg(test)]
mod tests;
