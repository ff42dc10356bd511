//! Pure: the limits that groups live under.

use std::rc::Rc;

use crate::base::config::{BrokerConfig, ConsumerGroupsConfig};

use super::request::{GroupError, Join};
use super::topics::Topics;

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
    /// Those of the consumer protocol.
    pub consumer: ConsumerConfig,
}

/// The limits that groups of the consumer protocol live under.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerConfig {
    /// `group.consumer.session.timeout.ms`.
    pub session_timeout_ms: i32,
    /// `group.consumer.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: i32,
    /// `group.consumer.assignment.interval.ms`.
    pub assignment_interval_ms: i32,
    /// `group.consumer.max.size`.
    pub members_max: usize,
    /// `group.consumer.assignors`.
    pub assignors: Rc<[Rc<str>]>,
    /// Whether `group.consumer.migration.policy` lets a classic group become one of this protocol.
    pub may_upgrade: bool,
    /// Whether it lets one of this protocol become a classic group.
    pub may_downgrade: bool,
}

impl Default for ConsumerConfig {
    /// Kafka 4.3's defaults.
    fn default() -> ConsumerConfig {
        ConsumerConfig {
            session_timeout_ms: 45_000,
            heartbeat_interval_ms: 5_000,
            assignment_interval_ms: 1_000,
            members_max: i32::MAX as usize,
            assignors: ["uniform".into(), "range".into()].into(),
            may_upgrade: true,
            may_downgrade: true,
        }
    }
}

impl ConsumerConfig {
    fn of(groups: &ConsumerGroupsConfig) -> ConsumerConfig {
        let assignors = groups.assignors.iter().map(|name| (&**name).into());
        ConsumerConfig {
            session_timeout_ms: groups.session_timeout_ms,
            heartbeat_interval_ms: groups.heartbeat_interval_ms,
            assignment_interval_ms: groups.assignment_interval_ms,
            members_max: groups.members_max,
            assignors: assignors.collect(),
            may_upgrade: groups.may_upgrade,
            may_downgrade: groups.may_downgrade,
        }
    }

    /// The limits of one group, which may have settings of its own.
    #[must_use]
    pub fn of_group(&self, group: &str, topics: &Topics) -> ConsumerConfig {
        let mut config = self.clone();
        let set = |name: &str, value: &mut i32| {
            let own = topics.settings_of(group).get(name);
            if let Some(own) = own.and_then(|text| text.trim().parse().ok()) {
                *value = own;
            }
        };
        set(
            "consumer.session.timeout.ms",
            &mut config.session_timeout_ms,
        );
        let interval = &mut config.heartbeat_interval_ms;
        set("consumer.heartbeat.interval.ms", interval);
        let interval = &mut config.assignment_interval_ms;
        if let Some(of_all) = topics.assignment_interval_ms() {
            *interval = of_all;
        }
        set("consumer.assignment.interval.ms", interval);
        config
    }
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
            consumer: ConsumerConfig::default(),
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
            consumer: ConsumerConfig::of(&broker.groups.consumer),
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
