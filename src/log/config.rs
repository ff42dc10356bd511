//! Pure: what a log must know of its topic's settings.

/// Settings of one log; names and meanings are Kafka's topic settings.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment is closed before it grows beyond this.
    pub segment_bytes: u64,
    /// `segment.ms`: a segment is closed once its first record is this old.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: how much earlier it may be closed, at random.
    pub segment_jitter_ms: i64,
    /// `retention.ms`: closed segments older than this go; negative keeps them.
    pub retention_ms: i64,
    /// `retention.bytes`: the oldest segments go while the log is larger; negative keeps them.
    pub retention_bytes: i64,
    /// Whether `cleanup.policy` holds `delete`, so that the two limits above apply.
    pub delete_old: bool,
    /// Whether `cleanup.policy` holds `compact`: the newest record of each key is kept.
    pub compact: bool,
    /// `min.cleanable.dirty.ratio`: the share of uncompacted bytes from which on to compact.
    pub min_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: younger records are not compacted.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: older records are compacted whatever the ratio;
    /// [`i64::MAX`] for no limit.
    pub max_compaction_lag_ms: i64,
    /// `delete.retention.ms`: how long tombstones are kept after their first compaction.
    pub delete_retention_ms: i64,
    /// `flush.messages`: 1 acknowledges after a flush of the device, more after the write.
    pub flush_messages: i64,
    /// `flush.ms`: a write without a waiting request is flushed at the latest after this time.
    pub flush_ms: i64,
    /// `index.interval.bytes`: distance of index entries.
    pub index_interval_bytes: u64,
    /// `segment.index.bytes`: a segment is closed when its offset index would grow beyond this.
    pub segment_index_bytes: u64,
}

impl Default for LogConfig {
    /// Kafka's defaults, except that every append is flushed.
    fn default() -> LogConfig {
        const DAY_MS: i64 = 24 * 3600 * 1000;
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            segment_jitter_ms: 0,
            retention_ms: 7 * DAY_MS,
            retention_bytes: -1,
            delete_old: true,
            compact: false,
            min_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: DAY_MS,
            flush_messages: 1,
            flush_ms: i64::MAX,
            index_interval_bytes: 4096,
            segment_index_bytes: 10 << 20,
        }
    }
}
