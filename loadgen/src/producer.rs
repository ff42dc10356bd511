//! Drives: one producer: its records, its batches, and what became of them.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use corelane::base::hash::partition_of_key;
use fastrand::Rng;

use crate::client::Clock;
use crate::cluster::Home;
use crate::frame::{Batch, Filler, Head, key_text};
use crate::latency::{Kind, Recorder};
use crate::link::{Ask, Fixer, Link};
use crate::plan::Load;
use crate::schedule::{Pace, Schedule};
use crate::verify::{Numbers, Stamp};

/// What is due is not made into batches beyond so many bytes that have not left, for each
/// producer (Kafka's own buffer.memory is 32 MiB).
const BACKLOG_MAX_BYTES: usize = 64 << 20;
/// An answer that takes longer is not waited for where batches can be sent again.
pub const REQUEST_TIMEOUT_NS: u64 = 30_000_000_000;
/// More than a record has beside its key and value, in bytes.
const RECORD_OVERHEAD: usize = 48;

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
    /// Who connects anew.
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
    /// Takes it that sending could not even begin.
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
    /// Takes records.
    open: Option<Batch>,
    /// Full, in order, not on a link.
    ready: VecDeque<Batch>,
    /// Whether the open batch has lingered long enough: it takes records until it can leave.
    expired: bool,
    /// On a link.
    under_way: usize,
    /// Refused for the moment: nothing goes out until it is known where to.
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

    /// Whether it has made as much as it may ahead of what leaves.
    pub fn is_full(&self) -> bool {
        self.backlog > BACKLOG_MAX_BYTES
    }

    /// Makes the record that will be due at `intended_ns`, where each record is a request of its
    /// own: all that is in it is known before. What is left to do then is to send it.
    pub fn prepare(&mut self, tools: &mut Tools<'_>, intended_ns: u64) {
        if self.ahead.is_some() || tools.load.batch_bytes > 0 || self.is_full() {
            return;
        }
        let (at, key, size) = self.draw(tools);
        let mut batch = tools.pool.pop().unwrap_or_else(Batch::new);
        batch.open(&self.slots[at].head, at, intended_ns);
        self.push(tools, &mut batch, intended_ns, key, size);
        self.complete(tools, &mut batch, at);
        self.turn += usize::from(key.is_none());
        self.ahead = Some((at, batch));
    }

    /// The slot, the key and the size of the next record.
    fn draw(&mut self, tools: &Tools<'_>) -> (usize, Option<u64>, usize) {
        let size = tools.load.sizes.draw(&mut self.rng);
        let key = tools.load.keys.draw(&mut self.rng);
        let at = match key {
            Some(key) => {
                let topic = self.outcome.made % self.topics.len() as u64;
                let topic = &self.topics[topic as usize];
                let mut text = [0; 12];
                let key = key_text(key, &mut text);
                topic.start + partition_of_key(key, topic.len() as i32) as usize
            }
            None => self.turn % self.slots.len(),
        };
        (at, key, size)
    }

    /// Adds the next record to `batch`.
    fn push(
        &mut self,
        tools: &Tools<'_>,
        batch: &mut Batch,
        intended_ns: u64,
        key: Option<u64>,
        size: usize,
    ) {
        let stamp = Stamp {
            run: tools.run,
            producer: self.number,
            sequence: self.outcome.made,
            intended_ns,
        };
        self.outcome.made += 1;
        let time_ms = tools.clock.wall_ms(intended_ns);
        batch.push(tools.filler, &stamp, key, size, time_ms);
    }

    /// Makes the record that was due at `intended_ns`, and sends what can go. The slot whose
    /// batch begins to linger with it, if one does.
    pub fn make(&mut self, tools: &mut Tools<'_>, intended_ns: u64, now_ns: u64) -> Option<usize> {
        if let Some((at, batch)) = self.ahead.take() {
            self.enqueue(at, batch);
            self.pump(tools, at);
            return None;
        }
        let (at, key, size) = self.draw(tools);
        let full = tools.load.batch_bytes;
        let slot = &self.slots[at];
        let open_bytes = slot.open.as_ref().map_or(0, Batch::size_bytes);
        if open_bytes > 0 && open_bytes + size + RECORD_OVERHEAD > full {
            self.seal(tools, at);
        }
        let open = self.slots[at].open.take();
        let fresh = open.is_none();
        let mut batch = open.unwrap_or_else(|| {
            let mut batch = tools.pool.pop().unwrap_or_else(Batch::new);
            batch.open(&self.slots[at].head, at, now_ns);
            batch
        });
        self.push(tools, &mut batch, intended_ns, key, size);
        let size_bytes = batch.size_bytes();
        self.slots[at].open = Some(batch);
        // One more like this would not fit.
        if size_bytes + size + RECORD_OVERHEAD > full {
            self.seal(tools, at);
            self.turn += usize::from(key.is_none());
            self.pump(tools, at);
            return None;
        }
        if tools.load.linger_ns == 0 && tools.load.pace != Pace::Max {
            self.pump(tools, at);
            return None;
        }
        fresh.then_some(at)
    }

    /// Closes the open batch of slot `at`.
    fn seal(&mut self, tools: &mut Tools<'_>, at: usize) {
        let slot = &mut self.slots[at];
        let Some(mut batch) = slot.open.take() else {
            return;
        };
        slot.expired = false;
        self.complete(tools, &mut batch, at);
        self.enqueue(at, batch);
    }

    /// Completes a batch of slot `at`: nothing comes in any more.
    fn complete(&mut self, tools: &Tools<'_>, batch: &mut Batch, at: usize) {
        let slot = &mut self.slots[at];
        let identity = self
            .identity
            .map(|(id, epoch)| (id, epoch, slot.next_sequence));
        // Sequence numbers go from the largest to 0 (KIP-98: DefaultRecordBatch).
        let count = batch.records.len() as i64;
        slot.next_sequence = ((i64::from(slot.next_sequence) + count) % (1 << 31)) as i32;
        batch.number = self.batches;
        self.batches += 1;
        batch.seal(tools.load.codec, identity);
    }

    /// Puts a batch behind those of slot `at` that are to be sent.
    fn enqueue(&mut self, at: usize, batch: Batch) {
        self.backlog += batch.frame.len();
        self.slots[at].ready.push_back(batch);
    }

    /// The linger time of the batch that slot `at` opened at `opened_ns` is over.
    pub fn expire(&mut self, tools: &mut Tools<'_>, at: usize, opened_ns: u64) {
        let slot = &mut self.slots[at];
        let open = slot.open.as_ref();
        if open.is_some_and(|batch| batch.opened_ns == opened_ns) {
            // As long as there is no room for it, it may as well take more records.
            slot.expired = true;
            self.pump(tools, at);
        }
    }

    /// Closes all open batches.
    pub fn seal_all(&mut self, tools: &mut Tools<'_>) {
        for at in 0..self.slots.len() {
            if self.slots[at].open.is_some() {
                self.seal(tools, at);
                self.pump(tools, at);
            }
        }
    }

    /// Sends what slot `at` has, as far as its link may have more under way.
    pub fn pump(&mut self, tools: &mut Tools<'_>, at: usize) {
        loop {
            let slot = &self.slots[at];
            let (number, link) = (slot.link, &self.links[slot.link]);
            let lingers = tools.load.linger_ns > 0 && !slot.expired;
            let opens = slot.open.is_none() || lingers || tools.load.pace == Pace::Max;
            if slot.muted || (slot.ready.is_empty() && opens) {
                break;
            }
            if link.connection.is_none() || link.under_way() >= tools.load.in_flight {
                let slot = &mut self.slots[at];
                if !std::mem::replace(&mut slot.stalled, true) {
                    self.links[number].stalled.push_back(at);
                }
                break;
            }
            if slot.ready.is_empty() {
                self.seal(tools, at);
                self.turn += usize::from(!tools.load.keys.any());
            }
            let slot = &mut self.slots[at];
            if let Some(batch) = slot.ready.pop_front() {
                slot.under_way += 1;
                self.links[number].push(batch);
            }
            if self.flush(tools, number).is_err() {
                break;
            }
        }
    }

    /// Sends what link `number` holds. An error has been dealt with.
    pub fn flush(&mut self, tools: &mut Tools<'_>, number: usize) -> Result<(), ()> {
        let (outcome, backlog) = (&mut self.outcome, &mut self.backlog);
        let recorder = &mut tools.recorder;
        let flushed = self.links[number].flush(tools.clock, |batch| {
            *backlog = backlog.saturating_sub(batch.frame.len());
            if let Some(first) = batch.records.first().filter(|_| !batch.repeated) {
                let (due, count) = (first.intended_ns, batch.records.len() as u64);
                outcome.sent += count;
                recorder.record(Kind::BatchRecords, due, count);
                recorder.record(Kind::BatchBytes, due, batch.wire_bytes());
            }
        });
        if let Err(error) = flushed {
            self.cut(tools, number, &error.to_string());
            return Err(());
        }
        if tools.load.acks == 0 {
            while let Some(batch) = self.links[number].waiting.pop_front() {
                self.slots[batch.slot].under_way -= 1;
                for record in &batch.records {
                    self.outcome.promised.insert(record.sequence);
                }
                tools.pool.push(batch);
            }
        }
        Ok(())
    }

    /// Takes in an answer that arrived on link `number` at `now_ns`. What is wrong with it.
    pub fn answered(
        &mut self,
        tools: &mut Tools<'_>,
        number: usize,
        answer: &[u8],
        now_ns: u64,
    ) -> Result<(), String> {
        let (id, code, _) = crate::frame::answer(answer).ok_or("an empty answer")?;
        let asked = self.links[number].waiting.pop_front();
        let Some(batch) = asked.filter(|asked| asked.correlation_id == id) else {
            return Err(format!("answer {id} was not due"));
        };
        let slot = &mut self.slots[batch.slot];
        slot.under_way -= 1;
        if self.passes(code, &batch) {
            *self.outcome.repeated.entry(code).or_default() += 1;
            let slot = &mut self.slots[batch.slot];
            slot.muted = true;
            self.backlog += batch.frame.len();
            take_back(slot, batch, true);
            tools.fixer.ask(Ask::Look);
        } else {
            self.settle(tools, batch, code, now_ns);
        }
        self.refill(tools, number);
        Ok(())
    }

    /// Whether a batch that was refused with `code` is to be sent again.
    fn passes(&self, code: i16, batch: &Batch) -> bool {
        let slot = &self.slots[batch.slot];
        match code {
            // Nothing was written: not here, no leader, not the leader, too few replicas, the
            // log is closed, another leader epoch.
            3 | 5 | 6 | 19 | 56 | 74 | 75 => true,
            // It may have been written.
            7 | 13 | 20 => self.identity.is_some(),
            // Out of order: only because one before it is to be sent again.
            45 => self.identity.is_some() && slot.muted,
            _ => false,
        }
    }

    /// Counts and records what became of a batch.
    fn settle(&mut self, tools: &mut Tools<'_>, batch: Batch, code: i16, now_ns: u64) {
        let records = &batch.records;
        // 46: written before, which is what a repeated batch is meant to hear.
        if code == 0 || code == 46 {
            for record in records {
                self.outcome.promised.insert(record.sequence);
            }
        } else {
            *self.outcome.refused.entry(code).or_default() += records.len() as u64;
        }
        // A refusal is an answer too: leaving it out would flatter the broker.
        let service_ns = now_ns - batch.sent_ns;
        let recorder = &mut tools.recorder;
        if let (Some(first), Some(last)) = (records.first(), records.last()) {
            if first.intended_ns == last.intended_ns {
                let (due, count) = (first.intended_ns, records.len() as u64);
                recorder.record_n(Kind::Produce, due, now_ns - due, count);
                recorder.record_n(Kind::Service, due, service_ns, count);
            } else {
                for record in records {
                    let due = record.intended_ns;
                    recorder.record(Kind::Produce, due, now_ns - due);
                    recorder.record(Kind::Service, due, service_ns);
                }
            }
            recorder.add_bytes(first.intended_ns, batch.wire_bytes());
        }
        tools.pool.push(batch);
    }

    /// There is room on link `number`: lets those go on that waited for it.
    pub fn refill(&mut self, tools: &mut Tools<'_>, number: usize) {
        while self.links[number].under_way() < tools.load.in_flight
            && self.links[number].connection.is_some()
        {
            let Some(at) = self.links[number].stalled.pop_front() else {
                break;
            };
            self.slots[at].stalled = false;
            self.pump(tools, at);
        }
    }

    /// Link `number` broke.
    pub fn cut(&mut self, tools: &mut Tools<'_>, number: usize, why: &str) {
        let (batches, reached) = self.links[number].cut();
        self.outcome.breaks += 1;
        self.outcome.failure = Some(why.to_owned());
        for (at, batch) in batches.into_iter().enumerate() {
            let slot = &mut self.slots[batch.slot];
            slot.under_way -= 1;
            if at < reached && !tools.load.repeat {
                self.outcome.unanswered += batch.records.len() as u64;
                tools.pool.push(batch);
                continue;
            }
            self.backlog += if at < reached { batch.frame.len() } else { 0 };
            let place = batch.slot;
            take_back(slot, batch, at < reached);
            if !std::mem::replace(&mut self.slots[place].stalled, true) {
                let link = self.slots[place].link;
                self.links[link].stalled.push_back(place);
            }
        }
        let address = self.links[number].address.clone();
        tools
            .fixer
            .ask(Ask::Dial(self.number as usize, number, address));
        tools.fixer.ask(Ask::Look);
    }

    /// It is known where partitions live: sends on to where they are.
    pub fn moved(&mut self, tools: &mut Tools<'_>, homes: &[Home]) {
        for at in 0..self.slots.len() {
            let Some(home) = homes.get(self.slots[at].home) else {
                continue;
            };
            let known = self.links.len();
            let link = link_to(&mut self.links, &home.address);
            if link == known {
                let dial = Ask::Dial(self.number as usize, link, home.address.clone());
                tools.fixer.ask(dial);
            }
            let slot = &mut self.slots[at];
            if slot.under_way > 0 {
                continue;
            }
            if slot.link != link {
                let old = std::mem::replace(&mut slot.link, link);
                slot.stalled = false;
                self.links[old].stalled.retain(|other| *other != at);
            }
            self.slots[at].muted = false;
            self.pump(tools, at);
        }
        if self.slots.iter().any(|slot| slot.muted) {
            tools.fixer.ask(Ask::Look);
        }
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
            // The end came before its time.
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

    /// With no schedule: makes full batches for as long as its links may have more under way.
    pub fn fill(&mut self, tools: &mut Tools<'_>, now_ns: u64) -> bool {
        let before = self.outcome.made;
        // With keys, batches fill unevenly: as many may be open as there are partitions.
        let ahead = self.links.len() * tools.load.in_flight.saturating_mul(tools.load.batch_bytes);
        for _ in 0..FILL_RECORDS {
            let room = self
                .links
                .iter()
                .any(|link| link.connection.is_some() && link.under_way() < tools.load.in_flight);
            if !room || self.backlog > ahead.min(BACKLOG_MAX_BYTES) {
                break;
            }
            if !tools.load.keys.any() {
                self.turn_to_room(tools);
            }
            self.make(tools, now_ns, now_ns);
        }
        self.outcome.made > before
    }

    /// Turns to a partition whose link may have more under way, if its batch is not begun.
    fn turn_to_room(&mut self, tools: &Tools<'_>) {
        for _ in 0..self.slots.len() {
            let slot = &self.slots[self.turn % self.slots.len()];
            let room = self.links[slot.link].under_way() < tools.load.in_flight;
            if slot.open.is_some() || (room && slot.ready.is_empty()) {
                break;
            }
            self.turn += 1;
        }
    }
}

/// Records made in a row before answers are looked for.
const FILL_RECORDS: usize = 1_000;

/// Puts a batch back among those to be sent, in order.
fn take_back(slot: &mut Slot, mut batch: Batch, reached: bool) {
    batch.repeated |= reached;
    let place = slot
        .ready
        .partition_point(|other| other.number < batch.number);
    slot.ready.insert(place, batch);
}

/// The number of the link to `address`, which may be a new one.
fn link_to(links: &mut Vec<Link>, address: &str) -> usize {
    let known = links.iter().position(|link| link.address == address);
    known.unwrap_or_else(|| {
        links.push(Link::new(address));
        links.len() - 1
    })
}
