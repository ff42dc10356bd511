//! Drives: what the threads of a load share: the book, what is wrong, and how far they are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::book::Book;
use super::leaders::Leaders;

/// Producers of each partition.
const LANES: usize = 3;

/// A topic under load.
pub(super) struct Shared {
    pub book: Mutex<Book>,
    pub leaders: Leaders,
    /// The pause of a producer between two batches.
    pub pace: Duration,
    pub is_ending: AtomicBool,
    pub readers_end: AtomicBool,
    pub has_failed: AtomicBool,
    /// What is wrong.
    pub faults: Mutex<Vec<String>>,
    /// What was to be tried again, and how often.
    pub notes: Mutex<BTreeMap<String, u64>>,
    /// Acks of each lane.
    pub acks: Vec<AtomicU64>,
    /// The longest time that a producer was without an ack since this was asked last.
    pub gap_ms: AtomicU64,
}

impl Shared {
    pub fn new(
        members: Vec<SocketAddr>,
        topic: &'static str,
        partitions: usize,
        base: u32,
        pace: Duration,
    ) -> Shared {
        let book = Book::new(base, partitions, LANES);
        Shared {
            acks: (0..book.lanes()).map(|_| AtomicU64::new(0)).collect(),
            book: Mutex::new(book),
            leaders: Leaders::new(members, topic),
            pace,
            is_ending: AtomicBool::new(false),
            readers_end: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            faults: Mutex::default(),
            notes: Mutex::default(),
            gap_ms: AtomicU64::new(0),
        }
    }

    pub fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    pub fn readers_end(&self) -> bool {
        self.readers_end.load(Ordering::Relaxed) || self.has_failed()
    }

    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    pub fn fails(&self, fault: String) {
        self.faults.lock().unwrap().push(fault);
        self.has_failed.store(true, Ordering::Relaxed);
    }

    pub fn notes(&self, note: String) {
        *self.notes.lock().unwrap().entry(note).or_default() += 1;
    }

    pub fn count_ack(&self, lane: usize) {
        self.acks[lane].fetch_add(1, Ordering::Relaxed);
    }

    pub fn note_gap(&self, gap: Duration) {
        self.gap_ms
            .fetch_max(gap.as_millis() as u64, Ordering::Relaxed);
    }
}
