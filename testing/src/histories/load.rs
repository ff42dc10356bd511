//! Drives: the clients of a history. Feeders append to the partitions of one topic in transactions;
//! movers, members of a group of the consumer protocol that come and go, move what they find there
//! on to another one, with the group's offsets in the same transaction.

use std::collections::BTreeSet;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::clients::{Member, Producer, Session};
use super::history::{Consumed, Ending, History, Place, Transaction, Value};
use crate::checked::Clock;
use crate::copied::{Committed, committed_after};
use crate::requests::try_create_topic;
use crate::{CLIENT_ID, Client};

/// Where feeders append, and where movers do.
pub(super) const IN: &str = "in";
pub(super) const OUT: &str = "out";
/// Where clients append.
pub const TOPICS: [&str; 2] = [IN, OUT];
/// Partitions of each.
pub const PARTITIONS: i32 = 3;
const FEEDERS: usize = 2;
const MOVERS: usize = 3;
pub(super) const GROUP: &str = "movers";
/// UNSTABLE_OFFSET_COMMIT and others pass; so long a client waits before it tries again.
pub(super) const PAUSE: Duration = Duration::from_millis(20);
/// How long the end may take: open transactions have to be aborted.
const END_WITHIN: Duration = Duration::from_secs(60);

/// The clients of a broker, and what they were told.
#[derive(Clone)]
pub struct Load {
    /// Where each node is, from node 1 on.
    nodes: Vec<SocketAddr>,
    clock: Arc<Clock>,
    pub(super) history: Arc<Mutex<History>>,
    stop: Arc<AtomicBool>,
    values: Arc<AtomicU64>,
    seed: u64,
}

/// One client's part of a load.
pub(super) struct Worker {
    pub(super) load: Load,
    pub(super) session: Session,
    pub(super) random: Rng,
    /// Its transactional id.
    pub(super) name: String,
    pub(super) producer: Option<Producer>,
}

impl Load {
    /// The clients of these nodes: all shards of a broker, or all brokers of a cluster.
    pub fn new(nodes: Vec<SocketAddr>, seed: u64) -> Load {
        Load {
            nodes,
            clock: Arc::default(),
            history: Arc::default(),
            stop: Arc::default(),
            values: Arc::default(),
            seed,
        }
    }

    /// Makes the topics, on a broker alone.
    pub fn create(&self) -> Result<()> {
        let mut client = Client::to(self.nodes[0], CLIENT_ID)?;
        for topic in TOPICS {
            match try_create_topic(&mut client, topic, PARTITIONS, &[])? {
                0 => {}
                code => return Err(Error::other(format!("CreateTopics: {code}"))),
            }
        }
        Ok(())
    }

    /// Starts all clients, which go on until [`Load::finish`].
    pub fn start(&self) -> Vec<JoinHandle<()>> {
        let mut threads = Vec::new();
        for number in 0..FEEDERS + MOVERS {
            let load = self.clone();
            threads.push(thread::spawn(move || {
                let feeds = number < FEEDERS;
                let kind = if feeds { "feeder" } else { "mover" };
                let mut worker = Worker {
                    session: Session::new(&load.nodes),
                    random: Rng::with_seed(load.seed ^ (number as u64 + 1)),
                    name: format!("{kind}-{number}"),
                    producer: None,
                    load,
                };
                match feeds {
                    true => worker.feed(),
                    false => worker.move_on(number),
                }
            }));
        }
        threads
    }

    /// How many transactions there are so far.
    pub fn count(&self) -> usize {
        self.history.lock().unwrap().transactions.len()
    }

    /// Ends all clients, lets what is open be aborted, and reads what there is in the end.
    pub fn finish(self, threads: Vec<JoinHandle<()>>) -> Result<History> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread
                .join()
                .map_err(|_| Error::other("a client has failed"))?;
        }
        let deadline = Instant::now() + END_WITHIN;
        let mut session = Session::new(&self.nodes);
        let mut patiently = |ask: &mut dyn FnMut(&mut Session) -> Result<()>| loop {
            match ask(&mut session) {
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => {
                    session.forget();
                    thread::sleep(PAUSE);
                }
                Ok(()) => return Ok(()),
            }
        };
        for number in 0..FEEDERS + MOVERS {
            let kind = if number < FEEDERS { "feeder" } else { "mover" };
            let name = format!("{kind}-{number}");
            patiently(&mut |session| session.init(&name).map(drop))?;
        }
        let mut history = self.history.lock().unwrap().clone();
        for index in 0..PARTITIONS {
            let place = (IN, index);
            patiently(&mut |session| {
                let offset = session.offset(GROUP, place)?;
                history.offsets.insert(place, offset);
                Ok(())
            })?;
        }
        for place in places() {
            patiently(&mut |session| {
                let (records, found) = read(session, place, 0)?;
                history.held.insert(place, records);
                match found.is_all {
                    true => Ok(()),
                    false => Err(Error::other(format!("{place:?} does not become stable"))),
                }
            })?;
        }
        Ok(history)
    }
}

fn places() -> impl Iterator<Item = Place> {
    let of = |topic: &'static str| (0..PARTITIONS).map(move |index| (topic, index));
    of(IN).chain(of(OUT))
}

/// Committed records from an offset on, with their values read; and how far they go.
pub(super) fn read(
    session: &mut Session,
    place: Place,
    from: i64,
) -> Result<(Vec<(i64, Value)>, Committed)> {
    let leader = session.leader(place)?;
    let mut found = committed_after(leader, place.0, place.1, from).map_err(Error::other)?;
    let records = found.records.drain(..).map(|(offset, value)| {
        let value: Option<[u8; 8]> = value.try_into().ok();
        let value = value.ok_or_else(|| Error::other("a value that is no number"))?;
        Ok((offset, Value::from_be_bytes(value)))
    });
    Ok((records.collect::<Result<_>>()?, found))
}

impl Worker {
    pub(super) fn stopped(&self) -> bool {
        self.load.stop.load(Ordering::Relaxed)
    }

    fn fresh(&self) -> Value {
        self.load.values.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Some values for some partitions of a topic.
    pub(super) fn values(&mut self, topic: &'static str) -> Vec<(Place, Vec<Value>)> {
        let mut chosen: Vec<i32> = (0..PARTITIONS).filter(|_| self.random.bool()).collect();
        if chosen.is_empty() {
            chosen.push(self.random.i32(..PARTITIONS));
        }
        // Two batches for one of them: their order must stay.
        chosen.push(chosen[0]);
        let one = |index: i32| {
            let count = self.random.usize(1..4);
            ((topic, index), (0..count).map(|_| self.fresh()).collect())
        };
        chosen.into_iter().map(one).collect()
    }

    fn feed(&mut self) {
        while !self.stopped() {
            let values = self.values(IN);
            self.transact(&values, None);
            thread::sleep(Duration::from_millis(self.random.u64(..15)));
        }
    }

    /// A whole transaction: whether the broker has said that it is committed.
    pub(super) fn transact(
        &mut self,
        values: &[(Place, Vec<Value>)],
        moved: Option<(&Member, Vec<Consumed>)>,
    ) -> bool {
        let begun = self.load.clock.tick();
        let mut appended = Vec::new();
        let ending = match self.fill(values, &moved, &mut appended) {
            Err(_) => {
                // What is open is aborted by the next producer of the name.
                self.producer = None;
                self.session.forget();
                thread::sleep(PAUSE);
                Ending::Aborted
            }
            Ok(producer) => {
                let commits = self.random.u8(..5) > 0;
                let hangs_up = self.random.u8(..15) == 0;
                let ended = self.session.end(&producer, commits, hangs_up);
                if ended.is_err() {
                    self.producer = None;
                    self.session.forget();
                }
                match (commits, ended) {
                    (false, _) => Ending::Aborted,
                    (true, Ok(())) => Ending::Committed,
                    (true, Err(_)) => Ending::Unknown,
                }
            }
        };
        let transaction = Transaction {
            begun,
            ended: self.load.clock.tick(),
            ending,
            consumed: moved.map_or(Vec::new(), |(_, consumed)| consumed),
            appended,
        };
        if !transaction.appended.is_empty() {
            let mut history = self.load.history.lock().unwrap();
            history.transactions.push(transaction);
        }
        ending == Ending::Committed
    }

    /// All of a transaction but its end.
    fn fill(
        &mut self,
        values: &[(Place, Vec<Value>)],
        moved: &Option<(&Member, Vec<Consumed>)>,
        appended: &mut Vec<(Place, Value, Option<i64>)>,
    ) -> Result<Producer> {
        let mut producer = match self.producer.take() {
            Some(producer) => producer,
            None => self.session.init(&self.name)?,
        };
        let topic = values[0].0.0;
        let partitions: BTreeSet<i32> = values.iter().map(|((_, index), _)| *index).collect();
        let partitions: Vec<i32> = partitions.into_iter().collect();
        self.session.add(&producer, topic, &partitions)?;
        for (place, values) in values {
            let first = appended.len();
            appended.extend(values.iter().map(|value| (*place, *value, None)));
            let offset = self.session.append(&mut producer, *place, values)?;
            for (at, it) in appended[first..].iter_mut().enumerate() {
                it.2 = Some(offset + at as i64);
            }
        }
        if let Some((member, consumed)) = moved {
            let offsets: Vec<_> = consumed.iter().map(|part| (part.place, part.to)).collect();
            self.session.commit_offsets(&producer, member, &offsets)?;
        }
        self.producer = Some(producer.clone());
        Ok(producer)
    }
}
