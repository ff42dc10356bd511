//! Drives: what a task asks of the executor that it runs on: other tasks, time, random numbers.
//!
//! It is either an executor of this machine, over io_uring, or that of a simulated world, where
//! all of this follows from a seed. Code gets it as an argument or from its
//! [`Disk`](super::disk::Disk), so that the same code runs on both.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::clock;
use super::cores::{self, Task, TaskClass};
use super::entropy;
use super::offload::{self, Panicked};
#[cfg(any(test, feature = "sim"))]
use super::sim;
use crate::base::{Instant, WallMs};

/// The executor of the current thread; cheap to clone.
#[derive(Clone)]
pub struct Runtime(Kind);

#[derive(Clone)]
enum Kind {
    Ring,
    #[cfg(any(test, feature = "sim"))]
    Sim(sim::SimRuntime),
}

impl Runtime {
    /// The executor of this machine that the current thread runs.
    pub fn ring() -> Runtime {
        Runtime(Kind::Ring)
    }

    /// A simulated executor.
    #[cfg(any(test, feature = "sim"))]
    pub(in crate::io) fn simulated(runtime: sim::SimRuntime) -> Runtime {
        Runtime(Kind::Sim(runtime))
    }

    /// The executor whose task is polled now. For what is kept once for each executor, such as
    /// the length of its turns; everything else is given its runtime.
    pub(super) fn current() -> Runtime {
        #[cfg(any(test, feature = "sim"))]
        if let Some(runtime) = sim::current() {
            return Runtime::simulated(runtime);
        }
        Runtime::ring()
    }
}

#[cfg(any(test, feature = "sim"))]
impl sim::World {
    /// Its executor: time, tasks and random numbers.
    pub fn runtime(&self) -> Runtime {
        Runtime::simulated(self.executor())
    }
}

// === impl Runtime: tasks ===

impl Runtime {
    /// Runs `future` beside the current task, in the same class. It goes on when the handle is
    /// dropped.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Task<T> {
        match &self.0 {
            Kind::Ring => cores::spawn(future),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(runtime) => Task::simulated(runtime.spawn(future)),
        }
    }

    /// As [`Runtime::spawn`], in `class`.
    pub fn spawn_into<T: 'static>(
        &self,
        class: TaskClass,
        future: impl Future<Output = T> + 'static,
    ) -> Task<T> {
        match &self.0 {
            Kind::Ring => cores::spawn_into(class, future),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(runtime) => Task::simulated(runtime.spawn(future)),
        }
    }

    /// A class for background work; `shares` of 1 to 1000 against the 1000 of the default class.
    /// A simulated executor treats all classes alike.
    pub fn background(&self, name: &str, shares: usize) -> TaskClass {
        match &self.0 {
            Kind::Ring => cores::background(name, shares),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(_) => TaskClass::default(),
        }
    }

    /// Lets other ready tasks run first.
    pub async fn yield_now(&self) {
        match &self.0 {
            Kind::Ring => cores::yield_now().await,
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(runtime) => runtime.yield_now().await,
        }
    }

    /// Lets all that is ready run, and what the kernel has ready be heard of, before it returns.
    pub async fn next_round(&self) {
        match &self.0 {
            Kind::Ring => cores::next_round().await,
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(runtime) => runtime.yield_now().await,
        }
    }

    /// As [`Runtime::next_round`], and the executor's thread sleeps for about `length` if nothing
    /// is ready, so that threads of the kernel that are bound to its CPU can run. The kernel adds
    /// some 50 us. It does not sleep while `corelane.spin.us` has it spin, nor in a simulated
    /// world, which has no such threads.
    pub async fn rest(&self, length: Duration) {
        match &self.0 {
            Kind::Ring => cores::rest(length).await,
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(runtime) => runtime.yield_now().await,
        }
    }

    /// Runs `work`, which waits for the machine, on a thread beside the executor.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        match &self.0 {
            Kind::Ring => cores::blocking(work).await,
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(runtime) => {
                runtime.yield_now().await;
                work()
            }
        }
    }

    /// Runs `work`, a long computation, on a thread of low priority: see [`offload::run`].
    pub async fn offload<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        match &self.0 {
            Kind::Ring => offload::run(work).await,
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(runtime) => {
                runtime.yield_now().await;
                Ok(work())
            }
        }
    }

    /// Drops `value`, which may be large, on such a thread.
    pub fn drop_later<T: Send + 'static>(&self, value: T) {
        match &self.0 {
            Kind::Ring => offload::drop_later(value),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(_) => drop(value),
        }
    }
}

// === impl Runtime: what the executor has done ===

impl Runtime {
    /// How long the executor has been at work, looking for completed I/O included; not for how
    /// long it has slept or spun.
    pub fn busy(&self) -> Duration {
        match &self.0 {
            Kind::Ring => cores::busy(),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(_) => Duration::ZERO,
        }
    }

    /// How often it has entered its ring: each time is a system call.
    pub fn ring_enters(&self) -> u64 {
        match &self.0 {
            Kind::Ring => cores::ring_enters(),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(_) => 0,
        }
    }
}

// === impl Runtime: time and random numbers ===

impl Runtime {
    /// The monotonic clock.
    pub fn now(&self) -> Instant {
        match &self.0 {
            Kind::Ring => clock::now(),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(runtime) => runtime.now(),
        }
    }

    /// Microseconds since `begun`.
    pub fn us_since(&self, begun: Instant) -> u64 {
        self.now().since(begun).as_micros() as u64
    }

    /// The wall clock in milliseconds, as records carry it.
    pub fn wall_ms(&self) -> WallMs {
        match &self.0 {
            Kind::Ring => clock::wall_ms(),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(runtime) => runtime.wall_ms(),
        }
    }

    /// Waits for `length`.
    pub async fn sleep(&self, length: Duration) {
        match &self.0 {
            Kind::Ring => cores::sleep(length).await,
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(runtime) => runtime.sleep(length).await,
        }
    }

    /// Waits for `future`, but no longer than for `length`; `None` when it took longer.
    pub async fn within<F: Future>(&self, length: Duration, future: F) -> Option<F::Output> {
        match select(pin!(future), pin!(self.sleep(length))).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        }
    }

    /// Bytes that cannot be foretold on this machine, and follow from the seed in a simulated
    /// world. For seeds and ids; on this machine they cost a system call.
    pub fn random_bytes<const COUNT: usize>(&self) -> [u8; COUNT] {
        let mut bytes = [0; COUNT];
        match &self.0 {
            Kind::Ring => entropy::fill(&mut bytes),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(runtime) => {
                for piece in bytes.chunks_mut(8) {
                    piece.copy_from_slice(&runtime.random().to_be_bytes()[..piece.len()]);
                }
            }
        }
        bytes
    }

    /// Such a number.
    pub fn random(&self) -> u64 {
        u64::from_be_bytes(self.random_bytes())
    }
}
