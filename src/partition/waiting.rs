//! Drives: tasks that wait for a partition: for the ack of what they appended, or for more to read.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use super::Partition;
use super::append::AppendError;
use super::state::Acks;
use crate::base::Offset;

impl Partition {
    /// Waits until everything before `upto` is acked to those who wait for `acks`. Fails where it
    /// never will be, or not before the disk has space again.
    pub async fn wait_acked(&self, acks: Acks, upto: Offset) -> Result<(), AppendError> {
        poll_fn(|cx| match self.acked(acks, upto) {
            Some(verdict) => Poll::Ready(verdict),
            None => {
                let mut waiters = self.waiters.borrow_mut();
                waiters.park_producer(acks, upto, cx.waker());
                Poll::Pending
            }
        })
        .await
    }

    /// Waits until everything before `upto` is committed: until `acks=all` is acked.
    pub async fn wait_committed(&self, upto: Offset) -> Result<(), AppendError> {
        self.wait_acked(Acks::All, upto).await
    }

    /// Has `waker` woken when [`Self::acked`] has a verdict; `false` where it has one already.
    pub fn park_acked(&self, acks: Acks, upto: Offset, waker: &Waker) -> bool {
        let is_open = self.acked(acks, upto).is_none();
        if is_open {
            self.waiters.borrow_mut().park_producer(acks, upto, waker);
        }
        is_open
    }

    /// Whether everything before `upto` is acked to those who wait for `acks`, or why it is not;
    /// `None` while that is not known.
    pub fn acked(&self, acks: Acks, upto: Offset) -> Option<Result<(), AppendError>> {
        if self.state.borrow().acked_offset(acks) >= upto {
            return Some(Ok(()));
        }
        if let Some(failure) = self.log.failure() {
            return Some(Err(AppendError::Storage(failure)));
        }
        // It is written once the disk has space: a producer that sends it again may find it there.
        if upto > self.log.written_offset()
            && let Some(lack) = self.log.stuck()
        {
            return Some(Err(AppendError::Storage(lack)));
        }
        self.is_closed().then_some(Err(AppendError::Closed))
    }

    /// Wakes all parked fetches.
    pub fn wake_readers(&self) {
        self.waiters.borrow_mut().advance(&self.state.borrow());
    }

    /// Wakes `waker` when there may be more to read.
    pub fn park_reader(&self, waker: &Waker) {
        self.waiters.borrow_mut().park_reader(waker);
    }

    /// Forgets a reader that waits no more.
    pub fn leave_reader(&self, waker: &Waker) {
        self.waiters.borrow_mut().leave(waker);
    }
}
