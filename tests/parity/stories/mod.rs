//! The stories, one function each, by family; and what is done once before all of them.

mod acls;
mod alter_configs;
mod cluster;
mod configs;
mod consumers;
mod endings;
mod features;
mod fetch;
mod frames;
mod groups;
mod log;
mod loggers;
mod members;
mod metadata;
mod migration;
mod nodes;
mod offsets;
mod produce;
mod producers;
mod quotas;
mod rebalance;
mod scene;
mod telemetry;
mod topics;
mod transactions;

use std::net::SocketAddr;

use crate::script::Story;

/// Plays a story.
pub type Telling = fn(&mut Story);

/// Every story: the name of its golden file, and the telling.
pub const ALL: &[(&str, Telling)] = &[
    ("api_versions", cluster::api_versions),
    ("describe_cluster", cluster::describe_cluster),
    ("describe_log_dirs", cluster::describe_log_dirs),
    ("alter_replica_log_dirs", cluster::alter_replica_log_dirs),
    ("metadata", metadata::metadata),
    (
        "describe_topic_partitions",
        metadata::describe_topic_partitions,
    ),
    ("find_coordinator", metadata::find_coordinator),
    ("create_topics", topics::create_topics),
    ("delete_topics", topics::delete_topics),
    ("create_partitions", topics::create_partitions),
    ("elect_leaders", nodes::elect_leaders),
    (
        "alter_partition_reassignments",
        nodes::alter_partition_reassignments,
    ),
    (
        "list_partition_reassignments",
        nodes::list_partition_reassignments,
    ),
    ("describe_quorum", nodes::describe_quorum),
    ("describe_configs", configs::describe_configs),
    ("alter_configs", alter_configs::alter_configs),
    (
        "incremental_alter_configs",
        alter_configs::incremental_alter_configs,
    ),
    ("acls", acls::acls),
    ("loggers", loggers::loggers),
    ("client_quotas", quotas::client_quotas),
    ("update_features", features::update_features),
    ("client_metrics", telemetry::client_metrics),
    ("list_config_resources", configs::list_config_resources),
    ("produce", produce::produce),
    ("produce_bad_batches", produce::bad_batches),
    ("produce_old_formats", produce::old_formats),
    ("produce_compressed", produce::compressed),
    ("produce_topic_settings", produce::topic_settings),
    ("init_producer_id", producers::init_producer_id),
    ("idempotent_produce", producers::idempotent_produce),
    ("init_transactions", transactions::init_transactions),
    ("add_partitions_to_txn", transactions::add_partitions_to_txn),
    ("add_offsets_to_txn", transactions::add_offsets_to_txn),
    ("end_txn", transactions::end_txn),
    ("txn_offset_commit", transactions::txn_offset_commit),
    ("write_txn_markers", transactions::write_txn_markers),
    ("describe_producers", transactions::describe_producers),
    ("describe_transactions", transactions::describe_transactions),
    ("list_transactions", transactions::list_transactions),
    ("commits_in_groups", transactions::commits_in_groups),
    ("fetch", fetch::fetch),
    ("fetch_limits", fetch::limits),
    ("fetch_waits", fetch::waits),
    ("fetch_deleted", fetch::deleted),
    ("fetch_sessions", fetch::sessions),
    ("list_offsets", log::list_offsets),
    ("delete_records", log::delete_records),
    ("times_after_deletion", log::times_after_deletion),
    ("offset_for_leader_epoch", log::offset_for_leader_epoch),
    ("join_group", members::join_group),
    ("sync_group", members::sync_group),
    ("heartbeat", members::heartbeat),
    ("leave_group", members::leave_group),
    ("static_members", rebalance::static_members),
    ("rebalance", rebalance::rebalance),
    ("describe_groups", groups::describe_groups),
    ("list_groups", groups::list_groups),
    ("delete_groups", groups::delete_groups),
    ("offset_commit", offsets::offset_commit),
    ("offset_fetch", offsets::offset_fetch),
    ("offset_delete", offsets::offset_delete),
    ("frames", frames::frames),
    ("endings", endings::endings),
    ("unsupported_versions", frames::unsupported_versions),
    // Last: the settings of their groups are there for all to see.
    (
        "consumer_group_heartbeat",
        consumers::consumer_group_heartbeat,
    ),
    (
        "consumer_group_refusals",
        consumers::consumer_group_refusals,
    ),
    ("consumer_group_static", consumers::consumer_group_static),
    ("consumer_group_offsets", consumers::consumer_group_offsets),
    ("consumer_group_regex", consumers::consumer_group_regex),
    ("consumer_group_migration", migration::group_migration),
    (
        "consumer_group_no_migration",
        migration::group_migration_refused,
    ),
];

/// Has the broker make its internal topics, so that no story meets it while it does.
pub fn prepare(address: SocketAddr) {
    scene::make_coordinators(&mut Story::new("prepare", address));
}
