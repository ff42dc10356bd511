//! Drives: what a thread of producers does next: send what is due, close what has lingered, sleep.

use std::cmp::Reverse;
use std::sync::atomic::Ordering;

use super::answers::LOOK_NS;
use super::{Shared, Worker};
use crate::load::schedule::Pace;
use crate::measure::client::ClientError;
use crate::measure::latency::Kind;

/// The longest sleep, so that ends and seconds are noticed, in nanoseconds.
const SLEEP_MAX_NS: u64 = 50_000_000;

/// This long before a send the thread spins for it and does nothing else, in nanoseconds.
const AIM_NS: u64 = 1_000;

/// Records from so many bytes on take longer to make than a thread spins.
const LARGE_BYTES: usize = 8 << 10;

/// Records made in a row before answers are looked for.
const DUE_IN_A_ROW: usize = 64;

impl Worker<'_> {
    pub(super) fn drive(&mut self, shared: &Shared) -> Result<(), ClientError> {
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
            // Read anew for each record: making those before it took time.
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
            // Bookkeeping comes after the send.
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

    /// Makes the next record shortly before it is due: late enough to be in the CPU's caches when
    /// it is sent.
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
}
