//! Pure: what the broker's settings come to, as typed fields for those who act on them.

use std::path::PathBuf;

use super::broker::broker_setting;
use super::layers::{Layers, Texts};
use super::listener::Endpoint;
use super::setting::Setting;
use super::topic::{TopicConfig, check_topic, topic_setting};
use super::value::{InvalidValue, Value};

/// What the settings of one process come to. `load` makes it; `with_dynamic` renews it.
#[derive(Clone, PartialEq, Debug)]
pub struct BrokerConfig {
    /// The folder of the metadata log: `metadata.log.dir`, or the first of `log_dirs`.
    pub data_dir: PathBuf,
    /// The folders of partitions (`log.dirs`), as they were given, each once.
    pub log_dirs: Vec<PathBuf>,
    /// Where the first shard listens; the others follow port by port (`Endpoint::of_shard`).
    pub listener: Endpoint,
    /// What clients are told about that; counted on per shard in the same way.
    pub advertised: Endpoint,
    /// Shards of this process.
    pub shards: usize,
    /// The first shard's node id (`node.id`); shard `i` is node `first_node_id + i`.
    pub first_node_id: i32,
    /// `broker.rack`, where it was set.
    pub rack: Option<String>,
    /// Where the admin pages are served; `None`: nowhere.
    pub admin: Option<(String, u16)>,
    /// What to log, in the form of tracing's filters.
    pub log_level: String,
    /// Partitions of a topic whose creator did not say how many.
    pub num_partitions: i32,
    /// Replicas of a topic whose creator did not say how many.
    pub default_replication_factor: i16,
    /// Whether asking for a topic creates it.
    pub auto_create_topics: bool,
    /// Whether topics can be deleted.
    pub delete_topics: bool,
    /// The most partitions in one DescribeTopicPartitions answer.
    pub described_partitions_max: usize,
    /// How long a quiet idempotent producer is remembered, in milliseconds.
    pub producer_id_expiration_ms: i64,
    /// The longest transaction timeout that a producer may ask for, in milliseconds.
    pub transaction_timeout_max_ms: i32,
    /// How often segments that may go are looked for, in milliseconds.
    pub retention_check_ms: i64,
    /// What a topic without settings of its own gets.
    pub topic_defaults: TopicConfig,
    /// Sockets and requests.
    pub network: NetworkConfig,
    /// Fetch requests.
    pub fetch: FetchConfig,
    /// Classic groups.
    pub groups: GroupsConfig,
    /// Committed offsets and the topic that keeps them.
    pub offsets: OffsetsConfig,
    /// Compaction.
    pub compaction: CompactionConfig,
    /// One shard's own resources.
    pub shard: ShardConfig,
    /// What to tell the operator at start, a line each.
    pub notes: Vec<String>,
    pub(super) layers: Layers,
}

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

/// Classic consumer groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupsConfig {
    /// The shortest session timeout that a member may ask for, in milliseconds.
    pub session_timeout_min_ms: i32,
    /// The longest session timeout that a member may ask for, in milliseconds.
    pub session_timeout_max_ms: i32,
    /// Members of one group.
    pub members_max: usize,
    /// How long a new group waits for further members, in milliseconds.
    pub initial_rebalance_delay_ms: i32,
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
}

// === impl BrokerConfig ===

impl BrokerConfig {
    /// What was set, by where it was set.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The same settings under what was changed while running: for all nodes, and for this one.
    /// Texts that do not fit are passed over: they were checked before they were stored.
    #[must_use]
    pub fn with_dynamic(&self, cluster: &Texts, node: &Texts) -> BrokerConfig {
        let layers = Layers {
            fixed: self.layers.fixed.clone(),
            cluster: cluster.clone(),
            node: node.clone(),
        };
        let fixed = Fixed {
            data_dir: self.data_dir.clone(),
            log_dirs: self.log_dirs.clone(),
            listener: self.listener.clone(),
            advertised: self.advertised.clone(),
            shards: self.shards,
            notes: self.notes.clone(),
        };
        BrokerConfig::build(fixed, layers)
    }

    /// The node id of shard `shard`.
    pub fn node_id(&self, shard: usize) -> i32 {
        self.first_node_id + shard as i32
    }

    /// What a topic with these settings of its own gets; errors name the first bad one (as Kafka).
    pub fn topic_config(&self, overrides: &Texts) -> Result<TopicConfig, InvalidValue> {
        check_topic(overrides)?;
        Ok(TopicConfig::from_values(|name| {
            let row = topic_setting(name).expect("a row of the table");
            match overrides.get(name).map(|text| row.parse(text)) {
                Some(Ok(value)) => value,
                _ => self.topic_default(row),
            }
        }))
    }

    /// What a topic gets that does not say: the first of its broker synonyms that was set, or the
    /// row's default.
    pub(super) fn topic_default(&self, row: &Setting) -> Value {
        topic_default(&self.layers, row)
    }

    pub(super) fn build(fixed: Fixed, layers: Layers) -> BrokerConfig {
        let read = Reader(&layers);
        BrokerConfig {
            first_node_id: read.first_node_id(),
            rack: read.text("broker.rack"),
            admin: read
                .some("corelane.admin.port")
                .map(|port| (fixed.listener.host.clone(), port as u16)),
            log_level: read.text("corelane.log.level").unwrap_or_default(),
            num_partitions: read.int("num.partitions"),
            default_replication_factor: read.int("default.replication.factor") as i16,
            auto_create_topics: read.flag("auto.create.topics.enable"),
            delete_topics: read.flag("delete.topic.enable"),
            described_partitions_max: read.size("max.request.partition.size.limit"),
            producer_id_expiration_ms: read.long("producer.id.expiration.ms"),
            transaction_timeout_max_ms: read.int("transaction.max.timeout.ms"),
            retention_check_ms: read.long("log.retention.check.interval.ms"),
            topic_defaults: TopicConfig::from_values(|name| {
                topic_setting(name).map_or(Value::Int(0), |row| topic_default(&layers, row))
            }),
            network: read.network(),
            fetch: FetchConfig {
                response_bytes_max: read.size("fetch.max.bytes"),
                sessions_max: read.size("max.incremental.fetch.session.cache.slots"),
            },
            groups: read.groups(),
            offsets: read.offsets(),
            compaction: read.compaction(fixed.shards),
            shard: ShardConfig {
                memory_bytes: read.size("corelane.shard.memory.bytes"),
                tail_cache_bytes: read.size("corelane.shard.tail.cache.bytes"),
                journal_bytes: read.size("corelane.journal.bytes"),
                scrub_bytes_per_second: read.size("corelane.log.scrub.bytes.per.second"),
                spin_us: read.long("corelane.spin.us").max(0) as u64,
                busy_poll_us: read.long("corelane.busy.poll.us").max(0) as u64,
            },
            data_dir: fixed.data_dir,
            log_dirs: fixed.log_dirs,
            listener: fixed.listener,
            advertised: fixed.advertised,
            shards: fixed.shards,
            notes: fixed.notes,
            layers,
        }
    }
}

/// What `load` has worked out already and nothing changes while running.
pub(super) struct Fixed {
    pub data_dir: PathBuf,
    pub log_dirs: Vec<PathBuf>,
    pub listener: Endpoint,
    pub advertised: Endpoint,
    pub shards: usize,
    pub notes: Vec<String>,
}

fn topic_default(layers: &Layers, row: &Setting) -> Value {
    let synonyms = row.synonyms.iter().filter_map(|name| broker_setting(name));
    let set = synonyms
        .filter_map(|synonym| Some((synonym.name, layers.set(synonym)?)))
        .next();
    match set {
        Some((name, Value::Int(number))) => Value::Int(in_topic_units(name, number)),
        Some((_, value)) => value,
        None => row.default_value().unwrap_or(Value::Int(0)),
    }
}

/// Hours and minutes of a broker setting in the milliseconds of the topic's; a retention below
/// zero means for ever, which is -1 there.
fn in_topic_units(name: &str, number: i64) -> i64 {
    let factor = match name {
        _ if name.ends_with(".hours") => 3_600_000,
        _ if name.ends_with(".minutes") => 60_000,
        _ => 1,
    };
    let forever = name.starts_with("log.retention.") && !name.ends_with(".bytes") && number < 0;
    if forever {
        -1
    } else {
        number.saturating_mul(factor)
    }
}

/// Reads typed values of rows that the tables are known to hold.
struct Reader<'a>(&'a Layers);

impl Reader<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        let row = broker_setting(name);
        debug_assert!(row.is_some(), "no row called {name}");
        self.0.value(row?)
    }

    fn some(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }

    fn long(&self, name: &str) -> i64 {
        self.some(name).unwrap_or_default()
    }

    fn int(&self, name: &str) -> i32 {
        self.long(name) as i32
    }

    fn size(&self, name: &str) -> usize {
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

    fn flag(&self, name: &str) -> bool {
        self.value(name) == Some(Value::Bool(true))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.value(name).map(|value| value.to_string())
    }

    fn first_node_id(&self) -> i32 {
        let given = self.some("node.id").or_else(|| self.some("broker.id"));
        given.filter(|&id| id >= 0).unwrap_or(1) as i32
    }

    fn network(&self) -> NetworkConfig {
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

    fn groups(&self) -> GroupsConfig {
        GroupsConfig {
            session_timeout_min_ms: self.int("group.min.session.timeout.ms"),
            session_timeout_max_ms: self.int("group.max.session.timeout.ms"),
            members_max: self.size("group.max.size"),
            initial_rebalance_delay_ms: self.int("group.initial.rebalance.delay.ms"),
        }
    }

    fn compaction(&self, shards: usize) -> CompactionConfig {
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

    fn offsets(&self) -> OffsetsConfig {
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
