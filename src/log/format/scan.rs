//! Pure: walks over a segment's bytes and says what of them are batches.

use std::fmt;

use crate::base::{LeaderEpoch, Offset};
use crate::wire::batch::{BatchHeader, HEADER_BYTES, MAGIC};

/// Trusts nothing of the bytes it is fed but what magic, length, checksum, the expected offset
/// and rising epochs confirm.
#[derive(Clone, Debug)]
pub struct Scanner {
    /// Position of the next batch.
    pub position: u64,
    /// The offset that it must begin with.
    pub expected: Offset,
    /// The epoch that it must not fall below.
    pub epoch: LeaderEpoch,
    /// Whether offsets may be missing between batches, as compaction leaves them.
    pub gaps: bool,
    /// A batch that reaches to this offset or behind it is not taken: the log is to end before it.
    pub upto: Offset,
}

/// What stands at the scanner's position.
#[derive(Debug)]
pub enum Step {
    /// A valid batch of this many bytes; the scanner is behind it now.
    Batch(BatchHeader, usize),
    /// This many bytes from the position on are needed to say.
    More(usize),
    /// No valid batch.
    Stop(Stop),
}

/// Why a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The bytes end here.
    End,
    /// Nothing was ever written here, or a length of zero.
    Blank,
    /// The length field cannot be one, or points behind the end of the bytes.
    Length,
    /// The format version is not 2.
    Magic,
    /// The checksum does not fit the bytes.
    Crc,
    /// Not the offset that continues the log.
    Offset,
    /// An epoch below an earlier one.
    Epoch,
    /// An index that nothing can stand in for cannot be right.
    Index,
    /// A batch that is to be cut off.
    Cut,
}

impl Scanner {
    /// Scans from `position` on, where a batch begins whose offset is `expected` or later. Takes
    /// every epoch, and gaps between offsets, which compaction leaves.
    pub fn tolerant(position: u64, expected: Offset) -> Scanner {
        Scanner {
            position,
            expected,
            epoch: -1,
            gaps: true,
            upto: Offset::MAX,
        }
    }

    /// Looks at the next batch. `window` begins at the position; `left` is how many bytes
    /// there are from the position to the end of the file.
    pub fn step(&mut self, window: &[u8], left: u64) -> Step {
        if left < HEADER_BYTES as u64 {
            let blank = window.iter().all(|byte| *byte == 0);
            return match (left, window.len() as u64 >= left) {
                (0, _) => Step::Stop(Stop::End),
                (_, false) => Step::More(left as usize),
                (_, true) if blank => Step::Stop(Stop::Blank),
                (_, true) => Step::Stop(Stop::Length),
            };
        }
        let Some(header) = BatchHeader::copy(window) else {
            return Step::More(HEADER_BYTES);
        };
        if header.is_blank() {
            return Step::Stop(Stop::Blank);
        }
        let Some(size) = header.claimed_bytes().filter(|size| *size as u64 <= left) else {
            return Step::Stop(Stop::Length);
        };
        if let Some(stop) = self.refuse(&header) {
            return Step::Stop(stop);
        }
        let Some(records) = window.get(HEADER_BYTES..size) else {
            return Step::More(size);
        };
        if crc32c::crc32c_append(header.crc_seed(), records) != header.crc() && !planted!(NoCrc) {
            return Step::Stop(Stop::Crc);
        }
        self.position += size as u64;
        self.expected = header.last_offset() + 1;
        self.epoch = header.leader_epoch();
        Step::Batch(header, size)
    }

    fn refuse(&self, header: &BatchHeader) -> Option<Stop> {
        if header.magic() != MAGIC {
            return Some(Stop::Magic);
        }
        let base = header.base_offset();
        let fits = base == self.expected || self.gaps && base > self.expected;
        if !fits || header.last_offset_delta() < 0 || header.last_offset() < base {
            return Some(Stop::Offset);
        }
        if header.leader_epoch() < self.epoch {
            return Some(Stop::Epoch);
        }
        (header.last_offset() >= self.upto).then_some(Stop::Cut)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stop::End => "the end of the file",
            Stop::Blank => "nothing written",
            Stop::Length => "a length that cannot be",
            Stop::Magic => "a format version that is not 2",
            Stop::Crc => "a checksum that does not fit",
            Stop::Offset => "an offset that does not continue the log",
            Stop::Epoch => "a leader epoch below an earlier one",
            Stop::Cut => "a batch that was to be cut off",
            Stop::Index => "an index of aborted transactions that cannot be right",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::batch::{BatchBuilder, NewRecord, stamp};

    fn batch(base: Offset, epoch: LeaderEpoch) -> Vec<u8> {
        let mut builder = BatchBuilder::new();
        builder.push(NewRecord::new(5, None, Some(b"value")));
        let mut bytes = builder.build();
        stamp(&mut bytes, base, epoch);
        bytes
    }

    fn scanner() -> Scanner {
        Scanner {
            position: 0,
            expected: 10,
            epoch: 2,
            gaps: false,
            upto: Offset::MAX,
        }
    }

    /// How a scan of `bytes` ends, and how many batches it accepted.
    fn scan(scanner: &mut Scanner, bytes: &[u8]) -> (usize, Stop) {
        let mut accepted = 0;
        loop {
            let at = scanner.position as usize;
            match scanner.step(&bytes[at..], (bytes.len() - at) as u64) {
                Step::Batch(..) => accepted += 1,
                Step::Stop(stop) => return (accepted, stop),
                Step::More(needed) => panic!("all bytes are there, {needed} wanted"),
            }
        }
    }

    #[test]
    fn each_way_to_be_wrong_is_told() {
        let good = batch(10, 2);
        let size = good.len();
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = [good.clone(), batch(11, 3)].concat();
            change(&mut bytes);
            scan(&mut scanner(), &bytes)
        };
        assert_eq!(with(&|_| {}), (2, Stop::End));
        assert_eq!(with(&|bytes| bytes.extend([0; 300])), (2, Stop::Blank));
        assert_eq!(with(&|bytes| bytes.extend([0; 30])), (2, Stop::Blank));
        assert_eq!(with(&|bytes| bytes.extend([9; 30])), (2, Stop::Length));
        assert_eq!(
            with(&|bytes| bytes.truncate(2 * size - 1)),
            (1, Stop::Length)
        );
        assert_eq!(with(&|bytes| bytes[16] = 1), (0, Stop::Magic));
        assert_eq!(with(&|bytes| bytes[size + 30] ^= 1), (1, Stop::Crc));
        assert_eq!(with(&|bytes| bytes[size + 7] = 12), (1, Stop::Offset));
        assert_eq!(with(&|bytes| bytes[size + 15] = 1), (1, Stop::Epoch));
        assert_eq!(with(&|bytes| bytes[size + 8] = 0x80), (1, Stop::Length));
    }

    #[test]
    fn gaps_are_taken_only_where_they_may_be() {
        let bytes = [batch(10, 2), batch(15, 2)].concat();
        assert_eq!(scan(&mut scanner(), &bytes), (1, Stop::Offset));
        let mut with_gaps = scanner();
        with_gaps.gaps = true;
        assert_eq!(scan(&mut with_gaps, &bytes), (2, Stop::End));
        assert_eq!(with_gaps.expected, 16);
        // A base offset that is too high is noticed by the batch behind it.
        let mut bytes = [batch(10, 2), batch(15, 2), batch(16, 2)].concat();
        bytes[batch(10, 2).len() + 6] = 1;
        let mut with_gaps = scanner();
        with_gaps.gaps = true;
        assert_eq!(scan(&mut with_gaps, &bytes), (2, Stop::Offset));
    }

    #[test]
    fn it_ends_before_the_first_batch_that_is_to_be_cut_off() {
        let bytes = [batch(10, 2), batch(11, 2)].concat();
        for (upto, accepted) in [(10, 0), (11, 1)] {
            let mut scanner = scanner();
            scanner.upto = upto;
            assert_eq!(scan(&mut scanner, &bytes), (accepted, Stop::Cut));
        }
        let mut scanner = scanner();
        scanner.upto = 12;
        assert_eq!(scan(&mut scanner, &bytes), (2, Stop::End));
    }

    #[test]
    fn it_asks_for_no_more_than_it_needs() {
        let bytes = batch(10, 2);
        let left = bytes.len() as u64;
        let mut scanner = scanner();
        assert!(matches!(scanner.step(&[], left), Step::More(HEADER_BYTES)));
        let header = &bytes[..HEADER_BYTES];
        assert!(matches!(scanner.step(header, left), Step::More(size) if size == bytes.len()));
        assert!(matches!(scanner.step(&bytes, left), Step::Batch(..)));
        assert!(matches!(scanner.step(&[], 0), Step::Stop(Stop::End)));
    }
}
