//! Drives: a partition that goes to another shard of the process, or to another folder of its own,
//! with its log.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::Partition;
use super::replicas::Term;
use crate::base::{Offset, WallMs};
use crate::io::event::Bell;
use crate::log::{CopyError, Folder, FutureLog, HandedOver, NotHandedOver};

/// The longest time for what was appended to be stored: the producers wait, and so does the
/// controller.
const SETTLE_MAX: Duration = Duration::from_secs(1);

/// Whether a partition goes to another shard, or to another folder. Requests that have to wait for
/// the end of that are woken by `decided`.
#[derive(Default)]
pub(super) struct Leaving {
    leaves: Cell<bool>,
    /// Set once its log has gone.
    given: Cell<Option<HandedOver>>,
    decided: Bell,
    /// The same replica in another folder of this shard.
    successor: RefCell<Option<Rc<Partition>>>,
}

/// How a partition is whose log did not go to another folder.
#[derive(Debug)]
pub enum Stays {
    /// In service, as it was.
    InService(io::Error),
    /// Closed; its log lies where it did, to be opened again.
    Closed(io::Error),
    /// Closed; a start has to find out which of two folders has its log.
    Unclear(io::Error),
}

impl Partition {
    /// Gives the log to the folder `to` of another shard, for good. Appends wait from here on, what
    /// was appended before is acked first, and readers are told that the partition is not led here.
    /// [`Self::has_left`] is to be called once another shard leads. This may be called again, where
    /// what came after it has failed.
    ///
    /// An error with `false` leaves the partition in service, as it was. After one with `true` it
    /// is closed, and its log lies where it did, to be opened again.
    pub async fn hand_over(
        &self,
        folder: &Folder,
        to: &Path,
    ) -> Result<HandedOver, (io::Error, bool)> {
        if let Some(given) = self.leaving.given.get() {
            return Ok(given);
        }
        self.settle().await.map_err(|error| (error, false))?;
        let handed_over = async {
            self.log.close().await?;
            let (topic, index) = (&self.name.topic, self.name.index);
            folder.hand_over(topic, index, &self.log, to).await
        };
        let handed_over = handed_over.await;
        self.leaving.given.set(handed_over.as_ref().ok().copied());
        handed_over.map_err(|error| {
            self.close();
            self.stays();
            (error, true)
        })
    }

    /// Gives the log to the folder `to` of this shard: one on another file system has most of it
    /// in the copy `future`, else a change of name is enough. As with [`Self::hand_over`], appends
    /// wait from here on; unless it stays in service, [`Self::has_gone_to`] is to be called.
    pub async fn hand_over_within(
        &self,
        folder: &Folder,
        future: Option<&mut FutureLog>,
        to: &Folder,
    ) -> Result<(), Stays> {
        self.settle().await.map_err(Stays::InService)?;
        let name = (&*self.name.topic, self.name.index);
        let gone = match (self.log.close().await, future) {
            (Err(error), _) => Err(NotHandedOver::Stays(error)),
            (Ok(()), None) => folder.hand_over_within(name, &self.log, to).await,
            (Ok(()), Some(future)) => folder.hand_over_copied(name, &self.log, future, to).await,
        };
        gone.map_err(|error| match error {
            NotHandedOver::Stays(error) => Stays::Closed(error),
            NotHandedOver::Unclear(error) => Stays::Unclear(error),
        })
    }

    /// Has appends wait, and what was appended before stored. Fails, and lets them go on, where
    /// that cannot be, or takes long.
    async fn settle(&self) -> io::Result<()> {
        self.leaving.leaves.set(true);
        let runtime = self.log.disk().runtime().clone();
        let settled = runtime.within(SETTLE_MAX, self.log.settle()).await;
        if settled == Some(true) {
            return Ok(());
        }
        self.stays();
        Err(io::Error::other(match settled {
            None => "its disk is slow: what was appended is not stored yet",
            _ => "its log has failed, or its disk is full",
        }))
    }

    /// Copies what `future` has not of the sealed segments; see [`FutureLog::follow`].
    pub async fn copy_to(
        &self,
        future: &mut FutureLog,
        now: WallMs,
        goes_on: &mut impl AsyncFnMut(u64) -> bool,
    ) -> Result<u64, CopyError> {
        future.follow(&self.log, now, goes_on).await
    }

    /// How many bytes of its log `future` lacks.
    pub fn missing_bytes(&self, future: &FutureLog) -> u64 {
        future.missing_bytes(&self.log)
    }

    /// Up to where `future` has its records.
    pub fn copied_upto(&self, future: &FutureLog) -> Offset {
        future.end_offset(&self.log)
    }

    /// The same replica serves from another folder now, or cannot: requests that wait go on there,
    /// or are refused.
    pub fn has_gone_to(&self, successor: Option<Rc<Partition>>) {
        *self.leaving.successor.borrow_mut() = successor;
        self.close();
        self.stays();
    }

    /// The same replica in the folder that it has gone to.
    pub fn successor(&self) -> Option<Rc<Partition>> {
        self.leaving.successor.borrow().clone()
    }

    /// Another shard leads in this term: requests that wait are told so.
    pub fn has_left(&self, term: &Term) {
        self.take_term(term);
        self.leaving.decided.ring();
    }

    /// Whether it goes, or has gone, to another shard or folder.
    pub fn is_leaving(&self) -> bool {
        self.leaving.leaves.get()
    }

    fn stays(&self) {
        self.leaving.leaves.set(false);
        self.leaving.decided.ring();
    }

    /// Waits until it is known who leads, where that is about to change.
    pub(super) async fn wait_while_leaving(&self) {
        while self.is_leaving() && self.is_leader() {
            self.leaving.decided.wait().await;
        }
    }
}
