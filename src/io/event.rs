//! Drives: one task waits until another on the same core calls.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// A call that is remembered until a task waits for it. One task waits, any number call; calls
/// that are made while none waits count as one.
#[derive(Default)]
pub struct Event {
    called: Cell<bool>,
    waiter: RefCell<Option<Waker>>,
}

/// Wakes every task that waits at the moment of a call; calls are not remembered.
#[derive(Default)]
pub struct Bell {
    rounds: Cell<u64>,
    waiters: RefCell<Vec<Waker>>,
}

// === impl Event ===

impl Event {
    /// Lets the waiter go on, now or when it next waits.
    pub fn call(&self) {
        self.called.set(true);
        let waiter = self.waiter.borrow_mut().take();
        if let Some(waker) = waiter {
            waker.wake();
        }
    }

    /// Waits for a call, or takes one that was made before.
    pub async fn wait(&self) {
        poll_fn(|context| {
            if self.called.replace(false) {
                return Poll::Ready(());
            }
            match &mut *self.waiter.borrow_mut() {
                // Costs nothing where it wakes the same task.
                Some(known) => known.clone_from(context.waker()),
                waiter => *waiter = Some(context.waker().clone()),
            }
            Poll::Pending
        })
        .await;
    }
}

// === impl Bell ===

impl Bell {
    /// Wakes all tasks that wait now.
    pub fn ring(&self) {
        self.rounds.set(self.rounds.get() + 1);
        for waker in self.waiters.borrow_mut().drain(..) {
            waker.wake();
        }
    }

    /// Waits for the next ring.
    pub async fn wait(&self) {
        let round = self.rounds.get();
        poll_fn(|context| {
            if self.rounds.get() != round {
                return Poll::Ready(());
            }
            self.waiters.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
