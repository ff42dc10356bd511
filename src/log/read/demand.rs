//! Pure: how much of the newest records it pays to keep in memory, told from what readers ask for.

use std::cell::Cell;

use crate::io::buffer::CHUNK_BYTES;

/// How long what a reader needed is kept for the next reader, in seconds; at most twice that.
const PERIOD_SECONDS: u32 = 30;
/// A reader that is behind by no more than this makes one short read of the disk: no reason to keep
/// more of all logs. In bytes.
const BEHIND_BYTES_MIN: u64 = CHUNK_BYTES[CHUNK_BYTES.len() - 1] as u64;

/// How many bytes of the newest records are kept. All logs of a shard share them, and what was
/// taken first is given up first. So the bytes that were taken since a record tell how much had to
/// be kept for it to be there.
pub struct Demand {
    bytes_min: usize,
    bytes_max: usize,
    /// What is kept.
    bytes: Cell<usize>,
    /// What readers of this period needed, and of the one before.
    needed: Cell<usize>,
    needed_before: Cell<usize>,
    /// How many bytes had been taken when more was kept because a reader had missed some.
    grown_at: Cell<u64>,
    seconds: Cell<u32>,
}

impl Demand {
    /// None yet: `bytes_min` are kept, and whatever readers do no more than `bytes_max`.
    pub fn new(bytes_min: usize, bytes_max: usize) -> Demand {
        Demand {
            bytes_min,
            bytes_max,
            bytes: Cell::new(bytes_min),
            needed: Cell::new(bytes_min),
            needed_before: Cell::new(bytes_min),
            grown_at: Cell::new(0),
            seconds: Cell::new(0),
        }
    }

    /// The bytes that are to be kept.
    pub fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// A reader found records, after the last of which `behind` bytes were taken.
    pub fn found(&self, behind: u64) {
        // Somewhat more, for when it falls back a little.
        let needed = behind + behind / 4;
        self.needs(self.bytes_min.saturating_add(needed as usize));
    }

    /// A reader did not find records that are `behind` the end of their log by so many bytes.
    /// `taken` are all bytes that were ever taken.
    pub fn missed(&self, behind: u64, taken: u64) {
        if behind <= BEHIND_BYTES_MIN || behind > self.bytes_max as u64 {
            return;
        }
        // What is kept more from now on is there once so much has been taken.
        if taken - self.grown_at.get() >= self.bytes.get() as u64 {
            self.grown_at.set(taken);
            self.needs(self.bytes.get() * 2);
        }
    }

    /// A second has passed.
    pub fn second_passed(&self) {
        self.seconds.set(self.seconds.get() + 1);
        if self.seconds.get() < PERIOD_SECONDS {
            return;
        }
        self.seconds.set(0);
        let needed = self.needed.replace(self.bytes_min);
        let before = self.needed_before.replace(needed);
        self.bytes.set(needed.max(before));
    }

    fn needs(&self, bytes: usize) {
        let bytes = bytes.min(self.bytes_max);
        self.needed.set(self.needed.get().max(bytes));
        self.bytes.set(self.bytes.get().max(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn periods_pass(demand: &Demand, count: u32) {
        (0..count * PERIOD_SECONDS).for_each(|_| demand.second_passed());
    }

    #[test]
    fn without_readers_and_for_those_at_the_end_the_least_is_kept() {
        let demand = Demand::new(8 * MIB, 256 * MIB);
        for _ in 0..100 {
            demand.found(0);
            demand.second_passed();
        }
        assert_eq!(demand.bytes(), 8 * MIB);
        // One that reads what is long gone would miss it with any memory.
        demand.missed(257 * MIB as u64, 1 << 40);
        // One that is some records behind where a log is filled slowly reads a piece of disk.
        demand.missed(100_000, 1 << 40);
        assert_eq!(demand.bytes(), 8 * MIB);
    }

    #[test]
    fn what_a_reader_needs_is_kept_while_it_does_and_a_while_longer() {
        let demand = Demand::new(8 * MIB, 256 * MIB);
        demand.found(40 * MIB as u64);
        assert_eq!(demand.bytes(), 58 * MIB);
        demand.found(4 * MIB as u64);
        periods_pass(&demand, 1);
        assert_eq!(demand.bytes(), 58 * MIB);
        demand.found(4 * MIB as u64);
        periods_pass(&demand, 1);
        assert_eq!(
            demand.bytes(),
            58 * MIB,
            "what the period before has needed"
        );
        demand.found(4 * MIB as u64);
        periods_pass(&demand, 1);
        assert_eq!(demand.bytes(), 13 * MIB);
        periods_pass(&demand, 2);
        assert_eq!(demand.bytes(), 8 * MIB);
        demand.found(u64::MAX / 2);
        assert_eq!(demand.bytes(), 256 * MIB);
    }

    #[test]
    fn each_growth_is_given_the_time_to_fill_before_the_next() {
        let demand = Demand::new(8 * MIB, 100 * MIB);
        let mut taken = 8 * MIB as u64;
        for kept in [16, 32, 64, 100, 100] {
            for _ in 0..10 {
                demand.missed(70 * MIB as u64, taken);
                assert_eq!(demand.bytes(), kept * MIB);
            }
            taken += (kept * MIB) as u64;
        }
    }
}
