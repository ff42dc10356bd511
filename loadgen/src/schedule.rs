//! Pure: when each record is to be sent, fixed before the first one is.

/// The send times of one producer out of several that share a constant rate. Times do not
/// depend on what the broker does, so a slow answer cannot postpone, and thereby hide, the next
/// send; and they are computed from the record's number, so errors do not add up.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// When the first record of all producers is due, in nanoseconds of the run's clock.
    pub start_ns: u64,
    /// Nothing is due from here on.
    pub end_ns: u64,
    /// Records per second of all producers together; at least 1.
    pub rate: u64,
    /// How many producers take turns; at least 1.
    pub producers: u64,
    /// This producer's turn, from 0.
    pub turn: u64,
}

impl Schedule {
    /// When this producer's record number `sequence` (from 0) is due; `None` at the end or past.
    pub fn intended_ns(&self, sequence: u64) -> Option<u64> {
        let number = u128::from(sequence) * u128::from(self.producers) + u128::from(self.turn);
        let after = number * 1_000_000_000 / u128::from(self.rate);
        let due = u128::from(self.start_ns) + after;
        u64::try_from(due).ok().filter(|due| *due < self.end_ns)
    }

    /// How many of this producer's records are due before `until_ns`.
    pub fn due_before(&self, until_ns: u64) -> u64 {
        let until = until_ns.min(self.end_ns).saturating_sub(self.start_ns);
        // The count of all records with number * 1e9 / rate < until, rounding as above.
        let all = (u128::from(until) * u128::from(self.rate)).div_ceil(1_000_000_000);
        let own = all.saturating_sub(u128::from(self.turn));
        own.div_ceil(u128::from(self.producers)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(rate: u64, producers: u64, turn: u64) -> Schedule {
        Schedule {
            start_ns: 500,
            end_ns: 500 + 3_000_000_000,
            rate,
            producers,
            turn,
        }
    }

    #[test]
    fn the_gaps_are_even_and_do_not_drift() {
        let one = schedule(3, 1, 0);
        let times: Vec<_> = (0..10).map_while(|n| one.intended_ns(n)).collect();
        assert_eq!(times.len(), 9);
        assert_eq!(times[1], 500 + 333_333_333);
        assert_eq!(times[3], 500 + 1_000_000_000);
        assert_eq!(times[6], 500 + 2_000_000_000);
    }

    #[test]
    fn producers_take_turns_and_together_keep_the_rate() {
        let mut all: Vec<u64> = (0..7)
            .flat_map(|turn| (0..).map_while(move |n| schedule(10_000, 7, turn).intended_ns(n)))
            .collect();
        all.sort_unstable();
        assert_eq!(all.len(), 30_000);
        assert!(all.windows(2).all(|pair| pair[1] - pair[0] == 100_000));
    }

    #[test]
    fn what_is_due_is_what_has_a_time() {
        for (rate, producers) in [(3, 1), (1_000, 3), (999_983, 4), (7, 9)] {
            for turn in 0..producers {
                let own = schedule(rate, producers, turn);
                for until in [0, 500, 501, 100_000_000, 333_333_833, 333_333_834, u64::MAX] {
                    let counted = (0..)
                        .map_while(|n| own.intended_ns(n))
                        .take_while(|due| *due < until)
                        .count();
                    assert_eq!(own.due_before(until), counted as u64, "{own:?} {until}");
                }
            }
        }
    }
}
