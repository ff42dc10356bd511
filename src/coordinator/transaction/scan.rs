//! Pure: transactions that take too long are aborted, and transactional ids that nothing has used
//! for long are forgotten: some at a time, so that others get their turn in between.

use std::ops::Bound;
use std::rc::Rc;

use crate::base::limits;

use super::state::Transaction;
use super::{Now, Outcome, Timer, TransactionError, TransactionMachine};

/// How far the scans over all transactional ids have come.
#[derive(Default, Debug)]
pub(super) struct Scans {
    timeouts: Option<Place>,
    expiration: Option<Place>,
}

/// Where a scan goes on.
#[derive(Clone, Debug)]
enum Place {
    Begin,
    Behind(Rc<str>),
}

// === impl Scans ===

impl Scans {
    pub fn begin_timeouts(&mut self) {
        self.timeouts.get_or_insert(Place::Begin);
    }

    pub fn begin_expiration(&mut self) {
        self.expiration.get_or_insert(Place::Begin);
    }

    pub fn are_under_way(&self) -> bool {
        self.timeouts.is_some() || self.expiration.is_some()
    }
}

impl TransactionMachine {
    /// Sets the deadlines of both scans.
    pub(super) fn begin_scans(&mut self, now: Now) {
        self.set_timeouts(now);
        self.set_expiration(now);
    }

    fn set_timeouts(&mut self, now: Now) {
        let next = now.instant.after_ms(self.config.timeout_check_ms.max(1));
        self.timers.set(Timer::Timeouts, next);
    }

    fn set_expiration(&mut self, now: Now) {
        let next = now.instant.after_ms(self.config.expiration_check_ms.max(1));
        self.timers.set(Timer::Expiration, next);
    }

    /// A step of the scans that are under way.
    pub(super) fn scan_some(&mut self, now: Now, out: &mut Outcome) {
        if let Some(place) = self.scans.timeouts.take() {
            let is_due = |it: &Transaction| it.durable.is_timed_out(now.wall_ms);
            let (due, next) = self.some_due(&place, is_due);
            self.scans.timeouts = next;
            for id in due {
                self.time_out(&id, now, out);
            }
            if self.scans.timeouts.is_none() {
                self.set_timeouts(now);
            }
            return;
        }
        if let Some(place) = self.scans.expiration.take() {
            let oldest_ms = now.wall_ms.saturating_sub(self.config.id_expiration_ms);
            let is_due =
                |it: &Transaction| it.durable.is_idle() && it.durable.updated_ms <= oldest_ms;
            let (due, next) = self.some_due(&place, is_due);
            self.scans.expiration = next;
            for id in due {
                self.remove(&id, out);
                self.probe.expired_ids.add(1);
            }
            if self.scans.expiration.is_none() {
                self.set_expiration(now);
            }
        }
    }

    /// Some transactional ids for which `is_due` holds, and where the look goes on.
    fn some_due(
        &self,
        place: &Place,
        is_due: impl Fn(&Transaction) -> bool,
    ) -> (Vec<Rc<str>>, Option<Place>) {
        let from = match place {
            Place::Begin => Bound::Unbounded,
            Place::Behind(id) => Bound::Excluded(&**id),
        };
        let mut due = Vec::new();
        let left = self.transactions.range::<str, _>((from, Bound::Unbounded));
        for (looked_at, (id, transaction)) in left.enumerate() {
            if is_due(transaction) {
                due.push(id.clone());
            }
            let is_full = due.len() == limits::TRANSACTIONS_ENDED_AT_ONCE;
            if is_full || looked_at + 1 == limits::TRANSACTIONS_EXAMINED_AT_ONCE {
                return (due, Some(Place::Behind(id.clone())));
            }
        }
        (due, None)
    }

    fn time_out(&mut self, id: &Rc<str>, now: Now, out: &mut Outcome) {
        let fresh_id = self.spare_id;
        match self.fence(id, fresh_id, now, out) {
            // It is looked at again in the next round.
            Err(TransactionError::NeedsProducerId) => self.want_spare_id(out),
            Err(_) => {}
            Ok(()) => {
                let uses_it = |it: &Transaction| {
                    let (next, current) = (it.durable.next_id, it.durable.producer.id);
                    fresh_id == Some(next) || fresh_id == Some(current)
                };
                if self.transactions.get(id).is_some_and(uses_it) {
                    self.spare_id = None;
                }
                self.probe.timeouts.add(1);
            }
        }
    }
}
