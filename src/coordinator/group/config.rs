//! Pure: the limits that groups live under.

use crate::base::config::BrokerConfig;

use super::request::{GroupError, Join};

/// The limits that groups live under; the names are those of Kafka's broker settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`.
    pub session_timeout_min_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_max_ms: i32,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members.
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`.
    pub members_max: usize,
    /// `offset.metadata.max.bytes`; Kafka counts UTF-16 units against it, and so do we.
    pub offset_metadata_max: usize,
    /// `offsets.retention.minutes` in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub retention_check_ms: i64,
    /// Largest record, key and value, that the log of `__consumer_offsets` takes, in bytes.
    pub record_bytes_max: usize,
}

impl Default for GroupConfig {
    /// Kafka 4.3's defaults.
    fn default() -> GroupConfig {
        GroupConfig {
            session_timeout_min_ms: 6_000,
            session_timeout_max_ms: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            members_max: i32::MAX as usize,
            offset_metadata_max: 4096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1000,
            retention_check_ms: 600_000,
            record_bytes_max: 1_048_588 - BATCH_OVERHEAD_BYTES,
        }
    }
}

/// More bytes than the headers of a batch and of its one record take.
pub const BATCH_OVERHEAD_BYTES: usize = 61 + 31;

impl GroupConfig {
    /// The limits that a broker's settings give.
    pub fn of(broker: &BrokerConfig) -> GroupConfig {
        GroupConfig {
            session_timeout_min_ms: broker.groups.session_timeout_min_ms,
            session_timeout_max_ms: broker.groups.session_timeout_max_ms,
            initial_rebalance_delay_ms: broker.groups.initial_rebalance_delay_ms,
            members_max: broker.groups.members_max,
            offset_metadata_max: broker.offsets.metadata_bytes_max,
            offsets_retention_ms: broker.offsets.retention_ms,
            retention_check_ms: broker.offsets.retention_check_ms,
            ..GroupConfig::default()
        }
    }

    /// The same limits for a log that takes batches of so many bytes.
    #[must_use]
    pub fn with_batch_bytes_max(mut self, batch_bytes_max: usize) -> GroupConfig {
        self.record_bytes_max = batch_bytes_max.saturating_sub(BATCH_OVERHEAD_BYTES);
        self
    }

    /// What JoinGroup checks before it looks for the group's partition.
    pub fn check_join(&self, join: &Join) -> Result<(), GroupError> {
        let allowed = self.session_timeout_min_ms..=self.session_timeout_max_ms;
        if join.group.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        if !allowed.contains(&join.session_timeout_ms) {
            return Err(GroupError::InvalidSessionTimeout);
        }
        Ok(())
    }
}
