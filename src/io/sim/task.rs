//! Drives: the handle of a simulated task, and what tasks ask of their world.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::tasks::{self, Tasks};
use crate::base::{Instant, WallMs};

/// The executor of a world, as tasks see it; cheap to clone.
#[derive(Clone)]
pub struct SimRuntime(Rc<Tasks>);

/// A task of a world; dropping the handle lets the task go on.
pub struct SimTask<T> {
    tasks: Rc<Tasks>,
    number: usize,
    output: Rc<Output<T>>,
}

/// What a task has returned, and the task that waits for it.
struct Output<T> {
    value: RefCell<Option<T>>,
    waiter: RefCell<Option<Waker>>,
}

/// Cancels its task when it is dropped; one that has ended is as it was.
struct CancelOnDrop<'a, T>(&'a SimTask<T>);

/// The world whose step is done on this thread now, if one is.
pub(in crate::io) fn current() -> Option<SimRuntime> {
    tasks::current().map(SimRuntime::new)
}

// === impl SimRuntime ===

impl SimRuntime {
    pub(super) fn new(tasks: Rc<Tasks>) -> SimRuntime {
        SimRuntime(tasks)
    }

    /// Runs `future` beside the current task.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> SimTask<T> {
        let output = Rc::new(Output {
            value: RefCell::new(None),
            waiter: RefCell::new(None),
        });
        let slot = Rc::clone(&output);
        let number = self.0.spawn(async move {
            let value = future.await;
            *slot.value.borrow_mut() = Some(value);
            let waiter = slot.waiter.borrow_mut().take();
            if let Some(waker) = waiter {
                waker.wake();
            }
        });
        SimTask {
            tasks: Rc::clone(&self.0),
            number,
            output,
        }
    }

    /// Waits for `length` of virtual time.
    pub async fn sleep(&self, length: Duration) {
        let deadline = self.now().after(length);
        self.0.time.until(deadline).await;
    }

    /// Lets other tasks and I/O go on, as the seed has it.
    pub async fn yield_now(&self) {
        let yielded = Cell::new(false);
        poll_fn(|context| {
            if yielded.replace(true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.0.time.now()
    }

    /// The virtual wall clock of the machine whose task is polled now.
    pub fn wall_ms(&self) -> WallMs {
        self.0.wall_ms()
    }

    /// A number that follows from the seed.
    pub fn random(&self) -> u64 {
        self.0.values.borrow_mut().next()
    }
}

// === impl SimTask ===

impl<T> SimTask<T> {
    /// The task's result; it is asked for once. Cancels the task when dropped before that.
    pub(in crate::io) async fn join(&self) -> T {
        let _cancel = CancelOnDrop(self);
        poll_fn(|context| match self.output.value.borrow_mut().take() {
            Some(value) => Poll::Ready(value),
            None => {
                *self.output.waiter.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    /// Drops the task where it waits.
    pub(in crate::io) fn cancel(&self) {
        self.tasks.cancel(self.number);
    }
}

impl<T> Drop for CancelOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
