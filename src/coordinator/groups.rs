//! Drives: the groups of one shard: the machines of [`super::group`] on the partitions of
//! `__consumer_offsets` that are led here.

use std::cell::RefCell;
use std::rc::Rc;

use crate::base::metrics::Snapshot;
use crate::base::{Instant, PartitionIndex, ProducerId, limits};
use crate::io::budget::{Budget, Use};
use crate::partition::append::AppendError;
use crate::partition::producers::{Guard, ProducerError};
use crate::partition::{Marker, Partition};

use super::group::consumer::request::{ConsumerBeat, ConsumerHeartbeat, ConsumerRefused};
use super::group::{
    Change, Commit, CommittedOffsets, GroupConfig, GroupError, GroupMachine, Join, JoinRefused,
    JoinReply, Now, Outcome, PartitionResults, Reply, Request, Sync, SyncReply, Topics,
};
use super::probe::{Probe, StateCounts};
use super::runtime::{Factory, InTransaction, NotInTransaction, Partitions};
use super::share::ShareOf;

/// The groups whose partitions of `__consumer_offsets` this shard leads.
pub struct GroupCoordinator {
    partitions: Partitions<Groups>,
}

/// Makes machines for groups, which share their settings, counters and memory.
struct Groups {
    config: GroupConfig,
    budget: Rc<Budget>,
    probe: Rc<Probe>,
    /// The cluster's topics, for machines that are made from now on.
    topics: RefCell<Topics>,
}

// === impl GroupCoordinator: partitions come and go ===

impl GroupCoordinator {
    /// A coordinator without partitions; `partition_count` as configured. Groups take their memory
    /// from `budget`.
    pub fn new(config: GroupConfig, partition_count: i32, budget: &Rc<Budget>) -> GroupCoordinator {
        let groups = Groups {
            config,
            budget: budget.clone(),
            probe: Rc::default(),
            topics: RefCell::default(),
        };
        GroupCoordinator {
            partitions: Partitions::new(groups, partition_count),
        }
    }

    /// The settings that groups live under.
    pub fn config(&self) -> &GroupConfig {
        &self.partitions.factory().config
    }

    /// The topic is there, with this many partitions.
    pub fn set_partition_count(&self, count: i32) {
        self.partitions.set_count(count);
    }

    /// The partition of `__consumer_offsets` that keeps this group.
    pub fn partition_of(&self, group: &str) -> PartitionIndex {
        self.partitions.partition_of(group)
    }

    /// Serves the groups of exactly these partitions from now on, see [`Partitions::lead`].
    pub fn lead(&self, partitions: Vec<Rc<Partition>>) {
        self.partitions.lead(partitions);
    }

    /// Serves no groups any more.
    pub fn stop(&self) {
        self.lead(Vec::new());
    }

    /// Follows a change of the cluster.
    pub fn follow(&self, change: &Change) {
        let topics = &self.partitions.factory().topics;
        *topics.borrow_mut() = change.topics.clone();
        self.partitions.follow(change);
    }
}

// === impl GroupCoordinator: requests ===

impl GroupCoordinator {
    /// JoinGroup; waits until the rebalance is over.
    pub async fn join(&self, join: Join) -> JoinReply {
        let member_id = join.member_id.clone();
        let refused = |error, member_id| JoinRefused { error, member_id };
        let checked = self.config().check_join(&join);
        checked.map_err(|error| refused(error, member_id))?;
        let group = join.group.clone();
        match self.partitions.handle(&group, Request::Join(join)).await {
            Ok(Reply::Join(reply)) => reply,
            Ok(Reply::Sync(_) | Reply::Delete(_)) => {
                Err(refused(GroupError::Unexpected, "".into()))
            }
            Err(unavailable) => Err(refused(unavailable.into(), "".into())),
        }
    }

    /// SyncGroup; waits for the leader's assignment.
    pub async fn sync(&self, sync: Sync) -> SyncReply {
        if sync.group.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        let group = sync.group.clone();
        match self.partitions.handle(&group, Request::Sync(sync)).await? {
            Reply::Sync(reply) => reply,
            Reply::Join(_) | Reply::Delete(_) => Err(GroupError::Unexpected),
        }
    }

    /// DeleteGroups, for one group; waits until all of it is removed.
    pub async fn delete(&self, group: Rc<str>) -> Result<(), GroupError> {
        let request = Request::Delete(group.clone());
        match self.partitions.handle(&group, request).await? {
            Reply::Delete(reply) => reply,
            Reply::Join(_) | Reply::Sync(_) => Err(GroupError::Unexpected),
        }
    }

    /// ConsumerGroupHeartbeat.
    pub async fn consumer_heartbeat(
        &self,
        beat: &ConsumerHeartbeat,
    ) -> Result<ConsumerBeat, ConsumerRefused> {
        beat.check(&self.config().consumer.assignors)?;
        self.ask(&beat.group, |machine, now, out| {
            machine.consumer_heartbeat(beat, now, out)
        })
        .await?
    }

    /// Whether a group that is served here has this member now.
    pub fn is_member(&self, group: &str, member_id: &str) -> bool {
        let is_member = |machine: &GroupMachine| machine.is_member(group, member_id);
        self.partitions.look(group, is_member).unwrap_or(false)
    }

    /// Lets `act` work on the groups that live beside `group`, and tells its result once what
    /// it rests on is durable.
    pub async fn ask<T>(
        &self,
        group: &str,
        act: impl FnOnce(&mut GroupMachine, Now, &mut Outcome) -> T,
    ) -> Result<T, GroupError> {
        Ok(self.partitions.ask(group, act).await?)
    }

    /// TxnOffsetCommit: as OffsetCommit, but the offsets count once the transaction is committed.
    pub async fn commit_in_transaction(
        &self,
        commit: &Commit,
        transaction: &InTransaction,
    ) -> Result<PartitionResults, GroupError> {
        let committed =
            self.partitions
                .ask_in_transaction(&commit.group, transaction, |machine, now, out| {
                    machine.commit(commit, now, out)
                });
        match committed.await {
            Ok(results) => results,
            Err(NotInTransaction::Unavailable(unavailable)) => Err(unavailable.into()),
            Err(NotInTransaction::Refused(AppendError::Producer(error))) => Err(match error {
                ProducerError::InvalidProducerEpoch { .. } => GroupError::InvalidProducerEpoch,
                _ => GroupError::InvalidTxnState,
            }),
            Err(NotInTransaction::Refused(_)) => Err(GroupError::NotCoordinator),
        }
    }

    /// To be called before the coordinator of a transaction is asked about the offsets of `group`:
    /// what a commit is to show then; `None` where the transaction has offsets there.
    pub fn ask_about(
        &self,
        group: &str,
        producer_id: ProducerId,
        producer_epoch: i16,
    ) -> Result<Option<Guard>, GroupError> {
        let asked = self
            .partitions
            .ask_about(group, producer_id, producer_epoch);
        Ok(asked?)
    }

    /// Ends a transaction that has offsets in the partition `index` of `__consumer_offsets`: they
    /// count from now on, or never.
    pub async fn end_transaction(
        &self,
        index: PartitionIndex,
        marker: Marker,
    ) -> Result<(), AppendError> {
        self.partitions.end_transaction(index, &marker).await
    }

    /// As [`Self::ask`], for all groups led here, partition by partition.
    pub async fn ask_all<T>(
        &self,
        act: impl FnMut(&mut GroupMachine) -> T,
    ) -> Result<Vec<T>, GroupError> {
        Ok(self.partitions.ask_all(act).await?)
    }
}

// === impl GroupCoordinator: numbers ===

impl GroupCoordinator {
    /// Adds the counts of its groups to a snapshot, one partition of `__consumer_offsets` after
    /// the other.
    pub async fn export(&self, to: &mut Snapshot) {
        let mut counts = StateCounts::new();
        let count = |machine: &GroupMachine| machine.count_states(&mut counts);
        self.partitions.look_at_all(count).await;
        self.probe().export(&counts, to);
    }

    /// What groups have committed, at most `most` offsets of it.
    pub async fn committed(&self, most: usize) -> CommittedOffsets {
        let mut committed = CommittedOffsets::default();
        let copy = |machine: &GroupMachine| machine.copy_committed(most, &mut committed);
        self.partitions.look_at_all(copy).await;
        committed
    }

    /// How many lines about groups and their members the log did not get, once that is to be said.
    pub fn lines_left_out(&self, now: Instant) -> Option<u64> {
        self.probe().lines_left_out(now)
    }

    fn probe(&self) -> &Probe {
        &self.partitions.factory().probe
    }
}

// === impl Groups ===

impl Groups {
    fn memory(&self) -> ShareOf {
        ShareOf::new(&self.budget, Use::Groups, limits::GROUPS_SHARE)
    }
}

impl Factory for Groups {
    type Machine = GroupMachine;

    fn make(&self, batch_bytes_max: usize) -> GroupMachine {
        let config = self.config.clone().with_batch_bytes_max(batch_bytes_max);
        GroupMachine::new(config)
            .in_cluster(self.topics.borrow().clone())
            .counting_into(self.probe.clone())
            .within(Box::new(self.memory()))
    }
}

#[cfg(test)]
mod tests;
