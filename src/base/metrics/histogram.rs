//! Pure: distributions of times in fixed buckets, which may be added up over cores and nodes;
//! quantiles cannot.

use std::array;
use std::cell::Cell;

/// Upper bounds of the buckets, in microseconds: from one read of memory and one write of a fast
/// device to what clients give up at, three to a decade.
pub const BUCKETS_US: [u64; 19] = [
    10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000,
    500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

/// A latency distribution that is counted into; 168 bytes.
#[derive(Debug)]
pub struct Histogram {
    /// How many fell into each bucket, and behind the last bound.
    counts: [Cell<u64>; BUCKETS_US.len() + 1],
    sum_us: Cell<u64>,
}

/// What a [`Histogram`] held at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// How many fell into each bucket of [`BUCKETS_US`], and behind the last bound.
    pub counts: [u64; BUCKETS_US.len() + 1],
    /// All values together, in microseconds.
    pub sum_us: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            counts: array::from_fn(|_| Cell::new(0)),
            sum_us: Cell::new(0),
        }
    }
}

impl Histogram {
    /// Counts one value.
    #[inline]
    pub fn record_us(&self, value: u64) {
        let at = BUCKETS_US.partition_point(|bound| *bound < value);
        let count = &self.counts[at];
        count.set(count.get() + 1);
        self.sum_us.set(self.sum_us.get().wrapping_add(value));
    }

    /// What it holds now.
    pub fn read(&self) -> Distribution {
        Distribution {
            counts: array::from_fn(|at| self.counts[at].get()),
            sum_us: self.sum_us.get(),
        }
    }
}

impl Distribution {
    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Whether nothing was counted yet.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::default();
        assert!(histogram.read().is_empty());
        for value in [0, 10, 11, 10_000_000, 10_000_001] {
            histogram.record_us(value);
        }
        let seen = histogram.read();
        assert_eq!(seen.counts[..2], [2, 1]);
        assert_eq!(seen.counts[BUCKETS_US.len() - 1..], [1, 1]);
        assert_eq!((seen.count(), seen.sum_us), (5, 20_000_022));
    }
}
