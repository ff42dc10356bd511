//! Drives: the tasks of a world, polled one at a time in an order taken from the seed.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use super::random::Random;
use super::time::Time;
use crate::base::{Instant, WallMs};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks by number; finished ones leave a hole.
pub(super) struct Tasks {
    tasks: RefCell<Vec<Option<Task>>>,
    /// The machine of each task: 0 for those of none in particular.
    machines: RefCell<Vec<usize>>,
    /// The machine whose task is polled now: it gets the tasks that are begun.
    machine: Cell<usize>,
    /// How far the wall clock of each machine is off, in milliseconds; the others are right.
    clocks: RefCell<Vec<i64>>,
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
    /// The tasks of the world whose step is done on this thread.
    static CURRENT: RefCell<Option<Rc<Tasks>>> = const { RefCell::new(None) };
}

/// The tasks of the world whose step is done on this thread now, if one is.
pub(super) fn current() -> Option<Rc<Tasks>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Sets back, when dropped, what was [`current`] before.
struct Entered(Option<Rc<Tasks>>);

struct TaskWaker {
    task: usize,
    ready: Arc<Mutex<Vec<usize>>>,
}

impl Tasks {
    pub(super) fn new(seed: u64, now: Instant) -> Tasks {
        Tasks {
            tasks: RefCell::default(),
            machines: RefCell::default(),
            machine: Cell::new(0),
            clocks: RefCell::default(),
            ready: Arc::default(),
            running: Cell::new(None),
            is_cancelled: Cell::new(false),
            fingerprint: Cell::new(seed),
            random: RefCell::new(Random::new(seed)),
            values: RefCell::new(Random::new(!seed)),
            time: Time::new(now),
        }
    }

    /// Follows from which tasks were polled so far, and when.
    pub(super) fn fingerprint(&self) -> u64 {
        self.fingerprint.get()
    }

    /// Begins a task on the machine whose task is polled now; its number.
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + 'static) -> usize {
        let mut tasks = self.tasks.borrow_mut();
        tasks.push(Some(Box::pin(future)));
        self.machines.borrow_mut().push(self.machine.get());
        let task = tasks.len() - 1;
        self.ready.lock().expect("one thread").push(task);
        task
    }

    /// The wall clock of the machine whose task is polled now.
    pub(super) fn wall_ms(&self) -> WallMs {
        let clocks = self.clocks.borrow();
        let off = clocks.get(self.machine.get()).copied();
        self.time.wall_ms() + off.unwrap_or_default()
    }

    /// The wall clock of `machine` shows so much more than the world's.
    pub(super) fn set_clock(&self, machine: usize, off_ms: i64) {
        let mut clocks = self.clocks.borrow_mut();
        if clocks.len() <= machine {
            clocks.resize(machine + 1, 0);
        }
        clocks[machine] = off_ms;
    }

    /// Does `work`, the tasks of which are those of `machine`.
    pub(super) fn on_machine<T>(&self, machine: usize, work: impl FnOnce() -> T) -> T {
        let before = self.machine.replace(machine);
        let done = work();
        self.machine.set(before);
        done
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
        let me = Rc::clone(self);
        Entered(CURRENT.with_borrow_mut(|current| current.replace(me)))
    }

    /// Polls one task that is ready; `false` where none is.
    pub(super) fn run_one(self: &Rc<Self>) -> bool {
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
        let machine = self.machines.borrow()[task];
        let poll = self.on_machine(machine, || {
            future.as_mut().poll(&mut Context::from_waker(&waker))
        });
        self.running.set(None);
        if poll == Poll::Pending && !self.is_cancelled.replace(false) {
            self.tasks.borrow_mut()[task] = Some(future);
        }
        true
    }

    /// Drops all tasks.
    pub(super) fn clear(self: &Rc<Self>) {
        let _entered = self.enter();
        // Dropping a task may drop what another holds: none may be borrowed meanwhile.
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        drop(tasks);
        self.machines.borrow_mut().clear();
        self.ready.lock().expect("one thread").clear();
    }

    /// Drops the tasks of a machine; none of them may be polled now.
    pub(super) fn clear_machine(self: &Rc<Self>, machine: usize) {
        let _entered = self.enter();
        let machines = self.machines.borrow().clone();
        let mut gone = Vec::new();
        for (task, _) in machines.iter().enumerate().filter(|it| *it.1 == machine) {
            gone.extend(self.tasks.borrow_mut()[task].take());
        }
        drop(gone);
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
