//! Pure: typed values of the broker's settings, and what groups of them come to.

use super::broker::{DYNAMIC_ONLY, broker_setting};
use super::layers::Layers;
use super::parts::{
    CompactionConfig, ConsumerGroupsConfig, GroupsConfig, NetworkConfig, OffsetsConfig,
    TransactionsConfig,
};
use super::value::Value;

/// Reads typed values of rows that the tables are known to hold.
pub(super) struct Reader<'a>(pub(super) &'a Layers);

impl Reader<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        let row = broker_setting(name);
        debug_assert!(row.is_some(), "no row called {name}");
        self.0.value(row?)
    }

    pub(super) fn some(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }

    pub(super) fn long(&self, name: &str) -> i64 {
        self.some(name).unwrap_or_default()
    }

    pub(super) fn int(&self, name: &str) -> i32 {
        self.long(name) as i32
    }

    pub(super) fn size(&self, name: &str) -> usize {
        self.long(name).max(0) as usize
    }

    /// What was set and is no negative number; the default does not count.
    fn set(&self, name: &str) -> Option<usize> {
        match self.0.set(broker_setting(name)?)? {
            Value::Int(number) => usize::try_from(number).ok(),
            _ => None,
        }
    }

    fn double(&self, name: &str) -> f64 {
        match self.value(name) {
            Some(Value::Double(number)) => number,
            _ => 0.0,
        }
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.value(name) == Some(Value::Bool(true))
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.value(name).map(|value| value.to_string())
    }

    /// A bound in bytes a second that exists as a dynamic setting only ([`DYNAMIC_ONLY`]); Kafka's
    /// default is the largest number, which is none.
    pub(super) fn dynamic_rate(&self, name: &str) -> Option<u64> {
        debug_assert!(DYNAMIC_ONLY.contains(&name));
        let text = self.0.node.get(name).or_else(|| self.0.cluster.get(name))?;
        let rate: i64 = text.trim().parse().ok()?;
        u64::try_from(rate).ok().filter(|_| rate < i64::MAX)
    }

    pub(super) fn first_node_id(&self) -> i32 {
        let given = self.some("node.id").or_else(|| self.some("broker.id"));
        given.filter(|&id| id >= 0).unwrap_or(1) as i32
    }

    pub(super) fn network(&self) -> NetworkConfig {
        NetworkConfig {
            request_bytes_max: self.size("socket.request.max.bytes"),
            receive_buffer_bytes: self.set("socket.receive.buffer.bytes"),
            send_buffer_bytes: self.set("socket.send.buffer.bytes"),
            backlog: self
                .set("socket.listen.backlog.size")
                .map(|count| count as i32),
            connections_max: self.size("max.connections"),
            connections_per_ip_max: self.size("max.connections.per.ip"),
            idle_max_ms: Some(self.long("connections.max.idle.ms")).filter(|&ms| ms >= 0),
        }
    }

    pub(super) fn groups(&self) -> GroupsConfig {
        GroupsConfig {
            session_timeout_min_ms: self.int("group.min.session.timeout.ms"),
            session_timeout_max_ms: self.int("group.max.session.timeout.ms"),
            members_max: self.size("group.max.size"),
            initial_rebalance_delay_ms: self.int("group.initial.rebalance.delay.ms"),
            consumer: self.consumer_groups(),
        }
    }

    fn consumer_groups(&self) -> ConsumerGroupsConfig {
        let policy = self.text("group.consumer.migration.policy");
        let policy = policy.unwrap_or_default().to_lowercase();
        let assignors = self.text("group.consumer.assignors").unwrap_or_default();
        let assignors = assignors.split(',').map(|name| name.trim().to_owned());
        ConsumerGroupsConfig {
            session_timeout_ms: self.int("group.consumer.session.timeout.ms"),
            heartbeat_interval_ms: self.int("group.consumer.heartbeat.interval.ms"),
            assignment_interval_ms: self.int("group.consumer.assignment.interval.ms"),
            members_max: self.size("group.consumer.max.size"),
            assignors: assignors.filter(|name| !name.is_empty()).collect(),
            may_upgrade: matches!(&*policy, "bidirectional" | "upgrade"),
            may_downgrade: matches!(&*policy, "bidirectional" | "downgrade"),
        }
    }

    pub(super) fn compaction(&self, shards: usize) -> CompactionConfig {
        let shards = shards.max(1);
        CompactionConfig {
            enabled: self.flag("log.cleaner.enable"),
            map_bytes: self.size("log.cleaner.dedupe.buffer.size") / shards,
            map_load_factor: self.double("log.cleaner.io.buffer.load.factor"),
            buffer_bytes: self.size("log.cleaner.io.buffer.size") / shards,
            bytes_per_second: self.double("log.cleaner.io.max.bytes.per.second") / shards as f64,
            backoff_ms: self.long("log.cleaner.backoff.ms").max(0) as u64,
        }
    }

    pub(super) fn transactions(&self) -> TransactionsConfig {
        TransactionsConfig {
            topic_partitions: self.int("transaction.state.log.num.partitions"),
            topic_replication_factor: self.int("transaction.state.log.replication.factor") as i16,
            topic_min_in_sync: self.int("transaction.state.log.min.isr"),
            topic_segment_bytes: self.long("transaction.state.log.segment.bytes").max(1) as u64,
            timeout_max_ms: self.int("transaction.max.timeout.ms"),
            id_expiration_ms: self.long("transactional.id.expiration.ms"),
            timeout_check_ms: self
                .long("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
            expiration_check_ms: self
                .long("transaction.remove.expired.transaction.cleanup.interval.ms"),
        }
    }

    pub(super) fn offsets(&self) -> OffsetsConfig {
        OffsetsConfig {
            topic_partitions: self.int("offsets.topic.num.partitions"),
            topic_replication_factor: self.int("offsets.topic.replication.factor") as i16,
            topic_segment_bytes: self.long("offsets.topic.segment.bytes").max(1) as u64,
            metadata_bytes_max: self.size("offset.metadata.max.bytes"),
            retention_ms: self
                .long("offsets.retention.minutes")
                .saturating_mul(60_000),
            retention_check_ms: self.long("offsets.retention.check.interval.ms"),
        }
    }
}
