//! Drives: how long the tasks of this executor run before they let others run, and the order in
//! which those with much to do go on.
//!
//! A *turn* is one poll of a task: while it lasts nothing else of the core runs. Tasks that serve
//! clients are [`measured`], and the longest turn of each kind of work is kept. Work whose length
//! a client chooses is done in steps: it calls [`pace`] between its items, and after [`STEP`] it
//! gives way. Those that gave way go on one after another, one step in each round of the
//! executor, so that others wait for one step at the most however many of them there are.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::{clock, cores};
use crate::base::Instant;

/// After so long in one turn a task that calls [`pace`] gives way.
pub const STEP: Duration = Duration::from_micros(200);
/// A turn from this length on counts as long.
pub const LONG: Duration = Duration::from_millis(5);
/// Numbers below this stand for requests; what they mean is known to the one who gives them.
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

/// Tasks that gave way, in order.
struct Queue {
    waiting: VecDeque<(u64, Waker)>,
    next_ticket: u64,
    /// The one that may go on and has not ended its turn.
    released: Option<u64>,
}

/// A place in the queue; left when dropped.
struct Ticket(u64);

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
    static QUEUE: RefCell<Queue> = const {
        RefCell::new(Queue {
            waiting: VecDeque::new(),
            next_ticket: 0,
            released: None,
        })
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
    let _dropping = OnDrop(|| dropping.set(clock::now()));
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
    if began == Instant(0) {
        clock::now()
    } else {
        began
    }
}

/// Whether the turn that runs has lasted for a [`STEP`]. Never so outside of measured tasks.
pub fn is_due() -> bool {
    let began = BOOK.with(|book| book.began.get());
    began != Instant(0) && clock::now().since(began) >= STEP
}

/// As [`is_due`], for one who has just looked at the clock.
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

/// Waits for a step of its own: until all who gave way before have had theirs, and all that was
/// ready has run. To be called before work that is known to be long. Returns at once outside of
/// measured tasks.
pub async fn give_way() {
    let Some(ticket) = Ticket::take() else {
        return;
    };
    poll_fn(|cx| ticket.poll_released(cx.waker())).await;
    // The rest of what is ready runs, and what the kernel has ready is heard of.
    cores::next_round().await;
    ticket.begin_step();
}

fn end_drop(work: Work, began: Instant) {
    BOOK.with(|book| book.note(work, began));
}

// === impl Turn ===

impl Turn {
    fn begin(work: Work) -> Turn {
        BOOK.with(|book| {
            let began = clock::now();
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
                QUEUE.with_borrow_mut(|queue| queue.released = None);
            }
            if is_step || book.has_waiting.get() {
                release_next();
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
        let lasted = clock::now().since(began);
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

/// Lets the next task of the queue go on, unless one has not ended its turn.
fn release_next() {
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

// === impl OnDrop ===

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::io::cores::CoreOptions;

    const HEAVY: Work = Work(1);
    const LIGHT: Work = Work(2);

    fn run<F: Future<Output = ()> + 'static>(main: impl FnOnce() -> F + Send + 'static) {
        let options = CoreOptions {
            name: "turns".into(),
            cpu: None,
            spin: Duration::ZERO,
            io_memory_bytes: 64 << 10,
        };
        cores::start(options, main).unwrap().join().unwrap();
    }

    fn work_for(length: Duration) {
        let begun = clock::now();
        while clock::now().since(begun) < length {}
    }

    #[test]
    fn jobs_are_told_apart_by_name() {
        let (a, b) = (Work::job("a"), Work::job("b"));
        assert!(a != b && a == Work::job("a"));
        let names: Vec<_> = of_jobs().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn outside_of_measured_tasks_nothing_waits() {
        assert!(!is_due());
        let mut cx = std::task::Context::from_waker(Waker::noop());
        assert!(pin!(give_way()).poll(&mut cx).is_ready());
    }

    #[test]
    fn paced_work_has_short_turns_and_light_work_passes_between_any_two_steps() {
        run(|| async {
            let steps = Rc::new(Cell::new(0));
            let heavy = |steps: Rc<Cell<u32>>| async move {
                for _ in 0..400 {
                    work_for(STEP / 4);
                    steps.set(steps.get() + u32::from(is_due()));
                    pace().await;
                }
            };
            let tasks: Vec<_> = (0..20)
                .map(|_| cores::spawn(measured(HEAVY, heavy(steps.clone()))))
                .collect();
            // All twenty begin at once.
            cores::next_round().await;
            // One that is ready again and again gets a turn after each step of the twenty.
            let (mut worst, mut rounds) = (0, 0);
            while steps.get() < 1_000 {
                let before = steps.get();
                let light = measured(LIGHT, cores::next_round());
                cores::spawn(light).join().await;
                worst = worst.max(steps.get() - before);
                rounds += 1;
            }
            for task in tasks {
                task.join().await;
            }
            assert!(rounds > 300, "{rounds} rounds beside 1000 steps");
            assert!(worst <= 4, "{worst} steps in one round");
            // A busy machine may take the thread away in the middle of a step.
            let longest = of(HEAVY).longest_us;
            assert!((200..200_000).contains(&longest), "{longest} us");
        });
    }

    #[test]
    fn a_task_that_spawns_another_goes_on_with_its_own_turn() {
        run(|| async {
            let spawning = cores::spawn(measured(HEAVY, async {
                cores::spawn(measured(LIGHT, async {}));
                work_for(STEP);
                assert!(is_due(), "the turn goes on");
            }));
            spawning.join().await;
            let since_start_of_host = 60_000_000;
            assert!(of(HEAVY).longest_us < since_start_of_host);
        });
    }

    #[test]
    fn the_begin_of_a_turn_is_known_without_a_look_at_the_clock() {
        assert!(clock::now().since(began()) < Duration::from_secs(1));
        run(|| async {
            let turn = measured(LIGHT, async {
                let before = began();
                work_for(STEP);
                assert_eq!(began(), before);
                cores::next_round().await;
                assert!(began().since(before) >= STEP);
            });
            cores::spawn(turn).join().await;
        });
    }

    #[test]
    fn who_leaves_the_queue_blocks_none_behind() {
        run(|| async {
            let waits = || cores::spawn(measured(HEAVY, give_way()));
            let (first, second, third) = (waits(), waits(), waits());
            first.cancel().await;
            second.cancel().await;
            third.join().await;
            assert!(QUEUE.with_borrow(|queue| queue.waiting.is_empty()));
            assert!(!BOOK.with(|book| book.has_waiting.get()));
        });
    }

    #[test]
    fn turns_are_known_by_what_they_were_spent_on_last_and_drops_count() {
        run(|| async {
            struct Slow;
            impl Drop for Slow {
                fn drop(&mut self) {
                    work_for(LONG);
                }
            }
            let task = cores::spawn(measured(LIGHT, async {
                let _slow = Slow;
                spent_on(HEAVY);
                std::future::pending::<()>().await;
            }));
            cores::next_round().await;
            task.cancel().await;
            assert!(of(LIGHT) == Turns::default() && of(HEAVY).long == 1);
            assert!(of(HEAVY).longest_us >= LONG.as_micros() as u64);
        });
    }
}
