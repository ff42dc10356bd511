//! Drives: one of several machines of a world: a disk and tasks of its own, which are lost when it
//! crashes while the others go on.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::cut::Left;
use super::disk::SimDisk;
use super::random::Random;
use super::state::State;
use super::tasks::Tasks;
use crate::base::Instant;

/// A machine; cheap to clone.
#[derive(Clone)]
pub struct SimMachine {
    tasks: Rc<Tasks>,
    disks: Disks,
    at: usize,
}

/// The disks of all machines.
#[derive(Clone, Default)]
pub(super) struct Disks(Rc<RefCell<Vec<Slot>>>);

struct Slot {
    disk: SimDisk,
    /// Nothing that it is asked for is done before.
    stuck_until: Instant,
}

// === impl Disks ===

impl Disks {
    /// Completes an operation of one of them, whichever `random` says; `false` where none is under
    /// way.
    pub fn complete_one(&self, random: &RefCell<Random>, now: Instant) -> bool {
        let disks = self.0.borrow();
        if disks.is_empty() {
            return false;
        }
        let first = random.borrow_mut().below(disks.len());
        let mut order = disks[first..].iter().chain(&disks[..first]);
        order.any(|it| it.stuck_until <= now && it.disk.complete_one())
    }
}

// === impl SimMachine ===

impl SimMachine {
    pub(super) fn new(tasks: &Rc<Tasks>, disks: &Disks) -> SimMachine {
        let disk = SimDisk::new(Rc::clone(tasks), State::default());
        disks.0.borrow_mut().push(Slot {
            disk,
            stuck_until: Instant::default(),
        });
        SimMachine {
            tasks: Rc::clone(tasks),
            disks: disks.clone(),
            at: disks.0.borrow().len() - 1,
        }
    }

    /// Its disk, until the next crash or kill.
    pub fn disk(&self) -> SimDisk {
        self.disks.0.borrow()[self.at].disk.clone()
    }

    /// Its disk does nothing for so long.
    pub fn stick(&self, length: Duration) {
        let until = self.tasks.time.now().after(length);
        self.disks.0.borrow_mut()[self.at].stuck_until = until;
    }

    /// Its wall clock shows so much more than the world's, in milliseconds.
    pub fn set_clock(&self, off_ms: i64) {
        self.tasks.set_clock(self.at + 1, off_ms);
    }

    /// Runs `task` on this machine, and all tasks that it begins.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let number = self.at + 1;
        self.tasks.on_machine(number, || self.tasks.spawn(task));
    }

    /// Loses power: its tasks are gone, and of its disk is left what was flushed and, of what was
    /// not, what `seed` keeps.
    pub fn crash(&self, seed: u64) {
        let now = self.tasks.time.now();
        self.end(|disk| disk.crash(seed, now));
    }

    /// Its process dies: its tasks are gone, I/O under way still ends.
    pub fn kill(&self) {
        let now = self.tasks.time.now();
        self.end(|disk| {
            while disk.complete_one() {}
            disk.keep(now)
        });
    }

    fn end(&self, left: impl FnOnce(&SimDisk) -> Left) {
        let before = self.disk();
        self.tasks.clear_machine(self.at + 1);
        let disk = SimDisk::new(Rc::clone(&self.tasks), left(&before).state);
        self.disks.0.borrow_mut()[self.at] = Slot {
            disk,
            stuck_until: Instant::default(),
        };
    }
}
