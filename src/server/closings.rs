//! Pure: how many lines the log gets of connections that are closed or refused: whole ones while
//! they are few, a count of the rest. A client that sends garbage in a loop cannot fill a disk.

use std::cell::Cell;

use crate::base::{Instant, limits};

/// The lines of one shard.
pub struct Closings {
    /// Since when lines are counted.
    window: Cell<Instant>,
    /// Lines since then that were written.
    written: Cell<u32>,
    /// Those that were not.
    left_out: Cell<u64>,
}

impl Closings {
    /// Nothing was closed yet.
    pub fn new(now: Instant) -> Closings {
        Closings {
            window: Cell::new(now),
            written: Cell::new(0),
            left_out: Cell::new(0),
        }
    }

    /// Whether one more line may be written.
    pub fn may_write(&self, now: Instant) -> bool {
        if self.is_over(now) && self.left_out.get() == 0 {
            self.restart(now);
        }
        if self.written.get() < limits::CLOSING_LINES_MAX {
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
        now.since(self.window.get()).as_millis() as u64 >= limits::CLOSING_LINES_MS
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

    #[test]
    fn a_storm_gets_its_first_lines_and_a_count_in_each_window() {
        let at = |ms: i64| Instant(0).after_ms(ms);
        let closings = Closings::new(at(0));
        let (mut lines, mut counted) = (0, 0);
        // A thousand a second, for a minute.
        for ms in 0..60_000 {
            lines += u32::from(closings.may_write(at(ms)));
            if ms % 1_000 == 0
                && let Some(count) = closings.left_out(at(ms))
            {
                counted += count;
            }
        }
        assert!(lines <= 6 * limits::CLOSING_LINES_MAX, "{lines} lines");
        let counted = counted + closings.left_out(at(70_000)).unwrap();
        assert_eq!(u64::from(lines) + counted, 60_000, "none is forgotten");
        assert_eq!(closings.left_out(at(90_000)), None);
        assert!(closings.may_write(at(90_000)));
    }

    #[test]
    fn a_few_now_and_then_are_all_written() {
        let closings = Closings::new(Instant(0));
        let few = |n: i64| closings.may_write(Instant(0).after_ms(n * 2_000));
        assert!((0..1_000).all(few));
    }
}
