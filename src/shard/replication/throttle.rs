//! Pure: how fast throttled replicas catch up (KIP-73), on the side of those that fetch
//! (`follower.replication.throttled.rate`) and on that of their leaders
//! (`leader.replication.throttled.rate`): what went over is paid for by the time that passes, and
//! no more goes while there is debt.

use std::cell::Cell;
use std::time::Duration;

use crate::base::Instant;
use crate::base::metrics::Counter;

/// What is saved up in quiet times is worth so many seconds.
const BURST_SECS: f64 = 1.0;

/// What the throttled replicas of a node have taken or given, and not paid for.
#[derive(Debug, Default)]
pub struct Throttle {
    account: Cell<Account>,
    /// Bytes that went while there was a bound.
    pub(super) bytes: Counter,
}

/// Debt, in bytes and not in time: when an operator raises a rate, the wait shrinks at once.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// Bytes that are not paid for; below 0: bytes that may be sent at once.
    debt: f64,
    /// When that was so.
    at: Instant,
}

// === impl Throttle ===

impl Throttle {
    /// `bytes` went over at a time when `rate` bytes a second are allowed.
    pub fn spend(&self, bytes: usize, rate: u64, now: Instant) {
        let mut account = self.account.get().after(rate, now);
        account.debt += bytes as f64;
        self.account.set(account);
        self.bytes.add(bytes as u64);
    }

    /// When more may go at this rate, where that is not now.
    pub fn free_at(&self, rate: u64, now: Instant) -> Option<Instant> {
        let debt = self.account.get().after(rate, now).debt;
        // Whole nanoseconds cannot tell less.
        let pays = Duration::try_from_secs_f64(debt.max(0.0) / rate.max(1) as f64);
        let pays = pays.unwrap_or(Duration::MAX);
        (!pays.is_zero()).then(|| now.after(pays))
    }
}

// === impl Account ===

impl Account {
    fn after(self, rate: u64, now: Instant) -> Account {
        let rate = rate.max(1) as f64;
        let paid = rate * now.since(self.at).as_secs_f64();
        Account {
            debt: (self.debt - paid).max(-rate * BURST_SECS),
            at: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::default().after(Duration::from_millis(10_000 + ms))
    }

    #[test]
    fn what_went_over_is_paid_for_by_time() {
        let throttle = Throttle::default();
        assert_eq!(throttle.free_at(1_000, at(0)), None);
        // A second's worth is saved up.
        throttle.spend(1_000, 1_000, at(0));
        assert_eq!(throttle.free_at(1_000, at(0)), None);
        throttle.spend(2_500, 1_000, at(0));
        assert_eq!(throttle.free_at(1_000, at(0)), Some(at(2_500)));
        assert_eq!(throttle.free_at(1_000, at(2_500)), None);
        assert_eq!(throttle.bytes.get(), 3_500);
    }

    #[test]
    fn a_rate_that_is_raised_counts_at_once() {
        let throttle = Throttle::default();
        throttle.spend(10_000_000, 10, at(0));
        assert!(throttle.free_at(10, at(0)) > Some(at(900_000_000)));
        assert_eq!(throttle.free_at(1_000_000, at(10_000)), None);
    }

    #[test]
    fn over_a_long_time_it_is_the_rate() {
        let throttle = Throttle::default();
        let (mut now, mut bytes) = (at(0), 0);
        while now < at(20_000) {
            match throttle.free_at(1_000, now) {
                Some(then) => now = then,
                None => {
                    throttle.spend(300, 1_000, now);
                    bytes += 300;
                }
            }
        }
        assert!((20_000..=21_600).contains(&bytes), "{bytes}");
    }

    #[test]
    fn a_rate_of_nothing_does_not_overflow() {
        let throttle = Throttle::default();
        throttle.spend(usize::MAX, 0, at(0));
        throttle.spend(usize::MAX, 0, at(1));
        assert!(throttle.free_at(0, at(5)).is_some());
    }
}
