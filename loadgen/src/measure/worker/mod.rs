//! Drives: a thread of producers: sends what is due, and never waits for an answer to do so.

mod answers;
mod drive;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use core_affinity::CoreId;
use rustix::event::epoll;

use crate::load::Load;
use crate::load::frame::{Filler, Head};
use crate::load::schedule::{Pace, Schedule};
use crate::measure::client::ClientError;
use crate::measure::clock::Clock;
use crate::measure::cluster::{Cluster, Home};
use crate::measure::latency::{Interval, Kind, Recorder, Window};
use crate::measure::link::{Fixer, dial};
use crate::measure::producer::{Outcome, Producer, Tools};

/// What a producer records.
pub const KINDS: &[Kind] = &[
    Kind::Produce,
    Kind::Service,
    Kind::Late,
    Kind::BatchRecords,
    Kind::BatchBytes,
];

/// What the threads of a run tell each other.
#[derive(Debug)]
pub struct Shared {
    /// Nothing is to be sent that is due from here on.
    pub stop_ns: AtomicU64,
    /// Producers that are done.
    pub done: AtomicUsize,
    /// Records that these were promised, for consumers to wait for.
    pub promised: AtomicU64,
}

/// When the block starts; known once all connections are made.
#[derive(Clone, Debug)]
pub struct Begin {
    /// When the first record of all is due.
    pub start_ns: u64,
    /// When it is measured.
    pub window: Window,
}

/// What one thread has to do.
pub struct Job {
    /// The brokers and topics.
    pub cluster: Arc<Cluster>,
    /// All partitions.
    pub homes: Arc<[Home]>,
    /// The load of all producers.
    pub load: Load,
    /// What values are made of.
    pub filler: Arc<Filler>,
    /// The numbers of this thread's producers.
    pub numbers: Vec<u32>,
    /// How many producers there are in all threads.
    pub producers: u32,
    /// The run's mark in each record.
    pub run: u64,
    /// The run's clock.
    pub clock: Clock,
    /// The core to be pinned to.
    pub core: Option<CoreId>,
}

struct Worker<'a> {
    tools: Tools<'a>,
    producers: Vec<Producer>,
    /// When each one's next record is due.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    /// Those that made too much ahead.
    parked: Vec<(u64, usize)>,
    /// Batches that linger, by the end of their time: producer, slot, when it was opened.
    lingering: VecDeque<(u64, usize, usize, u64)>,
    poll: OwnedFd,
    looked_ns: u64,
}

/// Pins this thread and asks the kernel to end its sleeps on time.
pub fn prepare_thread(core: Option<CoreId>) {
    // Neither is possible everywhere; the lateness histogram shows what comes of it.
    core.map(core_affinity::set_for_current);
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}

/// The partitions of producer `number`: its own where there are enough, else a shared one; all
/// of them if records have keys.
pub fn share(homes: usize, producers: u32, number: u32, keys: bool) -> Vec<usize> {
    let (producers, number) = (producers as usize, number as usize);
    match (keys, homes <= producers) {
        (true, _) => (0..homes).collect(),
        (false, true) => vec![number % homes],
        (false, false) => (number..homes).step_by(producers).collect(),
    }
}

/// Sends all that is due and collects the answers. `connected` is called once the connections
/// are made, and returns when the first record of all is due. One outcome for each producer.
pub fn run(
    job: &Job,
    shared: &Shared,
    out: Sender<Interval>,
    connected: impl FnOnce() -> Begin,
) -> Vec<Outcome> {
    prepare_thread(job.core);
    // What is recorded while it connects is no part of the run.
    let recorder = Recorder::new(KINDS, Window::from(0), channel().0);
    let opened = open(job, recorder);
    let begin = connected();
    let outcomes = match opened {
        Ok(mut worker) => {
            let recorder = Recorder::new(KINDS, begin.window, out);
            worker.tools.recorder = recorder.starting(begin.start_ns);
            worker.begin(job, begin.start_ns);
            let failure = worker.drive(shared).err();
            worker.finish(shared, failure)
        }
        Err(error) => {
            let failed = |_: &u32| Outcome::failed(error.to_string());
            job.numbers.iter().map(failed).collect()
        }
    };
    for outcome in &outcomes {
        let promised = outcome.promised.count();
        shared.promised.fetch_add(promised, Ordering::Relaxed);
    }
    shared.done.fetch_add(outcomes.len(), Ordering::Release);
    outcomes
}

fn open(job: &Job, recorder: Recorder) -> Result<Worker<'_>, ClientError> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(io);
    let mut worker = Worker {
        tools: Tools {
            load: &job.load,
            filler: &job.filler,
            run: job.run,
            clock: job.clock,
            recorder,
            pool: Vec::new(),
            fixer: Fixer::start(job.cluster.clone()),
        },
        producers: Vec::new(),
        due: BinaryHeap::new(),
        parked: Vec::new(),
        lingering: VecDeque::new(),
        poll: poll?,
        looked_ns: 0,
    };
    let heads = |home: &Home| {
        let topic = &job.cluster.topics[home.topic];
        Head::new(job.cluster.produce, job.load.acks, topic, home.partition)
    };
    for number in &job.numbers {
        let own = share(job.homes.len(), job.producers, *number, job.load.keys.any());
        let mut one = Producer::new(*number, &own, &job.homes, heads, job.load.seed);
        if job.load.idempotent {
            let (id, epoch) = job.cluster.producer_id()?;
            one.identify(id, epoch);
        }
        for link in &mut one.links {
            link.connection = Some(dial(&link.address)?);
        }
        let at = worker.producers.len();
        worker.producers.push(one);
        for link in 0..worker.producers[at].links.len() {
            worker.watch(at, link)?;
        }
    }
    Ok(worker)
}

fn io(error: rustix::io::Errno) -> ClientError {
    ClientError::Io(io::Error::from(error))
}

fn token(producer: usize, link: usize) -> epoll::EventData {
    epoll::EventData::new_u64((producer as u64) << 32 | link as u64)
}

impl Worker<'_> {
    /// Sets up the schedule of each producer.
    fn begin(&mut self, job: &Job, start_ns: u64) {
        for (at, one) in self.producers.iter_mut().enumerate() {
            let (all, turn) = (u64::from(job.producers), u64::from(one.number));
            one.schedule = Schedule::new(job.load.pace, start_ns, all, turn, job.load.seed);
            if job.load.pace != Pace::Max {
                self.due.push(Reverse((one.next_due_ns(), at)));
            }
        }
    }

    fn watch(&self, producer: usize, link: usize) -> Result<(), ClientError> {
        let Some(connection) = &self.producers[producer].links[link].connection else {
            return Ok(());
        };
        let flags = epoll::EventFlags::IN;
        epoll::add(&self.poll, connection.fd(), token(producer, link), flags).map_err(io)
    }

    fn finish(self, shared: &Shared, failure: Option<ClientError>) -> Vec<Outcome> {
        let now = self.tools.clock.now_ns();
        let stop_ns = shared.stop_ns.load(Ordering::Relaxed);
        self.tools.recorder.finish();
        let mut next = vec![u64::MAX; self.producers.len()];
        let heap = self.due.into_iter().map(|Reverse(own)| own);
        heap.chain(self.parked).for_each(|(due, at)| next[at] = due);
        let both = self.producers.into_iter().zip(next);
        let outcomes = both.map(|(one, due)| {
            let mut outcome = one.finish(due, stop_ns, now);
            if let Some(error) = &failure {
                outcome.breaks += 1;
                outcome.failure = Some(error.to_string());
            }
            outcome
        });
        outcomes.collect()
    }
}
