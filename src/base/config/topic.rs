//! Pure: the settings of a topic: their rows, and what they come to for one topic.

use std::collections::BTreeMap;

use super::setting::Setting;
use super::table::dynamic_settings;
use super::value::{InvalidValue, Value};
use crate::base::{NodeId, PartitionIndex, TimestampType};

dynamic_settings! {
    /// Every topic setting of Kafka 4.3 (`LogConfig`), in the order in which Kafka
    /// describes them.
    pub static TOPIC_SETTINGS;

    "compression.type" String = "producer",
        OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        Applied, ["compression.type"];
        "The codec of the batches on disk; `producer` keeps what the producer chose.";
    "remote.log.delete.on.disable" Boolean = "false", Any, Ignored(NoTiering), [];
        "Whether remote segments go when tiering is switched off for the topic.";
    "leader.replication.throttled.replicas" List = "", ThrottledReplicas,
        InCluster(OneReplica), [];
        "Replicas that, where they lead, slow down the followers that catch up with them.";
    "remote.storage.enable" Boolean = "false", Any, Ignored(NoTiering), [];
        "Whether segments are copied to remote storage. Refused when set to `true`.";
    "min.insync.replicas" Int = "1", AtLeast(1), InCluster(OneReplica), ["min.insync.replicas"];
        "How many replicas must be in sync for acks=all to be taken and answered, as far as there "
        "are so many.";
    "segment.jitter.ms" Long = "0", AtLeast(0), Applied,
        ["log.roll.jitter.ms", "log.roll.jitter.hours"];
        "How much earlier than `segment.ms` a segment may end, at random, so that not all "
        "partitions go on in a new one at the same moment.";
    "remote.log.copy.disable" Boolean = "false", Any, Ignored(NoTiering), [];
        "Whether a tiered topic has stopped copying segments to remote storage.";
    "local.retention.ms" Long = "-2", AtLeast(-2), Ignored(NoTiering),
        ["log.local.retention.ms"];
        "How long a tiered segment stays on the local disk; -2 follows `retention.ms`.";
    "cleanup.policy" List = "delete",
        Items { of: &["compact", "delete"], may_be_empty: true },
        Applied, ["log.cleanup.policy"];
        "What becomes of old segments: `delete` drops them by age and size, `compact` keeps the "
        "newest record of each key, both may be given; empty keeps everything.";
    "flush.ms" Long = "9223372036854775807", AtLeast(0), Applied,
        ["log.flush.interval.ms", "log.flush.scheduler.interval.ms"];
        "The longest time that records which are written but not flushed stay so.";
    "follower.replication.throttled.replicas" List = "", ThrottledReplicas,
        InCluster(OneReplica), [];
        "Replicas whose catching up is slowed down on the follower's side.";
    "compression.lz4.level" Int = "9", Between(1, 17), Applied,
        ["compression.lz4.level"];
        "How hard the broker tries when `compression.type` has it compress to lz4.";
    "segment.bytes" Int = "134217728", AtLeast(1048576), Applied, ["log.segment.bytes"];
        "The size at which a log goes on in a new segment file. Smaller than in Kafka: what is "
        "written ahead for a busy partition, and what retention can drop at once, is one segment.";
    "retention.ms" Long = "604800000", AtLeast(-1), Applied,
        ["log.retention.ms", "log.retention.minutes", "log.retention.hours"];
        "How long records are kept, in whole segments; -1 for ever.";
    "compression.gzip.level" Int = "-1", GzipLevel, Applied,
        ["compression.gzip.level"];
        "How hard the broker tries when `compression.type` has it compress to gzip.";
    "flush.messages" Long = "1", AtLeast(1), Applied, ["log.flush.interval.messages"];
        "After how many records the log is flushed to the device. 1 means that an ack is sent "
        "only once the records are on stable storage. A larger number means that an ack is sent "
        "once the write has completed: it survives a crash of the process, not a power cut.";
    "compression.zstd.level" Int = "3", Between(-131072, 22), Applied,
        ["compression.zstd.level"];
        "How hard the broker tries when `compression.type` has it compress to zstd.";
    "max.compaction.lag.ms" Long = "9223372036854775807", AtLeast(1), Applied,
        ["log.cleaner.max.compaction.lag.ms"];
        "The longest time that a record stays uncompacted, whatever the ratio. Segments end at the "
        "latest at this age, so that they can be compacted.";
    "file.delete.delay.ms" Long = "60000", AtLeast(0), Ignored(OtherDesign),
        ["log.segment.delete.delay.ms"];
        "How long a dropped segment's file stays. Here a file goes once its last reader is done.";
    "max.message.bytes" Int = "1048588", AtLeast(0), Applied, ["message.max.bytes"];
        "The largest record batch taken, as it is on the wire (so after compression).";
    "min.compaction.lag.ms" Long = "0", AtLeast(0), Applied,
        ["log.cleaner.min.compaction.lag.ms"];
        "The shortest time that a record stays uncompacted.";
    "message.timestamp.type" String = "CreateTime", OneOf(&["CreateTime", "LogAppendTime"]),
        Applied, ["log.message.timestamp.type"];
        "Whose clock stamps the records: the producer's, or the broker's as it appends.";
    "local.retention.bytes" Long = "-2", AtLeast(-2), Ignored(NoTiering),
        ["log.local.retention.bytes"];
        "How much of a tiered partition stays on the local disk; -2 follows `retention.bytes`.";
    "preallocate" Boolean = "false", Any, Ignored(OtherDesign), ["log.preallocate"];
        "Whether files get their space ahead of time. Here they always do, with written blocks.";
    "index.interval.bytes" Int = "4096", AtLeast(0), Applied, ["log.index.interval.bytes"];
        "How many bytes of records one entry of the offset index stands for.";
    "min.cleanable.dirty.ratio" Double = "0.5", Between(0, 1), Applied,
        ["log.cleaner.min.cleanable.ratio"];
        "The share of uncompacted bytes from which on a log is worth compacting.";
    "unclean.leader.election.enable" Boolean = "false", Any, InCluster(OneReplica),
        ["unclean.leader.election.enable"];
        "Whether a replica that lags may become leader when no other is left, losing records.";
    "retention.bytes" Long = "-1", Any, Applied, ["log.retention.bytes"];
        "How much of each partition is kept, in whole segments; -1 for no limit.";
    "delete.retention.ms" Long = "86400000", AtLeast(0), Applied,
        ["log.cleaner.delete.retention.ms"];
        "How long a compacted topic keeps tombstones, so that readers can see the deletion.";
    "message.timestamp.after.max.ms" Long = "3600000", AtLeast(0), Applied,
        ["log.message.timestamp.after.max.ms"];
        "How far a record's timestamp may lie after the broker's clock, with `CreateTime`.";
    "message.timestamp.before.max.ms" Long = "9223372036854775807", AtLeast(0), Applied,
        ["log.message.timestamp.before.max.ms"];
        "How far a record's timestamp may lie before the broker's clock, with `CreateTime`.";
    "segment.ms" Long = "604800000", AtLeast(1), Applied, ["log.roll.ms", "log.roll.hours"];
        "The age at which a log goes on in a new segment even when the old one is not full.";
    "segment.index.bytes" Int = "10485760", AtLeast(4), Applied, ["log.index.size.max.bytes"];
        "The size at which a full index makes the log go on in a new segment.";
}

/// What a topic's settings come to: overrides over the broker's settings over the defaults.
#[derive(Clone, PartialEq, Debug)]
pub struct TopicConfig {
    /// Where a log goes on in a new segment, in bytes.
    pub segment_bytes: u64,
    /// The age at which it does so anyway, in milliseconds.
    pub segment_ms: i64,
    /// How much earlier it may do so, in milliseconds.
    pub segment_jitter_ms: i64,
    /// The size at which a full index ends a segment, in bytes.
    pub segment_index_bytes: u64,
    /// How long records are kept, in milliseconds; `None` for ever.
    pub retention_ms: Option<i64>,
    /// How much of a partition is kept, in bytes; `None` for all of it.
    pub retention_bytes: Option<u64>,
    /// Records after which the log is flushed; 1: an ack waits for the flush.
    pub flush_messages: u64,
    /// The longest time between a write and its flush, in milliseconds; `i64::MAX` for no limit.
    pub flush_ms: i64,
    /// The largest batch taken, in bytes on the wire.
    pub max_message_bytes: usize,
    /// How many replicas must be in sync for an append with `acks=all`.
    pub min_in_sync: usize,
    /// The replicas that are throttled while they catch up.
    pub throttled_followers: ThrottledReplicas,
    /// The replicas that throttle, where they lead, those that catch up.
    pub throttled_leaders: ThrottledReplicas,
    /// Whose clock stamps the records.
    pub message_timestamp_type: TimestampType,
    /// How far a timestamp may lie behind the broker's clock, in milliseconds.
    pub message_timestamp_before_max_ms: i64,
    /// How far a timestamp may lie ahead of the broker's clock, in milliseconds.
    pub message_timestamp_after_max_ms: i64,
    /// What becomes of old segments.
    pub cleanup_policy: CleanupPolicy,
    /// The share of uncompacted bytes from which on a log is compacted.
    pub min_dirty_ratio: f64,
    /// How long a record stays uncompacted at the least, in milliseconds.
    pub min_compaction_lag_ms: i64,
    /// How long a record stays uncompacted at the most, in milliseconds; `i64::MAX` for no limit.
    pub max_compaction_lag_ms: i64,
    /// How long a compacted log keeps tombstones, in milliseconds.
    pub delete_retention_ms: i64,
    /// The codec on disk.
    pub compression_type: Compression,
    /// How hard to try where that is not the producer's: the level of the codec.
    pub compression_level: i32,
    /// Bytes of records that one entry of the offset index stands for.
    pub index_interval_bytes: u64,
}

/// The replicas of a topic that a setting names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ThrottledReplicas {
    /// All (`*`).
    All,
    /// Those of these partitions on these nodes.
    These(Vec<(PartitionIndex, NodeId)>),
}

/// What becomes of a topic's old segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CleanupPolicy {
    /// They go by age and size.
    pub delete: bool,
    /// They keep the newest record of each key.
    pub compact: bool,
}

/// A topic's codec on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // Names of codecs.
pub enum Compression {
    /// Whatever the producer chose.
    Producer,
    Uncompressed,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// The row of a topic setting.
pub fn topic_setting(name: &str) -> Option<&'static Setting> {
    TOPIC_SETTINGS.iter().find(|row| row.name == name)
}

/// Whether these overrides may be set on a topic, in Kafka's words where they may not
/// (`LogConfig.validate`). The order of the checks is Kafka's: names, types, relations.
pub fn check_topic(overrides: &BTreeMap<String, String>) -> Result<(), InvalidValue> {
    for name in overrides.keys() {
        if topic_setting(name).is_none() {
            return Err(InvalidValue(format!("Unknown topic config name: {name}")));
        }
    }
    for (name, text) in overrides {
        if let Some(row) = topic_setting(name) {
            row.parse(text)?;
        }
    }
    check_relations(overrides)
}

fn check_relations(overrides: &BTreeMap<String, String>) -> Result<(), InvalidValue> {
    let set = |name: &str| {
        let text = overrides.get(name).map(String::as_str);
        topic_setting(name).and_then(|row| text.map_or(row.default_value(), |t| row.parse(t).ok()))
    };
    let number = |name: &str| match set(name) {
        Some(Value::Int(number)) => number,
        _ => 0,
    };
    if set("remote.storage.enable") == Some(Value::Bool(true)) {
        let text = "Tiered Storage functionality is disabled in the broker. \
                    Topic cannot be configured with remote log storage.";
        return Err(InvalidValue(text.into()));
    }
    let (min, max) = (
        number("min.compaction.lag.ms"),
        number("max.compaction.lag.ms"),
    );
    if min > max {
        return Err(InvalidValue(format!(
            "conflict topic config setting min.compaction.lag.ms ({min}) > \
             max.compaction.lag.ms ({max})"
        )));
    }
    Ok(())
}

/// The settings among these overrides that this broker does not fully act on, each with what it
/// does instead: for one line in the log when they are set.
pub fn not_applied(overrides: &BTreeMap<String, String>) -> Vec<(&'static str, &'static str)> {
    let rows = overrides.iter().filter_map(|(name, text)| {
        let row = topic_setting(name)?;
        let value = row.parse(text).ok()?;
        Some((row.name, row.shortfall(&value)?))
    });
    rows.collect()
}

// === impl TopicConfig ===

impl TopicConfig {
    pub(super) fn from_values(value: impl Fn(&str) -> Value) -> TopicConfig {
        let long = |name: &str| match value(name) {
            Value::Int(number) => number,
            _ => 0,
        };
        let not_negative = |name: &str| u64::try_from(long(name)).ok();
        let ratio = |name: &str| match value(name) {
            Value::Double(number) => number,
            _ => 0.5,
        };
        let compression_type = Compression::named(value("compression.type").text());
        let has = |item: &str| value("cleanup.policy").items().iter().any(|i| i == item);
        TopicConfig {
            segment_bytes: not_negative("segment.bytes").unwrap_or(0),
            segment_ms: long("segment.ms"),
            segment_jitter_ms: long("segment.jitter.ms"),
            segment_index_bytes: not_negative("segment.index.bytes").unwrap_or(0),
            retention_ms: Some(long("retention.ms")).filter(|&ms| ms >= 0),
            retention_bytes: not_negative("retention.bytes"),
            flush_messages: not_negative("flush.messages").unwrap_or(1),
            flush_ms: long("flush.ms"),
            max_message_bytes: long("max.message.bytes").max(0) as usize,
            min_in_sync: long("min.insync.replicas").max(1) as usize,
            throttled_followers: ThrottledReplicas::of(
                value("follower.replication.throttled.replicas").items(),
            ),
            throttled_leaders: ThrottledReplicas::of(
                value("leader.replication.throttled.replicas").items(),
            ),
            message_timestamp_type: match value("message.timestamp.type").text() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            message_timestamp_before_max_ms: long("message.timestamp.before.max.ms"),
            message_timestamp_after_max_ms: long("message.timestamp.after.max.ms"),
            cleanup_policy: CleanupPolicy {
                delete: has("delete"),
                compact: has("compact"),
            },
            min_dirty_ratio: ratio("min.cleanable.dirty.ratio"),
            min_compaction_lag_ms: long("min.compaction.lag.ms"),
            max_compaction_lag_ms: long("max.compaction.lag.ms"),
            delete_retention_ms: long("delete.retention.ms"),
            compression_type,
            compression_level: match compression_type {
                Compression::Gzip => long("compression.gzip.level") as i32,
                Compression::Lz4 => long("compression.lz4.level") as i32,
                Compression::Zstd => long("compression.zstd.level") as i32,
                Compression::Producer | Compression::Uncompressed | Compression::Snappy => 0,
            },
            index_interval_bytes: not_negative("index.interval.bytes").unwrap_or(0),
        }
    }
}

impl ThrottledReplicas {
    fn of(items: &[String]) -> ThrottledReplicas {
        if items.iter().any(|item| item == "*") {
            return ThrottledReplicas::All;
        }
        let pairs = items.iter().filter_map(|item| {
            let (partition, node) = item.split_once(':')?;
            let node = node.trim().parse().ok()?;
            Some((partition.trim().parse().ok()?, NodeId(node)))
        });
        ThrottledReplicas::These(pairs.collect())
    }

    /// Whether the replica of this partition on this node is one of them.
    pub fn has(&self, partition: PartitionIndex, node: NodeId) -> bool {
        match self {
            ThrottledReplicas::All => true,
            ThrottledReplicas::These(these) => these.contains(&(partition, node)),
        }
    }
}

impl Compression {
    fn named(name: &str) -> Compression {
        match name {
            "uncompressed" => Compression::Uncompressed,
            "gzip" => Compression::Gzip,
            "snappy" => Compression::Snappy,
            "lz4" => Compression::Lz4,
            "zstd" => Compression::Zstd,
            _ => Compression::Producer,
        }
    }
}

#[cfg(test)]
mod tests;
