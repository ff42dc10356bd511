//! Pure: the settings of the broker as typed fields, a struct for each of its parts.

use super::listener::Endpoint;

/// Sockets and requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkConfig {
    /// The longest request read, in bytes.
    pub request_bytes_max: usize,
    /// SO_RCVBUF in bytes; `None` leaves it to the kernel.
    pub receive_buffer_bytes: Option<usize>,
    /// SO_SNDBUF in bytes; `None` leaves it to the kernel.
    pub send_buffer_bytes: Option<usize>,
    /// Connections that may wait to be accepted; `None` for as many as is usual.
    pub backlog: Option<i32>,
    /// Connections of one shard.
    pub connections_max: usize,
    /// Connections of one shard from one address.
    pub connections_per_ip_max: usize,
    /// After how long without a request a connection is closed, in milliseconds; `None`: never.
    pub idle_max_ms: Option<i64>,
}

/// Fetch requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchConfig {
    /// The most bytes in one answer.
    pub response_bytes_max: usize,
    /// Incremental fetch sessions that all shards together remember.
    pub sessions_max: usize,
}

/// Groups of consumers, by the protocol that they speak.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupsConfig {
    /// The shortest session timeout that a classic member may ask for, in milliseconds.
    pub session_timeout_min_ms: i32,
    /// The longest session timeout that a member may ask for, in milliseconds.
    pub session_timeout_max_ms: i32,
    /// Members of one group.
    pub members_max: usize,
    /// How long a new group waits for further members, in milliseconds.
    pub initial_rebalance_delay_ms: i32,
    /// Those of the consumer protocol (KIP-848).
    pub consumer: ConsumerGroupsConfig,
}

/// Groups of the consumer protocol (KIP-848).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerGroupsConfig {
    /// How long a member may be silent, in milliseconds.
    pub session_timeout_ms: i32,
    /// How often a member reports, in milliseconds.
    pub heartbeat_interval_ms: i32,
    /// The least time between two assignments, in milliseconds.
    pub assignment_interval_ms: i32,
    /// Members of one group.
    pub members_max: usize,
    /// The assignors that there are, the default one first.
    pub assignors: Vec<String>,
    /// Whether a group may become one of this protocol while it is in use.
    pub may_upgrade: bool,
    /// Whether a group may go back to the classic protocol while it is in use.
    pub may_downgrade: bool,
}

/// Committed offsets and `__consumer_offsets`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetsConfig {
    /// Partitions of `__consumer_offsets`.
    pub topic_partitions: i32,
    /// Replicas of `__consumer_offsets`.
    pub topic_replication_factor: i16,
    /// Segment size of `__consumer_offsets`, in bytes.
    pub topic_segment_bytes: u64,
    /// The longest text that may go with an offset, in bytes.
    pub metadata_bytes_max: usize,
    /// How long offsets outlive their group's last member, in milliseconds.
    pub retention_ms: i64,
    /// How often those that have outlived it are looked for, in milliseconds.
    pub retention_check_ms: i64,
}

/// Transactions and `__transaction_state`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransactionsConfig {
    /// Partitions of `__transaction_state`.
    pub topic_partitions: i32,
    /// Replicas of `__transaction_state`.
    pub topic_replication_factor: i16,
    /// Replicas that must have a record of it.
    pub topic_min_in_sync: i32,
    /// Segment size of `__transaction_state`, in bytes.
    pub topic_segment_bytes: u64,
    /// The longest timeout that a producer may ask for, in milliseconds.
    pub timeout_max_ms: i32,
    /// How long a quiet transactional id is remembered, in milliseconds.
    pub id_expiration_ms: i64,
    /// How often transactions that took too long are looked for, in milliseconds.
    pub timeout_check_ms: i64,
    /// How often ids that have been quiet for too long are looked for, in milliseconds.
    pub expiration_check_ms: i64,
}

/// Compaction, as far as no topic's own. Bounds are those of one shard, its part of all.
#[derive(Clone, PartialEq, Debug)]
pub struct CompactionConfig {
    /// Whether it runs.
    pub enabled: bool,
    /// Memory for the map of keys, in bytes.
    pub map_bytes: usize,
    /// How full the map may get, as a share.
    pub map_load_factor: f64,
    /// Memory for what is being read and written, in bytes.
    pub buffer_bytes: usize,
    /// Bytes that may be read and written in a second.
    pub bytes_per_second: f64,
    /// How long to sleep when nothing is dirty enough, in milliseconds.
    pub backoff_ms: u64,
}

/// One shard's own resources.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardConfig {
    /// Memory for requests, tail cache and reads in flight, in bytes.
    pub memory_bytes: usize,
    /// The newest records kept in memory, in bytes.
    pub tail_cache_bytes: usize,
    /// Size of the journal in each log folder, in bytes; 0 for none.
    pub journal_bytes: usize,
    /// How fast sealed segments are read through for damage, in bytes a second; 0 for not at all.
    pub scrub_bytes_per_second: usize,
    /// How long an idle shard looks for work before it sleeps, in microseconds.
    pub spin_us: u64,
    /// How long the kernel polls the network card before an idle shard sleeps, in microseconds.
    pub busy_poll_us: u64,
    /// Whether partitions go by themselves from a busy shard to one that is less so.
    pub balance: bool,
    /// How often it is looked whether one should, in milliseconds.
    pub balance_period_ms: u64,
}

/// What a broker of a cluster needs to find the others (`process.roles=broker`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterConfig {
    /// Where controllers of the quorum may be, as the settings name them; never empty. The listener
    /// is the first of `controller.listener.names`.
    pub controllers: Vec<Endpoint>,
    /// The listener that brokers use among themselves, in capitals.
    pub inter_broker_listener: String,
    /// How often a node reports to the controller, in milliseconds.
    pub heartbeat_interval_ms: u64,
    /// How long a start tries to register, in milliseconds.
    pub registration_timeout_ms: u64,
    /// How its replicas follow their leaders.
    pub replica: ReplicaConfig,
}

/// How replicas follow their leaders.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaConfig {
    /// How long a follower may lag before it is out of sync, in milliseconds.
    pub lag_time_max_ms: u64,
    /// How long a follower's fetch waits at the leader, in milliseconds.
    pub fetch_wait_max_ms: u32,
    /// The least bytes that it waits for.
    pub fetch_min_bytes: u32,
    /// The most bytes of one partition in an answer, but for a batch that is larger.
    pub fetch_bytes_max: u32,
    /// The most bytes in one answer.
    pub response_bytes_max: u32,
    /// The pause after a failed fetch, in milliseconds.
    pub fetch_backoff_ms: u64,
    /// How long an answer may take, in milliseconds.
    pub socket_timeout_ms: u64,
    /// Whether consumers are sent to replicas in their rack (KIP-392).
    pub selects_by_rack: bool,
}
