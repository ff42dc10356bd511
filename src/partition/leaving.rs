//! Drives: a partition that goes to another shard of the process, with its log.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::Partition;
use super::replicas::Term;
use crate::io::event::Bell;
use crate::log::{Folder, HandedOver};

/// The longest time for what was appended to be stored: the producers wait, and so does the
/// controller.
const SETTLE_MAX: Duration = Duration::from_secs(1);

/// Whether a partition goes to another shard. Requests that have to wait for the end of that are
/// woken by `decided`.
#[derive(Default)]
pub(super) struct Leaving {
    leaves: Cell<bool>,
    /// Set once its log has gone.
    given: Cell<Option<HandedOver>>,
    decided: Bell,
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
        self.leaving.leaves.set(true);
        let runtime = self.log.disk().runtime().clone();
        let settled = runtime.within(SETTLE_MAX, self.log.settle()).await;
        if settled != Some(true) {
            self.stays();
            let why = match settled {
                None => "its disk is slow: what was appended is not stored yet",
                _ => "its log has failed, or its disk is full",
            };
            return Err((io::Error::other(why), false));
        }
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

    /// Another shard leads in this term: requests that wait are told so.
    pub fn has_left(&self, term: &Term) {
        self.take_term(term);
        self.leaving.decided.ring();
    }

    /// Whether it goes, or has gone, to another shard.
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
