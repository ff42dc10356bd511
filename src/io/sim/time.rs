//! Drives: virtual time: it passes a little with each step, and jumps when nothing else is left
//! to do.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::base::{Instant, WallMs};

/// When the first life of a simulated machine begins. Not zero, which means "never" in places.
pub(super) const BEGIN: Instant = Instant(1_000_000_000);
/// What the wall clock shows at [`BEGIN`], in milliseconds since the epoch: a day in 2025.
const WALL_BEGIN_MS: WallMs = 1_750_000_000_000;
/// How long a step of the world takes. Not zero, so that a task that yields until a deadline has
/// passed comes to an end.
const STEP: Duration = Duration::from_micros(10);

/// The clock of a world, and the tasks that wait for it.
pub(super) struct Time {
    now: Cell<Instant>,
    /// By deadline, and in the order in which they came.
    sleepers: RefCell<BTreeMap<Key, Waker>>,
    next: Cell<u64>,
}

type Key = (Instant, u64);

/// A place among the sleepers; left when dropped.
struct Sleeper<'a> {
    time: &'a Time,
    key: Key,
}

// === impl Time ===

impl Time {
    pub fn new(now: Instant) -> Time {
        Time {
            now: Cell::new(now),
            sleepers: RefCell::default(),
            next: Cell::new(0),
        }
    }

    pub fn now(&self) -> Instant {
        self.now.get()
    }

    pub fn wall_ms(&self) -> WallMs {
        WALL_BEGIN_MS + self.now().since(BEGIN).as_millis() as WallMs
    }

    /// Lets the time of one step pass.
    pub fn pass(&self) {
        self.set(self.now().after(STEP));
    }

    /// Jumps to the next deadline; `false` when no task waits for one.
    pub fn skip(&self) -> bool {
        let next = self.sleepers.borrow().keys().next().map(|key| key.0);
        if let Some(deadline) = next {
            self.set(deadline.max(self.now()));
        }
        next.is_some()
    }

    fn set(&self, now: Instant) {
        self.now.set(now);
        loop {
            let mut sleepers = self.sleepers.borrow_mut();
            match sleepers.first_entry() {
                Some(first) if first.key().0 <= now => {
                    let waker = first.remove();
                    drop(sleepers);
                    waker.wake();
                }
                _ => return,
            }
        }
    }

    /// Has `waker` called at `deadline`, which may be now.
    pub fn wake_at(&self, deadline: Instant, waker: &Waker) {
        let key = self.key(deadline);
        self.sleepers.borrow_mut().insert(key, waker.clone());
    }

    fn key(&self, deadline: Instant) -> Key {
        let number = self.next.get();
        self.next.set(number + 1);
        (deadline, number)
    }

    /// Waits until `deadline`.
    pub async fn until(&self, deadline: Instant) {
        let key = self.key(deadline);
        let sleeper = Sleeper { time: self, key };
        poll_fn(|context| {
            if self.now() >= deadline {
                return Poll::Ready(());
            }
            let mut sleepers = self.sleepers.borrow_mut();
            sleepers.insert(sleeper.key, context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.time.sleepers.borrow_mut().remove(&self.key);
    }
}
