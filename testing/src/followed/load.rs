//! Drives: the threads of a load, from the start to the audit.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::book::Book;
use super::lane::Lane;
use super::leaders::Leaders;
use super::reader::{follow, look_back, read_whole};
use crate::until_within;

/// How long the load may make no progress, and how long its end may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A topic under load. Its threads end when [`Self::finish`] is called, or when it is dropped.
pub struct Load {
    pub(super) book: Mutex<Book>,
    pub(super) leaders: Leaders,
    /// The pause of a producer between two batches.
    pub(super) pace: Duration,
    is_ending: AtomicBool,
    readers_end: AtomicBool,
    has_failed: AtomicBool,
    /// What is wrong.
    faults: Mutex<Vec<String>>,
    /// What was to be tried again, and how often.
    notes: Mutex<BTreeMap<String, u64>>,
    /// Acks of each lane.
    acks: Vec<AtomicU64>,
    /// The longest time that a producer was without an ack since this was asked last.
    gap_ms: AtomicU64,
}

/// The threads of a load.
pub struct Running {
    load: Arc<Load>,
    lanes: Vec<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
}

/// What a load has done when all was well.
#[derive(Debug)]
pub struct Report {
    /// Batches that were acked.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Batches that were given up without an answer.
    pub doubtful: usize,
    /// What was to be tried again, and how often.
    pub notes: BTreeMap<String, u64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            batches,
            records,
            doubtful,
            notes,
        } = self;
        write!(
            f,
            "{records} records in {batches} batches acked, {doubtful} doubtful; {notes:?}"
        )
    }
}

impl Load {
    /// Starts three producers for each partition, two readers, and one that looks back. `base` is
    /// the number of the first lane.
    pub fn start(
        members: Vec<SocketAddr>,
        topic: &'static str,
        partitions: usize,
        base: u32,
    ) -> Running {
        let book = Book::new(base, partitions, 3);
        let load = Arc::new(Load {
            acks: (0..book.lanes()).map(|_| AtomicU64::new(0)).collect(),
            book: Mutex::new(book),
            leaders: Leaders { members, topic },
            pace: Duration::from_millis(15),
            is_ending: AtomicBool::new(false),
            readers_end: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            faults: Mutex::default(),
            notes: Mutex::default(),
            gap_ms: AtomicU64::new(0),
        });
        let lanes = (0..load.acks.len()).map(|number| {
            let lane = Lane::new(&load, number);
            spawn(&load, move |load| lane.run(load))
        });
        let lanes = lanes.collect();
        let mut readers = vec![spawn(&load, move |load| look_back(load, partitions))];
        for partition in 0..partitions {
            for patience in [3, 40].map(Duration::from_secs) {
                readers.push(spawn(&load, move |load| follow(load, partition, patience)));
            }
        }
        Running {
            load,
            lanes,
            readers,
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    pub(super) fn readers_end(&self) -> bool {
        self.readers_end.load(Ordering::Relaxed) || self.has_failed()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    pub(super) fn fails(&self, fault: String) {
        self.faults.lock().unwrap().push(fault);
        self.has_failed.store(true, Ordering::Relaxed);
    }

    pub(super) fn notes(&self, note: String) {
        *self.notes.lock().unwrap().entry(note).or_default() += 1;
    }

    pub(super) fn count_ack(&self, lane: usize) {
        self.acks[lane].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_gap(&self, gap: Duration) {
        self.gap_ms
            .fetch_max(gap.as_millis() as u64, Ordering::Relaxed);
    }
}

fn spawn(load: &Arc<Load>, work: impl FnOnce(&Load) + Send + 'static) -> JoinHandle<()> {
    let load = load.clone();
    thread::spawn(move || work(&load))
}

impl Running {
    /// Panics where a defect was seen.
    pub fn check(&self) {
        let faults = self.load.faults.lock().unwrap();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    /// Waits until each producer has so many acks more.
    pub fn wait_acks(&self, more: u64) {
        let acks = || self.load.acks.iter().map(|it| it.load(Ordering::Relaxed));
        let goals: Vec<u64> = acks().map(|now| now + more).collect();
        let log = || {
            let acks: Vec<u64> = acks().collect();
            let notes = self.load.notes.lock().unwrap();
            format!("no progress: acks {acks:?}, goals {goals:?}; {notes:?}")
        };
        until_within(PATIENCE, log, || {
            self.check();
            acks()
                .zip(&goals)
                .all(|(now, goal)| now >= *goal)
                .then_some(())
        });
    }

    /// The longest time that a producer was without an ack since this was asked last, in
    /// milliseconds.
    pub fn take_gap_ms(&self) -> u64 {
        self.load.gap_ms.swap(0, Ordering::Relaxed)
    }

    /// Ends the load once all is acked, and holds what is in the topic against it; panics where it
    /// does not hold.
    pub fn finish(mut self) -> Report {
        self.end_lanes();
        self.check();
        let load = self.load.clone();
        let partitions = load.book.lock().unwrap().partitions();
        for partition in 0..partitions {
            let read = || read_whole(&load, partition);
            let log = || format!("partition {partition} cannot be read: {:?}", read().err());
            let all = until_within(PATIENCE, log, || read().ok());
            let checked = load.book.lock().unwrap().check(partition, &all);
            checked.unwrap_or_else(|error| panic!("partition {partition}: {error}"));
        }
        self.check();
        let book = load.book.lock().unwrap();
        let (batches, records) = book.count_acked();
        let doubtful = book.count_doubtful();
        let notes = load.notes.lock().unwrap().clone();
        Report {
            batches,
            records,
            doubtful,
            notes,
        }
    }

    fn end_lanes(&mut self) {
        self.load.is_ending.store(true, Ordering::Relaxed);
        self.join(|running| &mut running.lanes);
        self.load.readers_end.store(true, Ordering::Relaxed);
        self.join(|running| &mut running.readers);
    }

    /// Waits until threads have ended; panics where one of them did.
    fn join(&mut self, threads: fn(&mut Running) -> &mut Vec<JoinHandle<()>>) {
        let mut threads = std::mem::take(threads(self));
        let notes = || self.load.notes.lock().unwrap();
        let log = || format!("the load does not end; {:?}", notes());
        until_within(PATIENCE, log, || {
            threads.iter().all(JoinHandle::is_finished).then_some(())
        });
        threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.load.is_ending.store(true, Ordering::Relaxed);
        self.load.readers_end.store(true, Ordering::Relaxed);
        self.load.has_failed.store(true, Ordering::Relaxed);
        for thread in self.readers.drain(..).chain(self.lanes.drain(..)) {
            // One that waits for a broker that stands still ends when its patience does.
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}
