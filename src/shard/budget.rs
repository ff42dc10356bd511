//! Drives: how much memory this core may still promise to requests.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Bytes that may be in use at once; who asks for more than is left waits, first come first
/// served, which for a connection means that its socket is not read.
pub struct Budget {
    total_bytes: usize,
    free_bytes: Cell<usize>,
    waiting: RefCell<VecDeque<Waker>>,
}

/// Bytes taken from a budget; given back when dropped.
pub struct Reserved {
    budget: Rc<Budget>,
    bytes: usize,
}

impl Budget {
    /// A budget of `total_bytes`.
    pub fn new(total_bytes: usize) -> Rc<Budget> {
        Rc::new(Budget {
            total_bytes,
            free_bytes: Cell::new(total_bytes),
            waiting: RefCell::default(),
        })
    }

    /// Bytes in use.
    pub fn used_bytes(&self) -> usize {
        self.total_bytes - self.free_bytes.get()
    }

    /// Takes `bytes` now, if they are free. A request larger than the whole budget is granted
    /// when nothing else is in use, so that it is served, alone, rather than never.
    pub fn try_reserve(self: &Rc<Self>, bytes: usize) -> Option<Reserved> {
        let bytes = bytes.min(self.total_bytes);
        let free = self.free_bytes.get().checked_sub(bytes)?;
        self.free_bytes.set(free);
        Some(Reserved {
            budget: self.clone(),
            bytes,
        })
    }

    /// Takes `bytes`, waiting until they are free.
    pub async fn reserve(self: &Rc<Self>, bytes: usize) -> Reserved {
        poll_fn(|cx| match self.try_reserve(bytes) {
            Some(reserved) => Poll::Ready(reserved),
            None => {
                self.waiting.borrow_mut().push_back(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}

impl Reserved {
    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes over what `other` holds.
    pub fn merge(&mut self, mut other: Reserved) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget
            .free_bytes
            .set(self.budget.free_bytes.get() + self.bytes);
        // All are woken: the first may need more than came free, and a later one less.
        self.budget
            .waiting
            .borrow_mut()
            .drain(..)
            .for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
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
}
