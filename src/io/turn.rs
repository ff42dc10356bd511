//! Drives: how long the tasks of this executor run before they let others run, and the order in
//! which those with much to do go on.
//!
//! A *turn* is one poll of a task: while it lasts nothing else of the core runs. Tasks that serve
//! clients are [`measured`], and the longest turn of each kind of work is kept. Work whose length
//! a client chooses is done in steps: it calls [`pace`] between its items, and after [`STEP`] it
//! gives way. Those that gave way go on one after another, one step in each round of the
//! executor, so that others wait for one step at the most however many of them there are.
//!
//! Threads of the kernel that write and flush for this core run on the same CPU. While a task of it
//! computes without a sleep, the scheduler may keep them waiting until its next tick (4 ms at
//! 250 Hz). So the queue rests for a moment after every second step: see `queue.rs`.

mod queue;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use super::runtime::Runtime;
use crate::base::Instant;
pub use queue::give_way;

/// After so long in one turn a task that calls [`pace`] gives way.
pub const STEP: Duration = Duration::from_micros(200);
/// A turn from this length on counts as long.
pub const LONG: Duration = Duration::from_millis(5);
/// Numbers below this stand for requests; what they mean is the caller's business.
pub const REQUESTS_MAX: usize = 128;
/// Kinds of other work that are told apart.
const JOBS_MAX: usize = 32;

/// What a turn is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work(u8);

/// What is known of the turns of one kind of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// The longest, in microseconds.
    pub longest_us: u64,
    /// How many lasted [`LONG`] or longer.
    pub long: u64,
}

/// The turns of this thread's executor: what every turn looks at. It needs no drop, so that to
/// reach it takes no look at whether it is still there.
struct Book {
    /// When the turn that runs began; zero outside of measured tasks.
    began: Cell<Instant>,
    work: Cell<Work>,
    turns: [Cell<Turns>; REQUESTS_MAX + JOBS_MAX],
    /// The task that runs was let go on from the queue.
    is_step: Cell<bool>,
    /// Whether tasks wait in the queue.
    has_waiting: Cell<bool>,
}

/// One poll of a measured task.
struct Turn {
    began: Instant,
    /// When the turn that it is a part of began, and what that is spent on: the runtime polls a
    /// new task at once, within the turn of the one that spawned it.
    outer: (Instant, Work),
}

/// Calls its function when it is dropped.
struct OnDrop<F: Fn()>(F);

thread_local! {
    static BOOK: Book = const {
        Book {
            began: Cell::new(Instant(0)),
            work: Cell::new(Work(0)),
            turns: [const { Cell::new(Turns { longest_us: 0, long: 0 }) }; REQUESTS_MAX + JOBS_MAX],
            is_step: Cell::new(false),
            has_waiting: Cell::new(false),
        }
    };
    /// Names of other work than requests.
    static JOBS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// Runs `future`, whose turns count as `work` until [`spent_on`] is called in one of them.
pub async fn measured<F: Future>(work: Work, future: F) -> F::Output {
    let mine = Cell::new(work);
    // A future that is dropped before its end, with all it holds, takes a turn for that. Locals
    // are dropped in reverse order, so that the drop of `future` lies between these two.
    let dropping = Cell::new(Instant(0));
    let _dropped = OnDrop(|| end_drop(mine.get(), dropping.get()));
    let mut future = pin!(future);
    let _dropping = OnDrop(|| dropping.set(now()));
    poll_fn(|cx| {
        let turn = Turn::begin(mine.get());
        let polled = future.as_mut().poll(cx);
        mine.set(turn.end());
        polled
    })
    .await
}

/// From here on the turns of the task that runs count as `work`.
pub fn spent_on(work: Work) {
    BOOK.with(|book| book.work.set(work));
}

/// What is known of the turns of `work` on this executor since it started.
pub fn of(work: Work) -> Turns {
    BOOK.with(|book| book.turns[usize::from(work.0)].get())
}

/// Other work than requests that was done on this executor: its names and turns.
pub fn of_jobs() -> Vec<(&'static str, Turns)> {
    BOOK.with(|book| {
        let jobs = JOBS.with_borrow(Clone::clone);
        let turns = book.turns[REQUESTS_MAX..].iter().map(Cell::get);
        jobs.into_iter().zip(turns).collect()
    })
}

/// When the turn that runs began, which costs no look at the clock; the time outside of measured
/// tasks.
pub fn began() -> Instant {
    let began = BOOK.with(|book| book.began.get());
    if began == Instant(0) { now() } else { began }
}

/// Whether the turn that runs has lasted for a [`STEP`]. Never so outside of measured tasks.
pub fn is_due() -> bool {
    let began = BOOK.with(|book| book.began.get());
    began != Instant(0) && now().since(began) >= STEP
}

/// As [`is_due`], for a caller that has just looked at the clock.
pub fn is_due_at(now: Instant) -> bool {
    let began = BOOK.with(|book| book.began.get());
    began != Instant(0) && now.since(began) >= STEP
}

/// Lets others run if the turn has lasted for a [`STEP`]: to be called between the items of
/// work that may be long. Costs one look at the clock.
pub async fn pace() {
    if is_due() {
        give_way().await;
    }
}

/// Collects what `items` gives, and lets others run in between.
pub async fn collect<T>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut collected = Vec::with_capacity(items.size_hint().0);
    for item in items {
        collected.push(item);
        pace().await;
    }
    collected
}

fn now() -> Instant {
    Runtime::current().now()
}

fn end_drop(work: Work, began: Instant) {
    BOOK.with(|book| book.note(work, began));
}

// === impl Turn ===

impl Turn {
    fn begin(work: Work) -> Turn {
        BOOK.with(|book| {
            let began = now();
            let outer = (book.began.get(), book.work.replace(work));
            if outer.0 == Instant(0) {
                book.began.set(began);
            }
            Turn { began, outer }
        })
    }

    /// Ends it; what it was spent on.
    fn end(self) -> Work {
        BOOK.with(|book| {
            let (outer_began, outer_work) = self.outer;
            book.began.set(outer_began);
            let work = book.work.replace(outer_work);
            book.note(work, self.began);
            let is_step = book.is_step.replace(false);
            if is_step {
                queue::end_step();
            }
            if is_step || book.has_waiting.get() {
                queue::release_next();
            }
            work
        })
    }
}

// === impl Work ===

impl Work {
    /// Requests of the kind with this number, which must be below [`REQUESTS_MAX`].
    pub fn request(number: usize) -> Work {
        assert!(number < REQUESTS_MAX);
        Work(number as u8)
    }

    /// Other work of this name. There may be some thirty names.
    pub fn job(name: &'static str) -> Work {
        JOBS.with_borrow_mut(|jobs| {
            let at = jobs.iter().position(|known| *known == name);
            let at = at.unwrap_or_else(|| {
                assert!(jobs.len() < JOBS_MAX, "too many names of jobs");
                jobs.push(name);
                jobs.len() - 1
            });
            Work((REQUESTS_MAX + at) as u8)
        })
    }
}

// === impl Book ===

impl Book {
    fn note(&self, work: Work, began: Instant) {
        let lasted = now().since(began);
        let cell = &self.turns[usize::from(work.0)];
        let mut turns = cell.get();
        let us = lasted.as_micros() as u64;
        if us > turns.longest_us || lasted >= LONG {
            turns.longest_us = turns.longest_us.max(us);
            turns.long += u64::from(lasted >= LONG);
            cell.set(turns);
        }
    }
}

// === impl OnDrop ===

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests;
