//! Drives: one replica of a partition: its log, its offsets, its producers and the requests that
//! wait for records or acks.
//! May use: `log` and everything to its left. Never: knows of connections or other cores.

/// Whether a test has planted this bug; a plain `false` in all other builds.
macro_rules! planted {
    ($bug:ident) => {{
        #[cfg(test)]
        let planted = crate::partition::mutant::is_planted(crate::partition::mutant::Mutant::$bug);
        #[cfg(not(test))]
        let planted = false;
        planted
    }};
}

pub mod append;
pub mod compact;
mod leaving;
#[cfg(test)]
pub mod mutant;
pub mod offsets;
pub mod producers;
pub mod read;
pub mod replicas;
pub mod replication;
pub mod traffic;
pub mod validate;
mod open;
pub mod shared;
mod state;
mod storage;
#[cfg(test)]
mod tests;
mod transactions;
mod waiters;
mod waiting;

use std::cell::{Cell, Ref, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::config::TopicConfig;
use crate::base::{LeaderEpoch, NodeId, Offset, PartitionIndex, TopicId};
use crate::log::{Log, LogFailure};
use leaving::Leaving;
pub use leaving::Stays;
pub use open::PartitionOptions;
use open::{log_config, rules};
use producers::Producers;
use replicas::Replicas;
use shared::Shared;
pub use state::{Acks, Isolation, Tenure};
use state::{ReplicaState, Role};
use traffic::Traffic;
pub use transactions::Marker;
use validate::Rules;
use waiters::Waiters;

/// Which partition this is.
#[derive(Clone, Debug)]
pub struct Name {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The topic's id.
    pub topic_id: TopicId,
    /// The partition's index.
    pub index: PartitionIndex,
}

impl Name {
    /// Logs what went wrong with the partition's log.
    pub fn report(&self, what: &'static str, error: &dyn fmt::Display) {
        let (topic, partition) = (&self.topic, self.index);
        tracing::error!(%topic, partition, %error, "{what}");
    }
}

/// A replica of a partition: the leader, or a follower of another node's.
pub struct Partition {
    name: Name,
    log: Log,
    state: RefCell<ReplicaState>,
    /// Who leads; -1 for no node.
    leader: Cell<NodeId>,
    /// What it knows of the other replicas while it leads.
    replicas: RefCell<Replicas>,
    /// What all partitions of a shard share.
    shared: Rc<Shared>,
    config: RefCell<Rc<TopicConfig>>,
    rules: RefCell<Rules>,
    producers: RefCell<Producers>,
    waiters: RefCell<Waiters>,
    traffic: Traffic,
    /// Whether it goes to another shard.
    leaving: Leaving,
    /// Whether the operator was told that the disk is full.
    told_of_full_disk: Cell<bool>,
    internal: bool,
}

impl Partition {
    /// Which partition this is.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Bytes and records that went into it and out of it.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The current leadership term.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.state.borrow().leader_epoch()
    }

    /// The topic's settings.
    pub fn config(&self) -> Rc<TopicConfig> {
        self.config.borrow().clone()
    }

    /// Whether the replica on this node is in sync, as the leader knows.
    pub fn is_in_sync(&self, node: NodeId) -> bool {
        self.replicas.borrow().isr().contains(&node)
    }

    /// Replaces the topic's settings.
    pub fn set_config(&self, config: TopicConfig) {
        self.log.set_config(log_config(&config));
        *self.rules.borrow_mut() = rules(&config);
        let min_in_sync = config.min_in_sync;
        self.replicas.borrow_mut().set_min_in_sync(min_in_sync);
        *self.config.borrow_mut() = Rc::new(config);
    }

    /// Forgets the producers that are idle longest, as [`Producers::forget_idle`] does.
    pub fn forget_idle_producers(&self) -> usize {
        self.producers.borrow_mut().forget_idle()
    }

    /// What idempotent producers have written here.
    pub fn producers(&self) -> Ref<'_, Producers> {
        self.producers.borrow()
    }

    /// Everything before it is stored by all replicas in sync, and may be read.
    pub fn high_watermark(&self) -> Offset {
        self.state.borrow().high_watermark()
    }

    /// The first offset that may be read.
    pub fn start_offset(&self) -> Offset {
        self.state.borrow().start_offset()
    }

    /// The offset that the next appended record gets.
    pub fn end_offset(&self) -> Offset {
        self.state.borrow().end_offset()
    }

    /// Why the partition takes no writes any more, if that is so.
    pub fn failure(&self) -> Option<LogFailure> {
        self.log.failure()
    }

    /// Whether it was taken out of service: deleted, or the shard stops.
    pub fn is_closed(&self) -> bool {
        !matches!(self.state.borrow().role(), Role::Leader | Role::Follower)
    }

    /// Takes it out of service since its topic was deleted; waiting tasks find out at once.
    pub fn close_deleted(&self) {
        self.state.borrow_mut().delete();
        self.waiters.borrow_mut().wake_all();
    }

    /// Takes it out of service; waiting tasks find out at once.
    pub fn close(&self) {
        self.state.borrow_mut().close();
        self.waiters.borrow_mut().wake_all();
    }

    /// Whether clients may not write to it.
    pub fn is_internal(&self) -> bool {
        self.internal
    }
}
