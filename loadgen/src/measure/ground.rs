//! Drives: what all blocks of a run share: brokers, topics, clock, cores, Ctrl-C.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::SystemTime;

use core_affinity::CoreId;

use crate::load::frame::Filler;
use crate::measure::clock::Clock;
use crate::measure::cluster::{Cluster, Home};
use crate::measure::observe::Observer;
use crate::options::Plan;

/// What all blocks of a run share.
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
    /// When the first measured part began, by the clock; `u64::MAX` until that is known.
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
