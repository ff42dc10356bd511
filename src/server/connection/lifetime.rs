//! Pure: how long a connection may take to send a request, to read an answer, and be idle.

use std::cell::Cell;
use std::fmt;

use crate::base::{Instant, limits};

/// What a connection has been doing, and since when. It is told of everything but the progress of
/// writes, which [`Lifetime::overdue`] looks at.
pub struct Lifetime {
    /// When the last byte came or went.
    active: Cell<Instant>,
    /// The request that has begun to arrive and is not complete.
    partial: Cell<Option<Partial>>,
    /// A large request that is arriving and holds memory that others may wait for.
    arrival: Cell<Option<Arrival>>,
    /// An answer that waits for the other side to read.
    write: Cell<Option<BlockedWrite>>,
    /// Whether its requests have ended and only answers are due.
    ending: Cell<bool>,
}

/// What the lifetime is not told of as it happens.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Bytes of answers that the kernel has taken so far.
    pub written_bytes: u64,
    /// Whether a write waits for the other side to read.
    pub is_write_blocked: bool,
    /// `connections.max.idle.ms`, unless that is unlimited.
    pub idle_max_ms: Option<i64>,
    /// Whether others wait for memory.
    pub is_memory_short: bool,
}

/// Why a connection has lasted too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overdue {
    /// Nothing came or went for `connections.max.idle.ms`.
    Idle,
    /// A request was left half sent, or comes in too slowly for its size.
    HalfSent,
    /// A large request comes in too slowly for the memory it holds, which others wait for.
    SlowRequest,
    /// An answer is not read.
    Unread,
    /// An answer is read too slowly for the memory it holds, which others wait for.
    SlowReader,
    /// Requests of a client that has ended cannot be answered.
    Lingering,
}

#[derive(Clone, Copy)]
struct Partial {
    since: Instant,
    /// Bytes of the whole request; 0 while that is not known.
    bytes: usize,
}

#[derive(Clone, Copy)]
struct Arrival {
    since: Instant,
    bytes: u64,
}

#[derive(Clone, Copy)]
struct BlockedWrite {
    /// When the kernel was last seen to have taken a byte, and how many it had taken.
    moved: Instant,
    written_bytes: u64,
    /// From when on its rate is measured, and how many bytes had been taken then.
    window: Instant,
    window_bytes: u64,
}

// === impl Lifetime: what happens ===

impl Lifetime {
    /// That of a connection that begins.
    pub fn new(now: Instant) -> Lifetime {
        Lifetime {
            active: Cell::new(now),
            partial: Cell::new(None),
            arrival: Cell::new(None),
            write: Cell::new(None),
            ending: Cell::new(false),
        }
    }

    /// `count` bytes came.
    pub fn received(&self, count: usize, now: Instant) {
        self.active.set(now);
        if let Some(arrival) = self.arrival.get() {
            let bytes = arrival.bytes + count as u64;
            self.arrival.set(Some(Arrival { bytes, ..arrival }));
        }
    }

    /// A request was answered.
    pub fn answered(&self, now: Instant) {
        self.active.set(now);
    }

    /// More is to come of a request of `bytes` in all, 0 when that is not known yet.
    pub fn lacks_rest(&self, bytes: usize) {
        let since = match self.partial.get() {
            Some(partial) => partial.since,
            // Its first bytes came with the last read.
            None => self.active.get(),
        };
        self.partial.set(Some(Partial { since, bytes }));
    }

    /// Nothing is half sent: all requests that came are begun, or it is the broker that does not
    /// read.
    pub fn has_all(&self) {
        self.partial.set(None);
    }

    /// A large request was given its memory.
    pub fn holds_memory(&self, now: Instant) {
        self.active.set(now);
        let since = now;
        self.arrival.set(Some(Arrival { since, bytes: 0 }));
    }

    /// No large request holds memory any more.
    pub fn holds_no_memory(&self) {
        self.arrival.set(None);
    }

    /// No more requests come.
    pub fn end(&self, now: Instant) {
        self.active.set(now);
        self.has_all();
        self.holds_no_memory();
        self.ending.set(true);
    }

    /// Whether no more requests come.
    pub fn is_ending(&self) -> bool {
        self.ending.get()
    }
}

// === impl Lifetime: what is too long ===

impl Lifetime {
    /// Why it is to be closed, if it is. To be called every few seconds: that is how exactly
    /// the limits are kept.
    pub fn overdue(&self, now: Instant, facts: &Facts) -> Option<Overdue> {
        let write = self.look_at_write(now, facts);
        let silent_ms = ms_since(self.active.get(), now);
        if facts.is_memory_short && self.arrival.get().is_some_and(|it| it.is_slow(now)) {
            return Some(Overdue::SlowRequest);
        }
        if facts.is_memory_short && write.is_some_and(|it| it.is_slow(now)) {
            return Some(Overdue::SlowReader);
        }
        self.restart_window(now);
        let stall_max_ms = limits::WRITE_STALL_MAX_MS.min(facts.idle_max_ms.unwrap_or(i64::MAX));
        if write.is_some_and(|it| ms_since(it.moved, now) > stall_max_ms) {
            return Some(Overdue::Unread);
        }
        let left = |partial: Partial| partial.is_overdue(now, silent_ms);
        if self.partial.get().is_some_and(left) {
            return Some(Overdue::HalfSent);
        }
        if self.ending.get() && silent_ms > limits::LINGER_MAX_MS {
            return Some(Overdue::Lingering);
        }
        let idle = write.is_none() && facts.idle_max_ms.is_some_and(|max| silent_ms > max);
        idle.then_some(Overdue::Idle)
    }

    /// Notes the progress of a write since the last call. Bytes that the kernel took count as
    /// activity.
    fn look_at_write(&self, now: Instant, facts: &Facts) -> Option<BlockedWrite> {
        let seen = match (self.write.get(), facts.is_write_blocked) {
            (_, false) => None,
            (Some(seen), true) if seen.written_bytes == facts.written_bytes => Some(seen),
            (Some(seen), true) => {
                self.active.set(now);
                Some(BlockedWrite {
                    moved: now,
                    written_bytes: facts.written_bytes,
                    ..seen
                })
            }
            (None, true) => Some(BlockedWrite {
                moved: now,
                written_bytes: facts.written_bytes,
                window: now,
                window_bytes: facts.written_bytes,
            }),
        };
        self.write.set(seen);
        seen
    }

    /// Measures the rate of a long write anew now and then: that it was fast long ago does not
    /// count.
    fn restart_window(&self, now: Instant) {
        if let Some(write) = self.write.get()
            && ms_since(write.window, now) > limits::WRITE_GRACE_MS
        {
            self.write.set(Some(BlockedWrite {
                window: now,
                window_bytes: write.written_bytes,
                ..write
            }));
        }
    }
}

fn ms_since(then: Instant, now: Instant) -> i64 {
    now.since(then).as_millis() as i64
}

impl Partial {
    fn is_overdue(self, now: Instant, silent_ms: i64) -> bool {
        let by_size_ms = self.bytes as i64 / limits::PARTIAL_REQUEST_BYTES_PER_MS;
        silent_ms > limits::PARTIAL_REQUEST_MAX_MS
            || ms_since(self.since, now) > limits::PARTIAL_REQUEST_MAX_MS + by_size_ms
    }
}

impl Arrival {
    fn is_slow(self, now: Instant) -> bool {
        let lasted_ms = ms_since(self.since, now) as u64;
        let wanted = lasted_ms * limits::ARRIVAL_BYTES_PER_MS;
        lasted_ms > limits::ARRIVAL_GRACE_MS && self.bytes < wanted
    }
}

impl BlockedWrite {
    fn is_slow(self, now: Instant) -> bool {
        let lasted_ms = ms_since(self.window, now);
        let bytes = self.written_bytes - self.window_bytes;
        lasted_ms > limits::WRITE_GRACE_MS && bytes < lasted_ms as u64 * limits::WRITE_BYTES_PER_MS
    }
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Overdue::Idle => "idle for connections.max.idle.ms",
            Overdue::HalfSent => "a request was left half sent, or comes in too slowly",
            Overdue::SlowRequest => {
                "a large request comes in too slowly while others wait for memory"
            }
            Overdue::Unread => "an answer is not read",
            Overdue::SlowReader => "an answer is read too slowly while others wait for memory",
            Overdue::Lingering => "requests of a client that has ended cannot be answered",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Instant = Instant(0);
    const QUIET: Facts = Facts {
        written_bytes: 0,
        is_write_blocked: false,
        idle_max_ms: Some(600_000),
        is_memory_short: false,
    };

    fn blocked(written_bytes: u64) -> Facts {
        Facts {
            written_bytes,
            is_write_blocked: true,
            ..QUIET
        }
    }

    /// The first moment, in steps of a second, at which a connection is found overdue.
    fn first(
        upto_s: i64,
        mut each_second: impl FnMut(i64) -> Facts,
        lifetime: &Lifetime,
    ) -> Option<(i64, Overdue)> {
        (1..=upto_s).find_map(|second| {
            let facts = each_second(second);
            let why = lifetime.overdue(T0.after_ms(second * 1_000), &facts)?;
            Some((second, why))
        })
    }

    #[test]
    fn a_request_that_drips_has_one_time_in_all_which_grows_with_its_size() {
        for (bytes, upto_s) in [(0, 31), (1_000_000, 131), (100_000_000, 10_031)] {
            let lifetime = Lifetime::new(T0);
            lifetime.received(5, T0);
            let dripping = |second: i64| {
                lifetime.lacks_rest(bytes);
                lifetime.received(1, T0.after_ms(second * 1_000));
                QUIET
            };
            let found = first(20_000, dripping, &lifetime);
            assert_eq!(found, Some((upto_s, Overdue::HalfSent)), "{bytes} bytes");
        }
    }

    #[test]
    fn half_a_request_may_be_silent_for_half_a_minute_and_the_next_begins_anew() {
        let lifetime = Lifetime::new(T0);
        lifetime.received(5, T0);
        lifetime.lacks_rest(100_000_000);
        let found = first(100, |_| QUIET, &lifetime);
        assert_eq!(found, Some((31, Overdue::HalfSent)));
        let lifetime = Lifetime::new(T0);
        let small_requests = |second: i64| {
            lifetime.received(100, T0.after_ms(second * 1_000));
            lifetime.has_all();
            lifetime.lacks_rest(50);
            QUIET
        };
        assert_eq!(first(1_000, small_requests, &lifetime), None);
        // While it is we who do not read, nothing is half sent.
        lifetime.has_all();
        assert_eq!(lifetime.overdue(T0.after_ms(1_500_000), &QUIET), None);
    }

    #[test]
    fn an_answer_that_is_not_read_ends_the_connection_whatever_else_is_pending() {
        let lifetime = Lifetime::new(T0);
        let found = first(1_000, |_| blocked(7), &lifetime);
        assert_eq!(found, Some((122, Overdue::Unread)));
        // A byte now and then is progress while memory is not short.
        let lifetime = Lifetime::new(T0);
        let read_slowly = |second: i64| blocked(second as u64 / 60);
        assert_eq!(first(10_000, read_slowly, &lifetime), None);
        // With an own bound the operator's is kept.
        let lifetime = Lifetime::new(T0);
        let idle = |_| Facts {
            idle_max_ms: Some(3_000),
            ..blocked(7)
        };
        assert_eq!(first(100, idle, &lifetime), Some((5, Overdue::Unread)));
    }

    #[test]
    fn while_others_wait_for_memory_slow_readers_and_senders_are_closed() {
        let short = |facts: Facts| Facts {
            is_memory_short: true,
            ..facts
        };
        let lifetime = Lifetime::new(T0);
        let found = first(100, |_| short(blocked(7)), &lifetime);
        assert_eq!(found, Some((7, Overdue::SlowReader)));
        let lifetime = Lifetime::new(T0);
        let fast = |second: i64| short(blocked(second as u64 * 200_000));
        assert_eq!(first(1_000, fast, &lifetime), None);
        // What it did before does not help it.
        let lifetime = Lifetime::new(T0);
        let stops = |second: i64| short(blocked(second.min(1_100) as u64 * 200_000));
        let (second, why) = first(2_000, stops, &lifetime).unwrap();
        assert_eq!(why, Overdue::SlowReader);
        assert!((1_101..1_113).contains(&second), "{second}");
        let lifetime = Lifetime::new(T0);
        lifetime.holds_memory(T0);
        let sends = |second: i64| {
            lifetime.received(10_000, T0.after_ms(second * 1_000));
            short(QUIET)
        };
        assert_eq!(
            first(100, sends, &lifetime),
            Some((2, Overdue::SlowRequest))
        );
    }

    #[test]
    fn a_client_that_has_ended_is_answered_as_long_as_there_is_progress() {
        let lifetime = Lifetime::new(T0);
        lifetime.received(5, T0);
        lifetime.lacks_rest(50);
        lifetime.end(T0);
        assert!(lifetime.is_ending());
        let reads = |second: i64| blocked(second as u64 / 20);
        assert_eq!(first(1_000, reads, &lifetime), None);
        let lifetime = Lifetime::new(T0);
        lifetime.end(T0);
        let found = first(100, |_| QUIET, &lifetime);
        assert_eq!(found, Some((31, Overdue::Lingering)));
    }
}
