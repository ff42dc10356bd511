//! Drives: runs tasks and completes I/O one step at a time, in an order taken from the seed.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use super::cut::Left;
use super::disk::SimDisk;
use super::net::SimNet;
use super::random::Random;
use super::state::State;
use super::task::SimRuntime;
use super::time::{BEGIN, Time};
use crate::base::Instant;
use crate::io::runtime::Runtime;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks, I/O under way, a disk and a network; a fresh one is made for every start of the
/// simulated machine.
#[derive(Clone)]
pub struct World {
    tasks: Rc<Tasks>,
    disk: SimDisk,
    net: SimNet,
    _end: Rc<End>,
}

/// Drops the tasks of a world with its last handle: they hold the disk, which holds them, so
/// that both would stay for good.
struct End(Rc<Tasks>);

/// Tasks by number; finished ones leave a hole.
pub(super) struct Tasks {
    tasks: RefCell<Vec<Option<Task>>>,
    ready: Arc<Mutex<Vec<usize>>>,
    /// The task that is polled now, and whether it has been cancelled meanwhile.
    running: Cell<Option<usize>>,
    is_cancelled: Cell<bool>,
    /// Follows from the tasks that were polled, and when.
    fingerprint: Cell<u64>,
    /// Decides what happens next.
    pub(super) random: RefCell<Random>,
    /// The numbers that tasks ask for: how many they take does not change what happens next.
    pub(super) values: RefCell<Random>,
    pub(super) time: Time,
}

thread_local! {
    /// The world whose step is done on this thread.
    static CURRENT: RefCell<Option<SimRuntime>> = const { RefCell::new(None) };
}

/// The world whose step is done on this thread now, if one is.
pub(in crate::io) fn current() -> Option<SimRuntime> {
    CURRENT.with_borrow(Clone::clone)
}

/// Sets back, when dropped, what was [`current`] before.
struct Entered(Option<SimRuntime>);

struct TaskWaker {
    task: usize,
    ready: Arc<Mutex<Vec<usize>>>,
}

impl World {
    /// A machine with an empty disk.
    pub fn new(seed: u64) -> World {
        World::on(seed, Left::new(State::default(), BEGIN))
    }

    /// A machine that starts with such a disk.
    pub fn on(seed: u64, left: Left) -> World {
        let tasks = Rc::new(Tasks {
            tasks: RefCell::default(),
            ready: Arc::default(),
            running: Cell::new(None),
            is_cancelled: Cell::new(false),
            fingerprint: Cell::new(seed),
            random: RefCell::new(Random::new(seed)),
            values: RefCell::new(Random::new(!seed)),
            time: Time::new(left.now),
        });
        World {
            disk: SimDisk::new(Rc::clone(&tasks), left.state),
            net: SimNet::new(Rc::clone(&tasks), seed),
            _end: Rc::new(End(Rc::clone(&tasks))),
            tasks,
        }
    }

    /// The disk.
    pub fn disk(&self) -> &SimDisk {
        &self.disk
    }

    /// The network.
    pub fn net(&self) -> &SimNet {
        &self.net
    }

    /// The executor: time, tasks and random numbers.
    pub fn runtime(&self) -> Runtime {
        Runtime::simulated(SimRuntime::new(Rc::clone(&self.tasks)))
    }

    /// A number that follows from which tasks were polled so far, and when: two runs that went
    /// the same way have the same.
    pub fn fingerprint(&self) -> u64 {
        self.tasks.fingerprint.get()
    }

    /// Runs `main` to its end.
    ///
    /// # Panics
    /// When nothing is left that could wake it.
    pub fn run<T: 'static>(&self, main: impl Future<Output = T> + 'static) -> T {
        self.run_for(usize::MAX, main)
            .expect("the steps of a whole run are not counted")
    }

    /// Runs `main` for at most `steps` steps; `None` when it has not ended by then.
    ///
    /// # Panics
    /// When nothing is left that could wake it.
    pub fn run_for<T: 'static>(
        &self,
        steps: usize,
        main: impl Future<Output = T> + 'static,
    ) -> Option<T> {
        let output = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&output);
        self.tasks.spawn(async move {
            let value = main.await;
            *slot.borrow_mut() = Some(value);
        });
        for _ in 0..steps {
            if let Some(value) = output.borrow_mut().take() {
                return Some(value);
            }
            self.step();
        }
        output.borrow_mut().take()
    }

    /// Lets background tasks run until nothing moves any more, and no task waits for a time.
    pub fn run_until_idle(&self) {
        while self.try_step() {}
    }

    fn step(&self) {
        assert!(self.try_step(), "every task waits and no I/O is under way");
    }

    /// Does one thing, where there is one that can be done.
    fn try_step(&self) -> bool {
        self.tasks.time.pass();
        let complete_first = self.tasks.random.borrow_mut().one_in(3);
        if complete_first && self.disk.complete_one() {
            return true;
        }
        self.tasks.run_one() || self.disk.complete_one() || self.tasks.time.skip()
    }

    /// The machine loses power and starts again: all tasks are gone, of the disk is left what
    /// was flushed and, of what was not, what `seed` keeps.
    pub fn crash(self, seed: u64) -> World {
        self.tasks.clear();
        World::on(seed, self.disk.crash(seed, self.now()))
    }

    /// The process dies and starts again: all tasks are gone, I/O under way still ends.
    pub fn kill(self, seed: u64) -> World {
        World::on(seed, self.stop())
    }

    /// What is left on the disk when the process dies.
    pub fn stop(self) -> Left {
        self.tasks.clear();
        while self.disk.complete_one() {}
        self.disk.keep(self.now())
    }

    fn now(&self) -> Instant {
        self.tasks.time.now()
    }
}

impl Tasks {
    /// Begins a task; its number.
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + 'static) -> usize {
        let mut tasks = self.tasks.borrow_mut();
        tasks.push(Some(Box::pin(future)));
        let task = tasks.len() - 1;
        self.ready.lock().expect("one thread").push(task);
        task
    }

    /// Drops a task, unless it has ended.
    pub(super) fn cancel(&self, task: usize) {
        if self.running.get() == Some(task) {
            self.is_cancelled.set(true);
        }
        // All tasks may be gone by now: the end of a world drops them.
        let future = self.tasks.borrow_mut().get_mut(task).and_then(Option::take);
        drop(future);
    }

    fn enter(self: &Rc<Self>) -> Entered {
        let me = SimRuntime::new(Rc::clone(self));
        Entered(CURRENT.with_borrow_mut(|current| current.replace(me)))
    }

    fn run_one(self: &Rc<Self>) -> bool {
        let task = {
            let mut ready = self.ready.lock().expect("one thread");
            if ready.is_empty() {
                return false;
            }
            let at = self.random.borrow_mut().below(ready.len());
            ready.swap_remove(at)
        };
        let Some(mut future) = self.tasks.borrow_mut()[task].take() else {
            return true; // Woken again after its end.
        };
        let waker = Waker::from(Arc::new(TaskWaker {
            task,
            ready: Arc::clone(&self.ready),
        }));
        let _entered = self.enter();
        let before = self.fingerprint.get() ^ task as u64;
        let now = self.time.now().0;
        self.fingerprint
            .set(before.wrapping_mul(0x0100_0000_01B3) ^ now);
        self.running.set(Some(task));
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        self.running.set(None);
        if poll == Poll::Pending && !self.is_cancelled.replace(false) {
            self.tasks.borrow_mut()[task] = Some(future);
        }
        true
    }

    fn clear(self: &Rc<Self>) {
        let _entered = self.enter();
        // Dropping a task may drop what another holds: none may be borrowed meanwhile.
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        drop(tasks);
        self.ready.lock().expect("one thread").clear();
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.clear();
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.0.take();
        let mine = CURRENT.with_borrow_mut(|current| std::mem::replace(current, before));
        drop(mine);
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().expect("one thread");
        if !ready.contains(&self.task) {
            ready.push(self.task);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_waits_for_good_goes_with_its_world() {
        let kept = Rc::new(());
        for seed in 0..3 {
            let world = World::new(seed);
            let (disk, held) = (world.disk().clone(), Rc::clone(&kept));
            world.runtime().spawn(async move {
                std::future::pending::<()>().await;
                drop((disk, held));
            });
            let again = world.clone();
            drop(world);
            assert_eq!(Rc::strong_count(&kept), 2);
            drop(again);
            assert_eq!(Rc::strong_count(&kept), 1);
        }
    }

    /// What happens in a world where tasks sleep, yield, take numbers and are cancelled.
    fn story(seed: u64) -> Vec<(u64, u64, u64)> {
        let world = World::new(seed);
        let runtime = world.runtime();
        let happened = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&happened);
        world.run(async move {
            let task = |number: u64| {
                let (runtime, seen) = (runtime.clone(), Rc::clone(&seen));
                runtime.clone().spawn(async move {
                    for _ in 0..3 {
                        runtime.sleep(Duration::from_millis(number % 3)).await;
                        runtime.yield_now().await;
                        let now = runtime.now().0;
                        seen.borrow_mut().push((number, now, runtime.random()));
                    }
                    number
                })
            };
            let tasks: Vec<_> = (0..6).map(&task).collect();
            let lost = task(100);
            lost.cancel().await;
            for (number, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.join().await, number as u64);
            }
        });
        happened.take()
    }

    #[test]
    fn one_seed_gives_one_run_and_another_seed_another() {
        assert_eq!(story(1), story(1));
        let order = |seed| story(seed).iter().map(|it| it.0).collect::<Vec<_>>();
        let orders: BTreeSet<_> = (0..20).map(order).collect();
        assert!(orders.len() > 10, "{} orders of 20", orders.len());
        assert!(story(3).iter().all(|(number, ..)| *number < 6));
    }

    #[test]
    fn time_passes_when_nothing_is_ready_and_goes_on_in_the_next_life() {
        let world = World::new(1);
        let runtime = world.runtime();
        let (begun, wall) = (runtime.now(), runtime.wall_ms());
        world.run(async move {
            let (hour, second) = (Duration::from_secs(3600), Duration::from_secs(1));
            let sleeping = runtime.clone();
            let slow = runtime.spawn(async move { sleeping.sleep(hour).await });
            assert_eq!(runtime.within(second, slow.join()).await, None);
            let lasted = runtime.now().since(begun);
            assert!(lasted >= second && lasted < 2 * second, "{lasted:?}");
            let quick = runtime.within(hour, runtime.sleep(second));
            assert_eq!(quick.await, Some(()));
            // A deadline that has passed is none to wait for.
            runtime.sleep(Duration::ZERO).await;
        });
        let world = world.crash(2);
        assert!((wall + 2_000..wall + 3_000).contains(&world.runtime().wall_ms()));
        world.runtime().spawn(std::future::pending::<()>());
        world.run_until_idle();
    }
}
