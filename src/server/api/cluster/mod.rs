//! Drives: what clients ask about the cluster and its settings.

pub mod alter_configs;
pub mod alter_replica_log_dirs;
pub mod api_versions;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_log_dirs;
pub mod describe_quorum;
pub mod incremental_alter_configs;
pub mod list_config_resources;
pub mod update_features;
