//! Drives: the threads of a load, from the start to the audit.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::lane::Lane;
use super::reader::{follow, look_back, read_whole};
use super::shared::Shared;
use crate::until_within;

/// How long the load may make no progress, and how long its end may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A topic under load. Its threads end at [`Self::finish`], or soon after it is dropped.
pub struct Load {
    shared: Arc<Shared>,
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
    /// the number of the first lane, `pace` the pause of a producer between two batches.
    pub fn start(
        members: Vec<SocketAddr>,
        topic: &'static str,
        partitions: usize,
        base: u32,
        pace: Duration,
    ) -> Load {
        let shared = Arc::new(Shared::new(members, topic, partitions, base, pace));
        let lanes = (0..shared.acks.len()).map(|number| {
            let lane = Lane::new(&shared, number);
            spawn(&shared, move |it| lane.run(it))
        });
        let lanes = lanes.collect();
        let mut readers = vec![spawn(&shared, move |it| look_back(it, partitions))];
        for partition in 0..partitions {
            for patience in [3, 40].map(Duration::from_secs) {
                readers.push(spawn(&shared, move |it| follow(it, partition, patience)));
            }
        }
        Load {
            shared,
            lanes,
            readers,
        }
    }

    /// Panics where a defect was seen.
    pub fn check(&self) {
        let faults = self.shared.faults.lock().unwrap();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    /// Waits until each producer has so many acks more.
    pub fn wait_acks(&self, more: u64) {
        let acks = || self.shared.acks.iter().map(|it| it.load(Ordering::Relaxed));
        let goals: Vec<u64> = acks().map(|now| now + more).collect();
        let log = || {
            let acks: Vec<u64> = acks().collect();
            let notes = self.shared.notes.lock().unwrap();
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
        self.shared.gap_ms.swap(0, Ordering::Relaxed)
    }

    /// Ends the load once all is acked, and holds what is in the topic against it; panics where it
    /// does not hold.
    pub fn finish(mut self) -> Report {
        self.end_lanes();
        self.check();
        let shared = self.shared.clone();
        let partitions = shared.book.lock().unwrap().partitions();
        for partition in 0..partitions {
            let read = || read_whole(&shared, partition);
            let log = || format!("partition {partition} cannot be read: {:?}", read().err());
            let all = until_within(PATIENCE, log, || read().ok());
            let checked = shared.book.lock().unwrap().check(partition, &all);
            checked.unwrap_or_else(|error| panic!("partition {partition}: {error}"));
        }
        self.check();
        let book = shared.book.lock().unwrap();
        let (batches, records) = book.count_acked();
        let doubtful = book.count_doubtful();
        let notes = shared.notes.lock().unwrap().clone();
        Report {
            batches,
            records,
            doubtful,
            notes,
        }
    }

    fn end_lanes(&mut self) {
        self.shared.is_ending.store(true, Ordering::Relaxed);
        self.join(|it| &mut it.lanes);
        self.shared.readers_end.store(true, Ordering::Relaxed);
        self.join(|it| &mut it.readers);
    }

    /// Waits until threads have ended; panics where one of them did.
    fn join(&mut self, threads: fn(&mut Load) -> &mut Vec<JoinHandle<()>>) {
        let mut threads = std::mem::take(threads(self));
        let notes = || self.shared.notes.lock().unwrap();
        let log = || format!("the load does not end; {:?}", notes());
        until_within(PATIENCE, log, || {
            threads.iter().all(JoinHandle::is_finished).then_some(())
        });
        threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.is_ending.store(true, Ordering::Relaxed);
        self.shared.readers_end.store(true, Ordering::Relaxed);
        self.shared.has_failed.store(true, Ordering::Relaxed);
        for thread in self.readers.drain(..).chain(self.lanes.drain(..)) {
            // One that waits for a broker that stands still ends when its patience does.
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

fn spawn(shared: &Arc<Shared>, work: impl FnOnce(&Shared) + Send + 'static) -> JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || work(&shared))
}
