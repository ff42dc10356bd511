//! Drives: runs tasks and completes I/O one step at a time, in an order taken from the seed.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use super::cut::Left;
use super::disk::SimDisk;
use super::random::Random;
use super::state::State;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks, I/O under way and a disk; a fresh one is made for every start of the simulated machine.
#[derive(Clone)]
pub struct World {
    tasks: Rc<Tasks>,
    disk: SimDisk,
    _end: Rc<End>,
}

/// Drops the tasks of a world with its last handle: they hold the disk, which holds them, so
/// that both would stay for good.
struct End(Rc<Tasks>);

/// Tasks by number; finished ones leave a hole.
pub(super) struct Tasks {
    tasks: RefCell<Vec<Option<Task>>>,
    ready: Arc<Mutex<Vec<usize>>>,
    pub(super) random: RefCell<Random>,
}

struct TaskWaker {
    task: usize,
    ready: Arc<Mutex<Vec<usize>>>,
}

impl World {
    /// A machine with an empty disk.
    pub fn new(seed: u64) -> World {
        World::on(seed, Left(State::default()))
    }

    /// A machine that starts with such a disk.
    pub fn on(seed: u64, left: Left) -> World {
        let tasks = Rc::new(Tasks {
            tasks: RefCell::default(),
            ready: Arc::default(),
            random: RefCell::new(Random::new(seed)),
        });
        World {
            disk: SimDisk::new(Rc::clone(&tasks), left.0),
            _end: Rc::new(End(Rc::clone(&tasks))),
            tasks,
        }
    }

    /// The disk.
    pub fn disk(&self) -> &SimDisk {
        &self.disk
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

    /// Lets background tasks run until nothing moves any more.
    pub fn settle(&self) {
        while self.tasks.has_ready() || self.disk.has_pending() {
            self.step();
        }
    }

    fn step(&self) {
        let complete_first = self.tasks.random.borrow_mut().one_in(3);
        if complete_first && self.disk.complete_one() {
            return;
        }
        if !self.tasks.run_one() && !self.disk.complete_one() {
            panic!("every task waits and no I/O is under way");
        }
    }

    /// The machine loses power and starts again: all tasks are gone, of the disk is left what
    /// was flushed and, of what was not, what `seed` keeps.
    pub fn crash(self, seed: u64) -> World {
        self.tasks.clear();
        World::on(seed, self.disk.crash(seed))
    }

    /// The process dies and starts again: all tasks are gone, I/O under way still ends.
    pub fn kill(self, seed: u64) -> World {
        World::on(seed, self.stop())
    }

    /// What is left on the disk when the process dies.
    pub fn stop(self) -> Left {
        self.tasks.clear();
        while self.disk.complete_one() {}
        self.disk.keep()
    }
}

impl Tasks {
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        let mut tasks = self.tasks.borrow_mut();
        tasks.push(Some(Box::pin(future)));
        let task = tasks.len() - 1;
        self.ready.lock().expect("one thread").push(task);
    }

    fn has_ready(&self) -> bool {
        !self.ready.lock().expect("one thread").is_empty()
    }

    fn run_one(&self) -> bool {
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
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        if poll == Poll::Pending {
            self.tasks.borrow_mut()[task] = Some(future);
        }
        true
    }

    fn clear(&self) {
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
    use super::*;

    #[test]
    fn what_waits_for_good_goes_with_its_world() {
        let kept = Rc::new(());
        for seed in 0..3 {
            let world = World::new(seed);
            let (disk, held) = (world.disk().clone(), Rc::clone(&kept));
            world.disk().spawn(async move {
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
}
