//! Pure: broker settings: how replicas follow their leaders.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`ReplicationConfigs`).
    pub static REPLICATION;

    "replica.lag.time.max.ms" Long = Some("30000"), Any, High, ReadOnly, InCluster(OneReplica);
        "How long a follower may lag before it counts as out of sync.";
    "replica.fetch.wait.max.ms" Int = Some("500"), Any, High, ReadOnly, InCluster(OneReplica);
        "How long a follower's fetch waits at the leader for records.";
    "replica.fetch.min.bytes" Int = Some("1"), Any, High, ReadOnly, InCluster(OneReplica);
        "The least bytes that a follower's fetch waits for.";
    "replica.fetch.max.bytes" Int = Some("1048576"), AtLeast(0), Medium, ReadOnly,
        InCluster(OneReplica);
        "The most bytes that a follower fetches of one partition; a larger batch comes whole.";
    "replica.fetch.response.max.bytes" Int = Some("10485760"), AtLeast(0), Medium, ReadOnly,
        InCluster(OneReplica);
        "The most bytes in one answer to a follower.";
    "replica.fetch.backoff.ms" Int = Some("1000"), AtLeast(0), Medium, ReadOnly,
        InCluster(OneReplica);
        "The pause after a failed fetch.";
    "replica.socket.timeout.ms" Int = Some("30000"), Any, High, ReadOnly, InCluster(OneReplica);
        "How long a follower waits for the answer to a request.";
    "replica.selector.class" String = None, Any, Medium, ReadOnly, InCluster(OneReplica);
        "How consumers that say their rack are sent to replicas near them: with "
        "`org.apache.kafka.common.replica.RackAwareReplicaSelector` to one in their rack "
        "(KIP-392). No other class can be loaded here.";
    "min.insync.replicas" Int = Some("1"), AtLeast(1), High, ClusterWide, InCluster(OneReplica);
        "How many replicas must be in sync for acks=all to be taken and answered, as far as there "
        "are so many.";
    "unclean.leader.election.enable" Boolean = Some("false"), Any, High, ClusterWide,
        InCluster(OneReplica);
        "Whether a lagging replica may become leader when no other is left, losing records. The "
        "controllers decide that: set it there.";
}
