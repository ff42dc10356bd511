//! Pure: how fast throttled replicas catch up (`follower.replication.throttled.rate`, KIP-73): what
//! they have fetched is paid for by the time that passes, and none asks while there is debt.

use std::time::Duration;

use crate::base::Instant;

/// What is saved up in quiet times is worth so much.
const BURST: Duration = Duration::from_secs(1);

/// What the throttled replicas of a node have fetched and not paid for.
#[derive(Debug, Default)]
pub struct Throttle {
    /// When all is paid for.
    paid_at: Instant,
}

impl Throttle {
    /// `bytes` were fetched at a time when `rate` bytes a second are allowed.
    pub fn spend(&mut self, bytes: usize, rate: u64, now: Instant) {
        let begun = Instant(now.0.saturating_sub(BURST.as_nanos() as u64));
        let costs = bytes as f64 / rate.max(1) as f64;
        let costs = Duration::try_from_secs_f64(costs).unwrap_or(Duration::MAX);
        self.paid_at = self.paid_at.max(begun).after(costs);
    }

    /// When more may be asked for, where that is not now.
    pub fn free_at(&self, now: Instant) -> Option<Instant> {
        (self.paid_at > now).then_some(self.paid_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::default().after(Duration::from_millis(10_000 + ms))
    }

    #[test]
    fn what_is_fetched_is_paid_for_by_time() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.free_at(at(0)), None);
        // A second's worth is saved up.
        throttle.spend(1_000, 1_000, at(0));
        assert_eq!(throttle.free_at(at(0)), None);
        throttle.spend(2_500, 1_000, at(0));
        assert_eq!(throttle.free_at(at(0)), Some(at(2_500)));
        assert_eq!(throttle.free_at(at(2_500)), None);
    }

    #[test]
    fn over_a_long_time_it_is_the_rate() {
        let mut throttle = Throttle::default();
        let (mut now, mut bytes) = (at(0), 0);
        while now < at(20_000) {
            match throttle.free_at(now) {
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
        let mut throttle = Throttle::default();
        throttle.spend(usize::MAX, 0, at(0));
        throttle.spend(usize::MAX, 0, at(1));
        assert!(throttle.free_at(at(5)).is_some());
    }
}
