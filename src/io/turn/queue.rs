//! Drives: the order in which tasks that gave way go on: one after another, one step in each
//! round of the executor, with a rest of the CPU after every [`STEPS_UNTIL_REST`] steps.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::BOOK;
use crate::base::Instant;
use crate::io::runtime::Runtime;

/// After so many steps in a row the executor rests for [`REST`].
pub(super) const STEPS_UNTIL_REST: u32 = 2;
/// Long enough for the thread of the executor to sleep.
const REST: Duration = Duration::from_micros(20);

/// Tasks that gave way, in order.
struct Queue {
    waiting: VecDeque<(u64, Waker)>,
    next_ticket: u64,
    /// The one that may go on and has not ended its turn.
    released: Option<u64>,
    /// Steps that were let go on since the executor last rested.
    steps: u32,
}

/// A place in the queue; left when dropped.
struct Ticket(u64);

thread_local! {
    static QUEUE: RefCell<Queue> = const {
        RefCell::new(Queue {
            waiting: VecDeque::new(),
            next_ticket: 0,
            released: None,
            steps: 0,
        })
    };
}

/// Waits for a step of its own: until all tasks that gave way before have had theirs, and all that
/// was ready has run. To be called before work that is known to be long. Returns at once outside of
/// measured tasks.
pub async fn give_way() {
    let Some(ticket) = Ticket::take() else {
        return;
    };
    poll_fn(|cx| ticket.poll_released(cx.waker())).await;
    // Everything else that is ready runs, and completions of I/O are taken from the kernel.
    let runtime = Runtime::current();
    if is_rest_due() {
        runtime.rest(REST).await;
    } else {
        runtime.next_round().await;
    }
    ticket.begin_step();
}

/// Counts the step that is about to begin; whether the executor is to rest before it.
fn is_rest_due() -> bool {
    QUEUE.with_borrow_mut(|queue| {
        let is_due = queue.steps >= STEPS_UNTIL_REST;
        queue.steps = if is_due { 1 } else { queue.steps + 1 };
        is_due
    })
}

/// The step that was let go on has ended.
pub(super) fn end_step() {
    QUEUE.with_borrow_mut(|queue| queue.released = None);
}

/// Whether no task waits.
#[cfg(test)]
pub(super) fn is_empty() -> bool {
    QUEUE.with_borrow(|queue| queue.waiting.is_empty())
}

/// Lets the next task of the queue go on, unless one has not ended its turn.
pub(super) fn release_next() {
    let next = QUEUE.with_borrow_mut(|queue| {
        if queue.released.is_some() {
            return None;
        }
        let (ticket, waker) = queue.waiting.pop_front()?;
        queue.released = Some(ticket);
        queue.note_waiting();
        Some(waker)
    });
    if let Some(waker) = next {
        waker.wake();
    }
}

// === impl Queue ===

impl Queue {
    fn note_waiting(&self) {
        BOOK.with(|book| book.has_waiting.set(!self.waiting.is_empty()));
    }
}

// === impl Ticket ===

impl Ticket {
    /// A place at the end of the queue; `None` outside of measured tasks.
    fn take() -> Option<Ticket> {
        if BOOK.with(|book| book.began.get()) == Instant(0) {
            return None;
        }
        QUEUE.with_borrow_mut(|queue| {
            let number = queue.next_ticket;
            queue.next_ticket += 1;
            queue.waiting.push_back((number, Waker::noop().clone()));
            queue.note_waiting();
            Some(Ticket(number))
        })
    }

    fn poll_released(&self, waker: &Waker) -> Poll<()> {
        QUEUE.with_borrow_mut(|queue| {
            if queue.released == Some(self.0) {
                return Poll::Ready(());
            }
            // Places are taken in order of their numbers.
            let at = queue.waiting.binary_search_by_key(&self.0, |it| it.0);
            if let Ok(at) = at {
                queue.waiting[at].1.clone_from(waker);
            }
            Poll::Pending
        })
    }

    /// Its step has begun: the next is let go on when this turn ends.
    fn begin_step(self) {
        BOOK.with(|book| book.is_step.set(true));
        std::mem::forget(self);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // An executor that ends drops its tasks when the queue may be gone.
        let was_released = QUEUE.try_with(|queue| {
            let mut queue = queue.borrow_mut();
            let is_released = queue.released == Some(self.0);
            if is_released {
                queue.released = None;
            } else {
                queue.waiting.retain(|it| it.0 != self.0);
                queue.note_waiting();
            }
            is_released
        });
        if was_released == Ok(true) {
            release_next();
        }
    }
}
