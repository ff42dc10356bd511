//! Pure: settings, declared once: read, checked, layered, described and documented from one table.
//! May use: nothing of this crate outside `base`. Never: reads a file, logs, or exits.

mod broker;
mod broker_config;
mod describe;
mod docs;
mod dynamic;
mod client_metrics;
mod cluster;
mod group;
mod layers;
mod listener;
mod load;
mod nearest;
mod parts;
mod properties;
mod reader;
mod resolve;
mod rule;
mod setting;
mod shards;
mod table;
mod topic;
mod value;

pub use broker::{broker_setting, broker_settings};
pub use broker_config::BrokerConfig;
pub use client_metrics::{CLIENT_METRICS_SETTINGS, Facts, client_metrics_setting, client_pattern};
pub use describe::{Described, Source, Synonym};
pub use docs::markdown;
pub use dynamic::{check_broker, check_group};
pub use group::{GROUP_SETTINGS, group_setting};
pub use layers::{Layers, Texts};
pub use listener::Endpoint;
pub use load::{ConfigError, ConfigFile, Flags, HostFacts, load};
pub use parts::{
    ClusterConfig, CompactionConfig, ConsumerGroupsConfig, FetchConfig, GroupsConfig,
    NetworkConfig, OffsetsConfig, ReplicaConfig, ShardConfig, TransactionsConfig,
};
pub use rule::Rule;
pub use setting::{Effect, Importance, Mode, Setting, Why};
pub use shards::default_shards;
pub use topic::{
    CleanupPolicy, Compression, TOPIC_SETTINGS, TopicConfig, check_topic, not_applied,
    topic_setting,
};
pub use value::{InvalidValue, Kind, Value};
