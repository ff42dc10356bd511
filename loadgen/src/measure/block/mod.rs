//! Drives: one block: all threads connected, a warm-up, the measured part, the check.

mod read_back;
mod watch;

use std::error::Error;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;

use crate::load::{Load, Warmup};
use crate::measure::consumer::{self, Until};
use crate::measure::ground::{Ground, cpu_s};
use crate::measure::latency::{Collector, Interval, Kind, SECOND_NS, Totals, Window};
use crate::measure::ledger::Ledger;
use crate::measure::producer;
use crate::measure::progress::Progress;
use crate::measure::worker::{self, Begin, Shared};
use crate::options::Plan;
use read_back::{check, ends};
use watch::Watch;

/// Between the last connection and the first record, in nanoseconds.
const LEAD_NS: u64 = 100_000_000;

/// What one block is to do.
pub struct Block<'a> {
    /// What all blocks of the run share.
    pub ground: &'a Ground,
    /// The load of all producers.
    pub load: &'a Load,
    /// How many producers.
    pub producers: u32,
    /// In how many threads.
    pub threads: usize,
    /// Groups that read along, and consumers in each.
    pub groups: usize,
    /// See `groups`.
    pub consumers: usize,
    /// Whether to read all records back after the block, if no consumers read them during it.
    pub check: bool,
    /// How long to warm up.
    pub warmup: Warmup,
    /// Seconds to measure.
    pub duration: u64,
    /// The run's mark in this block's records.
    pub run: u64,
    /// What people see.
    pub progress: Progress,
}

/// The result of a block.
pub struct Done {
    /// Of each producer.
    pub outcomes: Vec<producer::Outcome>,
    /// Of each group, or of the reading back.
    pub ledgers: Vec<Ledger>,
    /// Threads that could not go on, and why.
    pub failures: Vec<String>,
    /// The histograms of the measured part.
    pub totals: Totals,
    /// Bytes of batches acked in the measured parts of this block and those before.
    pub bytes: u64,
    /// When the measured part began, in seconds of the whole run's measured parts and pauses.
    pub from_s: f64,
    /// The same by the clock.
    pub measure_ns: u64,
    /// When the last record was due.
    pub stop_ns: u64,
    /// When the last answer came.
    pub ended_ns: u64,
    /// CPU time that loadgen took from the first send to the last answer, in seconds.
    pub cpu_s: f64,
    /// Whether a warm-up ended without becoming steady.
    pub unsteady: bool,
    /// Whether not everything could be read.
    pub read_back_failed: bool,
}

impl<'a> Block<'a> {
    /// Block `number` (from 0) of `plan`.
    pub fn new(
        ground: &'a Ground,
        plan: &Plan,
        load: &'a Load,
        number: u64,
        label: String,
    ) -> Block<'a> {
        Block {
            ground,
            load,
            producers: plan.producers,
            threads: ground.threads(plan),
            groups: plan.groups() as usize,
            consumers: plan.consumers as usize,
            check: !plan.no_check,
            warmup: plan.warmup,
            duration: plan.duration,
            run: ground.run.wrapping_add(number),
            progress: Progress::new(plan.quiet, Kind::main_of(plan.acks), label),
        }
    }
}

/// Holds the threads of a block back until all are connected and the start time is known.
struct Gate {
    arrived: Barrier,
    begun: Barrier,
    begin: OnceLock<Begin>,
}

impl Gate {
    fn pass(&self) -> Option<Begin> {
        self.arrived.wait();
        self.begun.wait();
        self.begin.get().cloned()
    }
}

/// Runs it. `origin_ns` is where the seconds of the whole run count from, once that is known.
pub fn run(
    block: &Block<'_>,
    collector: &mut Collector,
    origin_ns: &mut Option<u64>,
) -> Result<Done, Box<dyn Error>> {
    let ground = block.ground;
    let from: Arc<[i64]> = match block.groups > 0 || block.check {
        true => ends(&ground.cluster)?.1.into(),
        false => vec![0; ground.homes.len()].into(),
    };
    let shared = Shared {
        stop_ns: AtomicU64::new(u64::MAX),
        done: AtomicUsize::new(0),
        promised: AtomicU64::new(0),
    };
    let readers = consumer_jobs(block, &from);
    let workers = worker_jobs(block, readers.len());
    let ran = run_threads(block, &shared, &workers, &readers, collector, origin_ns)?;
    let Ran {
        watch, outcomes, ..
    } = ran;
    let checked = check(block, &from, &shared, ran.read)?;
    let (totals, bytes) = collector.take_block();
    let stop_ns = shared.stop_ns.load(Ordering::Relaxed);
    let ended = outcomes.iter().map(|outcome| outcome.ended_ns).max();
    Ok(Done {
        ledgers: checked.ledgers,
        failures: checked.failures,
        totals,
        bytes,
        from_s: watch.began_s(collector),
        measure_ns: watch.begin.window.measured_ns(),
        stop_ns,
        ended_ns: ended.unwrap_or(0),
        cpu_s: ran.cpu_s,
        unsteady: watch.unsteady,
        read_back_failed: checked.read_back_failed,
        outcomes,
    })
}

/// What the threads of a block came to.
struct Ran<'a> {
    watch: Watch<'a>,
    /// Of each producer.
    outcomes: Vec<producer::Outcome>,
    /// Of each thread of consumers.
    read: Vec<consumer::Outcome>,
    /// CPU time of loadgen from the first send to the last answer, in seconds.
    cpu_s: f64,
}

/// Runs the threads of a block to their end.
fn run_threads<'a>(
    block: &'a Block<'a>,
    shared: &'a Shared,
    workers: &[worker::Job],
    readers: &[consumer::Job],
    collector: &mut Collector,
    origin_ns: &mut Option<u64>,
) -> Result<Ran<'a>, Box<dyn Error>> {
    let gate = Gate {
        arrived: Barrier::new(workers.len() + readers.len() + 1),
        begun: Barrier::new(workers.len() + readers.len() + 1),
        begin: OnceLock::new(),
    };
    let gate = &gate;
    let (out, intervals) = channel();
    // `out` is moved in, so that the channel closes when the last thread ends.
    thread::scope(move |scope| {
        let spawn_reader = |job| {
            let out = Some(out.clone());
            scope.spawn(move || consumer::run(job, shared, out, || gate.pass()))
        };
        let readers: Vec<_> = readers.iter().map(spawn_reader).collect();
        let spawn_worker = |job| {
            let out: Sender<Interval> = out.clone();
            // The main thread sets the start time before it lets the threads go.
            let pass = || gate.pass().expect("set before the gate opens");
            scope.spawn(move || worker::run(job, shared, out, pass))
        };
        let workers: Vec<_> = workers.iter().map(spawn_worker).collect();
        drop(out);
        gate.arrived.wait();
        let begin = begin(block, shared, origin_ns);
        let _ = gate.begin.set(begin.clone());
        gate.begun.wait();
        let cpu_before_s = cpu_s();
        let mut watch = Watch::new(block, begin, shared);
        watch.until_over(collector, &intervals)?;
        let mut outcomes: Vec<(u32, producer::Outcome)> = Vec::new();
        for (thread, job) in workers.into_iter().enumerate() {
            let own = job.join().map_err(|_| "a producer panicked")?;
            outcomes.extend(numbers(block, thread).zip(own));
        }
        outcomes.sort_by_key(|(number, _)| *number);
        let mut read = Vec::new();
        for job in readers {
            read.push(job.join().map_err(|_| "a consumer panicked")?);
        }
        Ok(Ran {
            watch,
            outcomes: outcomes.into_iter().map(|(_, outcome)| outcome).collect(),
            read,
            cpu_s: cpu_s() - cpu_before_s,
        })
    })
}

/// The numbers of the producers of thread number `thread`.
fn numbers(block: &Block<'_>, thread: usize) -> impl Iterator<Item = u32> + use<> {
    (thread as u32..block.producers).step_by(block.threads)
}

/// The threads of producers; those of consumers come before them in the order of cores.
fn worker_jobs(block: &Block<'_>, readers: usize) -> Vec<worker::Job> {
    let ground = block.ground;
    let job = |thread| worker::Job {
        cluster: ground.cluster.clone(),
        homes: ground.homes.clone(),
        load: block.load.clone(),
        filler: ground.filler.clone(),
        numbers: numbers(block, thread).collect(),
        producers: block.producers,
        run: block.run,
        clock: ground.clock,
        core: ground.core(thread + readers),
    };
    (0..block.threads).map(job).collect()
}

/// Sets when the first record is due and, unless the warm-up ends by itself, when to measure.
fn begin(block: &Block<'_>, shared: &Shared, origin_ns: &mut Option<u64>) -> Begin {
    let soon_ns = block.ground.clock.now_ns() + LEAD_NS;
    // Seconds count from the beginning of the whole run, not of this block.
    let start_ns = origin_ns.map_or(soon_ns, |origin| {
        origin + (soon_ns - origin).div_ceil(SECOND_NS) * SECOND_NS
    });
    let window = Window {
        origin_ns: *origin_ns.get_or_insert(start_ns),
        measure_from_ns: Arc::new(AtomicU64::new(u64::MAX)),
    };
    if let Warmup::Seconds(seconds) = block.warmup {
        let measure_ns = start_ns + seconds * SECOND_NS;
        window.measure_from_ns.store(measure_ns, Ordering::Relaxed);
        let stop_ns = measure_ns + block.duration * SECOND_NS;
        shared.stop_ns.store(stop_ns, Ordering::Relaxed);
    }
    Begin { start_ns, window }
}

/// The consumers that read along, a thread for each consumer of all groups together.
fn consumer_jobs(block: &Block<'_>, from: &Arc<[i64]>) -> Vec<consumer::Job> {
    let ground = block.ground;
    let homes = ground.homes.len();
    let consumers = block.consumers.min(homes);
    let seen: Arc<[AtomicU64]> = (0..block.groups).map(|_| AtomicU64::new(0)).collect();
    let mut readers: Vec<(usize, Vec<usize>)> = Vec::new();
    for group in 0..block.groups {
        for number in 0..consumers {
            readers.push((group, (number..homes).step_by(consumers).collect()));
        }
    }
    let threads = readers.len().min((ground.cores.len() / 2).max(1));
    let mut jobs: Vec<consumer::Job> = Vec::new();
    for thread in 0..threads {
        let own = readers.iter().skip(thread).step_by(threads).cloned();
        jobs.push(consumer::Job {
            cluster: ground.cluster.clone(),
            homes: ground.homes.clone(),
            readers: own.collect(),
            from: from.clone(),
            until: Until::Promised,
            producers: block.producers as usize,
            whole: ground.filler.whole,
            run: block.run,
            clock: ground.clock,
            drain_ns: block.load.drain_ns,
            seen: seen.clone(),
            core: ground.core(thread),
        });
    }
    jobs
}
