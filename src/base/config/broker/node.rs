//! Pure: broker settings: the node itself: who it is and what it makes of new topics.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`AbstractKafkaConfig`).
    pub static NODE;

    "node.id" Int = None, AtLeast(0), High, ReadOnly, Applied;
        "The first shard's node id; shard `i` is node `node.id + i`. Fixed when the data folder "
        "is formatted.";
    "broker.id" Int = Some("-1"), Any, High, ReadOnly, Applied;
        "The old name of `node.id`. When both are set they must be equal.";
    "process.roles" List = Some("broker,controller"),
        Items { of: &["broker", "controller"], may_be_empty: false }, High, ReadOnly, Applied;
        "`broker`: a broker of a cluster, whose controllers are Apache Kafka's. Unset, or "
        "`broker,controller`: a broker alone, with its metadata embedded. Corelane is no "
        "controller of a quorum.";
    "broker.rack" String = None, Any, Medium, ReadOnly, Applied;
        "The rack or zone of this machine, shown to clients so that they can read from nearby.";
    "auto.create.topics.enable" Boolean = Some("true"), Any, High, ReadOnly, Applied;
        "Whether asking for a topic that does not exist creates it.";
    "num.partitions" Int = Some("1"), AtLeast(1), Medium, ReadOnly, Applied;
        "Partitions of a topic whose creator did not say how many. In a cluster the controllers' "
        "own setting counts.";
    "default.replication.factor" Int = Some("1"), Any, Medium, ReadOnly, Applied;
        "Replicas of a topic whose creator did not say how many. A machine alone can give one "
        "only, however many shards it has: a topic that asks for two is refused. In a cluster "
        "the controllers' own setting counts.";
    "delete.topic.enable" Boolean = Some("true"), Any, High, ReadOnly, Applied;
        "Whether topics can be deleted.";
    "message.max.bytes" Int = Some("1048588"), AtLeast(0), High, ClusterWide, Applied;
        "The largest record batch taken by topics that do not say otherwise.";
    "compression.type" String = Some("producer"),
        OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), High, ClusterWide,
        Applied;
        "The codec of batches on disk where the topic does not say otherwise.";
    "compression.gzip.level" Int = Some("-1"), GzipLevel, Medium, ClusterWide, Applied;
        "How hard the broker tries when `compression.type` has it compress to gzip.";
    "compression.lz4.level" Int = Some("9"), Between(1, 17), Medium, ClusterWide,
        Applied;
        "How hard the broker tries when `compression.type` has it compress to lz4.";
    "compression.zstd.level" Int = Some("3"), Between(-131072, 22), Medium, ClusterWide,
        Applied;
        "How hard the broker tries when `compression.type` has it compress to zstd.";
    "max.request.partition.size.limit" Int = Some("2000"), AtLeast(1), Medium, ReadOnly, Applied;
        "The most partitions that one DescribeTopicPartitions answer lists.";
}
