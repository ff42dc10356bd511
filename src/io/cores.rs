//! Drives: executors, one per core, and what tasks do besides I/O.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::time::Duration;

use glommio::nop::NopSubmitter;
use glommio::timer::Timer;
use glommio::{
    ExecutorJoinHandle, Latency, LocalExecutorBuilder, Placement, PoolPlacement, Shares,
    TaskQueueHandle,
};

use super::cpus;
#[cfg(any(test, feature = "sim"))]
use super::sim;

/// Threads of each executor for what blocks. They wait for the disk nearly all the time: files
/// that many partitions create and sync at the same time share the file system's commits.
const BLOCKING_THREADS: usize = 16;

/// How an executor is placed and how it waits.
#[derive(Clone, Debug)]
pub struct CoreOptions {
    /// Name of the thread, at most 15 bytes are shown by the kernel.
    pub name: String,
    /// The CPU to be pinned to; `None` lets the kernel place the thread.
    pub cpu: Option<usize>,
    /// How long to spin for work before sleeping; zero sleeps at once.
    pub spin: Duration,
    /// Memory registered with io_uring for disk buffers, in bytes.
    pub io_memory_bytes: usize,
}

/// A started executor; dropping it detaches the thread.
pub struct Core<T: Send + 'static>(ExecutorJoinHandle<T>);

/// A class of tasks of one executor, with its share of the CPU.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskClass(TaskQueueHandle);

/// A spawned task; dropping it lets the task go on.
pub struct Task<T>(Handle<T>);

enum Handle<T> {
    Ring(Option<glommio::Task<T>>),
    #[cfg(any(test, feature = "sim"))]
    Sim(sim::SimTask<T>),
}

thread_local! {
    /// The timer of [`rest`], made when the executor starts.
    static REST: Cell<Option<Timer>> = const { Cell::new(None) };
    /// What [`busy`] has said last.
    static BUSY: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Starts an executor on its own thread and runs `main` on it until it returns. To be called from
/// a thread that may run on all CPUs of the process.
pub fn start<F, T>(
    options: CoreOptions,
    main: impl FnOnce() -> F + Send + 'static,
) -> io::Result<Core<T>>
where
    F: Future<Output = T> + 'static,
    T: Send + 'static,
{
    let placement = options.cpu.map_or(Placement::Unbound, Placement::Fixed);
    cpus::has_executor(options.cpu);
    LocalExecutorBuilder::new(placement)
        .name(&options.name)
        .spin_before_park(options.spin)
        .io_memory(options.io_memory_bytes)
        .ring_depth(512)
        .preempt_timer(Duration::from_millis(1))
        // Blocking file work must not queue behind the reactor on its own CPU.
        .blocking_thread_pool_placement(PoolPlacement::Unbound(BLOCKING_THREADS))
        .spawn(move || {
            REST.set(Some(Timer::new(Duration::ZERO)));
            main()
        })
        .map(Core)
        .map_err(|error| io::Error::other(error.to_string()))
}

/// A class for background work on the current executor; `shares` of 1 to 1000 against the
/// 1000 of the default class.
pub fn background(name: &str, shares: usize) -> TaskClass {
    TaskClass(glommio::executor().create_task_queue(
        Shares::Static(shares),
        Latency::NotImportant,
        name,
    ))
}

/// Runs `future` beside the current task, in the same class.
pub fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> Task<T> {
    Task(Handle::Ring(Some(glommio::spawn_local(future))))
}

/// Runs `future` beside the current task, in `class`.
pub fn spawn_into<T: 'static>(
    class: TaskClass,
    future: impl Future<Output = T> + 'static,
) -> Task<T> {
    let task = glommio::spawn_local_into(future, class.0);
    Task(Handle::Ring(Some(
        task.expect("task classes are never removed"),
    )))
}

/// Runs `work` on one of the executor's blocking threads, off the data core.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    glommio::executor().spawn_blocking(work).await
}

/// How long the current executor has been at work, looking for completed I/O included; not for
/// how long it has slept or spun.
pub fn busy() -> Duration {
    // The runtime forgets what it has told once.
    let more = glommio::executor().executor_stats().total_runtime();
    BUSY.set(BUSY.get() + more);
    BUSY.get()
}

/// How often the current executor has entered its ring: each time is a system call.
pub fn ring_enters() -> u64 {
    glommio::executor().ring_enters()
}

/// From now on, before the current executor sleeps, the kernel polls the network cards of its
/// sockets for up to `length` (NAPI busy polling). Returns for how long it did so before, as the
/// kernel tells. Fails before Linux 6.9.
pub fn busy_poll_network(length: Duration) -> io::Result<Duration> {
    glommio::executor().busy_poll_network(length)
}

/// Waits for `length`.
pub async fn sleep(length: Duration) {
    glommio::timer::sleep(length).await;
}

/// As [`sleep`], without an allocation, for one task of the executor at a time.
pub(super) async fn rest(length: Duration) {
    let mut timer = match REST.take() {
        Some(mut timer) => {
            timer.reset(length);
            timer
        }
        None => Timer::new(length),
    };
    (&mut timer).await;
    REST.set(Some(timer));
}

/// Lets other ready tasks run first.
pub async fn yield_now() {
    glommio::executor().yield_now().await;
}

/// Lets all that is ready run, and what the kernel has ready be heard of, before it returns.
pub async fn next_round() {
    // An operation without an effect, which ends where the executor looks at its ring.
    if NopSubmitter::new().run_nop().await.is_err() {
        yield_now().await;
    }
}

// === impl Core ===

impl<T: Send + 'static> Core<T> {
    /// Waits for the executor's main task; `Err` when it panicked or could not start.
    pub fn join(self) -> io::Result<T> {
        self.0
            .join()
            .map_err(|error| io::Error::other(error.to_string()))
    }
}

// === impl Task ===

impl<T: 'static> Task<T> {
    #[cfg(any(test, feature = "sim"))]
    pub(super) fn simulated(task: sim::SimTask<T>) -> Task<T> {
        Task(Handle::Sim(task))
    }

    /// The task's result. Cancels the task when dropped before that.
    pub async fn join(mut self) -> T {
        match &mut self.0 {
            Handle::Ring(task) => match task.take() {
                Some(task) => task.await,
                None => unreachable!("a task is joined once: join takes it by value"),
            },
            #[cfg(any(test, feature = "sim"))]
            Handle::Sim(task) => task.join().await,
        }
    }

    /// Stops the task at its next wait and waits until it has gone.
    pub async fn cancel(mut self) {
        match &mut self.0 {
            Handle::Ring(task) => {
                if let Some(task) = task.take() {
                    task.cancel().await;
                }
            }
            #[cfg(any(test, feature = "sim"))]
            Handle::Sim(task) => task.cancel(),
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        match &mut self.0 {
            Handle::Ring(task) => {
                if let Some(task) = task.take() {
                    task.detach();
                }
            }
            #[cfg(any(test, feature = "sim"))]
            Handle::Sim(_) => {}
        }
    }
}
