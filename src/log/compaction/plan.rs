//! Pure: what of a log is dirty, whether cleaning it is due, and which segments become one.
//!
//! The rules are those of Kafka's `LogCleanerManager` and `Cleaner.groupSegmentsBySize`.

use std::ops::Range;

use crate::base::{Offset, WallMs};

/// A sealed segment, as far as the choice looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Offset of its first record.
    pub base: Offset,
    /// Where its successor begins.
    pub end: Offset,
    /// Bytes of its batches.
    pub bytes: u64,
    /// Bytes of its larger index.
    pub index_bytes: u64,
    /// The youngest timestamp in it.
    pub youngest: WallMs,
    /// The timestamp of its first batch; not above 0 where that is not known or not wanted.
    pub first: WallMs,
}

/// What a log's settings and state say about its cleaning.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Up to where it was cleaned (`cleaner-offset-checkpoint`).
    pub cleaned: Option<Offset>,
    /// The first offset that may be read.
    pub start: Offset,
    /// The offset that the next record gets.
    pub end: Offset,
    /// Every record before this is acked and of no open transaction.
    pub stable: Offset,
    /// `min.compaction.lag.ms`.
    pub min_lag_ms: i64,
    /// `max.compaction.lag.ms`.
    pub max_lag_ms: i64,
    /// The time.
    pub now: WallMs,
}

/// What a cleaning of a log would do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dirt {
    /// The first offset that no cleaning has looked at.
    pub first_dirty: Offset,
    /// A segment's base offset: from here on nothing may be cleaned yet.
    pub end: Offset,
    /// Bytes before the dirty part.
    pub clean_bytes: u64,
    /// Bytes of the dirty part.
    pub dirty_bytes: u64,
    /// Whether a record in it has waited longer than `max.compaction.lag.ms`.
    pub overdue: bool,
}

// === impl Dirt ===

impl Dirt {
    /// What of the log is dirty; `pieces` are its sealed segments in order.
    pub fn of(pieces: &[Piece], bounds: &Bounds) -> Dirt {
        let active = pieces.last().map_or(bounds.start, |last| last.end);
        let first_dirty = bounds
            .cleaned
            .filter(|offset| (bounds.start..=bounds.end).contains(offset))
            .unwrap_or(bounds.start);
        let dirty = || pieces.iter().filter(|piece| piece.end > first_dirty);
        let too_young = (bounds.min_lag_ms > 0)
            .then(|| dirty().find(|piece| piece.youngest > bounds.now - bounds.min_lag_ms))
            .flatten();
        let limit = too_young.map_or(active, |piece| piece.base);
        let limit = limit.min(bounds.stable).max(first_dirty);
        let uncleanable = pieces.iter().find(|piece| piece.end > limit);
        let end = uncleanable.map_or(active, |piece| piece.base);
        let sum = |pieces: &mut dyn Iterator<Item = &Piece>| pieces.map(|piece| piece.bytes).sum();
        let oldest = dirty().map(|piece| piece.first).filter(|first| *first > 0);
        let oldest = oldest.min();
        Dirt {
            first_dirty,
            end,
            clean_bytes: sum(&mut pieces.iter().filter(|piece| piece.base < first_dirty)),
            dirty_bytes: sum(&mut dirty().filter(|piece| piece.base < end)),
            overdue: oldest
                .is_some_and(|first| first < bounds.now.saturating_sub(bounds.max_lag_ms.max(0))),
        }
    }

    /// The share of bytes that no cleaning has looked at, of all that one would look at.
    pub fn ratio(&self) -> f64 {
        match self.clean_bytes + self.dirty_bytes {
            0 => 0.0,
            total => self.dirty_bytes as f64 / total as f64,
        }
    }

    /// Whether it is time to clean.
    pub fn is_due(&self, min_ratio: f64) -> bool {
        self.dirty_bytes > 0 && (self.overdue || self.ratio() > min_ratio)
    }
}

/// How the segments in `pieces`, which lie in order, become fewer: each range of them one of at
/// most `max_bytes` with indexes of at most `max_index_bytes`, unless a single one is larger.
pub fn groups(pieces: &[Piece], max_bytes: u64, max_index_bytes: u64) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let (mut bytes, mut index_bytes) = (0, 0);
    for (at, piece) in pieces.iter().enumerate() {
        let fits = |group: &Range<usize>| {
            let base = pieces[group.start].base;
            bytes + piece.bytes <= max_bytes
                && index_bytes + piece.index_bytes <= max_index_bytes
                && piece.end - 1 - base <= i64::from(i32::MAX)
        };
        match groups.last_mut() {
            Some(group) if fits(group) => {
                group.end = at + 1;
                bytes += piece.bytes;
                index_bytes += piece.index_bytes;
            }
            _ => {
                groups.push(at..at + 1);
                (bytes, index_bytes) = (piece.bytes, piece.index_bytes);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces() -> Vec<Piece> {
        (0..5)
            .map(|index| Piece {
                base: index * 10,
                end: index * 10 + 10,
                bytes: 100,
                index_bytes: 8,
                youngest: 1000 * index + 900,
                first: 1000 * index + 1,
            })
            .collect()
    }

    fn bounds() -> Bounds {
        Bounds {
            cleaned: None,
            start: 0,
            end: 57,
            stable: 57,
            min_lag_ms: 0,
            max_lag_ms: i64::MAX,
            now: 6000,
        }
    }

    fn range(change: impl FnOnce(&mut Bounds)) -> (Offset, Offset, u64, u64, bool) {
        let mut bounds = bounds();
        change(&mut bounds);
        let dirt = Dirt::of(&pieces(), &bounds);
        let Dirt {
            first_dirty,
            end,
            clean_bytes,
            dirty_bytes,
            overdue,
        } = dirt;
        (first_dirty, end, clean_bytes, dirty_bytes, overdue)
    }

    #[test]
    fn all_but_the_active_segment_is_dirty_at_first() {
        assert_eq!(range(|_| {}), (0, 50, 0, 500, false));
        assert_eq!(range(|it| it.start = 15), (15, 50, 200, 400, false));
        assert_eq!(
            Dirt::of(&[], &bounds()).ratio(),
            0.0,
            "an empty log is clean"
        );
    }

    #[test]
    fn the_checkpoint_says_where_dirt_begins_unless_it_cannot_be_true() {
        assert_eq!(range(|it| it.cleaned = Some(30)), (30, 50, 300, 200, false));
        assert_eq!(range(|it| it.cleaned = Some(58)), (0, 50, 0, 500, false));
        let raised = |it: &mut Bounds| (it.cleaned, it.start) = (Some(10), 20);
        assert_eq!(range(raised), (20, 50, 200, 300, false));
        assert_eq!(range(|it| it.cleaned = Some(50)), (50, 50, 500, 0, false));
    }

    #[test]
    fn young_and_undecided_records_stay_as_they_are() {
        assert_eq!(range(|it| it.stable = 34), (0, 30, 0, 300, false));
        assert_eq!(range(|it| it.stable = 30), (0, 30, 0, 300, false));
        let young = |it: &mut Bounds| it.min_lag_ms = 3101;
        assert_eq!(range(young), (0, 20, 0, 200, false));
        let cleaned = |it: &mut Bounds| (it.min_lag_ms, it.cleaned) = (3101, Some(40));
        assert_eq!(range(cleaned), (40, 40, 400, 0, false));
    }

    #[test]
    fn what_has_waited_too_long_is_cleaned_whatever_the_ratio() {
        let lag = |max: i64| range(|it| (it.max_lag_ms, it.cleaned) = (max, Some(40))).4;
        assert!(lag(1998) && !lag(1999));
        let mut bounds = bounds();
        bounds.cleaned = Some(40);
        let mut dirt = Dirt::of(&pieces(), &bounds);
        assert_eq!(dirt.ratio(), 0.2);
        assert!(dirt.is_due(0.19) && !dirt.is_due(0.2));
        dirt.overdue = true;
        assert!(dirt.is_due(1.0));
        dirt.dirty_bytes = 0;
        assert!(!dirt.is_due(0.0));
    }

    #[test]
    fn neighbours_become_one_within_the_bounds() {
        let groups = |bytes, index| groups(&pieces(), bytes, index);
        assert_eq!(groups(250, 1000), [0..2, 2..4, 4..5]);
        assert_eq!(groups(500, 1000), vec![0..5]);
        assert_eq!(groups(500, 17), [0..2, 2..4, 4..5]);
        assert_eq!(groups(50, 1000), [0..1, 1..2, 2..3, 3..4, 4..5]);
        let mut far = pieces();
        far[4].end = i64::from(i32::MAX) + 2;
        assert_eq!(super::groups(&far, 1000, 1000), [0..4, 4..5]);
        far[4].end -= 1;
        assert_eq!(super::groups(&far, 1000, 1000), vec![0..5]);
        assert!(super::groups(&[], 1, 1).is_empty());
    }
}
