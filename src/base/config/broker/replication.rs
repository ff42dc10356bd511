//! Pure: broker settings: copying partitions between brokers.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`AbstractKafkaConfig`).
    pub static REPLICATION;

    "num.replica.fetchers" Int = Some("1"), AtLeast(1), High, ClusterWide, Ignored(OneReplica);
        "Fetchers per source broker.";
    "replica.fetch.backoff.ms" Int = Some("1000"), AtLeast(0), Medium, ReadOnly,
        Ignored(OneReplica);
        "The pause after a failed fetch.";
    "replica.fetch.max.bytes" Int = Some("1048576"), AtLeast(0), Medium, ReadOnly,
        Ignored(OneReplica);
        "The most bytes that a follower fetches of one partition.";
    "replica.fetch.min.bytes" Int = Some("1"), Any, High, ReadOnly, Ignored(OneReplica);
        "The least bytes that a follower's fetch waits for.";
    "replica.fetch.response.max.bytes" Int = Some("10485760"), AtLeast(0), Medium, ReadOnly,
        Ignored(OneReplica);
        "The most bytes in one answer to a follower.";
    "replica.fetch.wait.max.ms" Int = Some("500"), Any, High, ReadOnly, Ignored(OneReplica);
        "How long a follower's fetch waits.";
    "replica.high.watermark.checkpoint.interval.ms" Long = Some("5000"), Any, High, ReadOnly,
        Ignored(OneReplica);
        "How often high watermarks are noted on disk.";
    "replica.lag.time.max.ms" Long = Some("30000"), Any, High, ReadOnly, Ignored(OneReplica);
        "How long a follower may lag before it counts as out of sync.";
    "replica.selector.class" String = None, Any, Medium, ReadOnly, Refused(Jvm);
        "A Java class that sends consumers to replicas near them.";
    "replica.socket.receive.buffer.bytes" Int = Some("65536"), Any, High, ReadOnly,
        Ignored(OneReplica);
        "The kernel's receive buffer for fetching from a leader.";
    "replica.socket.timeout.ms" Int = Some("30000"), Any, High, ReadOnly, Ignored(OneReplica);
        "How long a follower's request may take.";
    "replication.quota.window.num" Int = Some("11"), AtLeast(1), Low, ReadOnly, Ignored(OneReplica);
        "Windows in which replication traffic is measured.";
    "replication.quota.window.size.seconds" Int = Some("1"), AtLeast(1), Low, ReadOnly,
        Ignored(OneReplica);
        "The length of such a window.";
    "alter.log.dirs.replication.quota.window.num" Int = Some("11"), AtLeast(1), Low, ReadOnly,
        Ignored(OneReplica);
        "Windows in which moves between folders are measured.";
    "alter.log.dirs.replication.quota.window.size.seconds" Int = Some("1"), AtLeast(1), Low,
        ReadOnly, Ignored(OneReplica);
        "The length of such a window.";
}
