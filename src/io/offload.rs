//! Drives: long computations off the cores that serve, on a few threads of low priority.
//!
//! What a client can make long and what cannot be done in steps goes here: decoding, encoding and
//! dropping large messages. The threads are shared by all executors of the process. They run on
//! the CPUs that no executor is pinned to. Where each CPU has an executor they run on all, and
//! their low priority makes a large request wait rather than those beside it.
#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread;

use futures_channel::oneshot;

/// Threads of the process for this. Two, so that one huge job does not stop all others.
const THREADS: usize = 2;
/// Their priority (nice), the lowest there is. On the CPU of an executor even such a thread, once
/// the kernel runs it, goes on until the next tick: up to 4 ms.
const NICE: libc::c_int = 19;

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
            leave_executors_alone();
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

/// Gives this thread a low priority and takes it off the CPUs of executors. It would inherit the
/// one CPU of the executor that was the first to submit a job. All works without it, only slower,
/// so errors are ignored.
fn leave_executors_alone() {
    let cpus = super::cpus::beside_executors();
    // SAFETY: plain system calls on this thread, whose id stands for it alone on Linux; a
    // `cpu_set_t` of zeros is the empty set, and `CPU_SET` is called within its bounds.
    unsafe {
        let thread = libc::gettid();
        libc::setpriority(libc::PRIO_PROCESS, thread as libc::id_t, NICE);
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for cpu in cpus {
            if cpu < libc::CPU_SETSIZE as usize {
                libc::CPU_SET(cpu, &mut set);
            }
        }
        // The kernel refuses an empty set, and the thread stays where it is.
        libc::sched_setaffinity(thread, size_of_val(&set), &set);
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

    /// The CPUs that this thread may run on, as the kernel lists them ("0-3,6").
    fn allowed_list() -> String {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = |line: &str| line.strip_prefix("Cpus_allowed_list:").map(str::to_owned);
        status.lines().find_map(line).unwrap().trim().to_owned()
    }

    #[test]
    fn its_threads_do_not_share_the_one_cpu_of_the_executor_that_submits() {
        use crate::io::cores::{self, CoreOptions};
        let cpus = crate::io::cpus::allowed();
        let options = CoreOptions {
            name: "pinned".into(),
            cpu: cpus.last().copied(),
            spin: std::time::Duration::ZERO,
            io_memory_bytes: 64 << 10,
        };
        let core = cores::start(options, || async {
            let (sender, receiver) = oneshot::channel();
            // As the threads of the process are started, which other tests may have done before.
            thread::spawn(move || {
                let inherited = allowed_list();
                leave_executors_alone();
                // SAFETY: a plain system call.
                let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
                let _ = sender.send((inherited, allowed_list(), nice));
            });
            receiver.await.unwrap()
        });
        let (inherited, beside, nice) = core.unwrap().join().unwrap();
        assert_eq!(inherited, cpus.last().unwrap().to_string());
        assert!(
            cpus.len() == 1 || beside != inherited,
            "it runs on {beside}"
        );
        assert_eq!(nice, NICE);
    }
}
