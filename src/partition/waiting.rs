//! Drives: tasks that wait for a partition: for the ack of what they appended, or for more to read.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use super::Partition;
use super::append::AppendError;
use super::state::{Acks, Role, Tenure};
use crate::base::Offset;

impl Partition {
    /// Waits until everything before `upto`, which was appended in this tenure, has this kind of
    /// ack. Fails where it never will have it, or not before the disk has space again.
    pub async fn wait_acked(
        &self,
        acks: Acks,
        upto: Offset,
        tenure: Tenure,
    ) -> Result<(), AppendError> {
        poll_fn(|cx| match self.acked(acks, upto, tenure) {
            Some(verdict) => Poll::Ready(verdict),
            None => {
                let mut waiters = self.waiters.borrow_mut();
                waiters.park_producer(acks, upto, cx.waker());
                Poll::Pending
            }
        })
        .await
    }

    /// Waits until everything before `upto`, which was appended in the current tenure, is
    /// committed: until `acks=all` is acked.
    pub async fn wait_committed(&self, upto: Offset) -> Result<(), AppendError> {
        let tenure = self.tenure();
        self.wait_acked(Acks::All, upto, tenure).await
    }

    /// Has `waker` woken when [`Self::acked`] has a verdict; `false` where it has one already.
    pub fn park_acked(&self, acks: Acks, upto: Offset, tenure: Tenure, waker: &Waker) -> bool {
        let is_open = self.acked(acks, upto, tenure).is_none();
        if is_open {
            self.waiters.borrow_mut().park_producer(acks, upto, waker);
        }
        is_open
    }

    /// Whether everything before `upto`, which was appended in this tenure, has this kind of ack,
    /// or why it does not get it; `None` while that is not known.
    pub fn acked(
        &self,
        acks: Acks,
        upto: Offset,
        tenure: Tenure,
    ) -> Option<Result<(), AppendError>> {
        let state = self.state.borrow();
        // What was appended before it goes to another shard is acked before it goes.
        let follows = state.role() == Role::Follower && !self.is_leaving();
        if state.tenure() != tenure || follows {
            // Another leader decides what becomes of it.
            return Some(match planted!(EndedTenureAcks) {
                true => Ok(()),
                false => Err(AppendError::Closed),
            });
        }
        if state.acked_offset(acks) >= upto {
            let is_too_few = acks == Acks::All && self.replicas.borrow().is_under_min();
            return Some(match is_too_few {
                true => Err(AppendError::TooFewReplicasAfterwards),
                false => Ok(()),
            });
        }
        if self.is_closed() {
            return Some(Err(AppendError::Closed));
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
        None
    }

    /// Wakes all parked fetches.
    pub fn wake_readers(&self) {
        self.waiters.borrow_mut().advance(&self.state.borrow());
    }

    /// Wakes `waker` when there may be more to replicate.
    pub fn park_follower(&self, waker: &Waker) {
        self.waiters.borrow_mut().park_follower(waker);
    }

    /// Wakes `waker` when there may be more to read.
    pub fn park_reader(&self, waker: &Waker) {
        self.waiters.borrow_mut().park_reader(waker);
    }

    /// Forgets a reader or follower that waits no more.
    pub fn leave_reader(&self, waker: &Waker) {
        self.waiters.borrow_mut().leave(waker);
    }
}
