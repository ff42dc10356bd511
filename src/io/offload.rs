//! Drives: long computations off the cores that serve, on a few threads of low priority.
//!
//! What a client can make long and what cannot be done in steps goes here: decoding, encoding and
//! dropping large messages. The threads are shared by all executors of the process. They yield
//! the CPU to the executors where both want it, so that a large request waits and not those
//! beside it.
#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread;

use futures_channel::oneshot;

/// Threads of the process for this. Two, so that one huge job does not stop all others.
const THREADS: usize = 2;
/// How much they yield the CPU to others (nice), of at most 19.
const NICE: libc::c_int = 10;

type Job = Box<dyn FnOnce() + Send>;

/// The computation panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// Runs `work` elsewhere and waits for its result. Jobs run in the order in which they come.
pub async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Panicked> {
    let (sender, receiver) = oneshot::channel();
    submit(Box::new(move || drop(sender.send(work()))));
    receiver.await.map_err(|_| Panicked)
}

/// Drops `value` elsewhere.
pub fn drop_later<T: Send + 'static>(value: T) {
    submit(Box::new(move || drop(value)));
}

fn submit(job: Job) {
    static JOBS: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let jobs = JOBS.get_or_init(start);
    if let Err(mpsc::SendError(job)) = jobs.send(job) {
        // There is no thread: better late here than never.
        job();
    }
}

fn start() -> mpsc::Sender<Job> {
    let (sender, receiver) = mpsc::channel::<Job>();
    let receiver: &'static Mutex<mpsc::Receiver<Job>> = Box::leak(Box::new(Mutex::new(receiver)));
    let mut started = 0;
    for index in 0..THREADS {
        let name = format!("offload-{index}");
        let spawned = thread::Builder::new().name(name).spawn(move || {
            make_nice();
            work(receiver);
        });
        match spawned {
            Ok(_) => started += 1,
            Err(error) => tracing::warn!(%error, "cannot start a thread for large requests"),
        }
    }
    match started {
        // Sending to a channel without a receiver gives the job back.
        0 => mpsc::channel().0,
        _ => sender,
    }
}

fn work(jobs: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        // A panic of a job happens outside of the lock.
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // The waiting task learns of a panic by the dropped channel.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

fn make_nice() {
    // SAFETY: plain system calls; on Linux a thread's id stands for that thread alone.
    unsafe {
        let thread = libc::gettid();
        // Low priority is a courtesy: without it all works the same.
        libc::setpriority(libc::PRIO_PROCESS, thread as libc::id_t, NICE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        loop {
            if let Some(value) = future.as_mut().now_or_never() {
                return value;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn results_come_back_and_a_panic_ends_its_job_alone() {
        assert_eq!(wait(run(|| 6 * 7)), Ok(42));
        for _ in 0..2 * THREADS {
            assert_eq!(
                wait(run(|| panic!("a job that panics"))),
                Err::<(), _>(Panicked)
            );
        }
        assert_eq!(wait(run(|| 6 * 7)), Ok(42));
        let name = wait(run(|| thread::current().name().map(str::to_owned)));
        assert!(name.unwrap().unwrap().starts_with("offload-"));
    }

    #[test]
    fn what_is_dropped_is_dropped_on_another_thread() {
        struct Tells(mpsc::Sender<thread::ThreadId>);
        impl Drop for Tells {
            fn drop(&mut self) {
                self.0.send(thread::current().id()).unwrap();
            }
        }
        let (sender, receiver) = mpsc::channel();
        drop_later(Tells(sender));
        assert_ne!(receiver.recv().unwrap(), thread::current().id());
    }
}
