//! Drives: the load: producers, consumers that commit, a deleter of records, a maker of topics.
//! Each is a thread that goes on until it is told to stop or the broker is gone.

use std::io::Result;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fastrand::Rng;

use super::Clock;
use super::broker::Connection;
use super::entries::{Commits, Found, Lane, Place, Rule, Topic};
use super::ledger::Ledger;
use super::record::Shape;

/// Bytes that the topic with `retention.bytes` keeps.
const RETAINED_BYTES: u64 = 3 << 20;
/// What a crash may take from its end after retention counted it.
const RETAINED_SLACK: u64 = 1 << 20;
/// The same of the topic that is filled as fast as it goes, where more is under way at a time.
const FAST_BYTES: u64 = 16 << 20;
/// See `RETAINED_SLACK`.
const FAST_SLACK: u64 = 8 << 20;
/// Records that DeleteRecords leaves.
const KEPT_RECORDS: i64 = 800;

/// A broker under load: how to reach it, and what is known of it.
#[derive(Clone)]
pub struct Load {
    /// Port of the first shard; the others follow.
    pub port: u16,
    pub ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    leaders: Arc<Mutex<Vec<i32>>>,
    pub(super) seed: u64,
}

/// What one thread does.
type Work = Box<dyn FnOnce(&Load) -> Result<()> + Send>;

/// The threads of one session.
pub struct Running {
    load: Load,
    threads: Vec<JoinHandle<()>>,
}

fn place(topic: &'static str, index: i32, rule: Rule, shape: Shape) -> Place {
    Place {
        topic,
        index,
        rule,
        shape,
        deletes: Vec::new(),
        audited: 0,
        start: 0,
    }
}

impl Load {
    /// The places and producers of the load, nothing sent yet.
    pub fn new(port: u16, clock: Arc<Clock>, seed: u64) -> Load {
        let kept = || Rule::Retain(RETAINED_BYTES - RETAINED_SLACK);
        let places = vec![
            place("retained", 0, kept(), Shape::Large),
            place("retained", 1, kept(), Shape::Large),
            place("compacted", 0, Rule::Compact, Shape::Keyed),
        ];
        Load::of(places, port, clock, seed)
    }

    /// A load that fills two logs with batches of a quarter of a MiB, which go past the journal,
    /// beside two that get small ones.
    pub fn large(port: u16, clock: Arc<Clock>, seed: u64) -> Load {
        let kept = || Rule::Retain(FAST_BYTES - FAST_SLACK);
        let places = vec![
            place("fast", 0, kept(), Shape::Huge),
            place("fast", 1, kept(), Shape::Huge),
        ];
        Load::of(places, port, clock, seed)
    }

    fn of(others: Vec<Place>, port: u16, clock: Arc<Clock>, seed: u64) -> Load {
        let mut places = vec![
            place("deleted", 0, Rule::Delete, Shape::Small),
            place("deleted", 1, Rule::Delete, Shape::Small),
        ];
        places.extend(others);
        let lane = |place, idempotent| Lane {
            place,
            producer: None,
            idempotent,
            batches: Vec::new(),
            session: 0,
        };
        let lanes = (0..places.len()).flat_map(|it| [lane(it, true), lane(it, false)]);
        let ledger = Ledger {
            clock,
            lanes: lanes.collect(),
            places,
            commits: vec![(0, Commits::default()), (1, Commits::default())],
            topics: Default::default(),
            producer_ids: Vec::new(),
            refusals: Vec::new(),
            acks: 0,
            found_unacked: 0,
            missing_unacked: 0,
            audited_records: 0,
            starts_gone_back: 0,
        };
        Load {
            port,
            ledger: Arc::new(Mutex::new(ledger)),
            stop: Arc::default(),
            leaders: Arc::default(),
            seed,
        }
    }

    /// Creates the topics.
    pub fn create(&self, flush_messages: u64) -> Result<()> {
        let mut broker = Connection::open(self.port)?;
        let flush = ("flush.messages", flush_messages.to_string());
        let rolls = ("segment.ms", "40".to_owned());
        broker.create_topic("deleted", 2, &[flush.clone(), rolls.clone()])?;
        let is_fast = |place: &Place| place.topic == "fast";
        if self.ledger.lock().unwrap().places.iter().any(is_fast) {
            let fast = [
                flush,
                ("segment.bytes", (12 << 20).to_string()),
                ("retention.bytes", FAST_BYTES.to_string()),
            ];
            return broker.create_topic("fast", 2, &fast);
        }
        let retained = [
            flush.clone(),
            ("segment.bytes", (1 << 20).to_string()),
            ("retention.bytes", RETAINED_BYTES.to_string()),
        ];
        broker.create_topic("retained", 2, &retained)?;
        let compacted = [
            flush,
            rolls,
            ("cleanup.policy", "compact".to_owned()),
            ("min.cleanable.dirty.ratio", "0.01".to_owned()),
            ("delete.retention.ms", "100".to_owned()),
        ];
        broker.create_topic("compacted", 1, &compacted)
    }

    /// A connection to the shard that leads `place`.
    pub fn leader(&self, place: usize) -> Result<Connection> {
        let mut leaders = self.leaders.lock().unwrap();
        if leaders.is_empty() {
            let topics = Connection::open(self.port)?.topics()?;
            let ledger = self.ledger.lock().unwrap();
            for place in &ledger.places {
                let topic = topics.iter().find(|(name, _)| name == place.topic);
                let leader = topic.and_then(|(_, all)| all.get(place.index as usize));
                leaders.push(leader.copied().unwrap_or(1));
            }
        }
        self.node(leaders[place])
    }

    /// A connection to a node.
    pub fn node(&self, node: i32) -> Result<Connection> {
        Connection::open(self.port + (node - 1) as u16)
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Starts all threads.
    pub fn start(&self) -> Running {
        self.stop.store(false, Ordering::Relaxed);
        let lanes = self.ledger.lock().unwrap().lanes.len();
        let mut threads = Vec::new();
        let mut run = |work: Work| {
            let load = self.clone();
            threads.push(thread::spawn(move || {
                // The end of the connection is how the broker's death is seen; errors that are
                // answers are kept in the ledger.
                if let Err(error) = work(&load)
                    && error.kind() == std::io::ErrorKind::Other
                {
                    load.ledger.lock().unwrap().refusals.push(error.to_string());
                }
            }));
        };
        for lane in 0..lanes {
            run(Box::new(move |load| load.produce(lane)));
        }
        for group in 0..2 {
            run(Box::new(move |load| load.consume(group)));
        }
        run(Box::new(|load| load.delete_records()));
        run(Box::new(|load| load.change_topics()));
        Running {
            load: self.clone(),
            threads,
        }
    }

    /// Reads a partition from the committed offset on and commits as it goes.
    fn consume(&self, number: usize) -> Result<()> {
        let (place, topic, index, shape) = {
            let ledger = self.ledger.lock().unwrap();
            let place = ledger.commits[number].0;
            let it = &ledger.places[place];
            (place, it.topic, it.index, it.shape)
        };
        let group = format!("group-{number}");
        let coordinator = Connection::open(self.port)?.coordinator(&group)?;
        let mut coordinator = self.node(coordinator)?;
        let mut broker = self.leader(place)?;
        let committed = coordinator.committed(&group, topic, index)?;
        let checked = self
            .ledger
            .lock()
            .unwrap()
            .check_commit(number, committed, u64::MAX);
        checked.map_err(std::io::Error::other)?;
        let mut next = committed.max(0);
        while !self.stopped() {
            let fetched = broker.fetch(topic, index, next, shape)?;
            if fetched.error == 1 {
                // The records were deleted meanwhile.
                next = broker.offset(topic, index, -2)?.max(next);
                continue;
            }
            if fetched.error != 0 {
                let code = fetched.error;
                return Err(std::io::Error::other(format!(
                    "Fetch was answered with {code}"
                )));
            }
            self.note_read(&fetched.records)?;
            next = fetched.next;
            if fetched.records.is_empty() {
                continue;
            }
            let note = |acked: bool| {
                let mut ledger = self.ledger.lock().unwrap();
                let tick = ledger.clock.tick();
                let commits = &mut ledger.commits[number].1;
                match acked {
                    true => commits.acked.push((tick, next)),
                    false => commits.sent.push((tick, next)),
                }
            };
            note(false);
            coordinator.commit(&group, topic, index, next)?;
            note(true);
        }
        Ok(())
    }

    /// What a consumer was given must stay as much as what was acked.
    fn note_read(&self, records: &[Found]) -> Result<()> {
        let mut ledger = self.ledger.lock().unwrap();
        for found in records {
            let lane = found.lane as usize;
            let known = ledger.lanes.get(lane).map(|lane| &lane.batches);
            let at = known.map(|it| it.binary_search_by_key(&found.number, |it| it.first));
            if let Some(Ok(_)) = at {
                let noted = ledger.promise(lane, found.number, found.offset, false);
                noted.map_err(std::io::Error::other)?;
            }
        }
        Ok(())
    }

    /// Deletes all but the newest records now and then.
    fn delete_records(&self) -> Result<()> {
        let mut brokers = [self.leader(0)?, self.leader(1)?];
        let mut random = Rng::with_seed(self.seed ^ 77);
        while !self.stopped() {
            thread::sleep(Duration::from_millis(5 + random.u64(..30)));
            let at = random.usize(..2);
            let end = brokers[at].offset("deleted", at as i32, -1)?;
            let before = end - KEPT_RECORDS;
            if before <= 0 {
                continue;
            }
            {
                let mut ledger = self.ledger.lock().unwrap();
                let tick = ledger.clock.tick();
                ledger.places[at].deletes.push((tick, before));
            }
            brokers[at].delete_records("deleted", at as i32, before)?;
        }
        Ok(())
    }

    /// Creates topics, and deletes those of before.
    fn change_topics(&self) -> Result<()> {
        let mut broker = Connection::open(self.port)?;
        let mut last = None;
        while !self.stopped() {
            thread::sleep(Duration::from_millis(10));
            let name = {
                let mut ledger = self.ledger.lock().unwrap();
                let tick = ledger.clock.tick();
                let name = format!("topic-{}", ledger.topics.len());
                ledger.topics.entry(name.clone()).or_default().create_sent = tick;
                name
            };
            broker.create_topic(&name, 1, &[])?;
            self.note_topic(&name, |topic, tick| topic.created = Some(tick));
            let Some(name) = last.replace(name) else {
                continue;
            };
            self.note_topic(&name, |topic, tick| topic.delete_sent = Some(tick));
            broker.delete_topic(&name)?;
            self.note_topic(&name, |topic, tick| topic.deleted = Some(tick));
        }
        Ok(())
    }

    fn note_topic(&self, name: &str, note: impl FnOnce(&mut Topic, u64)) {
        let mut ledger = self.ledger.lock().unwrap();
        let tick = ledger.clock.tick();
        if let Some(topic) = ledger.topics.get_mut(name) {
            note(topic, tick);
        }
    }
}

impl Running {
    /// Tells all to stop and waits until they have.
    pub fn stop(self) {
        self.load.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}
