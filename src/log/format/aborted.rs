//! Pure: the aborted transactions of a log, and Kafka's `<base offset>.txnindex` (KIP-98).
//!
//! An entry has 34 bytes, big-endian: version (0, i16), producer id, first offset, offset of the
//! marker, last stable offset after it (i64 each). Entries stand in the order of their markers.

use crate::base::{Offset, ProducerId};
use crate::wire::cursor::{Cursor, Short};

/// Our own file beside the indexes of aborted transactions: their checksums. It is written while
/// a log is opened, and by compaction, which takes indexes away.
pub const CHECKSUMS_FILE: &str = "corelane-transaction-checksums";

/// Bytes of an entry.
const ENTRY_BYTES: usize = 34;
/// The only version there is.
const VERSION: i16 = 0;

/// A transaction that was aborted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AbortedTransaction {
    /// The producer that wrote it.
    pub producer_id: ProducerId,
    /// The offset of its first record.
    pub first_offset: Offset,
    /// The offset of the marker that ended it.
    pub last_offset: Offset,
    /// The first offset that is not stable after it: where the first transaction begins that was
    /// open then, or behind the marker.
    pub stable: Offset,
}

/// The aborted transactions of a log, in the order of their markers.
#[derive(Clone, Debug, Default)]
pub struct AbortedTransactions(Vec<AbortedTransaction>);

impl AbortedTransaction {
    /// Appends its entry.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(VERSION.to_be_bytes());
        for field in [
            self.producer_id,
            self.first_offset,
            self.last_offset,
            self.stable,
        ] {
            out.extend(field.to_be_bytes());
        }
    }
}

impl AbortedTransactions {
    /// Adds what the file of a segment with the records from `base` to before `end` says. `false`,
    /// and nothing is added, where that cannot be true of it.
    pub fn load(&mut self, bytes: &[u8], base: Offset, end: Offset) -> bool {
        let known = self.0.len();
        for entry in bytes.chunks(ENTRY_BYTES) {
            let last = self.0.last().map_or(base, |last| last.last_offset + 1);
            match read(entry) {
                Ok(Some(one)) if (last.max(base)..end).contains(&one.last_offset) => {
                    self.0.push(one);
                }
                _ => {
                    self.0.truncate(known);
                    return false;
                }
            }
        }
        true
    }

    /// The entries in the file of a segment of those that ended before `end`.
    pub fn before(bytes: &[u8], end: Offset) -> &[u8] {
        let ended = |entry: &&[u8]| {
            let one = read(entry).ok().flatten();
            one.is_some_and(|one| one.last_offset < end)
        };
        let count = bytes.chunks(ENTRY_BYTES).take_while(ended).count();
        &bytes[..count * ENTRY_BYTES]
    }

    /// Those with records among the ones from `from` to before `upto`. Behind one after which
    /// everything before `upto` was stable there is none.
    pub fn among(&self, from: Offset, upto: Offset) -> impl Iterator<Item = &AbortedTransaction> {
        let all = self.from(from);
        let last = all.iter().position(|one| one.stable >= upto);
        let until = last.map_or(all.len(), |last| last + 1);
        let near = all[..until].iter();
        near.filter(move |one| one.first_offset < upto)
    }

    /// Whether any has its end at or behind `from`.
    pub fn any_from(&self, from: Offset) -> bool {
        !self.from(from).is_empty()
    }

    /// Adds one whose marker was just appended.
    pub fn push(&mut self, one: AbortedTransaction) {
        let last = self.0.last();
        debug_assert!(last.is_none_or(|last| last.last_offset < one.last_offset));
        self.0.push(one);
    }

    /// The content of the index of a segment with the records from `base` to before `end`.
    pub fn to_bytes(&self, base: Offset, end: Offset) -> Vec<u8> {
        let mut bytes = Vec::new();
        let of_segment = self.from(base).iter();
        let of_segment = of_segment.take_while(|one| one.last_offset < end);
        of_segment.for_each(|one| one.write(&mut bytes));
        bytes
    }

    /// Forgets those that ended before the log begins.
    pub fn cut_front(&mut self, start_offset: Offset) {
        let gone = self.0.len() - self.from(start_offset).len();
        self.0.drain(..gone);
    }

    fn from(&self, from: Offset) -> &[AbortedTransaction] {
        let at = self.0.partition_point(|one| one.last_offset < from);
        &self.0[at..]
    }
}

/// `None` for what is no entry.
fn read(entry: &[u8]) -> Result<Option<AbortedTransaction>, Short> {
    let mut cursor = Cursor::new(entry);
    let version = cursor.i16()?;
    let one = AbortedTransaction {
        producer_id: cursor.i64()?,
        first_offset: cursor.i64()?,
        last_offset: cursor.i64()?,
        stable: cursor.i64()?,
    };
    let is_sane = version == VERSION && (0..one.last_offset).contains(&one.first_offset);
    Ok(is_sane.then_some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(producer_id: i64, first: i64, last: i64) -> Vec<u8> {
        stable_at(producer_id, first, last, last + 1)
    }

    fn stable_at(producer_id: i64, first: i64, last: i64, stable: i64) -> Vec<u8> {
        let one = AbortedTransaction {
            producer_id,
            first_offset: first,
            last_offset: last,
            stable,
        };
        let mut bytes = Vec::new();
        one.write(&mut bytes);
        bytes
    }

    fn ids(of: &AbortedTransactions, from: i64, upto: i64) -> Vec<i64> {
        of.among(from, upto).map(|one| one.producer_id).collect()
    }

    #[test]
    fn a_reader_is_told_of_those_that_it_meets() {
        let mut all = AbortedTransactions::default();
        let first = stable_at(1, 0, 10, 5);
        assert!(all.load(&[first, entry(2, 5, 20)].concat(), 0, 30));
        assert!(all.load(&entry(3, 25, 40), 30, 50));
        assert_eq!(ids(&all, 0, 5), [1]);
        assert_eq!(ids(&all, 0, 6), [1, 2]);
        assert_eq!(ids(&all, 11, 26), [2, 3]);
        assert_eq!(ids(&all, 21, 25), [0; 0]);
        assert!(all.any_from(40) && !all.any_from(41));
        all.cut_front(11);
        assert_eq!(ids(&all, 0, 50), [2, 3]);
    }

    #[test]
    fn what_cannot_be_true_is_not_believed() {
        for bad in [
            entry(1, 0, 30),
            entry(1, 10, 10),
            entry(1, -1, 10),
            entry(1, 0, 10)[..33].to_vec(),
            [entry(1, 0, 10), entry(2, 3, 10)].concat(),
            vec![0xff; ENTRY_BYTES],
        ] {
            let mut all = AbortedTransactions::default();
            assert!(!all.load(&bad, 0, 30), "{bad:?}");
            assert_eq!(ids(&all, 0, 100), [0; 0]);
        }
    }
}
