//! Pure: what a leader knows of the replicas of its partition: how far each has come, which are in
//! sync, and which change of that it has asked the controller for (KIP-497, KIP-903). The rules are
//! those of Kafka's `Partition` and `Replica`.

use std::time::Duration;

use crate::base::{Instant, LeaderEpoch, NodeId, Offset};
use crate::metadata::controller::{AlterPartitionError, AlteredPartition, IsrChange};
use crate::metadata::image;

mod low;

/// A broker epoch that the controller does not check.
const ANY_EPOCH: i64 = -1;

/// A partition's leadership as the cluster's metadata tells it.
#[derive(Clone, Debug)]
pub struct Term {
    /// The leader; -1 for none.
    pub leader: NodeId,
    /// Its term.
    pub leader_epoch: LeaderEpoch,
    /// Count of the partition's changes.
    pub partition_epoch: i32,
    /// All replicas.
    pub replicas: Vec<NodeId>,
    /// Those in sync.
    pub isr: Vec<NodeId>,
}

/// A fetch of a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerFetch {
    /// Who fetches.
    pub node: NodeId,
    /// The epoch of its registration, as it says; -1 where it does not say.
    pub broker_epoch: i64,
    /// Whether it may be in sync: it serves, does not shut down, and is registered with that epoch.
    pub is_eligible: bool,
}

/// What a leader knows of its partition's replicas.
#[derive(Debug)]
pub struct Replicas {
    own: NodeId,
    partition_epoch: i32,
    isr: Vec<NodeId>,
    followers: Vec<Follower>,
    change: Option<Change>,
    /// `min.insync.replicas`
    min_in_sync: usize,
}

/// A replica on another node.
#[derive(Debug)]
struct Follower {
    node: NodeId,
    /// It has stored everything before this offset; `None` before its first fetch of the term.
    end: Option<Offset>,
    /// Where its log begins; -1 before its first fetch of the term.
    start: Offset,
    broker_epoch: i64,
    is_eligible: bool,
    /// When it last had all that there was, as far as is known.
    caught_up_at: Option<Instant>,
    /// When it fetched last, and where the log ended then.
    last_fetch: Option<(Instant, Offset)>,
}

/// A change of the replicas in sync that the controller is, or is to be, asked for.
#[derive(Debug)]
struct Change {
    isr: Vec<NodeId>,
    /// What became of it is not known, and the metadata log will tell: it is not asked for again.
    is_settled_elsewhere: bool,
}

// === impl Term ===

impl Term {
    /// The term that the image tells of, in which `denied`, where there is one, does not lead.
    pub fn of(partition: &image::Partition, denied: Option<NodeId>) -> Term {
        Term {
            leader: match denied == Some(partition.leader) {
                true => NodeId(-1),
                false => partition.leader,
            },
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
        }
    }

    /// `node` is the only replica.
    pub fn alone(node: NodeId, leader_epoch: LeaderEpoch) -> Term {
        Term {
            leader: node,
            leader_epoch,
            partition_epoch: 0,
            replicas: vec![node],
            isr: vec![node],
        }
    }
}

// === impl Replicas ===

impl Replicas {
    /// Those of a partition of which `own` has a replica; nothing is known of others yet.
    pub fn new(own: NodeId, min_in_sync: usize) -> Replicas {
        Replicas {
            own,
            partition_epoch: -1,
            isr: vec![own],
            followers: Vec::new(),
            change: None,
            min_in_sync,
        }
    }

    /// The node whose replica this is.
    pub fn own(&self) -> NodeId {
        self.own
    }

    /// Whether there are others.
    pub fn is_replicated(&self) -> bool {
        !self.followers.is_empty()
    }

    /// How many others there are.
    pub fn followers_count(&self) -> usize {
        self.followers.len()
    }

    /// Those in sync.
    pub fn isr(&self) -> &[NodeId] {
        &self.isr
    }

    /// `min.insync.replicas` of the topic.
    pub fn set_min_in_sync(&mut self, count: usize) {
        self.min_in_sync = count;
    }

    /// Forgets the followers: another node leads.
    pub fn forget(&mut self) {
        self.followers.clear();
        self.change = None;
    }

    /// Takes over what the metadata says of the partition in a term of this node. What the
    /// controller has answered may be newer.
    pub fn take_over(&mut self, term: &Term, is_new_term: bool, now: Instant) {
        if !is_new_term && term.partition_epoch <= self.partition_epoch {
            return;
        }
        self.partition_epoch = term.partition_epoch;
        self.isr.clone_from(&term.isr);
        self.change = None;
        let mut known = std::mem::take(&mut self.followers);
        if is_new_term {
            known.clear();
        }
        let others = term.replicas.iter().filter(|node| **node != self.own);
        self.followers = others
            .map(|node| {
                let at = known.iter().position(|it| it.node == *node);
                at.map_or_else(
                    || Follower::new(*node, term.isr.contains(node).then_some(now)),
                    |at| known.swap_remove(at),
                )
            })
            .collect();
    }

    /// A follower fetches from `offset` on, and has stored all before; the log ends at `end`.
    pub fn fetched(&mut self, fetch: &FollowerFetch, offset: Offset, end: Offset, now: Instant) {
        let mut followers = self.followers.iter_mut();
        let Some(follower) = followers.find(|it| it.node == fetch.node) else {
            return;
        };
        follower.broker_epoch = fetch.broker_epoch;
        follower.is_eligible = fetch.is_eligible;
        if offset >= end {
            follower.caught_up_at = Some(now);
        } else if let Some((at, ended)) = follower.last_fetch
            && offset >= ended
        {
            follower.caught_up_at = follower.caught_up_at.max(Some(at));
        }
        follower.end = Some(offset);
        follower.last_fetch = Some((now, end));
    }

    /// Followers on nodes that may not be in sync now are not waited for, unless they are in sync.
    /// Whether that is news.
    pub fn only_eligible(&mut self, may_be_in_sync: impl Fn(NodeId) -> bool) -> bool {
        let mut any = false;
        for follower in &mut self.followers {
            if follower.is_eligible && !may_be_in_sync(follower.node) {
                follower.is_eligible = false;
                any = true;
            }
        }
        any
    }

    /// Whether this node is a replica's.
    pub fn has(&self, node: NodeId) -> bool {
        self.followers.iter().any(|it| it.node == node)
    }

    /// Everything before which offset is committed, where the leader has stored everything before
    /// `stored` and its log ends at `end`; `None` where nothing more is committed: too few replicas
    /// are in sync, or one of them has not said yet how far it is. A replica that is about to be in
    /// sync counts as one that is: else it would never catch up with a busy leader.
    pub fn committable(
        &self,
        stored: Offset,
        end: Offset,
        now: impl Fn() -> Instant,
        lag: Duration,
    ) -> Option<Offset> {
        if self.followers.is_empty() {
            return Some(stored);
        }
        if self.is_under_min() {
            return None;
        }
        let mut upto = stored;
        let forgotten = usize::from(planted!(OneForgotten));
        for follower in self.followers.iter().skip(forgotten) {
            let counts = self.counts_as_in_sync(follower.node)
                || follower.is_eligible && follower.is_caught_up(end, now(), lag);
            if counts {
                upto = upto.min(follower.end?);
            }
        }
        Some(upto)
    }

    /// Whether it is in sync, or shall be.
    fn counts_as_in_sync(&self, node: NodeId) -> bool {
        let change = self.change.as_ref();
        self.isr.contains(&node) || change.is_some_and(|change| change.isr.contains(&node))
    }

    /// Whether fewer replicas are in sync than `min.insync.replicas` asks for, as far as there are
    /// so many.
    pub fn is_under_min(&self) -> bool {
        self.isr.len() < self.min_in_sync.min(self.followers.len() + 1)
    }

    /// Which of the nodes `near` a reader has what it wants from `offset` on: the one in sync that
    /// has most, if this node is not among them (KIP-392).
    pub fn nearest(&self, offset: Offset, near: &[NodeId]) -> Option<NodeId> {
        if near.contains(&self.own) {
            return None;
        }
        let has = |it: &&Follower| {
            let reach = it.start <= offset && it.end >= Some(offset);
            reach && self.isr.contains(&it.node)
        };
        let followers = self.followers.iter().filter(has);
        let nearest = followers.filter(|it| near.contains(&it.node));
        nearest.max_by_key(|it| it.end).map(|it| it.node)
    }

    /// Wants a follower in sync that has just fetched, if it has come far enough: up to the high
    /// watermark, and to where this term began. Whether the controller is to be asked now.
    pub fn grow(&mut self, node: NodeId, high_watermark: Offset, term_start: Offset) -> bool {
        if self.change.is_some() || self.isr.contains(&node) {
            return false;
        }
        let mut followers = self.followers.iter();
        let is_ready = followers.any(|it| {
            let far_enough = it.end >= Some(high_watermark.max(term_start));
            it.node == node && it.is_eligible && far_enough
        });
        if is_ready {
            let mut isr = self.isr.clone();
            isr.push(node);
            self.change = Some(Change::to(isr));
        }
        is_ready
    }

    /// Wants those out that have not been caught up for longer than `lag`. Whether the controller
    /// is to be asked now.
    pub fn shrink(&mut self, end: Offset, now: Instant, lag: Duration) -> bool {
        if self.change.is_some() {
            return false;
        }
        let lags = |node: &NodeId| {
            let mut followers = self.followers.iter();
            followers.any(|it| it.node == *node && !it.is_caught_up(end, now, lag))
        };
        if !self.isr.iter().any(lags) {
            return false;
        }
        let isr = self.isr.iter().filter(|node| !lags(node)).copied();
        self.change = Some(Change::to(isr.collect()));
        true
    }

    /// The change to ask the controller for: the state that it is made from, and the replicas that
    /// shall be in sync with the epochs of their registrations; `own_epoch` is that of this node.
    pub fn wanted(&self, own_epoch: i64) -> Option<(i32, Vec<(NodeId, i64)>)> {
        let change = self.change.as_ref()?;
        if change.is_settled_elsewhere {
            return None;
        }
        let isr = change.isr.iter().map(|node| {
            let mut followers = self.followers.iter();
            let follower = followers.find(|it| it.node == *node);
            let epoch = match follower {
                Some(follower) => follower.broker_epoch,
                None => own_epoch,
            };
            (*node, epoch)
        });
        Some((self.partition_epoch, isr.collect()))
    }

    /// What became of the change `asked` of the current term. Whether it is to be asked for again.
    pub fn altered(
        &mut self,
        asked: &IsrChange,
        result: &Result<AlteredPartition, AlterPartitionError>,
    ) -> bool {
        let is_of_now = asked.partition_epoch == self.partition_epoch;
        let Some(change) = self.change.as_mut().filter(|_| is_of_now) else {
            return false;
        };
        match result {
            Ok(now) if now.leader_epoch != asked.leader_epoch || now.leader != self.own => {
                change.is_settled_elsewhere = true;
            }
            Ok(now) => {
                if now.partition_epoch >= self.partition_epoch {
                    self.partition_epoch = now.partition_epoch;
                    self.isr.clone_from(&now.isr);
                }
                self.change = None;
            }
            Err(AlterPartitionError::IneligibleReplica | AlterPartitionError::NotAttempted) => {
                self.change = None;
            }
            Err(AlterPartitionError::Outdated | AlterPartitionError::NewLeaderElected) => {
                change.is_settled_elsewhere = true;
            }
            Err(AlterPartitionError::NotController | AlterPartitionError::Other(_)) => return true,
        }
        false
    }
}

// === impl Follower ===

impl Follower {
    fn new(node: NodeId, caught_up_at: Option<Instant>) -> Follower {
        Follower {
            node,
            end: None,
            start: -1,
            broker_epoch: ANY_EPOCH,
            is_eligible: false,
            caught_up_at,
            last_fetch: None,
        }
    }

    /// Whether it has all, or had within `lag`.
    fn is_caught_up(&self, end: Offset, now: Instant, lag: Duration) -> bool {
        let lately = |at: Instant| now.since(at) <= lag;
        self.end.is_some_and(|it| it >= end) || self.caught_up_at.is_some_and(lately)
    }
}

// === impl Change ===

impl Change {
    fn to(isr: Vec<NodeId>) -> Change {
        Change {
            isr,
            is_settled_elsewhere: false,
        }
    }
}

#[cfg(test)]
mod tests;
