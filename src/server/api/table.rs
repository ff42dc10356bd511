//! Pure: THE TABLE of the Kafka APIs that this broker serves.
//!
//! What the broker advertises, what it dispatches, what it counts per API and what README lists
//! are all read from it.

use super::row::{Row, encoding_row, row};
use super::{cluster, groups, offsets, records, security, topics, transactions};
use crate::server::state::served::ServedApi;

/// Every API this broker serves, by key.
pub const TABLE: &[Row] = &[
    records::produce::ROW,
    records::fetch::ROW,
    row::<records::list_offsets::ListOffsets>(),
    row::<topics::metadata::Metadata>(),
    row::<offsets::offset_commit::OffsetCommit>(),
    row::<offsets::offset_fetch::OffsetFetch>(),
    row::<groups::find_coordinator::FindCoordinator>(),
    row::<groups::join_group::JoinGroup>(),
    row::<groups::heartbeat::Heartbeat>(),
    row::<groups::leave_group::LeaveGroup>(),
    row::<groups::sync_group::SyncGroup>(),
    row::<groups::describe_groups::DescribeGroups>(),
    row::<groups::list_groups::ListGroups>(),
    row::<cluster::api_versions::ApiVersions>(),
    row::<topics::create_topics::CreateTopics>(),
    row::<topics::delete_topics::DeleteTopics>(),
    row::<records::delete_records::DeleteRecords>(),
    row::<transactions::init_producer_id::InitProducerId>(),
    row::<records::offset_for_leader_epoch::OffsetForLeaderEpoch>(),
    row::<security::acls::DescribeAcls>(),
    row::<security::acls::CreateAcls>(),
    row::<security::acls::DeleteAcls>(),
    encoding_row::<cluster::describe_configs::DescribeConfigs>(),
    row::<cluster::alter_configs::AlterConfigs>(),
    row::<cluster::describe_log_dirs::DescribeLogDirs>(),
    row::<topics::create_partitions::CreatePartitions>(),
    row::<groups::delete_groups::DeleteGroups>(),
    row::<cluster::incremental_alter_configs::IncrementalAlterConfigs>(),
    row::<offsets::offset_delete::OffsetDelete>(),
    row::<cluster::describe_cluster::DescribeCluster>(),
    row::<cluster::list_config_resources::ListConfigResources>(),
    row::<topics::describe_topic_partitions::DescribeTopicPartitions>(),
];

/// What the rest of the server knows of the rows, in the same order.
pub const SERVED: &[ServedApi] = &{
    let mut served = [ServedApi::new("", 0, (0, 0)); TABLE.len()];
    let mut at = 0;
    while at < TABLE.len() {
        let row = &TABLE[at];
        let advertised = (row.advertised_min, row.versions.1);
        served[at] = ServedApi::new(row.name, row.key, advertised);
        at += 1;
    }
    served
};

/// The place in [`TABLE`] of the API with this key, if it is served.
pub fn place(key: i16) -> Option<usize> {
    TABLE.binary_search_by_key(&key, |row| row.key).ok()
}

/// The row of `key`, if the API is served.
pub fn find(key: i16) -> Option<&'static Row> {
    place(key).map(|at| &TABLE[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_no_key_twice() {
        assert!(TABLE.windows(2).all(|pair| pair[0].key < pair[1].key));
    }

    /// Set to write README's table of APIs instead of comparing it.
    const RENEW: &str = "CORELANE_RENEW_DOCS";

    #[test]
    fn the_readme_lists_every_row() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        let readme = std::fs::read_to_string(path).unwrap();
        let (before, rest) = readme
            .split_once("<!-- apis -->\n")
            .expect("the table's mark");
        let (_, after) = rest
            .split_once("<!-- end of apis -->")
            .expect("its end's mark");
        let mut table = String::from("| key | API | versions |\n|---|---|---|\n");
        for row in TABLE {
            let (first, last) = row.versions;
            table += &format!("| {} | {} | {first}–{last} |\n", row.key, row.name);
        }
        let wanted = format!("{before}<!-- apis -->\n{table}<!-- end of apis -->{after}");
        if std::env::var_os(RENEW).is_some() {
            std::fs::write(path, wanted).unwrap();
            return;
        }
        assert_eq!(
            readme, wanted,
            "README is stale: run the test with {RENEW}=1"
        );
    }
}
