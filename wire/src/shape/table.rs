//! Pure: the layout of request bodies.
//! Derived from Kafka 4.3.1 by `wire/src/shape/derive.py`; not edited by hand.

use super::{Body, Field, Kind};

const PRODUCE_TOPIC_DATA_PARTITION_DATA: &[Field] = &[
    Field::new("Index", Kind::Fixed(4), 0),
    Field::new("Records", Kind::Blob, 0).nullable(0),
];

const PRODUCE_TOPIC_DATA: &[Field] = &[
    Field::new("Name", Kind::Text, 0).upto(12),
    Field::new("TopicId", Kind::Fixed(16), 13),
    Field::new(
        "PartitionData",
        Kind::Array(&Kind::Struct(PRODUCE_TOPIC_DATA_PARTITION_DATA)),
        0,
    ),
];

const PRODUCE: &[Field] = &[
    Field::new("TransactionalId", Kind::Text, 3).nullable(3),
    Field::new("Acks", Kind::Fixed(2), 0),
    Field::new("TimeoutMs", Kind::Fixed(4), 0),
    Field::new(
        "TopicData",
        Kind::Array(&Kind::Struct(PRODUCE_TOPIC_DATA)),
        0,
    ),
];

const FETCH_REPLICA_STATE: &[Field] = &[
    Field::new("ReplicaId", Kind::Fixed(4), 15),
    Field::new("ReplicaEpoch", Kind::Fixed(8), 15),
];

const FETCH_TOPICS_PARTITIONS: &[Field] = &[
    Field::new("Partition", Kind::Fixed(4), 0),
    Field::new("CurrentLeaderEpoch", Kind::Fixed(4), 9),
    Field::new("FetchOffset", Kind::Fixed(8), 0),
    Field::new("LastFetchedEpoch", Kind::Fixed(4), 12),
    Field::new("LogStartOffset", Kind::Fixed(8), 5),
    Field::new("PartitionMaxBytes", Kind::Fixed(4), 0),
    Field::new("ReplicaDirectoryId", Kind::Fixed(16), 17).tag(0),
    Field::new("HighWatermark", Kind::Fixed(8), 18).tag(1),
];

const FETCH_TOPICS: &[Field] = &[
    Field::new("Topic", Kind::Text, 0).upto(12),
    Field::new("TopicId", Kind::Fixed(16), 13),
    Field::new(
        "Partitions",
        Kind::Array(&Kind::Struct(FETCH_TOPICS_PARTITIONS)),
        0,
    ),
];

const FETCH_FORGOTTEN_TOPICS_DATA: &[Field] = &[
    Field::new("Topic", Kind::Text, 7).upto(12),
    Field::new("TopicId", Kind::Fixed(16), 13),
    Field::new("Partitions", Kind::Array(&Kind::Fixed(4)), 7),
];

const FETCH: &[Field] = &[
    Field::new("ClusterId", Kind::Text, 12).nullable(12).tag(0),
    Field::new("ReplicaId", Kind::Fixed(4), 0).upto(14),
    Field::new("ReplicaState", Kind::Struct(FETCH_REPLICA_STATE), 15).tag(1),
    Field::new("MaxWaitMs", Kind::Fixed(4), 0),
    Field::new("MinBytes", Kind::Fixed(4), 0),
    Field::new("MaxBytes", Kind::Fixed(4), 3),
    Field::new("IsolationLevel", Kind::Fixed(1), 4),
    Field::new("SessionId", Kind::Fixed(4), 7),
    Field::new("SessionEpoch", Kind::Fixed(4), 7),
    Field::new("Topics", Kind::Array(&Kind::Struct(FETCH_TOPICS)), 0),
    Field::new(
        "ForgottenTopicsData",
        Kind::Array(&Kind::Struct(FETCH_FORGOTTEN_TOPICS_DATA)),
        7,
    ),
    Field::new("RackId", Kind::Text, 11),
];

const LIST_OFFSETS_TOPICS_PARTITIONS: &[Field] = &[
    Field::new("PartitionIndex", Kind::Fixed(4), 0),
    Field::new("CurrentLeaderEpoch", Kind::Fixed(4), 4),
    Field::new("Timestamp", Kind::Fixed(8), 0),
];

const LIST_OFFSETS_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new(
        "Partitions",
        Kind::Array(&Kind::Struct(LIST_OFFSETS_TOPICS_PARTITIONS)),
        0,
    ),
];

const LIST_OFFSETS: &[Field] = &[
    Field::new("ReplicaId", Kind::Fixed(4), 0),
    Field::new("IsolationLevel", Kind::Fixed(1), 2),
    Field::new("Topics", Kind::Array(&Kind::Struct(LIST_OFFSETS_TOPICS)), 0),
    Field::new("TimeoutMs", Kind::Fixed(4), 10),
];

const METADATA_TOPICS: &[Field] = &[
    Field::new("TopicId", Kind::Fixed(16), 10),
    Field::new("Name", Kind::Text, 0).nullable(10),
];

const METADATA: &[Field] = &[
    Field::new("Topics", Kind::Array(&Kind::Struct(METADATA_TOPICS)), 0).nullable(1),
    Field::new("AllowAutoTopicCreation", Kind::Fixed(1), 4),
    Field::new("IncludeClusterAuthorizedOperations", Kind::Fixed(1), 8).upto(10),
    Field::new("IncludeTopicAuthorizedOperations", Kind::Fixed(1), 8),
];

const OFFSET_COMMIT_TOPICS_PARTITIONS: &[Field] = &[
    Field::new("PartitionIndex", Kind::Fixed(4), 0),
    Field::new("CommittedOffset", Kind::Fixed(8), 0),
    Field::new("CommittedLeaderEpoch", Kind::Fixed(4), 6),
    Field::new("CommittedMetadata", Kind::Text, 0).nullable(0),
];

const OFFSET_COMMIT_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0).upto(9),
    Field::new("TopicId", Kind::Fixed(16), 10),
    Field::new(
        "Partitions",
        Kind::Array(&Kind::Struct(OFFSET_COMMIT_TOPICS_PARTITIONS)),
        0,
    ),
];

const OFFSET_COMMIT: &[Field] = &[
    Field::new("GroupId", Kind::Text, 0),
    Field::new("GenerationIdOrMemberEpoch", Kind::Fixed(4), 1),
    Field::new("MemberId", Kind::Text, 1),
    Field::new("GroupInstanceId", Kind::Text, 7).nullable(7),
    Field::new("RetentionTimeMs", Kind::Fixed(8), 2).upto(4),
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(OFFSET_COMMIT_TOPICS)),
        0,
    ),
];

const OFFSET_FETCH_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0).upto(7),
    Field::new("PartitionIndexes", Kind::Array(&Kind::Fixed(4)), 0).upto(7),
];

const OFFSET_FETCH_GROUPS_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 8).upto(9),
    Field::new("TopicId", Kind::Fixed(16), 10),
    Field::new("PartitionIndexes", Kind::Array(&Kind::Fixed(4)), 8),
];

const OFFSET_FETCH_GROUPS: &[Field] = &[
    Field::new("GroupId", Kind::Text, 8),
    Field::new("MemberId", Kind::Text, 9).nullable(9),
    Field::new("MemberEpoch", Kind::Fixed(4), 9),
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(OFFSET_FETCH_GROUPS_TOPICS)),
        8,
    )
    .nullable(8),
];

const OFFSET_FETCH: &[Field] = &[
    Field::new("GroupId", Kind::Text, 0).upto(7),
    Field::new("Topics", Kind::Array(&Kind::Struct(OFFSET_FETCH_TOPICS)), 0)
        .upto(7)
        .nullable(2),
    Field::new("Groups", Kind::Array(&Kind::Struct(OFFSET_FETCH_GROUPS)), 8),
    Field::new("RequireStable", Kind::Fixed(1), 7),
];

const FIND_COORDINATOR: &[Field] = &[
    Field::new("Key", Kind::Text, 0).upto(3),
    Field::new("KeyType", Kind::Fixed(1), 1),
    Field::new("CoordinatorKeys", Kind::Array(&Kind::Text), 4),
];

const JOIN_GROUP_PROTOCOLS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new("Metadata", Kind::Blob, 0),
];

const JOIN_GROUP: &[Field] = &[
    Field::new("GroupId", Kind::Text, 0),
    Field::new("SessionTimeoutMs", Kind::Fixed(4), 0),
    Field::new("RebalanceTimeoutMs", Kind::Fixed(4), 1),
    Field::new("MemberId", Kind::Text, 0),
    Field::new("GroupInstanceId", Kind::Text, 5).nullable(5),
    Field::new("ProtocolType", Kind::Text, 0),
    Field::new(
        "Protocols",
        Kind::Array(&Kind::Struct(JOIN_GROUP_PROTOCOLS)),
        0,
    ),
    Field::new("Reason", Kind::Text, 8).nullable(8),
];

const HEARTBEAT: &[Field] = &[
    Field::new("GroupId", Kind::Text, 0),
    Field::new("GenerationId", Kind::Fixed(4), 0),
    Field::new("MemberId", Kind::Text, 0),
    Field::new("GroupInstanceId", Kind::Text, 3).nullable(3),
];

const LEAVE_GROUP_MEMBERS: &[Field] = &[
    Field::new("MemberId", Kind::Text, 3),
    Field::new("GroupInstanceId", Kind::Text, 3).nullable(3),
    Field::new("Reason", Kind::Text, 5).nullable(5),
];

const LEAVE_GROUP: &[Field] = &[
    Field::new("GroupId", Kind::Text, 0),
    Field::new("MemberId", Kind::Text, 0).upto(2),
    Field::new(
        "Members",
        Kind::Array(&Kind::Struct(LEAVE_GROUP_MEMBERS)),
        3,
    ),
];

const SYNC_GROUP_ASSIGNMENTS: &[Field] = &[
    Field::new("MemberId", Kind::Text, 0),
    Field::new("Assignment", Kind::Blob, 0),
];

const SYNC_GROUP: &[Field] = &[
    Field::new("GroupId", Kind::Text, 0),
    Field::new("GenerationId", Kind::Fixed(4), 0),
    Field::new("MemberId", Kind::Text, 0),
    Field::new("GroupInstanceId", Kind::Text, 3).nullable(3),
    Field::new("ProtocolType", Kind::Text, 5).nullable(5),
    Field::new("ProtocolName", Kind::Text, 5).nullable(5),
    Field::new(
        "Assignments",
        Kind::Array(&Kind::Struct(SYNC_GROUP_ASSIGNMENTS)),
        0,
    ),
];

const DESCRIBE_GROUPS: &[Field] = &[
    Field::new("Groups", Kind::Array(&Kind::Text), 0),
    Field::new("IncludeAuthorizedOperations", Kind::Fixed(1), 3),
];

const LIST_GROUPS: &[Field] = &[
    Field::new("StatesFilter", Kind::Array(&Kind::Text), 4),
    Field::new("TypesFilter", Kind::Array(&Kind::Text), 5),
];

const API_VERSIONS: &[Field] = &[
    Field::new("ClientSoftwareName", Kind::Text, 3),
    Field::new("ClientSoftwareVersion", Kind::Text, 3),
];

const CREATE_TOPICS_TOPICS_ASSIGNMENTS: &[Field] = &[
    Field::new("PartitionIndex", Kind::Fixed(4), 0),
    Field::new("BrokerIds", Kind::Array(&Kind::Fixed(4)), 0),
];

const CREATE_TOPICS_TOPICS_CONFIGS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new("Value", Kind::Text, 0).nullable(0),
];

const CREATE_TOPICS_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new("NumPartitions", Kind::Fixed(4), 0),
    Field::new("ReplicationFactor", Kind::Fixed(2), 0),
    Field::new(
        "Assignments",
        Kind::Array(&Kind::Struct(CREATE_TOPICS_TOPICS_ASSIGNMENTS)),
        0,
    ),
    Field::new(
        "Configs",
        Kind::Array(&Kind::Struct(CREATE_TOPICS_TOPICS_CONFIGS)),
        0,
    ),
];

const CREATE_TOPICS: &[Field] = &[
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(CREATE_TOPICS_TOPICS)),
        0,
    ),
    Field::new("timeoutMs", Kind::Fixed(4), 0),
    Field::new("validateOnly", Kind::Fixed(1), 1),
];

const DELETE_TOPICS_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 6).nullable(6),
    Field::new("TopicId", Kind::Fixed(16), 6),
];

const DELETE_TOPICS: &[Field] = &[
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(DELETE_TOPICS_TOPICS)),
        6,
    ),
    Field::new("TopicNames", Kind::Array(&Kind::Text), 0).upto(5),
    Field::new("TimeoutMs", Kind::Fixed(4), 0),
];

const DELETE_RECORDS_TOPICS_PARTITIONS: &[Field] = &[
    Field::new("PartitionIndex", Kind::Fixed(4), 0),
    Field::new("Offset", Kind::Fixed(8), 0),
];

const DELETE_RECORDS_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new(
        "Partitions",
        Kind::Array(&Kind::Struct(DELETE_RECORDS_TOPICS_PARTITIONS)),
        0,
    ),
];

const DELETE_RECORDS: &[Field] = &[
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(DELETE_RECORDS_TOPICS)),
        0,
    ),
    Field::new("TimeoutMs", Kind::Fixed(4), 0),
];

const INIT_PRODUCER_ID: &[Field] = &[
    Field::new("TransactionalId", Kind::Text, 0).nullable(0),
    Field::new("TransactionTimeoutMs", Kind::Fixed(4), 0),
    Field::new("ProducerId", Kind::Fixed(8), 3),
    Field::new("ProducerEpoch", Kind::Fixed(2), 3),
    Field::new("Enable2Pc", Kind::Fixed(1), 6),
    Field::new("KeepPreparedTxn", Kind::Fixed(1), 6),
];

const OFFSET_FOR_LEADER_EPOCH_TOPICS_PARTITIONS: &[Field] = &[
    Field::new("Partition", Kind::Fixed(4), 0),
    Field::new("CurrentLeaderEpoch", Kind::Fixed(4), 2),
    Field::new("LeaderEpoch", Kind::Fixed(4), 0),
];

const OFFSET_FOR_LEADER_EPOCH_TOPICS: &[Field] = &[
    Field::new("Topic", Kind::Text, 0),
    Field::new(
        "Partitions",
        Kind::Array(&Kind::Struct(OFFSET_FOR_LEADER_EPOCH_TOPICS_PARTITIONS)),
        0,
    ),
];

const OFFSET_FOR_LEADER_EPOCH: &[Field] = &[
    Field::new("ReplicaId", Kind::Fixed(4), 3),
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(OFFSET_FOR_LEADER_EPOCH_TOPICS)),
        0,
    ),
];

const ADD_PARTITIONS_TO_TXN_TRANSACTIONS_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new("Partitions", Kind::Array(&Kind::Fixed(4)), 0),
];

const ADD_PARTITIONS_TO_TXN_TRANSACTIONS: &[Field] = &[
    Field::new("TransactionalId", Kind::Text, 4),
    Field::new("ProducerId", Kind::Fixed(8), 4),
    Field::new("ProducerEpoch", Kind::Fixed(2), 4),
    Field::new("VerifyOnly", Kind::Fixed(1), 4),
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(ADD_PARTITIONS_TO_TXN_TRANSACTIONS_TOPICS)),
        4,
    ),
];

const ADD_PARTITIONS_TO_TXN_V3_AND_BELOW_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new("Partitions", Kind::Array(&Kind::Fixed(4)), 0),
];

const ADD_PARTITIONS_TO_TXN: &[Field] = &[
    Field::new(
        "Transactions",
        Kind::Array(&Kind::Struct(ADD_PARTITIONS_TO_TXN_TRANSACTIONS)),
        4,
    ),
    Field::new("V3AndBelowTransactionalId", Kind::Text, 0).upto(3),
    Field::new("V3AndBelowProducerId", Kind::Fixed(8), 0).upto(3),
    Field::new("V3AndBelowProducerEpoch", Kind::Fixed(2), 0).upto(3),
    Field::new(
        "V3AndBelowTopics",
        Kind::Array(&Kind::Struct(ADD_PARTITIONS_TO_TXN_V3_AND_BELOW_TOPICS)),
        0,
    )
    .upto(3),
];

const ADD_OFFSETS_TO_TXN: &[Field] = &[
    Field::new("TransactionalId", Kind::Text, 0),
    Field::new("ProducerId", Kind::Fixed(8), 0),
    Field::new("ProducerEpoch", Kind::Fixed(2), 0),
    Field::new("GroupId", Kind::Text, 0),
];

const END_TXN: &[Field] = &[
    Field::new("TransactionalId", Kind::Text, 0),
    Field::new("ProducerId", Kind::Fixed(8), 0),
    Field::new("ProducerEpoch", Kind::Fixed(2), 0),
    Field::new("Committed", Kind::Fixed(1), 0),
];

const DESCRIBE_TRANSACTIONS: &[Field] =
    &[Field::new("TransactionalIds", Kind::Array(&Kind::Text), 0)];

const LIST_TRANSACTIONS: &[Field] = &[
    Field::new("StateFilters", Kind::Array(&Kind::Text), 0),
    Field::new("ProducerIdFilters", Kind::Array(&Kind::Fixed(8)), 0),
    Field::new("DurationFilter", Kind::Fixed(8), 1),
    Field::new("TransactionalIdPattern", Kind::Text, 2).nullable(2),
];

const DESCRIBE_ACLS: &[Field] = &[
    Field::new("ResourceTypeFilter", Kind::Fixed(1), 0),
    Field::new("ResourceNameFilter", Kind::Text, 0).nullable(0),
    Field::new("PatternTypeFilter", Kind::Fixed(1), 1),
    Field::new("PrincipalFilter", Kind::Text, 0).nullable(0),
    Field::new("HostFilter", Kind::Text, 0).nullable(0),
    Field::new("Operation", Kind::Fixed(1), 0),
    Field::new("PermissionType", Kind::Fixed(1), 0),
];

const CREATE_ACLS_CREATIONS: &[Field] = &[
    Field::new("ResourceType", Kind::Fixed(1), 0),
    Field::new("ResourceName", Kind::Text, 0),
    Field::new("ResourcePatternType", Kind::Fixed(1), 1),
    Field::new("Principal", Kind::Text, 0),
    Field::new("Host", Kind::Text, 0),
    Field::new("Operation", Kind::Fixed(1), 0),
    Field::new("PermissionType", Kind::Fixed(1), 0),
];

const CREATE_ACLS: &[Field] = &[Field::new(
    "Creations",
    Kind::Array(&Kind::Struct(CREATE_ACLS_CREATIONS)),
    0,
)];

const DELETE_ACLS_FILTERS: &[Field] = &[
    Field::new("ResourceTypeFilter", Kind::Fixed(1), 0),
    Field::new("ResourceNameFilter", Kind::Text, 0).nullable(0),
    Field::new("PatternTypeFilter", Kind::Fixed(1), 1),
    Field::new("PrincipalFilter", Kind::Text, 0).nullable(0),
    Field::new("HostFilter", Kind::Text, 0).nullable(0),
    Field::new("Operation", Kind::Fixed(1), 0),
    Field::new("PermissionType", Kind::Fixed(1), 0),
];

const DELETE_ACLS: &[Field] = &[Field::new(
    "Filters",
    Kind::Array(&Kind::Struct(DELETE_ACLS_FILTERS)),
    0,
)];

const DESCRIBE_CONFIGS_RESOURCES: &[Field] = &[
    Field::new("ResourceType", Kind::Fixed(1), 0),
    Field::new("ResourceName", Kind::Text, 0),
    Field::new("ConfigurationKeys", Kind::Array(&Kind::Text), 0).nullable(0),
];

const DESCRIBE_CONFIGS: &[Field] = &[
    Field::new(
        "Resources",
        Kind::Array(&Kind::Struct(DESCRIBE_CONFIGS_RESOURCES)),
        0,
    ),
    Field::new("IncludeSynonyms", Kind::Fixed(1), 1),
    Field::new("IncludeDocumentation", Kind::Fixed(1), 3),
];

const ALTER_CONFIGS_RESOURCES_CONFIGS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new("Value", Kind::Text, 0).nullable(0),
];

const ALTER_CONFIGS_RESOURCES: &[Field] = &[
    Field::new("ResourceType", Kind::Fixed(1), 0),
    Field::new("ResourceName", Kind::Text, 0),
    Field::new(
        "Configs",
        Kind::Array(&Kind::Struct(ALTER_CONFIGS_RESOURCES_CONFIGS)),
        0,
    ),
];

const ALTER_CONFIGS: &[Field] = &[
    Field::new(
        "Resources",
        Kind::Array(&Kind::Struct(ALTER_CONFIGS_RESOURCES)),
        0,
    ),
    Field::new("ValidateOnly", Kind::Fixed(1), 0),
];

const DESCRIBE_LOG_DIRS_TOPICS: &[Field] = &[
    Field::new("Topic", Kind::Text, 0),
    Field::new("Partitions", Kind::Array(&Kind::Fixed(4)), 0),
];

const DESCRIBE_LOG_DIRS: &[Field] = &[Field::new(
    "Topics",
    Kind::Array(&Kind::Struct(DESCRIBE_LOG_DIRS_TOPICS)),
    0,
)
.nullable(0)];

const CREATE_PARTITIONS_TOPICS_ASSIGNMENTS: &[Field] =
    &[Field::new("BrokerIds", Kind::Array(&Kind::Fixed(4)), 0)];

const CREATE_PARTITIONS_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new("Count", Kind::Fixed(4), 0),
    Field::new(
        "Assignments",
        Kind::Array(&Kind::Struct(CREATE_PARTITIONS_TOPICS_ASSIGNMENTS)),
        0,
    )
    .nullable(0),
];

const CREATE_PARTITIONS: &[Field] = &[
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(CREATE_PARTITIONS_TOPICS)),
        0,
    ),
    Field::new("TimeoutMs", Kind::Fixed(4), 0),
    Field::new("ValidateOnly", Kind::Fixed(1), 0),
];

const DELETE_GROUPS: &[Field] = &[Field::new("GroupsNames", Kind::Array(&Kind::Text), 0)];

const INCREMENTAL_ALTER_CONFIGS_RESOURCES_CONFIGS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new("ConfigOperation", Kind::Fixed(1), 0),
    Field::new("Value", Kind::Text, 0).nullable(0),
];

const INCREMENTAL_ALTER_CONFIGS_RESOURCES: &[Field] = &[
    Field::new("ResourceType", Kind::Fixed(1), 0),
    Field::new("ResourceName", Kind::Text, 0),
    Field::new(
        "Configs",
        Kind::Array(&Kind::Struct(INCREMENTAL_ALTER_CONFIGS_RESOURCES_CONFIGS)),
        0,
    ),
];

const INCREMENTAL_ALTER_CONFIGS: &[Field] = &[
    Field::new(
        "Resources",
        Kind::Array(&Kind::Struct(INCREMENTAL_ALTER_CONFIGS_RESOURCES)),
        0,
    ),
    Field::new("ValidateOnly", Kind::Fixed(1), 0),
];

const OFFSET_DELETE_TOPICS_PARTITIONS: &[Field] =
    &[Field::new("PartitionIndex", Kind::Fixed(4), 0)];

const OFFSET_DELETE_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new(
        "Partitions",
        Kind::Array(&Kind::Struct(OFFSET_DELETE_TOPICS_PARTITIONS)),
        0,
    ),
];

const OFFSET_DELETE: &[Field] = &[
    Field::new("GroupId", Kind::Text, 0),
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(OFFSET_DELETE_TOPICS)),
        0,
    ),
];

const DESCRIBE_CLUSTER: &[Field] = &[
    Field::new("IncludeClusterAuthorizedOperations", Kind::Fixed(1), 0),
    Field::new("EndpointType", Kind::Fixed(1), 1),
    Field::new("IncludeFencedBrokers", Kind::Fixed(1), 2),
];

const LIST_CONFIG_RESOURCES: &[Field] =
    &[Field::new("ResourceTypes", Kind::Array(&Kind::Fixed(1)), 1)];

const DESCRIBE_TOPIC_PARTITIONS_TOPICS: &[Field] = &[Field::new("Name", Kind::Text, 0)];

const DESCRIBE_TOPIC_PARTITIONS_CURSOR: &[Field] = &[
    Field::new("TopicName", Kind::Text, 0),
    Field::new("PartitionIndex", Kind::Fixed(4), 0),
];

const DESCRIBE_TOPIC_PARTITIONS: &[Field] = &[
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(DESCRIBE_TOPIC_PARTITIONS_TOPICS)),
        0,
    ),
    Field::new("ResponsePartitionLimit", Kind::Fixed(4), 0),
    Field::new("Cursor", Kind::Struct(DESCRIBE_TOPIC_PARTITIONS_CURSOR), 0).nullable(0),
];

const WRITE_TXN_MARKERS_MARKERS_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new("PartitionIndexes", Kind::Array(&Kind::Fixed(4)), 0),
];

const WRITE_TXN_MARKERS_MARKERS: &[Field] = &[
    Field::new("ProducerId", Kind::Fixed(8), 0),
    Field::new("ProducerEpoch", Kind::Fixed(2), 0),
    Field::new("TransactionResult", Kind::Fixed(1), 0),
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(WRITE_TXN_MARKERS_MARKERS_TOPICS)),
        0,
    ),
    Field::new("CoordinatorEpoch", Kind::Fixed(4), 0),
    Field::new("TransactionVersion", Kind::Fixed(1), 2),
];

const WRITE_TXN_MARKERS: &[Field] = &[Field::new(
    "Markers",
    Kind::Array(&Kind::Struct(WRITE_TXN_MARKERS_MARKERS)),
    0,
)];

const DESCRIBE_PRODUCERS_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new("PartitionIndexes", Kind::Array(&Kind::Fixed(4)), 0),
];

const DESCRIBE_PRODUCERS: &[Field] = &[Field::new(
    "Topics",
    Kind::Array(&Kind::Struct(DESCRIBE_PRODUCERS_TOPICS)),
    0,
)];

const TXN_OFFSET_COMMIT_TOPICS_PARTITIONS: &[Field] = &[
    Field::new("PartitionIndex", Kind::Fixed(4), 0),
    Field::new("CommittedOffset", Kind::Fixed(8), 0),
    Field::new("CommittedLeaderEpoch", Kind::Fixed(4), 2),
    Field::new("CommittedMetadata", Kind::Text, 0).nullable(0),
];

const TXN_OFFSET_COMMIT_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new(
        "Partitions",
        Kind::Array(&Kind::Struct(TXN_OFFSET_COMMIT_TOPICS_PARTITIONS)),
        0,
    ),
];

const TXN_OFFSET_COMMIT: &[Field] = &[
    Field::new("TransactionalId", Kind::Text, 0),
    Field::new("GroupId", Kind::Text, 0),
    Field::new("ProducerId", Kind::Fixed(8), 0),
    Field::new("ProducerEpoch", Kind::Fixed(2), 0),
    Field::new("GenerationId", Kind::Fixed(4), 3),
    Field::new("MemberId", Kind::Text, 3),
    Field::new("GroupInstanceId", Kind::Text, 3).nullable(3),
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(TXN_OFFSET_COMMIT_TOPICS)),
        0,
    ),
];

const ELECT_LEADERS_TOPIC_PARTITIONS: &[Field] = &[
    Field::new("Topic", Kind::Text, 0),
    Field::new("Partitions", Kind::Array(&Kind::Fixed(4)), 0),
];

const ELECT_LEADERS: &[Field] = &[
    Field::new("ElectionType", Kind::Fixed(1), 1),
    Field::new(
        "TopicPartitions",
        Kind::Array(&Kind::Struct(ELECT_LEADERS_TOPIC_PARTITIONS)),
        0,
    )
    .nullable(0),
    Field::new("TimeoutMs", Kind::Fixed(4), 0),
];

const ALTER_PARTITION_REASSIGNMENTS_TOPICS_PARTITIONS: &[Field] = &[
    Field::new("PartitionIndex", Kind::Fixed(4), 0),
    Field::new("Replicas", Kind::Array(&Kind::Fixed(4)), 0).nullable(0),
];

const ALTER_PARTITION_REASSIGNMENTS_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new(
        "Partitions",
        Kind::Array(&Kind::Struct(
            ALTER_PARTITION_REASSIGNMENTS_TOPICS_PARTITIONS,
        )),
        0,
    ),
];

const ALTER_PARTITION_REASSIGNMENTS: &[Field] = &[
    Field::new("TimeoutMs", Kind::Fixed(4), 0),
    Field::new("AllowReplicationFactorChange", Kind::Fixed(1), 1),
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(ALTER_PARTITION_REASSIGNMENTS_TOPICS)),
        0,
    ),
];

const LIST_PARTITION_REASSIGNMENTS_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new("PartitionIndexes", Kind::Array(&Kind::Fixed(4)), 0),
];

const LIST_PARTITION_REASSIGNMENTS: &[Field] = &[
    Field::new("TimeoutMs", Kind::Fixed(4), 0),
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(LIST_PARTITION_REASSIGNMENTS_TOPICS)),
        0,
    )
    .nullable(0),
];

const DESCRIBE_QUORUM_TOPICS_PARTITIONS: &[Field] =
    &[Field::new("PartitionIndex", Kind::Fixed(4), 0)];

const DESCRIBE_QUORUM_TOPICS: &[Field] = &[
    Field::new("TopicName", Kind::Text, 0),
    Field::new(
        "Partitions",
        Kind::Array(&Kind::Struct(DESCRIBE_QUORUM_TOPICS_PARTITIONS)),
        0,
    ),
];

const DESCRIBE_QUORUM: &[Field] = &[Field::new(
    "Topics",
    Kind::Array(&Kind::Struct(DESCRIBE_QUORUM_TOPICS)),
    0,
)];

const CONSUMER_GROUP_HEARTBEAT_TOPIC_PARTITIONS: &[Field] = &[
    Field::new("TopicId", Kind::Fixed(16), 0),
    Field::new("Partitions", Kind::Array(&Kind::Fixed(4)), 0),
];

const CONSUMER_GROUP_HEARTBEAT: &[Field] = &[
    Field::new("GroupId", Kind::Text, 0),
    Field::new("MemberId", Kind::Text, 0),
    Field::new("MemberEpoch", Kind::Fixed(4), 0),
    Field::new("InstanceId", Kind::Text, 0).nullable(0),
    Field::new("RackId", Kind::Text, 0).nullable(0),
    Field::new("RebalanceTimeoutMs", Kind::Fixed(4), 0),
    Field::new("SubscribedTopicNames", Kind::Array(&Kind::Text), 0).nullable(0),
    Field::new("SubscribedTopicRegex", Kind::Text, 1).nullable(1),
    Field::new("ServerAssignor", Kind::Text, 0).nullable(0),
    Field::new(
        "TopicPartitions",
        Kind::Array(&Kind::Struct(CONSUMER_GROUP_HEARTBEAT_TOPIC_PARTITIONS)),
        0,
    )
    .nullable(0),
];

const CONSUMER_GROUP_DESCRIBE: &[Field] = &[
    Field::new("GroupIds", Kind::Array(&Kind::Text), 0),
    Field::new("IncludeAuthorizedOperations", Kind::Fixed(1), 0),
];

const DESCRIBE_CLIENT_QUOTAS_COMPONENTS: &[Field] = &[
    Field::new("EntityType", Kind::Text, 0),
    Field::new("MatchType", Kind::Fixed(1), 0),
    Field::new("Match", Kind::Text, 0).nullable(0),
];

const DESCRIBE_CLIENT_QUOTAS: &[Field] = &[
    Field::new(
        "Components",
        Kind::Array(&Kind::Struct(DESCRIBE_CLIENT_QUOTAS_COMPONENTS)),
        0,
    ),
    Field::new("Strict", Kind::Fixed(1), 0),
];

const ALTER_CLIENT_QUOTAS_ENTRIES_ENTITY: &[Field] = &[
    Field::new("EntityType", Kind::Text, 0),
    Field::new("EntityName", Kind::Text, 0).nullable(0),
];

const ALTER_CLIENT_QUOTAS_ENTRIES_OPS: &[Field] = &[
    Field::new("Key", Kind::Text, 0),
    Field::new("Value", Kind::Fixed(8), 0),
    Field::new("Remove", Kind::Fixed(1), 0),
];

const ALTER_CLIENT_QUOTAS_ENTRIES: &[Field] = &[
    Field::new(
        "Entity",
        Kind::Array(&Kind::Struct(ALTER_CLIENT_QUOTAS_ENTRIES_ENTITY)),
        0,
    ),
    Field::new(
        "Ops",
        Kind::Array(&Kind::Struct(ALTER_CLIENT_QUOTAS_ENTRIES_OPS)),
        0,
    ),
];

const ALTER_CLIENT_QUOTAS: &[Field] = &[
    Field::new(
        "Entries",
        Kind::Array(&Kind::Struct(ALTER_CLIENT_QUOTAS_ENTRIES)),
        0,
    ),
    Field::new("ValidateOnly", Kind::Fixed(1), 0),
];

const UPDATE_FEATURES_FEATURE_UPDATES: &[Field] = &[
    Field::new("Feature", Kind::Text, 0),
    Field::new("MaxVersionLevel", Kind::Fixed(2), 0),
    Field::new("AllowDowngrade", Kind::Fixed(1), 0).upto(0),
    Field::new("UpgradeType", Kind::Fixed(1), 1),
];

const UPDATE_FEATURES: &[Field] = &[
    Field::new("timeoutMs", Kind::Fixed(4), 0),
    Field::new(
        "FeatureUpdates",
        Kind::Array(&Kind::Struct(UPDATE_FEATURES_FEATURE_UPDATES)),
        0,
    ),
    Field::new("ValidateOnly", Kind::Fixed(1), 1),
];

const GET_TELEMETRY_SUBSCRIPTIONS: &[Field] = &[Field::new("ClientInstanceId", Kind::Fixed(16), 0)];

const PUSH_TELEMETRY: &[Field] = &[
    Field::new("ClientInstanceId", Kind::Fixed(16), 0),
    Field::new("SubscriptionId", Kind::Fixed(4), 0),
    Field::new("Terminating", Kind::Fixed(1), 0),
    Field::new("CompressionType", Kind::Fixed(1), 0),
    Field::new("Metrics", Kind::Blob, 0),
];

const ALTER_REPLICA_LOG_DIRS_DIRS_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new("Partitions", Kind::Array(&Kind::Fixed(4)), 0),
];

const ALTER_REPLICA_LOG_DIRS_DIRS: &[Field] = &[
    Field::new("Path", Kind::Text, 0),
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(ALTER_REPLICA_LOG_DIRS_DIRS_TOPICS)),
        0,
    ),
];

const ALTER_REPLICA_LOG_DIRS: &[Field] = &[Field::new(
    "Dirs",
    Kind::Array(&Kind::Struct(ALTER_REPLICA_LOG_DIRS_DIRS)),
    0,
)];

/// The request bodies that can be checked, by API key.
pub(super) const BODIES: &[Body] = &[
    Body::new(0, 3, 13, 9, PRODUCE),
    Body::new(1, 4, 18, 12, FETCH),
    Body::new(2, 1, 11, 6, LIST_OFFSETS),
    Body::new(3, 0, 13, 9, METADATA),
    Body::new(8, 2, 10, 8, OFFSET_COMMIT),
    Body::new(9, 1, 10, 6, OFFSET_FETCH),
    Body::new(10, 0, 6, 3, FIND_COORDINATOR),
    Body::new(11, 0, 9, 6, JOIN_GROUP),
    Body::new(12, 0, 4, 4, HEARTBEAT),
    Body::new(13, 0, 5, 4, LEAVE_GROUP),
    Body::new(14, 0, 5, 4, SYNC_GROUP),
    Body::new(15, 0, 6, 5, DESCRIBE_GROUPS),
    Body::new(16, 0, 5, 3, LIST_GROUPS),
    Body::new(18, 0, 4, 3, API_VERSIONS),
    Body::new(19, 2, 7, 5, CREATE_TOPICS),
    Body::new(20, 1, 6, 4, DELETE_TOPICS),
    Body::new(21, 0, 2, 2, DELETE_RECORDS),
    Body::new(22, 0, 6, 2, INIT_PRODUCER_ID),
    Body::new(23, 2, 4, 4, OFFSET_FOR_LEADER_EPOCH),
    Body::new(24, 0, 5, 3, ADD_PARTITIONS_TO_TXN),
    Body::new(25, 0, 4, 3, ADD_OFFSETS_TO_TXN),
    Body::new(26, 0, 5, 3, END_TXN),
    Body::new(27, 1, 2, 1, WRITE_TXN_MARKERS),
    Body::new(28, 0, 5, 3, TXN_OFFSET_COMMIT),
    Body::new(29, 1, 3, 2, DESCRIBE_ACLS),
    Body::new(30, 1, 3, 2, CREATE_ACLS),
    Body::new(31, 1, 3, 2, DELETE_ACLS),
    Body::new(32, 1, 4, 4, DESCRIBE_CONFIGS),
    Body::new(33, 0, 2, 2, ALTER_CONFIGS),
    Body::new(34, 1, 2, 2, ALTER_REPLICA_LOG_DIRS),
    Body::new(35, 1, 5, 2, DESCRIBE_LOG_DIRS),
    Body::new(37, 0, 3, 2, CREATE_PARTITIONS),
    Body::new(42, 0, 2, 2, DELETE_GROUPS),
    Body::new(43, 0, 2, 2, ELECT_LEADERS),
    Body::new(44, 0, 1, 1, INCREMENTAL_ALTER_CONFIGS),
    Body::new(45, 0, 1, 0, ALTER_PARTITION_REASSIGNMENTS),
    Body::new(46, 0, 0, 0, LIST_PARTITION_REASSIGNMENTS),
    Body::new(47, 0, 0, 32767, OFFSET_DELETE),
    Body::new(48, 0, 1, 1, DESCRIBE_CLIENT_QUOTAS),
    Body::new(49, 0, 1, 1, ALTER_CLIENT_QUOTAS),
    Body::new(55, 0, 2, 0, DESCRIBE_QUORUM),
    Body::new(57, 0, 2, 0, UPDATE_FEATURES),
    Body::new(60, 0, 2, 0, DESCRIBE_CLUSTER),
    Body::new(61, 0, 0, 0, DESCRIBE_PRODUCERS),
    Body::new(65, 0, 0, 0, DESCRIBE_TRANSACTIONS),
    Body::new(66, 0, 2, 0, LIST_TRANSACTIONS),
    Body::new(68, 0, 1, 0, CONSUMER_GROUP_HEARTBEAT),
    Body::new(69, 0, 1, 0, CONSUMER_GROUP_DESCRIBE),
    Body::new(71, 0, 0, 0, GET_TELEMETRY_SUBSCRIPTIONS),
    Body::new(72, 0, 0, 0, PUSH_TELEMETRY),
    Body::new(74, 0, 1, 0, LIST_CONFIG_RESOURCES),
    Body::new(75, 0, 0, 0, DESCRIBE_TOPIC_PARTITIONS),
];
