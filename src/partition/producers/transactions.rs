//! Pure: the transactions of one partition that are not decided, or whose decision is not committed
//! yet: up to where the log is stable (KIP-98).

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Offset, ProducerId};

/// A transaction that a marker has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// The producer that wrote it.
    pub producer_id: ProducerId,
    /// The offset of its first record.
    pub first_offset: Offset,
    /// The offset of the marker.
    pub marker_offset: Offset,
    /// The first offset that is not stable after it: where the first transaction begins that is
    /// open then, or behind the marker.
    pub stable: Offset,
    /// Whether it was committed.
    pub committed: bool,
}

/// Transactions of a partition. There are few at a time: nothing is kept of one once its marker is
/// committed.
#[derive(Clone, Debug, Default)]
pub(super) struct Transactions {
    /// Open ones: the offsets of their first records.
    open: BTreeSet<Offset>,
    /// Ended ones whose marker is not known to be committed: the offset of the marker by that of
    /// the first record.
    ended: BTreeMap<Offset, Offset>,
}

impl Transactions {
    /// A producer begins one with the record at `first_offset`.
    pub fn begin(&mut self, first_offset: Offset) {
        self.open.insert(first_offset);
    }

    /// A marker at `marker_offset` ends the one that begins at `first_offset`; returns the first
    /// offset that is not stable after it.
    pub fn end(&mut self, first_offset: Offset, marker_offset: Offset) -> Offset {
        self.open.remove(&first_offset);
        self.ended.insert(first_offset, marker_offset);
        self.first_open().unwrap_or(marker_offset + 1)
    }

    /// The first offset that belongs to a transaction which is not decided, everything before
    /// `committed` being committed: a decision counts once its marker is.
    #[inline]
    pub fn first_unstable(&mut self, committed: Offset) -> Option<Offset> {
        if self.open.is_empty() && self.ended.is_empty() {
            return None;
        }
        self.ended.retain(|_, marker| *marker >= committed);
        let ended = self.ended.first_key_value().map(|(first, _)| *first);
        self.first_open().into_iter().chain(ended).min()
    }

    /// The first offset of the oldest open one.
    pub fn first_open(&self) -> Option<Offset> {
        self.open.first().copied()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Transactions::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_stable_up_to_the_first_transaction_that_is_not_decided_for_good() {
        let mut all = Transactions::default();
        assert_eq!(all.first_unstable(0), None);
        all.begin(10);
        all.begin(12);
        assert_eq!(all.first_unstable(20), Some(10));
        // Decided, but the marker may still be lost.
        assert_eq!(all.end(10, 20), 12);
        assert_eq!(all.first_open(), Some(12));
        assert_eq!(all.first_unstable(20), Some(10));
        assert_eq!(all.first_unstable(21), Some(12));
        assert_eq!(all.end(12, 21), 22);
        assert_eq!(all.first_unstable(21), Some(12));
        assert_eq!(all.first_unstable(22), None);
    }
}
