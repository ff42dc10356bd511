//! Pure: when each record is to be sent, fixed before the first one is.

use fastrand::Rng;

/// How sends follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// So many records per second of all producers together, evenly.
    Constant(u64),
    /// As many on average, with the gaps of a Poisson process.
    Poisson(u64),
    /// As fast as answers come: there is no schedule.
    Max,
}

/// The send times of one producer out of several that share a rate. Times do not depend on what
/// the broker does, so a slow answer cannot postpone, and thereby hide, the next send; and even
/// ones are computed from the record's number, so that errors do not add up.
#[derive(Clone, Debug)]
pub struct Schedule {
    start_ns: u64,
    pace: Pace,
    producers: u64,
    turn: u64,
    /// Times given out.
    given: u64,
    /// Of a Poisson process: nanoseconds from the start to the last time given out.
    elapsed_ns: f64,
    rng: Rng,
}

impl Schedule {
    /// The schedule of producer number `turn` (from 0) out of `producers`, from `start_ns` of
    /// the run's clock on. Equal seeds give equal times.
    pub fn new(pace: Pace, start_ns: u64, producers: u64, turn: u64, seed: u64) -> Schedule {
        Schedule {
            start_ns,
            pace,
            producers: producers.max(1),
            turn,
            given: 0,
            elapsed_ns: 0.0,
            rng: Rng::with_seed(seed ^ turn.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        }
    }

    /// When the next record is due, by the run's clock; always the start where there is no
    /// schedule.
    pub fn next_ns(&mut self) -> u64 {
        let number = self.given;
        self.given += 1;
        match self.pace {
            Pace::Constant(rate) => {
                let number =
                    u128::from(number) * u128::from(self.producers) + u128::from(self.turn);
                let after = number * 1_000_000_000 / u128::from(rate.max(1));
                u64::try_from(u128::from(self.start_ns) + after).unwrap_or(u64::MAX)
            }
            // Independent Poisson processes add up to one with the sum of their rates.
            Pace::Poisson(rate) => {
                let mean_ns = 1e9 * self.producers as f64 / rate.max(1) as f64;
                self.elapsed_ns -= mean_ns * (1.0 - self.rng.f64()).ln();
                self.start_ns + self.elapsed_ns as u64
            }
            Pace::Max => self.start_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(pace: Pace, producers: u64, turn: u64, until_ns: u64) -> Vec<u64> {
        let mut own = Schedule::new(pace, 500, producers, turn, 7);
        let times = std::iter::repeat_with(|| own.next_ns());
        times.take_while(|due| *due < 500 + until_ns).collect()
    }

    #[test]
    fn the_gaps_are_even_and_do_not_drift() {
        let times = times(Pace::Constant(3), 1, 0, 3_000_000_000);
        assert_eq!(times.len(), 9);
        assert_eq!(times[1], 500 + 333_333_333);
        assert_eq!(times[3], 500 + 1_000_000_000);
        assert_eq!(times[6], 500 + 2_000_000_000);
    }

    #[test]
    fn producers_take_turns_and_together_keep_the_rate() {
        let own = |turn| times(Pace::Constant(10_000), 7, turn, 3_000_000_000);
        let mut all: Vec<u64> = (0..7).flat_map(own).collect();
        all.sort_unstable();
        assert_eq!(all.len(), 30_000);
        assert!(all.windows(2).all(|pair| pair[1] - pair[0] == 100_000));
    }

    #[test]
    fn poisson_gaps_are_exponential_and_keep_the_rate() {
        let own = |turn| times(Pace::Poisson(10_000), 4, turn, 10_000_000_000);
        let mut all: Vec<u64> = (0..4).flat_map(own).collect();
        all.sort_unstable();
        // 100,000 are expected, give or take four times the square root.
        assert!((98_700..101_300).contains(&all.len()), "{}", all.len());
        let gaps: Vec<f64> = all.windows(2).map(|w| (w[1] - w[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        let spread = variance.sqrt() / mean;
        assert!((0.98..1.02).contains(&spread), "{spread}");
        let long = gaps.iter().filter(|gap| **gap > mean).count() as f64 / gaps.len() as f64;
        assert!((0.36..0.376).contains(&long), "{long}: not 1/e");
        assert_eq!(own(1), own(1), "equal seeds, equal times");
        assert_ne!(own(1), own(2));
    }
}
