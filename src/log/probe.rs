//! Pure: what the logs of one shard count, in plain cells.

use std::cell::Cell;

/// A number that only grows.
#[derive(Default, Debug)]
pub struct Count(Cell<u64>);

impl Count {
    /// Adds `amount`.
    #[inline]
    pub fn add(&self, amount: u64) {
        self.0.set(self.0.get().wrapping_add(amount));
    }

    /// The number so far.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// Counts of all logs that share one [`super::Flusher`].
#[derive(Default, Debug)]
pub struct Probe {
    /// Appends (calls, each of one or more batches).
    pub appends_count: Count,
    /// Bytes of appended batches.
    pub append_bytes: Count,
    /// Writes to the device for appended batches.
    pub writes_count: Count,
    /// Bytes of those writes, rewritten tail blocks included.
    pub write_bytes: Count,
    /// Device flushes.
    pub flushes_count: Count,
    /// Logs served by those flushes; divided by the flushes, how well they are shared.
    pub flushed_logs_count: Count,
    /// Writes that had to wait for prepared space.
    pub unprepared_waits_count: Count,
    /// Bytes zeroed ahead of the writes.
    pub prepared_bytes: Count,
    /// Segments closed because the next was due.
    pub rolls_count: Count,
    /// Reads answered from memory.
    pub cached_reads_count: Count,
    /// Reads from the device.
    pub disk_reads_count: Count,
    /// Bytes of those reads.
    pub disk_read_bytes: Count,
    /// Places found damaged when they were read, each counted once.
    pub damaged_places_count: Count,
    /// Bytes of sealed segments that were read to see whether they are sound.
    pub scrubbed_bytes: Count,
    /// Sealed segments read so.
    pub scrubbed_segments_count: Count,
    /// Logs closed by a failed write, flush or preparation.
    pub failed_logs_count: Count,
}
