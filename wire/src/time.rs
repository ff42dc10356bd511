//! Pure: moments and lengths as plain values; reading a clock is `io::clock`'s business.

use std::time::Duration;

/// Milliseconds since the Unix epoch, as records and Kafka's requests carry them.
pub type WallMs = i64;

/// Who sets the timestamps of a topic's records, or set those of a batch
/// (`message.timestamp.type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimestampType {
    /// The producer.
    CreateTime,
    /// The broker, at append: the batch's max timestamp stands for all its records.
    LogAppendTime,
}

/// A moment on the monotonic clock, in nanoseconds since an arbitrary start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// This moment moved `length` into the future.
    #[must_use]
    pub fn after(self, length: Duration) -> Instant {
        Instant(self.0.saturating_add(length.as_nanos() as u64))
    }

    /// This moment moved `ms` milliseconds into the future; a negative length counts as zero.
    #[must_use]
    pub fn after_ms(self, ms: i64) -> Instant {
        Instant(
            self.0
                .saturating_add((ms.max(0) as u64).saturating_mul(1_000_000)),
        )
    }

    /// Time passed since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}
