//! Pure: the first batch of a transaction is appended only if its coordinator knows that the
//! partition is part of it (KIP-890): else no marker would ever end it here.
//!
//! A [`Guard`] is given out before the coordinator is asked, and shown with the append. A marker
//! that comes in between makes it worthless: what the coordinator has said was of the transaction
//! before.

use std::collections::HashMap;

use crate::base::{ProducerId, WallMs};

/// Producers that wait for their coordinator's word at most; beyond that those that wait longest
/// are forgotten, and asked about again.
const WAITING_MAX: usize = 1 << 14;

/// Names one question to a coordinator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guard(u64);

/// The producers whose coordinator is being asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Verifications {
    by_producer: HashMap<ProducerId, Verification>,
    last: u64,
}

#[derive(Clone, Copy, Debug)]
struct Verification {
    guard: Guard,
    /// The lowest sequence that was to be appended: if that has to be sent again, later ones must
    /// not be taken before it.
    lowest_sequence: i32,
    epoch: i16,
    since: WallMs,
}

impl Verifications {
    /// Begins to ask about a producer that wants to append a batch of this epoch and sequence, or
    /// goes on with it.
    pub fn begin(&mut self, id: ProducerId, epoch: i16, sequence: i32, now: WallMs) -> Guard {
        if self.by_producer.len() >= WAITING_MAX && !self.by_producer.contains_key(&id) {
            self.forget_oldest();
        }
        let last = &mut self.last;
        let one = self.by_producer.entry(id).or_insert_with(|| {
            *last += 1;
            Verification {
                guard: Guard(*last),
                lowest_sequence: sequence,
                epoch,
                since: now,
            }
        });
        if epoch > one.epoch {
            (one.epoch, one.lowest_sequence) = (epoch, sequence);
        } else if epoch == one.epoch {
            one.lowest_sequence = one.lowest_sequence.min(sequence);
        }
        one.guard
    }

    /// Whether `guard` stands for a question that is still the one.
    pub fn is_current(&self, id: ProducerId, guard: Guard) -> bool {
        let known = self.by_producer.get(&id);
        known.is_some_and(|known| known.guard == guard)
    }

    /// The lowest sequence that was to be appended while the coordinator is asked.
    pub fn lowest_sequence(&self, id: ProducerId) -> Option<i32> {
        self.by_producer.get(&id).map(|known| known.lowest_sequence)
    }

    /// A batch or a marker of the producer was appended: there is nothing to ask any more.
    #[inline]
    pub fn end(&mut self, id: ProducerId) {
        if !self.by_producer.is_empty() {
            self.by_producer.remove(&id);
        }
    }

    /// Forgets those that began `length_ms` ago.
    pub fn expire(&mut self, now: WallMs, length_ms: i64) {
        self.by_producer
            .retain(|_, one| now.saturating_sub(one.since) < length_ms);
    }

    fn forget_oldest(&mut self) {
        let mut times: Vec<WallMs> = self.by_producer.values().map(|one| one.since).collect();
        let at = times.len() / 4;
        let (_, newest_to_go, _) = times.select_nth_unstable(at);
        let newest_to_go = *newest_to_go;
        self.by_producer.retain(|_, one| one.since > newest_to_go);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_holds_until_the_producer_has_written_or_its_transaction_has_ended() {
        let mut all = Verifications::default();
        let guard = all.begin(7, 0, 5, 0);
        assert_eq!(all.begin(7, 0, 3, 0), guard);
        assert_eq!(all.lowest_sequence(7), Some(3));
        all.begin(7, 0, 9, 0);
        assert_eq!(all.lowest_sequence(7), Some(3));
        // A new epoch counts from anew.
        all.begin(7, 1, 8, 0);
        assert_eq!(all.lowest_sequence(7), Some(8));
        assert!(all.is_current(7, guard) && !all.is_current(8, guard));
        all.end(7);
        assert!(!all.is_current(7, guard));
        assert_ne!(all.begin(7, 1, 8, 0), guard);
    }

    #[test]
    fn they_are_bounded_and_forgotten_in_time() {
        let mut all = Verifications::default();
        for id in 0..2 * WAITING_MAX as i64 {
            all.begin(id, 0, 0, id);
            assert!(all.by_producer.len() <= WAITING_MAX);
        }
        assert!(all.lowest_sequence(2 * WAITING_MAX as i64 - 1).is_some());
        all.expire(1 << 40, 1_000);
        assert!(all.by_producer.is_empty());
    }
}
