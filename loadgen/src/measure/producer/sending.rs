//! Drives: sends batches, takes in answers, and sends again over new connections.

use super::{Producer, Slot, Tools, link_to};
use crate::load::frame::{self, Batch};
use crate::load::schedule::Pace;
use crate::measure::cluster::Home;
use crate::measure::latency::Kind;
use crate::measure::link::Ask;

impl Producer {
    /// Sends the batches of slot `at`, up to the link's limit of requests under way.
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

    /// Writes the batches of link `number` to its socket. On an error the link has been cut
    /// already.
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

    /// Processes an answer that arrived on link `number` at `now_ns`; the error says what is wrong
    /// with it.
    pub fn answered(
        &mut self,
        tools: &mut Tools<'_>,
        number: usize,
        answer: &[u8],
        now_ns: u64,
    ) -> Result<(), String> {
        let (id, code, _) = frame::answer(answer).ok_or("an empty answer")?;
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
            self.record_answer(tools, batch, code, now_ns);
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
            // The batch may have been written: only a producer with an id may send it again.
            7 | 13 | 20 => self.identity.is_some(),
            // Out of order, because a batch before it was refused and will be sent again.
            45 => self.identity.is_some() && slot.muted,
            _ => false,
        }
    }

    /// Counts and records what became of a batch.
    fn record_answer(&mut self, tools: &mut Tools<'_>, batch: Batch, code: i16, now_ns: u64) {
        let records = &batch.records;
        // 46: a duplicate, the right answer to a repeated batch.
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

    /// Link `number` may have more requests under way: sends what waited for that.
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

    /// Handles a broken link: takes its batches back and asks for a new connection.
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

    /// Takes in where the partitions' leaders are now, and sends to them.
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
}

/// Puts a batch back among those to be sent, in order.
fn take_back(slot: &mut Slot, mut batch: Batch, reached: bool) {
    batch.repeated |= reached;
    let place = slot
        .ready
        .partition_point(|other| other.number < batch.number);
    slot.ready.insert(place, batch);
}
