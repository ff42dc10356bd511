//! Pure: broker settings: logs: segments, retention, flushing, cleaning.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`AbstractKafkaConfig`).
    pub static LOG;

    "log.dir" List = Some("corelane-data"), Items { of: &[], may_be_empty: false }, High, ReadOnly,
        Applied;
        "The folders of partitions, when `log.dirs` does not say.";
    "log.dirs" List = None, Items { of: &[], may_be_empty: false }, High, ReadOnly, Applied;
        "The folders of partitions, on as many devices as there are. A new partition goes to the "
        "one with the fewest; one that fails takes its own partitions offline and no others.";
    "metadata.log.dir" String = None, Any, High, ReadOnly, Applied;
        "The folder of the metadata log; unset, the first of `log.dirs`.";
    "log.segment.bytes" Int = Some("134217728"), AtLeast(1048576), High, ClusterWide, Applied;
        "The size at which a log goes on in a new segment file.";
    "log.roll.ms" Long = None, Any, High, ClusterWide, Applied;
        "The age at which a log goes on in a new segment; wins over `log.roll.hours`.";
    "log.roll.hours" Int = Some("168"), AtLeast(1), High, ReadOnly, Applied;
        "The age at which a log goes on in a new segment, in hours.";
    "log.roll.jitter.ms" Long = None, Any, High, ClusterWide, Applied;
        "How much earlier than `log.roll.ms` a segment may end, at random.";
    "log.roll.jitter.hours" Int = Some("0"), AtLeast(0), High, ReadOnly, Applied;
        "The same in hours.";
    "log.retention.ms" Long = None, Any, High, ClusterWide, Applied;
        "How long records are kept; wins over minutes and hours; -1 for ever.";
    "log.retention.minutes" Int = None, Any, High, ReadOnly, Applied;
        "How long records are kept, in minutes; wins over hours.";
    "log.retention.hours" Int = Some("168"), Any, High, ReadOnly, Applied;
        "How long records are kept, in hours.";
    "log.retention.bytes" Long = Some("-1"), Any, High, ClusterWide, Applied;
        "How much of each partition is kept; -1 for no limit.";
    "log.retention.check.interval.ms" Long = Some("300000"), AtLeast(1), Medium, ReadOnly, Applied;
        "How often segments that may go are looked for.";
    "log.index.size.max.bytes" Int = Some("10485760"), AtLeast(4), Medium, ClusterWide, Applied;
        "The size at which a full index makes the log go on in a new segment.";
    "log.index.interval.bytes" Int = Some("4096"), AtLeast(0), Medium, ClusterWide, Applied;
        "How many bytes of records one entry of the offset index stands for.";
    "log.flush.interval.messages" Long = Some("1"), AtLeast(1), High, ClusterWide, Applied;
        "After how many records a log is flushed to the device. 1: an ack waits for the flush, "
        "so it means stable storage.";
    "log.flush.interval.ms" Long = None, Any, High, ClusterWide, Applied;
        "The longest time that written records stay unflushed; unset, "
        "`log.flush.scheduler.interval.ms` counts.";
    "log.flush.scheduler.interval.ms" Long = Some("9223372036854775807"), Any, High, ReadOnly,
        Applied;
        "The longest time that written records stay unflushed, where `log.flush.interval.ms` "
        "does not say.";
    "log.message.timestamp.type" String = Some("CreateTime"),
        OneOf(&["CreateTime", "LogAppendTime"]), Medium, ClusterWide, Applied;
        "Whose clock stamps the records: the producer's, or the broker's as it appends.";
    "log.message.timestamp.before.max.ms" Long = Some("9223372036854775807"), AtLeast(0), Medium,
        ClusterWide, Applied;
        "How far a record's timestamp may lie before the broker's clock.";
    "log.message.timestamp.after.max.ms" Long = Some("3600000"), AtLeast(0), Medium, ClusterWide,
        Applied;
        "How far a record's timestamp may lie after the broker's clock.";
    "log.cleanup.policy" List = Some("delete"),
        Items { of: &["compact", "delete"], may_be_empty: true }, Medium, ClusterWide, Applied;
        "What becomes of old segments: `delete`, `compact` or both.";
    "log.cleaner.enable" Boolean = Some("true"), Any, Medium, ReadOnly, Applied;
        "Whether compaction runs.";
    "log.cleaner.io.max.bytes.per.second" Double = Some("1.7976931348623157E308"), Any, Medium,
        ClusterWide, Applied;
        "How fast compaction may read and write, all shards together.";
    "log.cleaner.dedupe.buffer.size" Long = Some("134217728"), Any, Medium, ClusterWide,
        Applied;
        "Memory in which compaction remembers keys, 24 bytes each, all shards together. A log with "
        "more dirty keys is compacted in several goes.";
    "log.cleaner.io.buffer.size" Int = Some("524288"), AtLeast(0), Medium, ClusterWide,
        Applied;
        "Memory in which compaction reads and writes. Here it moves at most 256 KiB at once.";
    "log.cleaner.io.buffer.load.factor" Double = Some("0.9"), Any, Medium, ClusterWide,
        Applied;
        "How full the memory for keys may get.";
    "log.cleaner.backoff.ms" Long = Some("15000"), AtLeast(0), Medium, ClusterWide,
        Applied;
        "How long compaction sleeps when there is nothing to do.";
    "log.cleaner.min.cleanable.ratio" Double = Some("0.5"), Between(0, 1), Medium, ClusterWide,
        Applied;
        "The share of uncompacted bytes from which on a log is worth compacting.";
    "log.cleaner.min.compaction.lag.ms" Long = Some("0"), AtLeast(0), Medium, ClusterWide,
        Applied;
        "The shortest time that a record stays uncompacted.";
    "log.cleaner.max.compaction.lag.ms" Long = Some("9223372036854775807"), AtLeast(1), Medium,
        ClusterWide, Applied;
        "The longest time that a record stays uncompacted, whatever the ratio.";
    "log.cleaner.delete.retention.ms" Long = Some("86400000"), AtLeast(0), Medium, ClusterWide,
        Applied;
        "How long a compacted topic keeps tombstones.";
    "producer.id.expiration.ms" Int = Some("86400000"), AtLeast(1), Low, ClusterWide, Applied;
        "How long a partition remembers an idempotent producer that has gone quiet.";
}
