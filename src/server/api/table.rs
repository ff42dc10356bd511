//! Pure: THE TABLE of the Kafka APIs that this broker serves.
//!
//! What the broker advertises, what it dispatches, what it counts per API and what README lists
//! are all read from it.

use super::authorizer::Operation::{
    Alter, AlterConfigs, ClusterAction, Create, Delete, Describe, DescribeConfigs, IdempotentWrite,
    Read, Write,
};
use super::authorizer::Resource::{Cluster, Group, Topic, TransactionalId};
use super::row::{Row, encoding_row, relayed_row, row};
use super::{clients, cluster, groups, offsets, records, security, topics, transactions};
use crate::server::state::served::ServedApi;

/// Every API this broker serves, by key; with what Kafka's authorizer is asked about it.
pub const TABLE: &[Row] = &[
    records::produce::ROW,
    records::fetch::ROW,
    row::<records::list_offsets::ListOffsets>(&[(Describe, Topic)]),
    row::<topics::metadata::Metadata>(&[
        (Describe, Topic),
        (Create, Cluster),
        (Create, Topic),
        (Describe, Cluster),
    ]),
    row::<offsets::offset_commit::OffsetCommit>(&[(Read, Group), (Read, Topic)]),
    row::<offsets::offset_fetch::OffsetFetch>(&[(Describe, Group), (Describe, Topic)]),
    row::<groups::find_coordinator::FindCoordinator>(&[
        (Describe, Group),
        (Describe, TransactionalId),
        (ClusterAction, Cluster),
    ]),
    row::<groups::join_group::JoinGroup>(&[(Read, Group)]),
    row::<groups::heartbeat::Heartbeat>(&[(Read, Group)]),
    row::<groups::leave_group::LeaveGroup>(&[(Read, Group)]),
    row::<groups::sync_group::SyncGroup>(&[(Read, Group)]),
    row::<groups::describe_groups::DescribeGroups>(&[(Describe, Group)]),
    row::<groups::list_groups::ListGroups>(&[(Describe, Cluster), (Describe, Group)]),
    row::<cluster::api_versions::ApiVersions>(&[]),
    row::<topics::create_topics::CreateTopics>(&[
        (Create, Cluster),
        (Create, Topic),
        (DescribeConfigs, Topic),
    ]),
    row::<topics::delete_topics::DeleteTopics>(&[
        (Delete, Cluster),
        (Describe, Topic),
        (Delete, Topic),
    ]),
    row::<records::delete_records::DeleteRecords>(&[(Delete, Topic)]),
    row::<transactions::init_producer_id::InitProducerId>(&[
        (Write, TransactionalId),
        (IdempotentWrite, Cluster),
        (Write, Topic),
    ]),
    row::<records::offset_for_leader_epoch::OffsetForLeaderEpoch>(&[
        (ClusterAction, Cluster),
        (Describe, Topic),
    ]),
    row::<transactions::add_partitions_to_txn::AddPartitionsToTxn>(&[
        (ClusterAction, Cluster),
        (Write, TransactionalId),
        (Write, Topic),
    ]),
    row::<transactions::add_offsets_to_txn::AddOffsetsToTxn>(&[
        (Write, TransactionalId),
        (Read, Group),
    ]),
    row::<transactions::end_txn::EndTxn>(&[(Write, TransactionalId)]),
    row::<transactions::write_txn_markers::WriteTxnMarkers>(&[
        (Alter, Cluster),
        (ClusterAction, Cluster),
    ]),
    row::<transactions::txn_offset_commit::TxnOffsetCommit>(&[
        (Write, TransactionalId),
        (Read, Group),
        (Read, Topic),
    ]),
    row::<security::acls::DescribeAcls>(&[(Describe, Cluster)]),
    row::<security::acls::CreateAcls>(&[(Alter, Cluster)]),
    row::<security::acls::DeleteAcls>(&[(Alter, Cluster)]),
    encoding_row::<cluster::describe_configs::DescribeConfigs>(&[
        (DescribeConfigs, Cluster),
        (DescribeConfigs, Topic),
        (DescribeConfigs, Group),
    ]),
    row::<cluster::alter_configs::AlterConfigs>(&[
        (AlterConfigs, Cluster),
        (AlterConfigs, Topic),
        (AlterConfigs, Group),
    ]),
    row::<cluster::alter_replica_log_dirs::AlterReplicaLogDirs>(&[(Alter, Cluster)]),
    row::<cluster::describe_log_dirs::DescribeLogDirs>(&[(Describe, Cluster)]),
    row::<topics::create_partitions::CreatePartitions>(&[(Alter, Topic)]),
    row::<groups::delete_groups::DeleteGroups>(&[(Delete, Group)]),
    row::<topics::elect_leaders::ElectLeaders>(&[(Alter, Cluster)]),
    row::<cluster::incremental_alter_configs::IncrementalAlterConfigs>(&[
        (AlterConfigs, Cluster),
        (AlterConfigs, Topic),
        (AlterConfigs, Group),
    ]),
    row::<topics::alter_partition_reassignments::AlterPartitionReassignments>(&[(Alter, Cluster)]),
    row::<topics::list_partition_reassignments::ListPartitionReassignments>(&[(Describe, Cluster)]),
    row::<offsets::offset_delete::OffsetDelete>(&[(Delete, Group), (Read, Topic)]),
    row::<clients::describe_client_quotas::DescribeClientQuotas>(&[(DescribeConfigs, Cluster)]),
    row::<clients::alter_client_quotas::AlterClientQuotas>(&[(AlterConfigs, Cluster)]),
    row::<cluster::describe_quorum::DescribeQuorum>(&[(Describe, Cluster)]),
    row::<cluster::update_features::UpdateFeatures>(&[(Alter, Cluster)]),
    row::<cluster::describe_cluster::DescribeCluster>(&[(Describe, Cluster)]),
    row::<transactions::describe_producers::DescribeProducers>(&[(Read, Topic)]),
    relayed_row::<64>("UnregisterBroker", (0, 0), &[(Alter, Cluster)]),
    row::<transactions::describe_transactions::DescribeTransactions>(&[
        (Describe, TransactionalId),
        (Describe, Topic),
    ]),
    row::<transactions::list_transactions::ListTransactions>(&[(Describe, TransactionalId)]),
    row::<groups::consumer_group_heartbeat::ConsumerGroupHeartbeat>(&[
        (Read, Group),
        (Describe, Topic),
    ]),
    row::<groups::consumer_group_describe::ConsumerGroupDescribe>(&[
        (Describe, Group),
        (Describe, Topic),
    ]),
    row::<clients::get_telemetry_subscriptions::GetTelemetrySubscriptions>(&[]),
    row::<clients::push_telemetry::PushTelemetry>(&[]),
    row::<cluster::list_config_resources::ListConfigResources>(&[(DescribeConfigs, Cluster)]),
    row::<topics::describe_topic_partitions::DescribeTopicPartitions>(&[(Describe, Topic)]),
    relayed_row::<80>("AddRaftVoter", (0, 1), &[(Alter, Cluster)]),
    relayed_row::<81>("RemoveRaftVoter", (0, 0), &[(Alter, Cluster)]),
];

/// What the rest of the server knows of the rows, in the same order.
pub const SERVED: &[ServedApi] = &{
    let mut served = [ServedApi::new("", 0, (0, 0)); TABLE.len()];
    let mut at = 0;
    while at < TABLE.len() {
        let row = &TABLE[at];
        let advertised = (row.advertised_min, row.versions.1);
        served[at] = ServedApi::new(row.name, row.key, advertised);
        served[at].is_in_cluster_only = row.is_in_cluster_only();
        served[at].is_forwarded = row.is_forwarded;
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

    /// What an authorizer is asked about requests of a row, in words.
    fn asks(row: &Row) -> String {
        let asks = row.asks.iter();
        let asks: Vec<_> = asks.map(|(what, on)| format!("{what:?} {on:?}")).collect();
        asks.join(", ")
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
        let mut table =
            String::from("| key | API | versions | needs in Kafka |\n|---|---|---|---|\n");
        for row in TABLE {
            let (first, last) = row.versions;
            let (key, name, asks) = (row.key, row.name, asks(row));
            let only = if row.is_in_cluster_only() {
                " (in a cluster)"
            } else {
                ""
            };
            table += format!("| {key} | {name}{only} | {first}–{last} | {asks}").trim_end();
            table += " |\n";
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

    /// What the brokers of Kafka 4.3.1 ask their authorizer about each API, in the versions that
    /// are served here: `KafkaApis`, `AuthHelper`, `AclApis`, `ConfigHelper` and
    /// `DescribeTopicPartitionsRequestHandler`, and `ControllerApis` for what brokers hand on to
    /// the controller. Which of the questions are asked, and whether one yes is enough, depends on
    /// the request.
    const ASKED_BY_KAFKA: &str = "\
Produce: Write TransactionalId, Write Topic
Fetch: ClusterAction Cluster, Read Topic
ListOffsets: Describe Topic
Metadata: Describe Topic, Create Cluster, Create Topic, Describe Cluster
OffsetCommit: Read Group, Read Topic
OffsetFetch: Describe Group, Describe Topic
FindCoordinator: Describe Group, Describe TransactionalId, ClusterAction Cluster
JoinGroup: Read Group
Heartbeat: Read Group
LeaveGroup: Read Group
SyncGroup: Read Group
DescribeGroups: Describe Group
ListGroups: Describe Cluster, Describe Group
ApiVersions:
CreateTopics: Create Cluster, Create Topic, DescribeConfigs Topic
DeleteTopics: Delete Cluster, Describe Topic, Delete Topic
DeleteRecords: Delete Topic
InitProducerId: Write TransactionalId, IdempotentWrite Cluster, Write Topic
OffsetForLeaderEpoch: ClusterAction Cluster, Describe Topic
AddPartitionsToTxn: ClusterAction Cluster, Write TransactionalId, Write Topic
AddOffsetsToTxn: Write TransactionalId, Read Group
EndTxn: Write TransactionalId
WriteTxnMarkers: Alter Cluster, ClusterAction Cluster
TxnOffsetCommit: Write TransactionalId, Read Group, Read Topic
DescribeAcls: Describe Cluster
CreateAcls: Alter Cluster
DeleteAcls: Alter Cluster
DescribeConfigs: DescribeConfigs Cluster, DescribeConfigs Topic, DescribeConfigs Group
AlterConfigs: AlterConfigs Cluster, AlterConfigs Topic, AlterConfigs Group
AlterReplicaLogDirs: Alter Cluster
DescribeLogDirs: Describe Cluster
CreatePartitions: Alter Topic
DeleteGroups: Delete Group
ElectLeaders: Alter Cluster
IncrementalAlterConfigs: AlterConfigs Cluster, AlterConfigs Topic, AlterConfigs Group
AlterPartitionReassignments: Alter Cluster
ListPartitionReassignments: Describe Cluster
OffsetDelete: Delete Group, Read Topic
DescribeClientQuotas: DescribeConfigs Cluster
AlterClientQuotas: AlterConfigs Cluster
DescribeQuorum: Describe Cluster
UpdateFeatures: Alter Cluster
DescribeCluster: Describe Cluster
DescribeProducers: Read Topic
UnregisterBroker: Alter Cluster
DescribeTransactions: Describe TransactionalId, Describe Topic
ListTransactions: Describe TransactionalId
ConsumerGroupHeartbeat: Read Group, Describe Topic
ConsumerGroupDescribe: Describe Group, Describe Topic
GetTelemetrySubscriptions:
PushTelemetry:
ListConfigResources: DescribeConfigs Cluster
DescribeTopicPartitions: Describe Topic
AddRaftVoter: Alter Cluster
RemoveRaftVoter: Alter Cluster
";

    #[test]
    fn an_authorizer_is_asked_what_kafkas_is_asked() {
        let mut asked = String::new();
        for row in TABLE {
            asked += format!("{}: {}", row.name, asks(row)).trim_end();
            asked += "\n";
        }
        assert_eq!(asked, ASKED_BY_KAFKA);
    }
}
