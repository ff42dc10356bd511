//! Pure: what the broker's settings come to, as typed fields for those who act on them.

use std::path::PathBuf;

use super::broker::broker_setting;
use super::layers::{Layers, Texts};
use super::listener::Endpoint;
use super::parts::{
    ClusterConfig, CompactionConfig, FetchConfig, GroupsConfig, NetworkConfig, OffsetsConfig,
    ShardConfig, TransactionsConfig,
};
use super::reader::Reader;
use super::setting::Setting;
use super::topic::{TopicConfig, check_topic, topic_setting};
use super::value::{InvalidValue, Value};
use crate::base::NodeId;

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
    /// The cluster that this process is a broker of; `None`: it runs alone.
    pub cluster: Option<ClusterConfig>,
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
    /// Transactions and the topic that keeps them.
    pub transactions: TransactionsConfig,
    /// Compaction.
    pub compaction: CompactionConfig,
    /// One shard's own resources.
    pub shard: ShardConfig,
    /// `follower.replication.throttled.rate`, in bytes a second: what all throttled replicas of a
    /// node fetch together while they catch up; `None` for no bound.
    pub follower_throttle_rate: Option<u64>,
    /// `leader.replication.throttled.rate`, in bytes a second: what all throttled replicas together
    /// get from a node while they catch up; `None` for no bound.
    pub leader_throttle_rate: Option<u64>,
    /// `replica.alter.log.dirs.io.max.bytes.per.second`: how fast a node copies replicas from one
    /// of its folders to another; `None` for no bound.
    pub alter_dirs_rate: Option<u64>,
    /// `telemetry.max.bytes`: the most that a client may push of its metrics at a time.
    pub telemetry_max_bytes: usize,
    /// What to tell the operator at start, a line each.
    pub notes: Vec<String>,
    pub(super) layers: Layers,
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
            cluster: self.cluster.clone(),
            notes: self.notes.clone(),
        };
        BrokerConfig::build(fixed, layers)
    }

    /// The nodes of this process, one for each shard.
    pub fn nodes(&self) -> Vec<NodeId> {
        let shards = 0..self.shards;
        shards.map(|shard| NodeId(self.node_id(shard))).collect()
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
            transactions: read.transactions(),
            compaction: read.compaction(fixed.shards),
            shard: ShardConfig {
                memory_bytes: read.size("corelane.shard.memory.bytes"),
                tail_cache_bytes: read.size("corelane.shard.tail.cache.bytes"),
                journal_bytes: read.size("corelane.journal.bytes"),
                scrub_bytes_per_second: read.size("corelane.log.scrub.bytes.per.second"),
                spin_us: read.long("corelane.spin.us").max(0) as u64,
                busy_poll_us: read.long("corelane.busy.poll.us").max(0) as u64,
                balance: read.flag("corelane.shard.balance.enable"),
                balance_period_ms: read.long("corelane.shard.balance.period.ms").max(1) as u64,
            },
            telemetry_max_bytes: read.size("telemetry.max.bytes"),
            follower_throttle_rate: read.dynamic_rate("follower.replication.throttled.rate"),
            leader_throttle_rate: read.dynamic_rate("leader.replication.throttled.rate"),
            alter_dirs_rate: read.dynamic_rate("replica.alter.log.dirs.io.max.bytes.per.second"),
            data_dir: fixed.data_dir,
            log_dirs: fixed.log_dirs,
            listener: fixed.listener,
            advertised: fixed.advertised,
            shards: fixed.shards,
            cluster: fixed.cluster,
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
    pub cluster: Option<ClusterConfig>,
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
