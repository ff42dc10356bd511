//! Pure: what the files of a segment's lookups say of it.

use crate::base::{Offset, WallMs};
use crate::log::format::{OffsetIndex, TimeIndex};

/// What the files of a segment's lookups said when they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Bytes of the segment at that time.
    pub upto: u64,
    /// Position of the last batch in the offset index; 0 without one.
    pub indexed: u64,
    /// Count of entries of the offset index.
    pub count: usize,
    /// The largest timestamp and where it is; `None` when no record has one.
    pub youngest: Option<(WallMs, Offset)>,
}

impl Claim {
    /// What these lookups of a segment of `upto` bytes say.
    pub fn of(base: Offset, upto: u64, offsets: &OffsetIndex, times: &TimeIndex) -> Claim {
        Claim {
            upto,
            indexed: offsets.position_of(base, Offset::MAX),
            count: offsets.len(),
            youngest: times.last(base),
        }
    }
}
