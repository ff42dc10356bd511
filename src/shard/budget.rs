//! Drives: how much memory this core may still promise to requests.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Bytes that may be in use at once; who asks for more than is left waits, first come first
/// served, which for a connection means that its socket is not read. Who waits must hold
/// nothing of the same budget, else those who wait may wait for each other.
pub struct Budget {
    total_bytes: usize,
    free_bytes: Cell<usize>,
    waiting: RefCell<VecDeque<(u64, Waker)>>,
    next_ticket: Cell<u64>,
}

/// Bytes taken from a budget; given back when dropped.
pub struct Reserved {
    budget: Rc<Budget>,
    bytes: usize,
}

/// A place in the queue; left when dropped.
struct Ticket<'a> {
    budget: &'a Budget,
    number: u64,
}

impl Budget {
    /// A budget of `total_bytes`.
    pub fn new(total_bytes: usize) -> Rc<Budget> {
        Rc::new(Budget {
            total_bytes,
            free_bytes: Cell::new(total_bytes),
            waiting: RefCell::default(),
            next_ticket: Cell::default(),
        })
    }

    /// Bytes in use.
    pub fn used_bytes(&self) -> usize {
        self.total_bytes - self.free_bytes.get()
    }

    /// Whether somebody waits for memory.
    pub fn is_short(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// Takes `bytes` now, if they are free and nobody waits for them. A request larger than
    /// the whole budget is granted when nothing else is in use, so that it is served, alone,
    /// rather than never.
    pub fn try_reserve(self: &Rc<Self>, bytes: usize) -> Option<Reserved> {
        match self.waiting.borrow().is_empty() {
            true => self.take(bytes),
            false => None,
        }
    }

    /// Takes `bytes`, waiting until they are free.
    pub async fn reserve(self: &Rc<Self>, bytes: usize) -> Reserved {
        if let Some(reserved) = self.try_reserve(bytes) {
            return reserved;
        }
        let ticket = Ticket::take(self);
        poll_fn(|cx| {
            if ticket.is_next(cx.waker())
                && let Some(reserved) = self.take(bytes)
            {
                return Poll::Ready(reserved);
            }
            Poll::Pending
        })
        .await
    }

    fn take(self: &Rc<Self>, bytes: usize) -> Option<Reserved> {
        let bytes = bytes.min(self.total_bytes);
        let free = self.free_bytes.get().checked_sub(bytes)?;
        self.free_bytes.set(free);
        Some(Reserved {
            budget: self.clone(),
            bytes,
        })
    }

    fn wake_next(&self) {
        if let Some((_, waker)) = self.waiting.borrow().front() {
            waker.wake_by_ref();
        }
    }
}

impl Reserved {
    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Hands on up to `bytes` of it.
    pub fn split(&mut self, bytes: usize) -> Reserved {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Reserved {
            budget: self.budget.clone(),
            bytes,
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget
            .free_bytes
            .set(self.budget.free_bytes.get() + self.bytes);
        self.budget.wake_next();
    }
}

impl<'a> Ticket<'a> {
    fn take(budget: &'a Budget) -> Ticket<'a> {
        let number = budget.next_ticket.get();
        budget.next_ticket.set(number + 1);
        let mut waiting = budget.waiting.borrow_mut();
        waiting.push_back((number, Waker::noop().clone()));
        Ticket { budget, number }
    }

    /// Whether it is first in the queue; `waker` is woken when it may have become so.
    fn is_next(&self, waker: &Waker) -> bool {
        let mut waiting = self.budget.waiting.borrow_mut();
        let at = waiting
            .iter()
            .position(|(number, _)| *number == self.number);
        if let Some(at) = at {
            waiting[at].1.clone_from(waker);
        }
        at == Some(0)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut waiting = self.budget.waiting.borrow_mut();
        waiting.retain(|(number, _)| *number != self.number);
        drop(waiting);
        // What is left may be enough for whoever comes next.
        self.budget.wake_next();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use super::*;

    #[test]
    fn what_is_dropped_is_free_again_and_a_giant_is_served_alone() {
        let budget = Budget::new(100);
        let first = budget.try_reserve(60).unwrap();
        assert!(budget.try_reserve(41).is_none());
        assert!(budget.try_reserve(1_000).is_none());
        drop(first);
        let giant = budget.try_reserve(1_000).unwrap();
        assert_eq!(budget.used_bytes(), 100);
        drop(giant);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn who_came_first_is_served_first_and_who_leaves_blocks_nobody() {
        let budget = Budget::new(100);
        let mut cx = Context::from_waker(Waker::noop());
        let held = budget.try_reserve(60).unwrap();
        let mut large = Box::pin(budget.reserve(80));
        let mut small = Box::pin(budget.reserve(10));
        assert!(large.as_mut().poll(&mut cx).is_pending());
        assert!(small.as_mut().poll(&mut cx).is_pending());
        assert!(budget.try_reserve(1).is_none());
        drop(held);
        assert!(small.as_mut().poll(&mut cx).is_pending());
        let Poll::Ready(granted) = large.as_mut().poll(&mut cx) else {
            panic!("the first in the queue waits though there is room");
        };
        assert_eq!(granted.bytes(), 80);
        assert!(small.as_mut().poll(&mut cx).is_ready());
        let mut leaving = Box::pin(budget.reserve(100));
        assert!(leaving.as_mut().poll(&mut cx).is_pending());
        drop(leaving);
        assert!(budget.try_reserve(5).is_some());
    }

    #[test]
    fn what_is_split_off_is_given_back_by_itself() {
        let budget = Budget::new(100);
        let mut whole = budget.try_reserve(50).unwrap();
        let part = whole.split(20);
        drop(whole);
        assert_eq!(budget.used_bytes(), 20);
        drop(part);
        assert_eq!(budget.used_bytes(), 0);
    }
}
