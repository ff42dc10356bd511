//! Drives: how much memory this core may still promise to what clients make it hold.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use super::semaphore::Line;

/// What memory is held for. Each use is counted by itself; all of them share one bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Requests that arrive or are handled, and what connections keep for them.
    Requests,
    /// Answers until the kernel has taken them, other than records.
    Answers,
    /// Records that were read from disk for a reader.
    Reads,
    /// The newest records of all logs, and older ones that slow readers still hold.
    Tail,
    /// Connections at rest.
    Connections,
    /// Incremental fetch sessions.
    Sessions,
    /// Groups, their members and committed offsets.
    Groups,
    /// What is known of idempotent producers.
    Producers,
    /// Transactional ids and their transactions.
    Transactions,
    /// Records that came from leaders on other nodes and are not appended yet.
    Replication,
}

/// Bytes that may be in use at once. A task that asks for more than is left waits, first come
/// first served; for a connection that means that its socket is not read. A task that waits must
/// hold nothing of the same budget, else two tasks may wait for each other.
pub struct Budget {
    total_bytes: usize,
    /// Called with the bytes that are missing before a claim waits or is turned down.
    reclaimers: RefCell<Vec<Reclaimer>>,
    reclaiming: Cell<bool>,
    /// May exceed the total: see [`Budget::hold`].
    used_bytes: Cell<usize>,
    used_by: [Cell<usize>; Use::ALL.len()],
    line: Line,
}

type Reclaimer = Box<dyn Fn(usize)>;

/// Bytes taken from a budget; given back when dropped.
pub struct Reserved {
    budget: Rc<Budget>,
    used_for: Use,
    bytes: usize,
}

// === impl Use ===

impl Use {
    /// Every use.
    pub const ALL: [Use; 10] = [
        Use::Requests,
        Use::Answers,
        Use::Reads,
        Use::Tail,
        Use::Connections,
        Use::Sessions,
        Use::Groups,
        Use::Producers,
        Use::Transactions,
        Use::Replication,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Use::Requests => "requests",
            Use::Answers => "answers",
            Use::Reads => "reads",
            Use::Tail => "tail",
            Use::Connections => "connections",
            Use::Sessions => "sessions",
            Use::Groups => "groups",
            Use::Producers => "producers",
            Use::Transactions => "transactions",
            Use::Replication => "replication",
        }
    }
}

/// What stays for as long as clients leave it: a claim must not wait for it to go.
const STANDING: [Use; 5] = [
    Use::Connections,
    Use::Sessions,
    Use::Groups,
    Use::Producers,
    Use::Transactions,
];

// === impl Budget ===

impl Budget {
    /// A budget of `total_bytes`.
    pub fn new(total_bytes: usize) -> Rc<Budget> {
        Rc::new(Budget {
            total_bytes,
            reclaimers: RefCell::default(),
            reclaiming: Cell::default(),
            used_bytes: Cell::default(),
            used_by: Default::default(),
            line: Line::default(),
        })
    }

    /// The bound, in bytes.
    pub fn total_bytes(&self) -> usize {
        self.total_bytes
    }

    /// Bytes in use.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.get()
    }

    /// Bytes in use for one purpose.
    pub fn used_by(&self, used_for: Use) -> usize {
        self.used_by[used_for as usize].get()
    }

    /// Bytes that are free.
    pub fn free_bytes(&self) -> usize {
        self.total_bytes.saturating_sub(self.used_bytes.get())
    }

    /// How many tasks wait for memory.
    pub fn waiting_count(&self) -> usize {
        self.line.len()
    }

    /// Whether a task waits for memory.
    pub fn is_short(&self) -> bool {
        !self.line.is_empty()
    }

    /// Takes `bytes` now, if they are free and no task waits for them. A request larger than
    /// the whole budget is granted when nothing else is in use, but for what stays (connections,
    /// sessions, groups, producers), so that it is served, alone, rather than never.
    pub fn try_reserve(self: &Rc<Self>, used_for: Use, bytes: usize) -> Option<Reserved> {
        match self.line.is_empty() {
            true => self.take(used_for, bytes),
            false => None,
        }
    }

    /// Takes `bytes`, waiting until they are free.
    pub async fn reserve(self: &Rc<Self>, used_for: Use, bytes: usize) -> Reserved {
        if let Some(reserved) = self.try_reserve(used_for, bytes) {
            return reserved;
        }
        let attempt = || self.take(used_for, bytes);
        self.line.wait_for(false, attempt).await
    }

    /// Counts `bytes` whether they are free or not: what is held already, such as state found
    /// when a partition was opened. New claims wait until the total is within the bound again.
    pub fn hold(self: &Rc<Self>, used_for: Use, bytes: usize) -> Reserved {
        self.add(used_for, bytes);
        Reserved {
            budget: self.clone(),
            used_for,
            bytes,
        }
    }

    /// Has `reclaim` called with the count of bytes that are missing whenever a claim finds too
    /// little: what is held only because memory was free can be given up then. It must not claim
    /// any itself.
    pub fn on_shortage(&self, reclaim: impl Fn(usize) + 'static) {
        self.reclaimers.borrow_mut().push(Box::new(reclaim));
    }

    fn take(self: &Rc<Self>, used_for: Use, bytes: usize) -> Option<Reserved> {
        let standing: usize = STANDING.iter().map(|it| self.used_by(*it)).sum();
        let passing = self.total_bytes.saturating_sub(standing);
        let bytes = bytes.min(passing.max(self.total_bytes / 4));
        if bytes > self.free_bytes() {
            self.reclaim(bytes - self.free_bytes());
        }
        (bytes <= self.free_bytes()).then(|| self.hold(used_for, bytes))
    }

    fn reclaim(&self, missing: usize) {
        if !self.reclaiming.replace(true) {
            self.reclaimers.borrow().iter().for_each(|it| it(missing));
            self.reclaiming.set(false);
        }
    }

    fn add(&self, used_for: Use, bytes: usize) {
        let by = &self.used_by[used_for as usize];
        by.set(by.get() + bytes);
        self.used_bytes.set(self.used_bytes.get() + bytes);
    }

    fn give_back(&self, used_for: Use, bytes: usize) {
        let by = &self.used_by[used_for as usize];
        by.set(by.get() - bytes);
        self.used_bytes.set(self.used_bytes.get() - bytes);
        self.line.wake_first();
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("total_bytes", &self.total_bytes)
            .field("used_bytes", &self.used_bytes.get())
            .finish_non_exhaustive()
    }
}

// === impl Reserved ===

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
            used_for: self.used_for,
            bytes,
        }
    }

    /// Takes over what `other` holds of the same budget for the same use.
    pub fn join(&mut self, mut other: Reserved) {
        debug_assert!(Rc::ptr_eq(&self.budget, &other.budget) && self.used_for == other.used_for);
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// Counts `bytes` instead of what it did, whether more are free or not.
    pub fn resize(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes > before {
            self.budget.add(self.used_for, bytes - before);
        } else if bytes < before {
            self.budget.give_back(self.used_for, before - bytes);
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget.give_back(self.used_for, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn what_is_dropped_is_free_again_and_a_giant_is_served_alone() {
        let budget = Budget::new(100);
        let first = budget.try_reserve(Use::Requests, 60).unwrap();
        assert!(budget.try_reserve(Use::Requests, 41).is_none());
        assert!(budget.try_reserve(Use::Requests, 1_000).is_none());
        drop(first);
        let giant = budget.try_reserve(Use::Requests, 1_000).unwrap();
        assert_eq!(budget.used_bytes(), 100);
        drop(giant);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn claims_are_served_in_order_and_one_that_is_dropped_blocks_no_other() {
        let budget = Budget::new(100);
        let mut cx = Context::from_waker(Waker::noop());
        let held = budget.try_reserve(Use::Requests, 60).unwrap();
        let mut large = Box::pin(budget.reserve(Use::Requests, 80));
        let mut small = Box::pin(budget.reserve(Use::Requests, 10));
        assert!(large.as_mut().poll(&mut cx).is_pending());
        assert!(small.as_mut().poll(&mut cx).is_pending());
        assert!(budget.try_reserve(Use::Requests, 1).is_none());
        drop(held);
        assert!(small.as_mut().poll(&mut cx).is_pending());
        let Poll::Ready(granted) = large.as_mut().poll(&mut cx) else {
            panic!("the first in the queue waits though there is memory");
        };
        assert_eq!(granted.bytes(), 80);
        assert!(small.as_mut().poll(&mut cx).is_ready());
        let mut leaving = Box::pin(budget.reserve(Use::Requests, 100));
        assert!(leaving.as_mut().poll(&mut cx).is_pending());
        drop(leaving);
        assert!(budget.try_reserve(Use::Requests, 5).is_some());
    }

    #[test]
    fn what_is_split_off_is_given_back_by_itself() {
        let budget = Budget::new(100);
        let mut whole = budget.try_reserve(Use::Requests, 50).unwrap();
        let part = whole.split(20);
        drop(whole);
        assert_eq!(budget.used_bytes(), 20);
        drop(part);
        assert_eq!(budget.used_bytes(), 0);
        let mut one = budget.try_reserve(Use::Requests, 30).unwrap();
        one.join(budget.try_reserve(Use::Requests, 50).unwrap());
        assert_eq!((one.bytes(), budget.used_bytes()), (80, 80));
        drop(one);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn a_giant_does_not_wait_for_what_stays() {
        let budget = Budget::new(100);
        let standing = budget.hold(Use::Groups, 20);
        let small = budget.try_reserve(Use::Requests, 5).unwrap();
        assert!(budget.try_reserve(Use::Requests, 1_000).is_none());
        drop(small);
        let giant = budget.try_reserve(Use::Requests, 1_000).unwrap();
        assert_eq!((giant.bytes(), budget.free_bytes()), (80, 0));
        drop((giant, standing));
    }

    #[test]
    fn each_use_is_counted_and_what_is_held_anyway_makes_others_wait() {
        let budget = Budget::new(100);
        let mut state = budget.hold(Use::Groups, 120);
        assert_eq!((budget.used_bytes(), budget.free_bytes()), (120, 0));
        assert!(budget.try_reserve(Use::Reads, 1).is_none());
        state.resize(30);
        let read = budget.try_reserve(Use::Reads, 60).unwrap();
        assert_eq!(budget.used_by(Use::Groups), 30);
        assert_eq!(budget.used_by(Use::Reads), 60);
        state.resize(40);
        assert_eq!(budget.free_bytes(), 0);
        drop((state, read));
        assert!(Use::ALL.iter().all(|it| budget.used_by(*it) == 0));
        assert!(
            Use::ALL
                .iter()
                .enumerate()
                .all(|(at, it)| *it as usize == at)
        );
    }

    #[test]
    fn what_was_held_for_want_of_a_better_use_is_given_up_for_a_claim() {
        let budget = Budget::new(100);
        let spare = Rc::new(RefCell::new(budget.hold(Use::Tail, 70)));
        let mut cx = Context::from_waker(Waker::noop());
        let asked = Rc::new(Cell::new(0));
        let (lent, seen) = (Rc::clone(&spare), Rc::clone(&asked));
        budget.on_shortage(move |missing| {
            seen.set(missing);
            let mut lent = lent.borrow_mut();
            let kept = lent.bytes().saturating_sub(missing).max(20);
            lent.resize(kept);
        });
        let first = budget.try_reserve(Use::Reads, 50).unwrap();
        assert_eq!((asked.get(), spare.borrow().bytes()), (20, 50));
        let mut second = Box::pin(budget.reserve(Use::Reads, 60));
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert_eq!(spare.borrow().bytes(), 20, "no more than it can spare");
        drop(first);
        assert!(second.as_mut().poll(&mut cx).is_ready());
    }
}
