//! Pure: what went into and out of a partition.

use std::cell::Cell;
use std::ops::{Add, AddAssign};

use crate::base::metrics::Counter;

/// What one append, or one answer with records, costs a core beside what its bytes cost: as much
/// as about so many bytes. A request costs some 10 us, and 16 KiB take as long to be received,
/// checked, copied and sent.
const REQUEST_COST_BYTES: u64 = 16 << 10;

/// What went into and out of a partition since it was opened, in plain cells.
#[derive(Default, Debug)]
pub struct Traffic {
    produced_bytes: Counter,
    produced_records: Counter,
    fetched_bytes: Counter,
    /// Appends, and answers with records.
    requests: Counter,
    /// What [`Traffic::work`] was when [`Traffic::new_work`] was last asked.
    known_work: Cell<u64>,
}

/// The numbers of a [`Traffic`] at some moment, or their sum over several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Bytes of batches appended.
    pub produced_bytes: u64,
    /// Records appended.
    pub produced_records: u64,
    /// Bytes of batches sent to consumers.
    pub fetched_bytes: u64,
}

impl Traffic {
    /// Counts an append.
    #[inline]
    pub fn produced(&self, bytes: usize, records: i64) {
        self.produced_bytes.add(bytes as u64);
        self.produced_records.add(records.max(0) as u64);
        self.requests.add(1);
    }

    /// Counts what is sent to a consumer.
    #[inline]
    pub fn fetched(&self, bytes: usize) {
        self.fetched_bytes.add(bytes as u64);
        self.requests.add(1);
    }

    /// The counts now.
    pub fn read(&self) -> Volume {
        Volume {
            produced_bytes: self.produced_bytes.get(),
            produced_records: self.produced_records.get(),
            fetched_bytes: self.fetched_bytes.get(),
        }
    }

    /// The work that all of it was for the core, as a number that says nothing but which of two
    /// partitions was more work, and by how much.
    fn work(&self) -> u64 {
        self.read().bytes() + self.requests.get() * REQUEST_COST_BYTES
    }

    /// The work that came since this was last asked.
    pub fn new_work(&self) -> u64 {
        let work = self.work();
        work - self.known_work.replace(work)
    }
}

impl Volume {
    /// What came since it was `earlier`. Less than then means that a partition is gone: nothing.
    #[must_use]
    pub fn since(self, earlier: Volume) -> Volume {
        Volume {
            produced_bytes: self.produced_bytes.saturating_sub(earlier.produced_bytes),
            produced_records: self
                .produced_records
                .saturating_sub(earlier.produced_records),
            fetched_bytes: self.fetched_bytes.saturating_sub(earlier.fetched_bytes),
        }
    }

    /// Bytes in and out.
    pub fn bytes(self) -> u64 {
        self.produced_bytes + self.fetched_bytes
    }
}

impl Add for Volume {
    type Output = Volume;

    fn add(self, other: Volume) -> Volume {
        Volume {
            produced_bytes: self.produced_bytes + other.produced_bytes,
            produced_records: self.produced_records + other.produced_records,
            fetched_bytes: self.fetched_bytes + other.fetched_bytes,
        }
    }
}

impl AddAssign for Volume {
    fn add_assign(&mut self, other: Volume) {
        *self = *self + other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_told_once_and_many_small_requests_are_more_of_it_than_a_large_one() {
        let (small, large) = (Traffic::default(), Traffic::default());
        for _ in 0..100 {
            small.produced(100, 1);
        }
        large.produced(10_000, 100);
        large.fetched(10_000);
        let (few, many) = (large.new_work(), small.new_work());
        assert_eq!(few, 20_000 + 2 * REQUEST_COST_BYTES);
        assert!(many > 10 * few, "{many} {few}");
        assert_eq!((small.new_work(), large.new_work()), (0, 0));
        small.fetched(1);
        assert_eq!(small.new_work(), 1 + REQUEST_COST_BYTES);
    }
}
