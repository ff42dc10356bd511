//! Pure: which segments may go: by age, by the log's size, or since readers may no longer see them.

use crate::base::{Offset, WallMs};
use crate::log::config::LogConfig;

/// What the choice looks at of a segment; oldest first, the last one is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where its successor begins, or the log ends.
    pub end_offset: Offset,
    /// Bytes of its batches.
    pub bytes: u64,
    /// The youngest timestamp in it, or when it was begun where its records have none.
    pub youngest: WallMs,
}

/// How many of the oldest segments may go. Nothing at or behind `acked_offset` goes, and the
/// active segment only when it holds something and is too old as a whole.
pub fn expired_count(
    segments: &[Candidate],
    start_offset: Offset,
    acked_offset: Offset,
    now: WallMs,
    config: &LogConfig,
) -> usize {
    let last = segments.len().saturating_sub(1);
    let acked = segments.iter().enumerate().take_while(|(at, segment)| {
        segment.end_offset <= acked_offset && (segment.bytes > 0 || *at < last)
    });
    let free = acked.count();
    let sealed = free.min(last);
    let unreadable = segments[..sealed]
        .iter()
        .take_while(|segment| segment.end_offset <= start_offset)
        .count();
    if !config.delete_old {
        return unreadable;
    }
    let too_old = |segment: &&Candidate| now - segment.youngest > config.retention_ms;
    let aged = match config.retention_ms {
        ..0 => 0,
        _ => segments[..free].iter().take_while(too_old).count(),
    };
    let oversized = match u64::try_from(config.retention_bytes) {
        Ok(limit) => oversized_count(&segments[..free], segments, limit),
        Err(_) => 0,
    };
    unreadable.max(aged).max(oversized)
}

/// As many of the oldest as leave the rest no smaller than `limit` bytes.
fn oversized_count(free: &[Candidate], all: &[Candidate], limit: u64) -> usize {
    let total: u64 = all.iter().map(|segment| segment.bytes).sum();
    let mut excess = total.saturating_sub(limit);
    free.iter()
        .take_while(|segment| {
            let goes = excess > 0 && segment.bytes <= excess;
            excess -= if goes { segment.bytes } else { 0 };
            goes
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments() -> Vec<Candidate> {
        let of = |end_offset, bytes, youngest| Candidate {
            end_offset,
            bytes,
            youngest,
        };
        vec![
            of(10, 100, 1000),
            of(20, 100, 2000),
            of(30, 100, 1500),
            of(35, 50, 3000),
        ]
    }

    fn config(retention_ms: i64, retention_bytes: i64) -> LogConfig {
        LogConfig {
            retention_ms,
            retention_bytes,
            ..LogConfig::default()
        }
    }

    fn count(retention_ms: i64, retention_bytes: i64, now: WallMs) -> usize {
        expired_count(
            &segments(),
            0,
            35,
            now,
            &config(retention_ms, retention_bytes),
        )
    }

    #[test]
    fn age_takes_the_oldest_and_stops_at_the_first_that_is_young() {
        assert_eq!(count(1000, -1, 2000), 0);
        assert_eq!(count(1000, -1, 2001), 1);
        assert_eq!(count(1000, -1, 3000), 1);
        assert_eq!(count(1000, -1, 3001), 3);
        assert_eq!(count(1000, -1, 4001), 4, "the active one too");
        assert_eq!(count(-1, -1, i64::MAX), 0);
    }

    #[test]
    fn size_keeps_at_least_the_limit() {
        assert_eq!(count(-1, 350, 0), 0);
        assert_eq!(count(-1, 251, 0), 0);
        assert_eq!(count(-1, 250, 0), 1);
        assert_eq!(count(-1, 149, 0), 2);
        assert_eq!(count(-1, 0, 0), 4);
    }

    #[test]
    fn nothing_unacked_goes_and_an_empty_active_segment_stays() {
        let config = config(0, 0);
        assert_eq!(expired_count(&segments(), 0, 19, i64::MAX, &config), 1);
        let mut with_empty = segments();
        with_empty[3].bytes = 0;
        assert_eq!(expired_count(&with_empty, 0, 35, i64::MAX, &config), 3);
        assert_eq!(expired_count(&[], 0, 0, 0, &config), 0);
        // One that a batch far ahead has left without records is no active one.
        with_empty[1].bytes = 0;
        assert_eq!(expired_count(&with_empty, 0, 35, i64::MAX, &config), 3);
    }

    #[test]
    fn what_nobody_may_read_goes_even_where_deletion_is_off() {
        let mut config = config(0, 0);
        config.delete_old = false;
        assert_eq!(expired_count(&segments(), 20, 35, i64::MAX, &config), 2);
        assert_eq!(expired_count(&segments(), 29, 35, i64::MAX, &config), 2);
        assert_eq!(expired_count(&segments(), 35, 35, i64::MAX, &config), 3);
    }
}
