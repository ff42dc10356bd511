//! Drives: one producer: its records, its batches, and what became of them.

mod making;
mod sending;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use fastrand::Rng;

use crate::load::Load;
use crate::load::frame::{Batch, Filler, Head};
use crate::load::schedule::{Pace, Schedule};
use crate::measure::clock::Clock;
use crate::measure::cluster::Home;
use crate::measure::latency::Recorder;
use crate::measure::ledger::Numbers;
use crate::measure::link::{Fixer, Link};

/// The most bytes of batches that a producer holds unsent; beyond that, due records wait to be
/// made (Kafka's own buffer.memory is 32 MiB).
const BACKLOG_MAX_BYTES: usize = 64 << 20;

/// After so many nanoseconds without an answer a batch that may be repeated is sent again.
pub const REQUEST_TIMEOUT_NS: u64 = 30_000_000_000;

/// What a producer needs from its thread.
pub struct Tools<'a> {
    /// The load.
    pub load: &'a Load,
    /// What values are made of.
    pub filler: &'a Filler,
    /// The run's mark in each record.
    pub run: u64,
    /// The run's clock.
    pub clock: Clock,
    /// Where latencies go.
    pub recorder: Recorder,
    /// Memory of batches that are done.
    pub pool: Vec<Batch>,
    /// The thread that reconnects.
    pub fixer: Fixer,
}

/// What became of a producer.
#[derive(Default, Debug)]
pub struct Outcome {
    /// Records that were due.
    pub due: u64,
    /// Records that were handed to the kernel, if only once.
    pub sent: u64,
    /// Records that were made; their numbers are below.
    pub made: u64,
    /// Records that the broker vouched for; with acks=0 those that were sent.
    pub promised: Numbers,
    /// Records without an answer.
    pub unanswered: u64,
    /// Records refused, by Kafka error code.
    pub refused: BTreeMap<i16, u64>,
    /// Batches refused for the moment and sent again, by Kafka error code.
    pub repeated: BTreeMap<i16, u64>,
    /// Connections that broke.
    pub breaks: u64,
    /// Why the last one did, or why it could not go on.
    pub failure: Option<String>,
    /// When it ended, by the run's clock.
    pub ended_ns: u64,
}

impl Outcome {
    /// The outcome of a producer that could not connect.
    pub fn failed(why: String) -> Outcome {
        Outcome {
            failure: Some(why),
            breaks: 1,
            ..Outcome::default()
        }
    }
}

/// A partition that a producer sends to.
struct Slot {
    home: usize,
    head: Head,
    link: usize,
    /// The batch that takes records.
    open: Option<Batch>,
    /// Full batches in order, not yet handed to a link.
    ready: VecDeque<Batch>,
    /// Whether the open batch has lingered long enough: it takes records until it can leave.
    expired: bool,
    /// Batches handed to a link and not answered.
    under_way: usize,
    /// A batch was refused for the moment: nothing is sent until the leader is known.
    muted: bool,
    /// Whether it is among its link's stalled ones.
    stalled: bool,
    next_sequence: i32,
}

/// One producer.
pub struct Producer {
    /// Its number, from 0.
    pub number: u32,
    /// Its connections.
    pub links: Vec<Link>,
    /// What became of it.
    pub outcome: Outcome,
    /// When its records are due.
    pub schedule: Schedule,
    slots: Vec<Slot>,
    /// The slots of each topic.
    topics: Vec<Range<usize>>,
    rng: Rng,
    turn: usize,
    identity: Option<(i64, i16)>,
    batches: u64,
    backlog: usize,
    /// The next record with its slot, made before it is due.
    ahead: Option<(usize, Batch)>,
}

impl Producer {
    /// Producer `number`, for the partitions `own` of `homes`.
    pub fn new(
        number: u32,
        own: &[usize],
        homes: &[Home],
        heads: impl Fn(&Home) -> Head,
        seed: u64,
    ) -> Producer {
        let mut links: Vec<Link> = Vec::new();
        let mut topics: Vec<(usize, Range<usize>)> = Vec::new();
        let mut slots = Vec::new();
        for (at, home) in own.iter().enumerate() {
            let found = &homes[*home];
            match topics.last_mut().filter(|last| last.0 == found.topic) {
                Some((_, range)) => range.end = at + 1,
                None => topics.push((found.topic, at..at + 1)),
            }
            slots.push(Slot {
                home: *home,
                head: heads(found),
                link: link_to(&mut links, &found.address),
                open: None,
                ready: VecDeque::new(),
                expired: false,
                under_way: 0,
                muted: false,
                stalled: false,
                next_sequence: 0,
            });
        }
        Producer {
            number,
            links,
            outcome: Outcome::default(),
            slots,
            topics: topics.into_iter().map(|(_, range)| range).collect(),
            schedule: Schedule::new(Pace::Max, 0, 1, 0, 0),
            rng: Rng::with_seed(seed ^ u64::from(number) << 32),
            turn: 0,
            identity: None,
            batches: 0,
            backlog: 0,
            ahead: None,
        }
    }

    /// Makes it an idempotent one.
    pub fn identify(&mut self, id: i64, epoch: i16) {
        self.identity = Some((id, epoch));
    }

    /// When its next record is due.
    pub fn next_due_ns(&mut self) -> u64 {
        self.schedule.next_ns()
    }

    /// Whether it holds so many unsent bytes that no more records are made.
    pub fn is_full(&self) -> bool {
        self.backlog > BACKLOG_MAX_BYTES
    }

    /// Whether link `number` is of use to any partition.
    pub fn needs(&self, number: usize) -> bool {
        self.slots.iter().any(|slot| slot.link == number)
    }

    /// Records that are made and not answered.
    pub fn records_left(&self) -> u64 {
        let held = self
            .slots
            .iter()
            .flat_map(|slot| slot.open.iter().chain(&slot.ready));
        let held: u64 = held.map(|batch| batch.records.len() as u64).sum();
        held + self.links.iter().map(Link::records).sum::<u64>()
    }

    /// Ends it: counts what has no answer, and what is due before `stop_ns` and was not made.
    pub fn finish(mut self, next_due_ns: u64, stop_ns: u64, now_ns: u64) -> Outcome {
        if self.ahead.take().is_some() {
            // The record was made ahead, and the run ended before it was due.
            self.outcome.made -= 1;
        }
        let left = self.records_left();
        let unsent = self.outcome.made.saturating_sub(self.outcome.sent);
        self.outcome.unanswered += left.saturating_sub(unsent);
        self.outcome.due = self.outcome.made;
        let mut due = next_due_ns;
        while due < stop_ns {
            self.outcome.due += 1;
            due = self.schedule.next_ns();
        }
        self.outcome.ended_ns = now_ns;
        self.outcome
    }
}

/// The number of the link to `address`, which may be a new one.
fn link_to(links: &mut Vec<Link>, address: &str) -> usize {
    let known = links.iter().position(|link| link.address == address);
    known.unwrap_or_else(|| {
        links.push(Link::new(address));
        links.len() - 1
    })
}
