//! Pure: how often the log says the same thing: once, and then what came since, every ten seconds.

use std::cell::Cell;

use super::Instant;

/// Between two lines, in nanoseconds.
const EVERY_NS: u64 = 10_000_000_000;

/// Something that clients can make happen as often as they like, and that is worth a line.
#[derive(Debug, Default)]
pub struct Seldom {
    said: Cell<Option<Instant>>,
    unsaid: Cell<u64>,
}

impl Seldom {
    /// Whether it is time for a line: how often it happened since the last one, this time included.
    pub fn happens(&self, now: Instant) -> Option<u64> {
        let count = self.unsaid.get() + 1;
        let is_early = |said: Instant| now.0.saturating_sub(said.0) < EVERY_NS;
        if self.said.get().is_some_and(is_early) {
            self.unsaid.set(count);
            return None;
        }
        self.said.set(Some(now));
        self.unsaid.set(0);
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_at_once_and_what_follows_is_counted() {
        let seldom = Seldom::default();
        let at = |ms: u64| seldom.happens(Instant(ms * 1_000_000));
        assert_eq!(at(5), Some(1));
        assert_eq!(at(6), None);
        assert_eq!(at(9_000), None);
        assert_eq!(at(10_005), Some(3));
        assert_eq!(at(10_006), None);
    }
}
