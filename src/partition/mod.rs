//! Drives: one replica of one partition: its log, its producers, and who waits for it.
//! May use: `log` and everything to its left. Never: knows of connections or other cores.

pub mod append;
pub mod compact;
pub mod fetch;
pub mod offsets;
pub mod producers;
pub mod traffic;
pub mod validate;
mod open;
mod waiters;

use std::cell::{Cell, Ref, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::base::config::TopicConfig;
use crate::base::{LeaderEpoch, Offset, PartitionIndex, TopicId, WallMs};
use crate::log::{Log, LogFailure};
pub use open::PartitionOptions;
use open::{log_config, rules};
use producers::Producers;
use traffic::Traffic;
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

/// A partition this shard leads.
pub struct Partition {
    name: Name,
    log: Log,
    leader_epoch: Cell<LeaderEpoch>,
    config: RefCell<Rc<TopicConfig>>,
    rules: RefCell<Rules>,
    producers: RefCell<Producers>,
    waiters: Rc<RefCell<Waiters>>,
    traffic: Traffic,
    closed: Cell<bool>,
    deleted: Cell<bool>,
    /// Whether the device is full, as far as the log has told.
    lacks_room: Cell<bool>,
    internal: bool,
}

impl Partition {
    /// Which partition this is.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Its log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// What went into it and out of it.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The current leadership term.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch.get()
    }

    /// A new term begins.
    pub fn set_leader_epoch(&self, epoch: LeaderEpoch) {
        self.leader_epoch.set(epoch);
    }

    /// The topic's settings.
    pub fn config(&self) -> Rc<TopicConfig> {
        self.config.borrow().clone()
    }

    /// The topic's settings have changed.
    pub fn set_config(&self, config: TopicConfig) {
        self.log.set_config(log_config(&config));
        *self.rules.borrow_mut() = rules(&config);
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

    /// Everything below is acked and may be read.
    pub fn high_watermark(&self) -> Offset {
        self.log.acked_offset()
    }

    /// The first offset that may be read.
    pub fn start_offset(&self) -> Offset {
        self.log.start_offset()
    }

    /// Why the partition takes no writes any more, if that is so.
    pub fn failure(&self) -> Option<LogFailure> {
        self.log.failure()
    }

    /// Whether it has been taken out of service: deleted, or the shard stops.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Takes it out of service since its topic is deleted; waiting tasks find out at once.
    pub fn close_deleted(&self) {
        self.deleted.set(true);
        self.close();
    }

    /// Takes it out of service; waiting tasks find out at once.
    pub fn close(&self) {
        self.closed.set(true);
        self.waiters.borrow_mut().wake_all();
    }

    /// Whether clients may not write to it.
    pub fn is_internal(&self) -> bool {
        self.internal
    }

    /// Lets every parked reader look again.
    pub fn wake_readers(&self) {
        self.waiters.borrow_mut().advance(self.high_watermark());
    }

    /// Rolls, deletes and forgets what time has come for.
    pub async fn maintain(&self, now: WallMs) {
        self.producers.borrow_mut().expire(now);
        if let Err(error) = self.log.maintain(now).await {
            self.name.report("cannot clean up", &error);
        }
    }

    /// Wakes `waker` when there may be more to read.
    pub fn park_reader(&self, waker: &Waker) {
        self.waiters.borrow_mut().park_reader(waker);
    }

    /// Forgets a reader that waits no more.
    pub fn leave_reader(&self, waker: &Waker) {
        self.waiters.borrow_mut().leave(waker);
    }

    /// Waits until everything below `upto` is acked.
    pub async fn wait_committed(&self, upto: Offset) -> Result<(), append::AppendError> {
        poll_fn(|cx| match self.committed(upto) {
            Some(verdict) => Poll::Ready(verdict),
            None => {
                self.waiters.borrow_mut().park_commit(upto, cx.waker());
                Poll::Pending
            }
        })
        .await
    }

    /// Wakes `waker` once everything below `upto` is acked, or never will be; `false` where that
    /// is known already.
    pub fn park_committed(&self, upto: Offset, waker: &Waker) -> bool {
        let is_open = self.committed(upto).is_none();
        if is_open {
            self.waiters.borrow_mut().park_commit(upto, waker);
        }
        is_open
    }

    /// Whether everything below `upto` is acked, or never will be; `None` when it is not known yet.
    pub fn committed(&self, upto: Offset) -> Option<Result<(), append::AppendError>> {
        if self.log.acked_offset() >= upto {
            return Some(Ok(()));
        }
        if let Some(failure) = self.log.failure() {
            return Some(Err(append::AppendError::Storage(failure)));
        }
        // It is written once there is room: who sends it again then may find it there.
        if upto > self.log.written_offset()
            && let Some(lack) = self.log.stuck()
        {
            return Some(Err(append::AppendError::Storage(lack)));
        }
        self.closed
            .get()
            .then_some(Err(append::AppendError::Closed))
    }
}
