//! Pure: how many lines the log gets of what clients can make happen as often as they like: whole
//! ones while they are few, a count of the rest. A client that does it in a loop cannot fill a
//! disk.

use std::cell::Cell;

use super::{Instant, limits};

/// The lines of one shard about one kind of event.
#[derive(Debug, Default)]
pub struct Lines {
    /// Since when lines are counted.
    window: Cell<Instant>,
    /// Lines since then that were written.
    written: Cell<u32>,
    /// Those that were not.
    left_out: Cell<u64>,
}

impl Lines {
    /// Whether one more line may be written, where `most` may be in a window.
    pub fn may_write(&self, now: Instant, most: u32) -> bool {
        if self.is_over(now) && self.left_out.get() == 0 {
            self.restart(now);
        }
        if self.written.get() < most {
            self.written.set(self.written.get() + 1);
            return true;
        }
        self.left_out.set(self.left_out.get() + 1);
        false
    }

    /// How many lines were left out, once their time is over: it is to be said in one line.
    pub fn left_out(&self, now: Instant) -> Option<u64> {
        let count = self.left_out.get();
        if count == 0 || !self.is_over(now) {
            return None;
        }
        self.restart(now);
        Some(count)
    }

    fn is_over(&self, now: Instant) -> bool {
        now.0.saturating_sub(self.window.get().0) >= limits::LINES_WINDOW_MS * 1_000_000
    }

    fn restart(&self, now: Instant) {
        self.window.set(now);
        self.written.set(0);
        self.left_out.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u32 = 10;

    #[test]
    fn a_storm_gets_its_first_lines_and_a_count_in_each_window() {
        let at = |ms: i64| Instant(0).after_ms(ms);
        let lines = Lines::default();
        let (mut written, mut counted) = (0, 0);
        // A thousand a second, for a minute.
        for ms in 0..60_000 {
            written += u32::from(lines.may_write(at(ms), MOST));
            if ms % 1_000 == 0
                && let Some(count) = lines.left_out(at(ms))
            {
                counted += count;
            }
        }
        assert!(written <= 6 * MOST, "{written} lines");
        let counted = counted + lines.left_out(at(70_000)).unwrap();
        assert_eq!(u64::from(written) + counted, 60_000, "none is forgotten");
        assert_eq!(lines.left_out(at(90_000)), None);
        assert!(lines.may_write(at(90_000), MOST));
    }

    #[test]
    fn a_few_now_and_then_are_all_written() {
        let lines = Lines::default();
        let few = |n: i64| lines.may_write(Instant(0).after_ms(n * 2_000), MOST);
        assert!((0..1_000).all(few));
    }
}
