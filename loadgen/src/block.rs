//! Drives: one block: all threads connected, a warm-up, the measured part, the check.

use std::error::Error;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Barrier, OnceLock};
use std::time::Duration;
use std::{io, thread};

use crate::client::ClientError;
use crate::cluster::{Cluster, Home};
use crate::consumer::{self, Until};
use crate::latency::{Collector, Interval, SECOND_NS, Totals, Window};
use crate::plan::{Load, Plan, Warmup};
use crate::producer;
use crate::progress::{Progress, Steadiness};
use crate::run::{Ground, cpu_s, main_kind};
use crate::verify::Ledger;
use crate::worker::{self, Begin, Shared};

/// Between the last connection and the first record, in nanoseconds.
const LEAD_NS: u64 = 100_000_000;
/// A steady load is measured so many seconds after that is known.
const STEADY_LEAD: u64 = 2;

/// How often brokers are asked again where partitions end.
const LOOKS: u32 = 150;
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// What one block is to do.
pub struct Block<'a> {
    /// What it stands on.
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
    /// Whether to read back what nobody read along.
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

/// What became of it.
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
            progress: Progress::new(plan.quiet, main_kind(plan.acks), label),
        }
    }
}

/// What the threads of a block wait at.
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
    let (homes, cluster) = (&ground.homes, &ground.cluster);
    let from: Arc<[i64]> = match block.groups > 0 || block.check {
        true => ends(cluster)?.1.into(),
        false => vec![0; homes.len()].into(),
    };
    let shared = Shared {
        stop_ns: AtomicU64::new(u64::MAX),
        done: AtomicUsize::new(0),
        promised: AtomicU64::new(0),
    };
    let readers = consumer_jobs(block, &from);
    let workers: Vec<worker::Job> = (0..block.threads)
        .map(|thread| worker::Job {
            cluster: cluster.clone(),
            homes: homes.clone(),
            load: block.load.clone(),
            filler: ground.filler.clone(),
            numbers: (thread as u32..block.producers)
                .step_by(block.threads)
                .collect(),
            producers: block.producers,
            run: block.run,
            clock: ground.clock,
            core: ground.core(thread + readers.len()),
        })
        .collect();
    let gate = Gate {
        arrived: Barrier::new(workers.len() + readers.len() + 1),
        begun: Barrier::new(workers.len() + readers.len() + 1),
        begin: OnceLock::new(),
    };
    let (out, intervals) = channel();
    let (watch, outcomes, read, cpu_s) = {
        let (gate, shared) = (&gate, &shared);
        // `out` goes in, so that the channel ends with the last thread.
        thread::scope(|scope| {
            let spawn_reader = |job| {
                let out = Some(out.clone());
                scope.spawn(move || consumer::run(job, shared, out, || gate.pass()))
            };
            let readers: Vec<_> = readers.iter().map(spawn_reader).collect();
            let spawn_worker = |job| {
                let out: Sender<Interval> = out.clone();
                // The gate opens with the beginning set.
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
                let numbers = (thread as u32..block.producers).step_by(block.threads);
                outcomes.extend(numbers.zip(own));
            }
            outcomes.sort_by_key(|(number, _)| *number);
            let mut read = Vec::new();
            for job in readers {
                read.push(job.join().map_err(|_| "a consumer panicked")?);
            }
            Ok::<_, Box<dyn Error>>((watch, outcomes, read, cpu_s() - cpu_before_s))
        })?
    };
    let outcomes: Vec<_> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    let mut ledgers = vec![Ledger::new(block.producers as usize); block.groups];
    let mut read_back_failed = read.iter().any(|one| one.failure.is_some());
    let mut failures = collect(&mut ledgers, read);
    if block.groups == 0 && block.check {
        let mut all = vec![Ledger::new(block.producers as usize)];
        let read = read_back(block, &from, &shared)?;
        read_back_failed = read.failure.is_some();
        failures.append(&mut collect(&mut all, vec![read]));
        ledgers = all;
    }
    if !block.check {
        ledgers.clear();
    }
    let (totals, bytes) = collector.take_block();
    let stop_ns = shared.stop_ns.load(Ordering::Relaxed);
    let ended = outcomes.iter().map(|outcome| outcome.ended_ns).max();
    Ok(Done {
        ledgers,
        failures,
        totals,
        bytes,
        from_s: watch.began_s(collector),
        measure_ns: watch.begin.window.measured_ns(),
        stop_ns,
        ended_ns: ended.unwrap_or(0),
        cpu_s,
        unsteady: watch.unsteady,
        read_back_failed,
        outcomes,
    })
}

/// Fixes when the first record is due, and if it is known already, what is measured.
fn begin(block: &Block<'_>, shared: &Shared, origin_ns: &mut Option<u64>) -> Begin {
    let soon_ns = block.ground.clock.now_ns() + LEAD_NS;
    // Seconds are those of the whole run.
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

/// Where the partitions live, and where each ends. A topic may be so new that its leaders do not
/// know of it, and a broker may be just coming back.
fn ends(cluster: &Cluster) -> Result<(Vec<Home>, Vec<i64>), ClientError> {
    let look = || {
        let homes = cluster.homes()?;
        let ends = cluster.offsets(&homes, -1)?;
        Ok((homes, ends))
    };
    let mut found = look();
    for _ in 0..LOOKS {
        if found.is_ok() {
            break;
        }
        thread::sleep(LOOK_PAUSE);
        found = look();
    }
    found
}

/// Reads everything back that was written since `from`.
pub fn read_back(
    block: &Block<'_>,
    from: &Arc<[i64]>,
    shared: &Shared,
) -> Result<consumer::Outcome, Box<dyn Error>> {
    let ground = block.ground;
    let (homes, ends) = ends(&ground.cluster)?;
    let homes: Arc<[Home]> = homes.into();
    let job = consumer::Job {
        cluster: ground.cluster.clone(),
        readers: vec![(0, (0..homes.len()).collect())],
        homes,
        from: from.clone(),
        until: Until::Offsets(ends.into()),
        producers: block.producers as usize,
        whole: ground.filler.whole,
        run: block.run,
        clock: ground.clock,
        drain_ns: block.load.drain_ns.max(10 * SECOND_NS),
        seen: Arc::new([AtomicU64::new(0)]),
        core: ground.core(0),
    };
    Ok(consumer::run(&job, shared, None, || None))
}

/// Merges what the threads saw into the ledgers of their groups; says what stopped them.
fn collect(ledgers: &mut [Ledger], read: Vec<consumer::Outcome>) -> Vec<String> {
    let mut failures = Vec::new();
    for outcome in read {
        for (group, ledger) in &outcome.ledgers {
            ledgers[*group].merge(ledger);
        }
        failures.extend(outcome.failure.map(|why| format!("a consumer: {why}")));
    }
    failures
}

/// The seconds of a block as they pass.
struct Watch<'a> {
    block: &'a Block<'a>,
    begin: Begin,
    shared: &'a Shared,
    steadiness: Steadiness,
    unsteady: bool,
    first: Option<u64>,
}

impl<'a> Watch<'a> {
    fn new(block: &'a Block<'a>, begin: Begin, shared: &'a Shared) -> Watch<'a> {
        Watch {
            block,
            begin,
            shared,
            steadiness: Steadiness::default(),
            unsteady: false,
            first: None,
        }
    }

    /// Collects what the threads hand over until all are done.
    fn until_over(
        &mut self,
        collector: &mut Collector,
        intervals: &Receiver<Interval>,
    ) -> io::Result<()> {
        let clock = self.block.ground.clock;
        loop {
            let received = intervals.recv_timeout(Duration::from_millis(100));
            let now = clock.now_ns();
            if self.block.ground.stop.load(Ordering::Relaxed) {
                self.shared.stop_ns.fetch_min(now, Ordering::Relaxed);
            }
            let window = &self.begin.window;
            let measured_ns = window.measured_ns();
            if measured_ns != u64::MAX && self.first.is_none() {
                let first = (measured_ns - window.origin_ns) / SECOND_NS;
                collector.measured_from(first, clock.wall(measured_ns));
                self.block
                    .ground
                    .measured_ns
                    .fetch_min(measured_ns, Ordering::Relaxed);
                self.first = Some(first);
            }
            let over = matches!(received, Err(RecvTimeoutError::Disconnected));
            if let Ok(interval) = received {
                collector.add(interval);
            }
            let second = now.saturating_sub(window.origin_ns) / SECOND_NS;
            let mut steady = false;
            let (block, steadiness) = (self.block, &mut self.steadiness);
            collector.close_before(if over { u64::MAX } else { second }, |at, found| {
                block.progress.second(at, found);
                let main = found.histograms.get(&block.progress.main());
                if let Some(main) = main.filter(|_| found.warm) {
                    steady |= steadiness.add(main);
                }
            })?;
            if steady && measured_ns == u64::MAX {
                self.measure_from(second + STEADY_LEAD);
            }
            if over {
                self.block.progress.over();
                return Ok(());
            }
            self.bar(now);
        }
    }

    fn measure_from(&mut self, second: u64) {
        let measure_ns = self.begin.window.origin_ns + second * SECOND_NS;
        let stop_ns = measure_ns + self.block.duration * SECOND_NS;
        self.unsteady = !self.steadiness.agrees();
        self.begin
            .window
            .measure_from_ns
            .store(measure_ns, Ordering::Relaxed);
        self.shared.stop_ns.fetch_min(stop_ns, Ordering::Relaxed);
    }

    fn bar(&self, now: u64) {
        let measured_ns = self.begin.window.measured_ns();
        if measured_ns != u64::MAX {
            let all_ns = measured_ns - self.begin.start_ns + self.block.duration * SECOND_NS;
            let done_ns = now.saturating_sub(self.begin.start_ns);
            self.block
                .progress
                .bar(done_ns as f64 / 1e9, all_ns as f64 / 1e9);
        }
    }

    fn began_s(&self, collector: &Collector) -> f64 {
        let zero = collector.first_second();
        self.first
            .map_or(0.0, |first| first.saturating_sub(zero) as f64)
    }
}
