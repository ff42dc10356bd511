//! Pure: what went into and out of a partition.

use std::ops::{Add, AddAssign};

use crate::base::metrics::Counter;

/// What went into and out of a partition since it was opened, in plain cells.
#[derive(Default, Debug)]
pub struct Traffic {
    produced_bytes: Counter,
    produced_records: Counter,
    fetched_bytes: Counter,
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
    }

    /// Counts what is sent to a consumer.
    #[inline]
    pub fn fetched(&self, bytes: usize) {
        self.fetched_bytes.add(bytes as u64);
    }

    /// The counts now.
    pub fn read(&self) -> Volume {
        Volume {
            produced_bytes: self.produced_bytes.get(),
            produced_records: self.produced_records.get(),
            fetched_bytes: self.fetched_bytes.get(),
        }
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
