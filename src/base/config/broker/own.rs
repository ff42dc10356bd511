//! Pure: broker settings that Kafka has no name for.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Corelane's own settings.
    pub static OWN;

    "corelane.shards" Int = None, Between(1, 256), High, ReadOnly, Applied;
        "How many shards (Kafka nodes, one executor each) this process runs. Fixed when the "
        "data folder is formatted. Unset: half the physical cores, from 1 to 8.";
    "corelane.admin.port" Int = None, Between(0, 65535), Medium, ReadOnly, Applied;
        "The port of /metrics, /health, /ready, /config and /clients, on the host of the first "
        "listener. Unset: none of them is served.";
    "corelane.log.level" String = Some("info"), LogFilter, Medium, ReadOnly, Applied;
        "What the broker logs: `error`, `warn`, `info`, `debug`, `trace` or `off`, also per "
        "module, as in `info,corelane::log=debug`. Changed while it runs, until the next start, by "
        "`kafka-configs --entity-type broker-loggers`.";
    "corelane.spin.us" Int = Some("0"), Between(0, 1000000), Medium, ReadOnly, Applied;
        "For how many microseconds an idle shard looks for work before it sleeps in the kernel. "
        "0 uses no CPU when idle; more takes wake-ups out of the latency and burns a core.";
    "corelane.busy.poll.us" Int = Some("0"), Between(0, 10000), Low, ReadOnly, Applied;
        "For how many microseconds an idle shard has the kernel poll the network card itself "
        "(NAPI busy polling) before it sleeps, in place of waiting for an interrupt. For cards of "
        "their own, whose queues are steered to the shards' cores; without effect on loopback. "
        "Needs Linux 6.9.";
    "corelane.shard.memory.bytes" Long = Some("536870912"), AtLeast(67108864), Medium, ReadOnly,
        Applied;
        "What clients can make one shard hold in memory: requests, answers, records on their way "
        "to readers, the newest records. Who finds too little waits. It is a bound, not a "
        "reservation; beside it the process needs up to 128 MiB.";
    "corelane.shard.tail.cache.bytes" Long = Some("67108864"), AtLeast(1048576), Medium, ReadOnly,
        Applied;
        "What one shard has for sure in memory for the newest records, but no more than a quarter "
        "of `corelane.shard.memory.bytes`. It keeps an eighth of it, and more only as far behind as "
        "readers are: then up to half of the shard's memory while nothing else wants that.";
    "corelane.shard.balance.enable" Boolean = Some("false"), Any, Medium, ClusterWide, Applied;
        "Whether partitions go by themselves, one at a time, from a shard whose core is busier by "
        "more than a fifth to the least busy one. The producers of a partition that goes wait some "
        "milliseconds. Where it is set for one node only, the first shard's counts. Without "
        "effect in a cluster, where the controllers decide where partitions are.";
    "corelane.shard.balance.period.ms" Long = Some("10000"), Between(100, 3600000), Low, ReadOnly,
        Applied;
        "How often that is looked at. A partition goes after three looks in a row that say so, and "
        "stays for 60 where it has come to.";
    "corelane.journal.bytes" Long = Some("67108864"), Between(0, 4294967296), Medium, ReadOnly,
        Applied;
        "The size of the journal of one shard in each of its log folders: what is appended to many "
        "partitions goes there in one write, and to their own files within a second. Rounded up to "
        "32 KiB. 0 for none: each partition is written to its own file before an ack.";
    "corelane.log.scrub.bytes.per.second" Long = Some("8388608"), AtLeast(0), Low, ReadOnly,
        Applied;
        "How fast one shard reads through its sealed segments in the background, once a day, to find "
        "damage before a consumer does. 0 leaves it out.";
}

/// Settings that Kafka knows only as dynamic ones: never in the file.
pub static DYNAMIC_ONLY: &[&str] = &[
    "follower.replication.throttled.rate",
    "leader.replication.throttled.rate",
    "replica.alter.log.dirs.io.max.bytes.per.second",
];
