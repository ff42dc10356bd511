//! Drives: the clock of a run, the same for all its threads.

use std::time::{Duration, Instant, SystemTime};

/// Time of a run: nanoseconds since it was made, the same for all threads.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    wall: SystemTime,
    /// The beginning in nanoseconds since 1970.
    since_1970_ns: u64,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Clock {
        let wall = SystemTime::now();
        let since = wall.duration_since(SystemTime::UNIX_EPOCH);
        Clock {
            origin: Instant::now(),
            wall,
            since_1970_ns: since.map_or(0, |since| since.as_nanos() as u64),
        }
    }

    /// Nanoseconds since the beginning.
    pub fn now_ns(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    /// The time of day at `ns`.
    pub fn wall(&self, ns: u64) -> SystemTime {
        self.wall + Duration::from_nanos(ns)
    }

    /// The same in milliseconds since 1970; each record has it.
    pub fn wall_ms(&self, ns: u64) -> i64 {
        ((self.since_1970_ns + ns) / 1_000_000) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_times_of_day_are_the_same() {
        let clock = Clock::start();
        for ns in [0, 1, 999_999, 123_456_789_012] {
            let since = clock.wall(ns).duration_since(SystemTime::UNIX_EPOCH);
            assert_eq!(clock.wall_ms(ns), since.unwrap().as_millis() as i64);
        }
    }
}
