//! Pure: how much room a log asks for ahead of its end.

use std::cell::Cell;

use crate::base::{Offset, WallMs};
use crate::io::buffer::block_up;
use crate::log::format::extent;

/// A step of which at least half was used within this time makes the next one twice as long.
const FAST_STEP_MS: i64 = 5_000;
/// A step that lasted longer than this makes the next one half as long.
const SLOW_STEP_MS: i64 = 60_000;

/// Where a log was, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// By the wall clock.
    pub now: WallMs,
    /// The base offset of the segment.
    pub segment: Offset,
    /// Bytes in that.
    pub size: u64,
}

/// Steps that follow the rate of appends.
pub struct Step {
    /// The shortest and the longest, in bytes.
    bounds: (u64, u64),
    /// The one of now, in bytes.
    bytes: Cell<u64>,
    /// What one was last asked for with; `None` before the first since the start.
    asked: Cell<Option<Asked>>,
    /// Whether what was asked for last is not there yet.
    is_pending: Cell<bool>,
    /// Whether there was no room for what was asked for last, and only what is needed is asked for
    /// now.
    asks_less: Cell<bool>,
}

impl Step {
    /// The shortest steps, within `bounds` in bytes from now on.
    pub fn new(bounds: (u64, u64)) -> Step {
        Step {
            bounds,
            bytes: Cell::new(bounds.0),
            asked: Cell::new(None),
            is_pending: Cell::new(false),
            asks_less: Cell::new(false),
        }
    }

    /// Whether a file with room for `prepared` bytes is to get more: at most half a step is left
    /// behind its `size`. Beyond `limit` bytes only what is needed is asked for.
    pub fn is_low(&self, size: u64, prepared: u64, limit: u64) -> bool {
        let left = prepared.saturating_sub(size);
        prepared < block_up(limit) && left <= self.bytes.get() / 2
    }

    /// Whether anything was appended since the start.
    pub fn was_asked_for(&self) -> bool {
        self.asked.get().is_some()
    }

    /// Up to where a file is to have room whose records end at `size`.
    pub fn target(&self, size: u64, limit: u64) -> u64 {
        let needed = extent(size);
        match self.asks_less.get() {
            true => needed,
            false => needed.max(block_up(size + self.bytes.get()).min(block_up(limit))),
        }
    }

    /// Notes that more is asked for, once until it is there. Segments that are sealed after a
    /// small part of a step make it shorter: each of them would have that much room.
    pub fn ask(&self, asked: Asked) {
        if self.is_pending.replace(true) {
            return;
        }
        let bytes = self.bytes.get();
        let Some(last) = self.asked.replace(Some(asked)) else {
            return self.set(bytes);
        };
        let lasted_ms = asked.now - last.now;
        let used = match asked.segment == last.segment {
            true => asked.size.saturating_sub(last.size),
            false => asked.size,
        };
        let was_sealed_soon = asked.segment != last.segment && used < bytes / 4;
        self.set(if lasted_ms > SLOW_STEP_MS || was_sealed_soon {
            bytes / 2
        } else if lasted_ms < FAST_STEP_MS && used >= bytes / 2 {
            bytes * 2
        } else {
            bytes
        });
    }

    /// Has only what is needed asked for where there was no room for more; `false` when that has
    /// been tried.
    pub fn ask_for_less(&self) -> bool {
        self.set(0);
        !self.asks_less.replace(true)
    }

    /// Notes that there was room.
    pub fn was_had(&self) {
        self.is_pending.set(false);
        self.asks_less.set(false);
    }

    fn set(&self, bytes: u64) {
        let (least, most) = self.bounds;
        self.bytes.set(bytes.clamp(least, most));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1 << 10;
    const LIMIT: u64 = 1 << 30;

    fn at(now: WallMs, segment: Offset, size: u64) -> Asked {
        Asked { now, segment, size }
    }

    #[test]
    fn a_log_that_is_filled_fast_asks_for_more_at_a_time_and_a_slow_one_for_less() {
        let step = Step::new((64 * KIB, 256 * KIB));
        assert!(!step.was_asked_for());
        let mut targets = Vec::new();
        let mut size = 0;
        for now in [0, 1_000, 2_000, 3_000, 10_000, 80_000, 150_000, 220_000] {
            for _ in 0..3 {
                step.ask(at(now, 0, size));
            }
            step.was_had();
            targets.push(step.target(0, LIMIT) / KIB);
            size += targets[targets.len() - 1] * KIB / 2;
        }
        assert_eq!(targets, [64, 128, 256, 256, 256, 128, 64, 64]);
        let left = |left: u64| step.is_low(1 << 20, (1 << 20) + left, LIMIT);
        assert!(left(32 * KIB) && !left(33 * KIB));
    }

    #[test]
    fn what_is_not_used_does_not_make_steps_longer_and_short_segments_make_them_shorter() {
        let step = Step::new((64 * KIB, 256 * KIB));
        let mut targets = Vec::new();
        let filled = [(0, 32), (0, 96), (0, 224), (0, 225)];
        let sealed_soon = [(1, 60), (2, 1), (3, 1), (4, 1), (5, 1)];
        for (now, (segment, kib)) in (0..).zip(filled.into_iter().chain(sealed_soon)) {
            step.ask(at(now, segment, kib * KIB));
            step.was_had();
            targets.push(step.target(0, LIMIT) / KIB);
        }
        assert_eq!(targets, [64, 128, 256, 256, 128, 64, 64, 64, 64]);
    }

    #[test]
    fn no_more_is_asked_for_than_the_segment_may_have_but_what_is_needed_always_is() {
        let step = Step::new((64 * KIB, 256 * KIB));
        step.ask(at(0, 0, 0));
        assert_eq!(step.target(100, 8 * KIB), 8 * KIB);
        assert_eq!(
            step.target(8 * KIB, 8 * KIB),
            12 * KIB,
            "its trailer lies behind it"
        );
        assert!(!step.is_low(8 * KIB, 8 * KIB, 8 * KIB));
    }

    #[test]
    fn where_there_is_no_room_what_is_needed_is_asked_for_once_more() {
        let step = Step::new((64 * KIB, 256 * KIB));
        step.ask(at(0, 0, 0));
        assert!(step.ask_for_less() && !step.ask_for_less());
        assert_eq!(step.target(100, LIMIT), 4 * KIB);
        step.was_had();
        assert_eq!(step.target(100, LIMIT), 68 * KIB);
    }
}
