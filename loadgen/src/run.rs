//! Drives: a whole run: the ground it stands on, its blocks, the report.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use core_affinity::CoreId;

use crate::block::{self, Block};
use crate::client::Clock;
use crate::cluster::{Cluster, Home};
use crate::frame::Filler;
use crate::latency::{Collector, Kind, SECOND_NS};
use crate::observe::Observer;
use crate::plan::{Load, Plan};
use crate::report::{BlockFigures, Report};
use crate::verify::Findings;
use crate::{floors, host, output};

/// What all blocks of a run stand on.
pub struct Ground {
    /// The brokers and topics.
    pub cluster: Arc<Cluster>,
    /// All partitions.
    pub homes: Arc<[Home]>,
    /// What values are made of.
    pub filler: Arc<Filler>,
    /// The clock of all threads.
    pub clock: Clock,
    /// Marks the records of this process.
    pub run: u64,
    /// The cores for threads number 0, 1, …
    pub cores: Vec<CoreId>,
    /// When the first measured part began, by the clock; `u64::MAX` while nobody knows.
    pub measured_ns: Arc<AtomicU64>,
    /// Set by Ctrl-C.
    pub stop: Arc<AtomicBool>,
}

impl Ground {
    /// Reaches the brokers, and creates topics if asked to.
    pub fn prepare(plan: &Plan, whole: bool) -> Result<Ground, Box<dyn Error>> {
        plan.check()?;
        let cores = cores(&plan.cpus)?;
        let stop = stop_signals()?;
        let (cluster, homes) = Cluster::reach(&plan.bootstrap, &plan.wanted())?;
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let filler = Filler::new(plan.size.max(), plan.compressible, plan.seed, whole);
        Ok(Ground {
            cluster: Arc::new(cluster),
            homes: homes.into(),
            filler: Arc::new(filler),
            clock: Clock::start(),
            run: since_1970.as_nanos() as u64 ^ u64::from(std::process::id()) << 48,
            cores,
            measured_ns: Arc::new(AtomicU64::new(u64::MAX)),
            stop,
        })
    }

    /// Begins to watch what `plan` wants watched, marked and done.
    pub fn observe(&self, plan: &Plan) -> Result<Observer, String> {
        Observer::start(
            &plan.outputs,
            &plan.bootstrap,
            &self.cluster.topics[0],
            self.clock,
            self.measured_ns.clone(),
        )
    }

    /// The core for thread `number`.
    pub fn core(&self, number: usize) -> Option<CoreId> {
        (!self.cores.is_empty()).then(|| self.cores[number % self.cores.len()])
    }

    /// How many threads share the producers of `plan`.
    pub fn threads(&self, plan: &Plan) -> usize {
        let usual = (self.cores.len() / 2).max(1);
        let threads = plan.threads.map_or(usual, |threads| threads as usize);
        threads.min(plan.producers as usize)
    }
}

/// The cores for threads number 0, 1, … of the run.
pub fn cores(wanted: &[usize]) -> Result<Vec<CoreId>, Box<dyn Error>> {
    let mut allowed = core_affinity::get_core_ids().unwrap_or_default();
    allowed.reverse();
    if wanted.is_empty() {
        return Ok(allowed);
    }
    let find = |wanted: &usize| {
        let found = allowed.iter().find(|core| core.id == *wanted).copied();
        found.ok_or_else(|| format!("CPU {wanted} is not among those that loadgen may use").into())
    };
    wanted.iter().map(find).collect()
}

fn stop_signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // In this order: the first one sets the flag, the next finds it set.
        signal_hook::flag::register_conditional_shutdown(signal, 1, stop.clone())?;
        signal_hook::flag::register(signal, stop.clone())?;
    }
    Ok(stop)
}

/// CPU time of this process so far, in seconds.
pub fn cpu_s() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// How a run ended.
pub struct Ended {
    /// The code to exit with.
    pub code: u8,
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
}

/// Makes the load of `plan` and reports what came of it; the exit code says whether it holds.
pub fn run(plan: Plan) -> Result<ExitCode, Box<dyn Error>> {
    run_to_end(plan).map(|ended| ExitCode::from(ended.code))
}

/// The same, for those who have more to do after it.
pub fn run_to_end(plan: Plan) -> Result<Ended, Box<dyn Error>> {
    let host = host::facts();
    let files = plan.outputs.prepare(output::RUN_FILES)?;
    let ground = Ground::prepare(&plan, false)?;
    let observer = ground.observe(&plan)?;
    let load = plan.load();
    let about = format!(
        "loadgen {}, nanoseconds",
        corelane::base::version::version()
    );
    let mut collector = Collector::new(&about);
    let mut report = Report::new(plan, host, ground.homes.len());
    let mut origin_ns = None;
    floors_round(&ground, &mut report, &mut collector, "before")?;
    for number in 0..report.plan.blocks {
        let label = match report.plan.blocks {
            1 => String::new(),
            all => format!("block {}/{all}  ", number + 1),
        };
        let (collector, origin_ns) = (&mut collector, &mut origin_ns);
        one_block(
            &ground,
            &load,
            &mut report,
            collector,
            number,
            origin_ns,
            label,
        )?;
        if ground.stop.load(Ordering::Relaxed) {
            report.interrupted = true;
            break;
        }
        let last = number + 1 == report.plan.blocks;
        let when = if last {
            "after".into()
        } else {
            format!("after block {}", number + 1)
        };
        floors_round(&ground, &mut report, collector, &when)?;
    }
    let observed = observer.finish();
    let log;
    (report.totals, log) = collector.finish()?;
    output::write(&report, &log, &observed, &files)?;
    Ok(Ended {
        code: report.exit_code(),
        interrupted: report.interrupted,
    })
}

/// Measures what the host does at best, where the plan asks for it; `when` says when that was.
pub fn floors_round(
    ground: &Ground,
    report: &mut Report,
    collector: &mut Collector,
    when: &str,
) -> io::Result<()> {
    let Some(dir) = &report.plan.floors else {
        return Ok(());
    };
    let size = report.plan.size.max();
    let found = floors::measure(Some(dir), size, floors::COUNT_IN_A_RUN, &ground.cores)?;
    let at = report.blocks.last().map_or(0.0, |block| block.to_s);
    for (name, times) in &found {
        collector.add_floor(at as u64, name, times)?;
    }
    report.floors.push((when.to_owned(), found));
    Ok(())
}

/// Runs block `number` (from 0) and adds what came of it to `report`; `label` stands before each
/// line of progress.
pub fn one_block(
    ground: &Ground,
    load: &Load,
    report: &mut Report,
    collector: &mut Collector,
    number: u32,
    origin_ns: &mut Option<u64>,
    label: String,
) -> Result<(), Box<dyn Error>> {
    let block = Block::new(ground, &report.plan, load, u64::from(number), label);
    let done = block::run(&block, collector, origin_ns)?;
    let since = |ns: u64| ns.saturating_sub(done.measure_ns) as f64 / SECOND_NS as f64;
    report.measured_s += since(done.ended_ns.max(done.stop_ns));
    report.scheduled_s += since(done.stop_ns);
    report.cpu_s += done.cpu_s;
    report.bytes = done.bytes;
    report.unsteady |= done.unsteady;
    report.read_back_failed |= done.read_back_failed;
    report.blocks.push(BlockFigures {
        from_s: done.from_s,
        to_s: done.from_s + since(done.stop_ns),
        totals: done.totals,
    });
    let mut failures = done.failures;
    for (producer, outcome) in done.outcomes.iter().enumerate() {
        report.due += outcome.due;
        report.sent += outcome.sent;
        report.unanswered += outcome.unanswered;
        add(&mut report.refused, &outcome.refused);
        add(&mut report.repeated, &outcome.repeated);
        if let Some(why) = &outcome.failure {
            let times = outcome.breaks;
            failures.push(format!(
                "producer {producer}: broke off {times} times: {why}"
            ));
        }
    }
    report.failures.append(&mut failures);
    let sent = || done.outcomes.iter().map(|one| (one.made, &one.promised));
    for ledger in &done.ledgers {
        let found = ledger.conclude(sent());
        let all = report.findings.unwrap_or_default();
        report.findings = Some(Findings::plus(all, found));
    }
    Ok(())
}

fn add(sum: &mut BTreeMap<i16, u64>, more: &BTreeMap<i16, u64>) {
    for (code, count) in more {
        *sum.entry(*code).or_default() += count;
    }
}

/// The latency that stands for a load: of acks where there are any.
pub fn main_kind(acks: i16) -> Kind {
    match acks {
        0 => Kind::Late,
        _ => Kind::Produce,
    }
}
