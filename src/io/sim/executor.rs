//! Drives: a simulated machine: runs tasks and completes I/O one step at a time, in an order
//! taken from the seed.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use super::cut::Left;
use super::disk::SimDisk;
use super::machine::{Disks, SimMachine};
use super::net::SimNet;
use super::state::State;
use super::task::SimRuntime;
use super::tasks::Tasks;
use super::time::BEGIN;
use crate::base::Instant;

/// Tasks, I/O under way, a disk and a network; a fresh one is made for every start of the
/// simulated machine.
#[derive(Clone)]
pub struct World {
    tasks: Rc<Tasks>,
    disk: SimDisk,
    /// Those of further machines.
    disks: Disks,
    net: SimNet,
    _end: Rc<End>,
}

/// Drops the tasks of a world with its last handle: they hold the disk, which holds them, so
/// that both would stay for good.
struct End(Rc<Tasks>);

impl World {
    /// A machine with an empty disk.
    pub fn new(seed: u64) -> World {
        World::on(seed, Left::new(State::default(), BEGIN))
    }

    /// A machine that starts with such a disk.
    pub fn on(seed: u64, left: Left) -> World {
        let tasks = Rc::new(Tasks::new(seed, left.now));
        World {
            disk: SimDisk::new(Rc::clone(&tasks), left.state),
            disks: Disks::default(),
            net: SimNet::new(Rc::clone(&tasks), seed),
            _end: Rc::new(End(Rc::clone(&tasks))),
            tasks,
        }
    }

    /// The disk.
    pub fn disk(&self) -> &SimDisk {
        &self.disk
    }

    /// One more machine, with an empty disk and tasks of its own.
    pub fn machine(&self) -> SimMachine {
        SimMachine::new(&self.tasks, &self.disks)
    }

    /// The network.
    pub fn net(&self) -> &SimNet {
        &self.net
    }

    /// Time, tasks and random numbers.
    pub(in crate::io) fn executor(&self) -> SimRuntime {
        SimRuntime::new(Rc::clone(&self.tasks))
    }

    /// A number that follows from which tasks were polled so far, and when: two runs that went
    /// the same way have the same.
    pub fn fingerprint(&self) -> u64 {
        self.tasks.fingerprint()
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
        if complete_first && self.complete_one() {
            return true;
        }
        self.tasks.run_one() || self.complete_one() || self.tasks.time.skip()
    }

    /// Completes an operation of one of the disks.
    fn complete_one(&self) -> bool {
        let (random, now) = (&self.tasks.random, self.now());
        self.disks.complete_one(random, now) || self.disk.complete_one()
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

impl Drop for End {
    fn drop(&mut self) {
        self.0.clear();
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
