//! Pure: broker settings: tiered storage.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`AbstractKafkaConfig`).
    pub static TIERING;

    "remote.log.storage.system.enable" Boolean = Some("false"), Any, Medium, ReadOnly,
        Refused(NoTiering);
        "Whether tiered storage is on.";
    "remote.log.storage.manager.class.name" String = None, NonEmpty, Medium, ReadOnly,
        Refused(NoTiering);
        "The Java class that stores segments elsewhere.";
    "remote.log.storage.manager.class.path" String = None, Any, Medium, ReadOnly,
        Ignored(NoTiering);
        "Where that class is found.";
    "remote.log.storage.manager.impl.prefix" String = Some("rsm.config."), NonEmpty, Medium,
        ReadOnly, Ignored(NoTiering);
        "How the names of that class's own settings begin.";
    "remote.log.metadata.manager.class.name" String =
        Some(concat!("org.apache.kafka.server.log.remote.metadata.storage.",
        "TopicBasedRemoteLogMetadataManager")),
        NonEmpty, Medium, ReadOnly, Ignored(NoTiering);
        "The Java class that knows which segments are where.";
    "remote.log.metadata.manager.class.path" String = None, Any, Medium, ReadOnly,
        Ignored(NoTiering);
        "Where that class is found.";
    "remote.log.metadata.manager.impl.prefix" String = Some("rlmm.config."), NonEmpty, Medium,
        ReadOnly, Ignored(NoTiering);
        "How the names of that class's own settings begin.";
    "remote.log.metadata.manager.listener.name" String = None, NonEmpty, Medium, ReadOnly,
        Ignored(NoTiering);
        "The listener that that class connects to.";
    "remote.log.metadata.custom.metadata.max.bytes" Int = Some("128"), AtLeast(0), Low, ReadOnly,
        Ignored(NoTiering);
        "The most bytes a store may add to a segment's description.";
    "remote.log.index.file.cache.total.size.bytes" Long = Some("1073741824"), AtLeast(1), Low,
        ClusterWide, Ignored(NoTiering);
        "Space for indexes of remote segments.";
    "remote.log.manager.thread.pool.size" Int = Some("2"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoTiering);
        "Threads for tiering.";
    "remote.log.manager.copier.thread.pool.size" Int = Some("10"), AtLeast(1), Medium, ClusterWide,
        Ignored(NoTiering);
        "Threads that copy segments out.";
    "remote.log.manager.expiration.thread.pool.size" Int = Some("10"), AtLeast(1), Medium,
        ClusterWide, Ignored(NoTiering);
        "Threads that drop remote segments.";
    "remote.log.manager.follower.thread.pool.size" Int = Some("2"), AtLeast(1), Medium, ClusterWide,
        Ignored(NoTiering);
        "Threads that follow what the leader has copied.";
    "remote.log.manager.task.interval.ms" Long = Some("30000"), AtLeast(1), Low, ReadOnly,
        Ignored(NoTiering);
        "How often tiering looks for work.";
    "remote.log.manager.copy.max.bytes.per.second" Long = Some("9223372036854775807"), AtLeast(1),
        Medium, ClusterWide, Ignored(NoTiering);
        "How fast segments are copied out.";
    "remote.log.manager.copy.quota.window.num" Int = Some("11"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoTiering);
        "Windows in which that is measured.";
    "remote.log.manager.copy.quota.window.size.seconds" Int = Some("1"), AtLeast(1), Medium,
        ReadOnly, Ignored(NoTiering);
        "The length of such a window.";
    "remote.log.manager.fetch.max.bytes.per.second" Long = Some("9223372036854775807"), AtLeast(1),
        Medium, ClusterWide, Ignored(NoTiering);
        "How fast remote segments are read.";
    "remote.log.manager.fetch.quota.window.num" Int = Some("11"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoTiering);
        "Windows in which that is measured.";
    "remote.log.manager.fetch.quota.window.size.seconds" Int = Some("1"), AtLeast(1), Medium,
        ReadOnly, Ignored(NoTiering);
        "The length of such a window.";
    "remote.log.reader.threads" Int = Some("10"), AtLeast(1), Medium, ClusterWide,
        Ignored(NoTiering);
        "Threads that read remote segments.";
    "remote.log.reader.max.pending.tasks" Int = Some("100"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoTiering);
        "Reads of remote segments that may wait.";
    "remote.fetch.max.wait.ms" Int = Some("500"), AtLeast(1), Medium, ClusterWide,
        Ignored(NoTiering);
        "How long a fetch waits for a remote segment.";
    "remote.list.offsets.request.timeout.ms" Long = Some("30000"), AtLeast(1), Medium, ClusterWide,
        Ignored(NoTiering);
        "How long a lookup of offsets in remote segments may take.";
    "follower.fetch.last.tiered.offset.enable" Boolean = Some("false"), Any, Medium, ClusterWide,
        Ignored(NoTiering);
        "Whether a new follower starts where the local log starts.";
    "log.local.retention.bytes" Long = Some("-2"), AtLeast(-2), Medium, ClusterWide,
        Ignored(NoTiering);
        "How much of a tiered partition stays on the local disk; -2 follows retention.";
    "log.local.retention.ms" Long = Some("-2"), AtLeast(-2), Medium, ClusterWide,
        Ignored(NoTiering);
        "How long a tiered segment stays on the local disk; -2 follows retention.";
}
