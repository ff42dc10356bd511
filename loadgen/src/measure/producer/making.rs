//! Pure: makes records and closes batches of them, ahead of time where that is possible.

use corelane_wire::hash::partition_of_key;

use super::{BACKLOG_MAX_BYTES, Producer, Tools};
use crate::load::frame::{Batch, key_text};
use crate::load::schedule::Pace;
use crate::load::stamp::Stamp;

/// More than a record has beside its key and value, in bytes.
const RECORD_OVERHEAD: usize = 48;

/// Records made in a row before answers are looked for.
const FILL_RECORDS: usize = 1_000;

impl Producer {
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

    /// Makes the record that was due at `intended_ns`, and sends what can be sent. Returns the slot
    /// whose batch begins to linger with it, if one does.
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
        // Another record of this size would not fit.
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
    pub(super) fn seal(&mut self, tools: &mut Tools<'_>, at: usize) {
        let slot = &mut self.slots[at];
        let Some(mut batch) = slot.open.take() else {
            return;
        };
        slot.expired = false;
        self.complete(tools, &mut batch, at);
        self.enqueue(at, batch);
    }

    /// Completes a batch of slot `at`; no record can be added after that.
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
            // Until its link may send it, it goes on taking records.
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

    /// With no schedule: makes full batches for as long as its links may have more under way.
    pub fn fill(&mut self, tools: &mut Tools<'_>, now_ns: u64) -> bool {
        let before = self.outcome.made;
        // With keys, batches fill unevenly: as many may be open as there are partitions.
        let ahead = self.links.len() * tools.load.in_flight.saturating_mul(tools.load.batch_bytes);
        for _ in 0..FILL_RECORDS {
            let is_free = self
                .links
                .iter()
                .any(|link| link.connection.is_some() && link.under_way() < tools.load.in_flight);
            if !is_free || self.backlog > ahead.min(BACKLOG_MAX_BYTES) {
                break;
            }
            if !tools.load.keys.any() {
                self.turn_to_free_link(tools);
            }
            self.make(tools, now_ns, now_ns);
        }
        self.outcome.made > before
    }

    /// Moves on to the next partition that can take a batch, unless the current one has begun its
    /// own.
    fn turn_to_free_link(&mut self, tools: &Tools<'_>) {
        for _ in 0..self.slots.len() {
            let slot = &self.slots[self.turn % self.slots.len()];
            let is_free = self.links[slot.link].under_way() < tools.load.in_flight;
            if slot.open.is_some() || (is_free && slot.ready.is_empty()) {
                break;
            }
            self.turn += 1;
        }
    }
}
