//! Drives: a thread of producers: sends what is due, and never waits for an answer to do so.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::mem::MaybeUninit;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use core_affinity::CoreId;
use rustix::event::{Timespec, epoll};

use crate::client::{ClientError, Clock};
use crate::cluster::{Cluster, Home};
use crate::frame::{Filler, Head};
use crate::latency::{Interval, Kind, Recorder, Window};
use crate::link::{Ask, Fixed, Fixer, dial};
use crate::plan::Load;
use crate::producer::{Outcome, Producer, REQUEST_TIMEOUT_NS, Tools};
use crate::schedule::{Pace, Schedule};

/// What a producer records.
pub const KINDS: &[Kind] = &[
    Kind::Produce,
    Kind::Service,
    Kind::Late,
    Kind::BatchRecords,
    Kind::BatchBytes,
];

/// The longest sleep, so that ends and seconds are noticed, in nanoseconds.
const SLEEP_MAX_NS: u64 = 50_000_000;
/// How often what was asked of others is looked after.
const LOOK_NS: u64 = 2_000_000;
/// So shortly before a send nothing else is looked at, in nanoseconds: less than a look takes.
const AIM_NS: u64 = 1_000;
/// Records from so many bytes on take longer to make than a thread spins.
const LARGE_BYTES: usize = 8 << 10;
/// Records made in a row before answers are looked for.
const DUE_IN_A_ROW: usize = 64;

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

/// When things begin, which is known once all connections stand.
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
pub fn settle(core: Option<CoreId>) {
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
/// stand, and says when the first record of all is due. One outcome for each producer.
pub fn run(
    job: &Job,
    shared: &Shared,
    out: Sender<Interval>,
    connected: impl FnOnce() -> Begin,
) -> Vec<Outcome> {
    settle(job.core);
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
    /// Fixes when each record will be due.
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

    fn drive(&mut self, shared: &Shared) -> Result<(), ClientError> {
        loop {
            let now = self.tools.clock.now_ns();
            self.tools.recorder.tick(now);
            let stop_ns = shared.stop_ns.load(Ordering::Relaxed);
            let mut busy = self.send_due(now, stop_ns);
            busy |= self.expire(now);
            self.look_after(now)?;
            if self.is_over(now, stop_ns) {
                if stop_ns <= now {
                    let (producers, tools) = (&mut self.producers, &mut self.tools);
                    producers.iter_mut().for_each(|one| one.seal_all(tools));
                }
                let left = self.producers.iter().any(|one| one.records_left() > 0);
                let out = self.producers.iter().flat_map(|one| &one.links);
                if !left && !out.into_iter().any(|link| link.is_blocked()) {
                    return Ok(());
                }
            }
            if now > stop_ns.saturating_add(self.tools.load.drain_ns) {
                return Ok(());
            }
            let sleep_ns = if busy { 0 } else { self.gap(stop_ns) };
            if !busy {
                self.prepare(now, stop_ns);
            }
            self.poll(sleep_ns)?;
        }
    }

    /// Whether nothing more is to be made.
    fn is_over(&self, now: u64, stop_ns: u64) -> bool {
        match self.tools.load.pace {
            Pace::Max => now >= stop_ns,
            _ => {
                let parked = self.parked.iter().map(|(due, _)| *due);
                let next = self.due.peek().map(|Reverse((due, _))| *due);
                parked.chain(next).all(|due| due >= stop_ns)
            }
        }
    }

    /// Makes and sends what is due; whether more may be.
    fn send_due(&mut self, now: u64, stop_ns: u64) -> bool {
        let tools = &mut self.tools;
        if tools.load.pace == Pace::Max {
            let mut busy = false;
            for one in &mut self.producers {
                busy |= now < stop_ns && one.fill(tools, now);
            }
            return busy;
        }
        self.parked.retain(|(due, at)| {
            let stays = self.producers[*at].is_full();
            if !stays {
                self.due.push(Reverse((*due, *at)));
            }
            stays
        });
        for _ in 0..DUE_IN_A_ROW {
            let Some(Reverse((due, at))) = self.due.peek().copied() else {
                return false;
            };
            // The time of this very record: those before it took some.
            let mut now = tools.clock.now_ns();
            if due >= stop_ns || due > now + AIM_NS {
                return false;
            }
            while due > now {
                std::hint::spin_loop();
                now = tools.clock.now_ns();
            }
            let one = &mut self.producers[at];
            if one.is_full() {
                self.due.pop();
                self.parked.push((due, at));
                continue;
            }
            // What is not needed to send it comes behind.
            let lingers = one.make(tools, due, now);
            tools.recorder.record(Kind::Late, due, now - due);
            if let Some(mut first) = self.due.peek_mut() {
                *first = Reverse((one.next_due_ns(), at));
            }
            if let Some(slot) = lingers {
                let ends_ns = now + tools.load.linger_ns;
                self.lingering.push_back((ends_ns, at, slot, now));
            }
        }
        true
    }

    /// Makes the next record while its time has not come: late enough that it is still in the
    /// CPU's caches when it goes out, and early enough.
    fn prepare(&mut self, now: u64, stop_ns: u64) {
        let load = self.tools.load;
        let Some(Reverse((due, at))) = self.due.peek().copied() else {
            return;
        };
        let early = load.spin_ns < AIM_NS || load.sizes.max() >= LARGE_BYTES;
        if due < stop_ns && (early || due <= now + load.spin_ns) {
            self.producers[at].prepare(&mut self.tools, due);
        }
    }

    /// Sends batches that have lingered long enough; whether there were any.
    fn expire(&mut self, now: u64) -> bool {
        let mut any = false;
        while let Some((_, at, slot, opened_ns)) = self.lingering.front().copied()
            && self.lingering.front().is_some_and(|first| first.0 <= now)
        {
            self.lingering.pop_front();
            self.producers[at].expire(&mut self.tools, slot, opened_ns);
            any = true;
        }
        any
    }

    /// How long nothing is to be done unless an answer comes, in nanoseconds.
    fn gap(&self, stop_ns: u64) -> u64 {
        let now = self.tools.clock.now_ns();
        let due = self.due.peek().map(|Reverse((due, _))| *due);
        let due = due.filter(|due| *due < stop_ns);
        let linger = self.lingering.front().map(|first| first.0);
        let wake_ns = due.into_iter().chain(linger).min().unwrap_or(u64::MAX);
        let gap = wake_ns.saturating_sub(now);
        let most = match self.tools.fixer.open > 0 || !self.parked.is_empty() {
            true => LOOK_NS,
            false => SLEEP_MAX_NS,
        };
        // Others may want the CPU while there is nothing to spin for.
        gap.saturating_sub(self.tools.load.spin_ns).min(most)
    }

    /// Waits for answers and takes them in.
    fn poll(&mut self, wait_ns: u64) -> Result<(), ClientError> {
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); 64];
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: wait_ns as i64,
        };
        let ready = match epoll::wait(&self.poll, &mut events, Some(&timeout)) {
            Ok((ready, _)) => ready,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(io(error)),
        };
        for event in ready {
            let token = event.data.u64();
            let (at, link) = ((token >> 32) as usize, (token & 0xffff_ffff) as usize);
            self.ready(at, link)?;
        }
        Ok(())
    }

    fn ready(&mut self, at: usize, link: usize) -> Result<(), ClientError> {
        let (one, tools) = (&mut self.producers[at], &mut self.tools);
        if one.links[link].is_blocked() && one.flush(tools, link).is_err() {
            return Ok(());
        }
        let Some(connection) = &mut one.links[link].connection else {
            return Ok(());
        };
        let mut wrong = match connection.receive() {
            Ok(true) => None,
            Ok(false) => return self.look_for_room(at, link),
            Err(error) => Some(error.to_string()),
        };
        // All answers of this read arrived by now: one time for them all.
        let now = tools.clock.now_ns();
        tools.recorder.tick(now);
        while wrong.is_none() {
            let Some(connection) = &mut one.links[link].connection else {
                return Ok(());
            };
            match connection.next_frame() {
                Ok(Some(answer)) => wrong = one.answered(tools, link, &answer, now).err(),
                Ok(None) => break,
                Err(error) => wrong = Some(error.to_string()),
            }
        }
        if let Some(why) = wrong {
            one.cut(tools, link, &why);
            return Ok(());
        }
        self.look_for_room(at, link)
    }

    /// Lets the poll look for room in the sockets that had none, and no others.
    fn look_for_room(&mut self, at: usize, link: usize) -> Result<(), ClientError> {
        let one = &mut self.producers[at].links[link];
        let wanted = one.is_blocked();
        if let Some(connection) = one
            .connection
            .as_ref()
            .filter(|_| wanted != one.looks_for_room)
        {
            let flags = match wanted {
                true => epoll::EventFlags::IN | epoll::EventFlags::OUT,
                false => epoll::EventFlags::IN,
            };
            epoll::modify(&self.poll, connection.fd(), token(at, link), flags).map_err(io)?;
            one.looks_for_room = wanted;
        }
        Ok(())
    }

    /// What need not be done at once: rooms in sockets, new connections, answers that do not
    /// come.
    fn look_after(&mut self, now: u64) -> Result<(), ClientError> {
        let pause_ns = LOOK_NS / 20 + 1_000 * self.producers.len() as u64;
        if now < self.looked_ns + pause_ns {
            return Ok(());
        }
        self.looked_ns = now;
        for at in 0..self.producers.len() {
            for link in 0..self.producers[at].links.len() {
                self.look_for_room(at, link)?;
                let waiting = self.producers[at].links[link].waiting.front();
                let sent_ns = waiting.map_or(u64::MAX, |first| first.sent_ns);
                if self.tools.load.repeat && sent_ns.saturating_add(REQUEST_TIMEOUT_NS) < now {
                    self.producers[at].cut(&mut self.tools, link, "no answer within 30 s");
                }
            }
        }
        while let Some(fixed) = self.tools.fixer.next() {
            match fixed {
                Fixed::Dialed(number, link, connection) => {
                    let at = self
                        .producers
                        .iter()
                        .position(|one| one.number as usize == number);
                    let Some(at) = at else { continue };
                    let (one, tools) = (&mut self.producers[at], &mut self.tools);
                    match connection {
                        Some(connection) => {
                            one.links[link].connection = Some(connection);
                            self.watch(at, link)?;
                            let (one, tools) = (&mut self.producers[at], &mut self.tools);
                            one.refill(tools, link);
                        }
                        None if one.needs(link) => {
                            let address = one.links[link].address.clone();
                            tools.fixer.ask(Ask::Dial(number, link, address));
                        }
                        None => {}
                    }
                }
                Fixed::Looked(Some(homes)) => {
                    for one in &mut self.producers {
                        one.moved(&mut self.tools, &homes);
                    }
                }
                Fixed::Looked(None) => self.tools.fixer.ask(Ask::Look),
            }
        }
        Ok(())
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
