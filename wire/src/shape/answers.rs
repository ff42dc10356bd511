//! Pure: the layout of bodies of answers.
//! Derived from Kafka 4.3.1 by `wire/src/shape/derive.py`; not edited by hand.

use super::{Body, Field, Kind};

const FETCH_RESPONSES_PARTITIONS_DIVERGING_EPOCH: &[Field] = &[
    Field::new("Epoch", Kind::Fixed(4), 12),
    Field::new("EndOffset", Kind::Fixed(8), 12),
];

const FETCH_RESPONSES_PARTITIONS_CURRENT_LEADER: &[Field] = &[
    Field::new("LeaderId", Kind::Fixed(4), 12),
    Field::new("LeaderEpoch", Kind::Fixed(4), 12),
];

const FETCH_RESPONSES_PARTITIONS_SNAPSHOT_ID: &[Field] = &[
    Field::new("EndOffset", Kind::Fixed(8), 0),
    Field::new("Epoch", Kind::Fixed(4), 0),
];

const FETCH_RESPONSES_PARTITIONS_ABORTED_TRANSACTIONS: &[Field] = &[
    Field::new("ProducerId", Kind::Fixed(8), 4),
    Field::new("FirstOffset", Kind::Fixed(8), 4),
];

const FETCH_RESPONSES_PARTITIONS: &[Field] = &[
    Field::new("PartitionIndex", Kind::Fixed(4), 0),
    Field::new("ErrorCode", Kind::Fixed(2), 0),
    Field::new("HighWatermark", Kind::Fixed(8), 0),
    Field::new("LastStableOffset", Kind::Fixed(8), 4),
    Field::new("LogStartOffset", Kind::Fixed(8), 5),
    Field::new(
        "DivergingEpoch",
        Kind::Struct(FETCH_RESPONSES_PARTITIONS_DIVERGING_EPOCH),
        12,
    )
    .tag(0),
    Field::new(
        "CurrentLeader",
        Kind::Struct(FETCH_RESPONSES_PARTITIONS_CURRENT_LEADER),
        12,
    )
    .tag(1),
    Field::new(
        "SnapshotId",
        Kind::Struct(FETCH_RESPONSES_PARTITIONS_SNAPSHOT_ID),
        12,
    )
    .tag(2),
    Field::new(
        "AbortedTransactions",
        Kind::Array(&Kind::Struct(
            FETCH_RESPONSES_PARTITIONS_ABORTED_TRANSACTIONS,
        )),
        4,
    )
    .nullable(4),
    Field::new("PreferredReadReplica", Kind::Fixed(4), 11),
    Field::new("Records", Kind::Blob, 0).nullable(0),
];

const FETCH_RESPONSES: &[Field] = &[
    Field::new("Topic", Kind::Text, 0).upto(12),
    Field::new("TopicId", Kind::Fixed(16), 13),
    Field::new(
        "Partitions",
        Kind::Array(&Kind::Struct(FETCH_RESPONSES_PARTITIONS)),
        0,
    ),
];

const FETCH_NODE_ENDPOINTS: &[Field] = &[
    Field::new("NodeId", Kind::Fixed(4), 16),
    Field::new("Host", Kind::Text, 16),
    Field::new("Port", Kind::Fixed(4), 16),
    Field::new("Rack", Kind::Text, 16).nullable(16),
];

const FETCH: &[Field] = &[
    Field::new("ThrottleTimeMs", Kind::Fixed(4), 1),
    Field::new("ErrorCode", Kind::Fixed(2), 7),
    Field::new("SessionId", Kind::Fixed(4), 7),
    Field::new("Responses", Kind::Array(&Kind::Struct(FETCH_RESPONSES)), 0),
    Field::new(
        "NodeEndpoints",
        Kind::Array(&Kind::Struct(FETCH_NODE_ENDPOINTS)),
        16,
    )
    .tag(0),
];

const LIST_OFFSETS_TOPICS_PARTITIONS: &[Field] = &[
    Field::new("PartitionIndex", Kind::Fixed(4), 0),
    Field::new("ErrorCode", Kind::Fixed(2), 0),
    Field::new("Timestamp", Kind::Fixed(8), 1),
    Field::new("Offset", Kind::Fixed(8), 1),
    Field::new("LeaderEpoch", Kind::Fixed(4), 4),
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
    Field::new("ThrottleTimeMs", Kind::Fixed(4), 2),
    Field::new("Topics", Kind::Array(&Kind::Struct(LIST_OFFSETS_TOPICS)), 0),
];

const API_VERSIONS_API_KEYS: &[Field] = &[
    Field::new("ApiKey", Kind::Fixed(2), 0),
    Field::new("MinVersion", Kind::Fixed(2), 0),
    Field::new("MaxVersion", Kind::Fixed(2), 0),
];

const API_VERSIONS_SUPPORTED_FEATURES: &[Field] = &[
    Field::new("Name", Kind::Text, 3),
    Field::new("MinVersion", Kind::Fixed(2), 3),
    Field::new("MaxVersion", Kind::Fixed(2), 3),
];

const API_VERSIONS_FINALIZED_FEATURES: &[Field] = &[
    Field::new("Name", Kind::Text, 3),
    Field::new("MaxVersionLevel", Kind::Fixed(2), 3),
    Field::new("MinVersionLevel", Kind::Fixed(2), 3),
];

const API_VERSIONS: &[Field] = &[
    Field::new("ErrorCode", Kind::Fixed(2), 0),
    Field::new(
        "ApiKeys",
        Kind::Array(&Kind::Struct(API_VERSIONS_API_KEYS)),
        0,
    ),
    Field::new("ThrottleTimeMs", Kind::Fixed(4), 1),
    Field::new(
        "SupportedFeatures",
        Kind::Array(&Kind::Struct(API_VERSIONS_SUPPORTED_FEATURES)),
        3,
    )
    .tag(0),
    Field::new("FinalizedFeaturesEpoch", Kind::Fixed(8), 3).tag(1),
    Field::new(
        "FinalizedFeatures",
        Kind::Array(&Kind::Struct(API_VERSIONS_FINALIZED_FEATURES)),
        3,
    )
    .tag(2),
    Field::new("ZkMigrationReady", Kind::Fixed(1), 3).tag(3),
];

const OFFSET_FOR_LEADER_EPOCH_TOPICS_PARTITIONS: &[Field] = &[
    Field::new("ErrorCode", Kind::Fixed(2), 0),
    Field::new("Partition", Kind::Fixed(4), 0),
    Field::new("LeaderEpoch", Kind::Fixed(4), 1),
    Field::new("EndOffset", Kind::Fixed(8), 0),
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
    Field::new("ThrottleTimeMs", Kind::Fixed(4), 2),
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(OFFSET_FOR_LEADER_EPOCH_TOPICS)),
        0,
    ),
];

const ALTER_PARTITION_TOPICS_PARTITIONS: &[Field] = &[
    Field::new("PartitionIndex", Kind::Fixed(4), 0),
    Field::new("ErrorCode", Kind::Fixed(2), 0),
    Field::new("LeaderId", Kind::Fixed(4), 0),
    Field::new("LeaderEpoch", Kind::Fixed(4), 0),
    Field::new("Isr", Kind::Array(&Kind::Fixed(4)), 0),
    Field::new("LeaderRecoveryState", Kind::Fixed(1), 1),
    Field::new("PartitionEpoch", Kind::Fixed(4), 0),
];

const ALTER_PARTITION_TOPICS: &[Field] = &[
    Field::new("TopicId", Kind::Fixed(16), 2),
    Field::new(
        "Partitions",
        Kind::Array(&Kind::Struct(ALTER_PARTITION_TOPICS_PARTITIONS)),
        0,
    ),
];

const ALTER_PARTITION: &[Field] = &[
    Field::new("ThrottleTimeMs", Kind::Fixed(4), 0),
    Field::new("ErrorCode", Kind::Fixed(2), 0),
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(ALTER_PARTITION_TOPICS)),
        0,
    ),
];

const ENVELOPE: &[Field] = &[
    Field::new("ResponseData", Kind::Blob, 0).nullable(0),
    Field::new("ErrorCode", Kind::Fixed(2), 0),
];

const FETCH_SNAPSHOT_TOPICS_PARTITIONS_SNAPSHOT_ID: &[Field] = &[
    Field::new("EndOffset", Kind::Fixed(8), 0),
    Field::new("Epoch", Kind::Fixed(4), 0),
];

const FETCH_SNAPSHOT_TOPICS_PARTITIONS_CURRENT_LEADER: &[Field] = &[
    Field::new("LeaderId", Kind::Fixed(4), 0),
    Field::new("LeaderEpoch", Kind::Fixed(4), 0),
];

const FETCH_SNAPSHOT_TOPICS_PARTITIONS: &[Field] = &[
    Field::new("Index", Kind::Fixed(4), 0),
    Field::new("ErrorCode", Kind::Fixed(2), 0),
    Field::new(
        "SnapshotId",
        Kind::Struct(FETCH_SNAPSHOT_TOPICS_PARTITIONS_SNAPSHOT_ID),
        0,
    ),
    Field::new(
        "CurrentLeader",
        Kind::Struct(FETCH_SNAPSHOT_TOPICS_PARTITIONS_CURRENT_LEADER),
        0,
    )
    .tag(0),
    Field::new("Size", Kind::Fixed(8), 0),
    Field::new("Position", Kind::Fixed(8), 0),
    Field::new("UnalignedRecords", Kind::Blob, 0),
];

const FETCH_SNAPSHOT_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new(
        "Partitions",
        Kind::Array(&Kind::Struct(FETCH_SNAPSHOT_TOPICS_PARTITIONS)),
        0,
    ),
];

const FETCH_SNAPSHOT_NODE_ENDPOINTS: &[Field] = &[
    Field::new("NodeId", Kind::Fixed(4), 1),
    Field::new("Host", Kind::Text, 1),
    Field::new("Port", Kind::Fixed(2), 1),
];

const FETCH_SNAPSHOT: &[Field] = &[
    Field::new("ThrottleTimeMs", Kind::Fixed(4), 0),
    Field::new("ErrorCode", Kind::Fixed(2), 0),
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(FETCH_SNAPSHOT_TOPICS)),
        0,
    ),
    Field::new(
        "NodeEndpoints",
        Kind::Array(&Kind::Struct(FETCH_SNAPSHOT_NODE_ENDPOINTS)),
        1,
    )
    .tag(0),
];

const BROKER_REGISTRATION: &[Field] = &[
    Field::new("ThrottleTimeMs", Kind::Fixed(4), 0),
    Field::new("ErrorCode", Kind::Fixed(2), 0),
    Field::new("BrokerEpoch", Kind::Fixed(8), 0),
];

const BROKER_HEARTBEAT: &[Field] = &[
    Field::new("ThrottleTimeMs", Kind::Fixed(4), 0),
    Field::new("ErrorCode", Kind::Fixed(2), 0),
    Field::new("IsCaughtUp", Kind::Fixed(1), 0),
    Field::new("IsFenced", Kind::Fixed(1), 0),
    Field::new("ShouldShutDown", Kind::Fixed(1), 0),
];

const ALLOCATE_PRODUCER_IDS: &[Field] = &[
    Field::new("ThrottleTimeMs", Kind::Fixed(4), 0),
    Field::new("ErrorCode", Kind::Fixed(2), 0),
    Field::new("ProducerIdStart", Kind::Fixed(8), 0),
    Field::new("ProducerIdLen", Kind::Fixed(4), 0),
];

const CREATE_TOPICS_TOPICS_CONFIGS: &[Field] = &[
    Field::new("Name", Kind::Text, 5),
    Field::new("Value", Kind::Text, 5).nullable(5),
    Field::new("ReadOnly", Kind::Fixed(1), 5),
    Field::new("ConfigSource", Kind::Fixed(1), 5),
    Field::new("IsSensitive", Kind::Fixed(1), 5),
];

const CREATE_TOPICS_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new("TopicId", Kind::Fixed(16), 7),
    Field::new("ErrorCode", Kind::Fixed(2), 0),
    Field::new("ErrorMessage", Kind::Text, 1).nullable(0),
    Field::new("TopicConfigErrorCode", Kind::Fixed(2), 5).tag(0),
    Field::new("NumPartitions", Kind::Fixed(4), 5),
    Field::new("ReplicationFactor", Kind::Fixed(2), 5),
    Field::new(
        "Configs",
        Kind::Array(&Kind::Struct(CREATE_TOPICS_TOPICS_CONFIGS)),
        5,
    )
    .nullable(5),
];

const CREATE_TOPICS: &[Field] = &[
    Field::new("ThrottleTimeMs", Kind::Fixed(4), 2),
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(CREATE_TOPICS_TOPICS)),
        0,
    ),
];

const ASSIGN_REPLICAS_TO_DIRS_DIRECTORIES_TOPICS_PARTITIONS: &[Field] = &[
    Field::new("PartitionIndex", Kind::Fixed(4), 0),
    Field::new("ErrorCode", Kind::Fixed(2), 0),
];

const ASSIGN_REPLICAS_TO_DIRS_DIRECTORIES_TOPICS: &[Field] = &[
    Field::new("TopicId", Kind::Fixed(16), 0),
    Field::new(
        "Partitions",
        Kind::Array(&Kind::Struct(
            ASSIGN_REPLICAS_TO_DIRS_DIRECTORIES_TOPICS_PARTITIONS,
        )),
        0,
    ),
];

const ASSIGN_REPLICAS_TO_DIRS_DIRECTORIES: &[Field] = &[
    Field::new("Id", Kind::Fixed(16), 0),
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(ASSIGN_REPLICAS_TO_DIRS_DIRECTORIES_TOPICS)),
        0,
    ),
];

const ASSIGN_REPLICAS_TO_DIRS: &[Field] = &[
    Field::new("ThrottleTimeMs", Kind::Fixed(4), 0),
    Field::new("ErrorCode", Kind::Fixed(2), 0),
    Field::new(
        "Directories",
        Kind::Array(&Kind::Struct(ASSIGN_REPLICAS_TO_DIRS_DIRECTORIES)),
        0,
    ),
];

const WRITE_TXN_MARKERS_MARKERS_TOPICS_PARTITIONS: &[Field] = &[
    Field::new("PartitionIndex", Kind::Fixed(4), 0),
    Field::new("ErrorCode", Kind::Fixed(2), 0),
];

const WRITE_TXN_MARKERS_MARKERS_TOPICS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new(
        "Partitions",
        Kind::Array(&Kind::Struct(WRITE_TXN_MARKERS_MARKERS_TOPICS_PARTITIONS)),
        0,
    ),
];

const WRITE_TXN_MARKERS_MARKERS: &[Field] = &[
    Field::new("ProducerId", Kind::Fixed(8), 0),
    Field::new(
        "Topics",
        Kind::Array(&Kind::Struct(WRITE_TXN_MARKERS_MARKERS_TOPICS)),
        0,
    ),
];

const WRITE_TXN_MARKERS: &[Field] = &[Field::new(
    "Markers",
    Kind::Array(&Kind::Struct(WRITE_TXN_MARKERS_MARKERS)),
    0,
)];

const ADD_PARTITIONS_TO_TXN_RESULTS_BY_TRANSACTION_TOPIC_RESULTS_RESULTS_BY_PARTITION: &[Field] = &[
    Field::new("PartitionIndex", Kind::Fixed(4), 0),
    Field::new("PartitionErrorCode", Kind::Fixed(2), 0),
];

const ADD_PARTITIONS_TO_TXN_RESULTS_BY_TRANSACTION_TOPIC_RESULTS: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new(
        "ResultsByPartition",
        Kind::Array(&Kind::Struct(
            ADD_PARTITIONS_TO_TXN_RESULTS_BY_TRANSACTION_TOPIC_RESULTS_RESULTS_BY_PARTITION,
        )),
        0,
    ),
];

const ADD_PARTITIONS_TO_TXN_RESULTS_BY_TRANSACTION: &[Field] = &[
    Field::new("TransactionalId", Kind::Text, 4),
    Field::new(
        "TopicResults",
        Kind::Array(&Kind::Struct(
            ADD_PARTITIONS_TO_TXN_RESULTS_BY_TRANSACTION_TOPIC_RESULTS,
        )),
        4,
    ),
];

const ADD_PARTITIONS_TO_TXN_RESULTS_BY_TOPIC_V3_AND_BELOW_RESULTS_BY_PARTITION: &[Field] = &[
    Field::new("PartitionIndex", Kind::Fixed(4), 0),
    Field::new("PartitionErrorCode", Kind::Fixed(2), 0),
];

const ADD_PARTITIONS_TO_TXN_RESULTS_BY_TOPIC_V3_AND_BELOW: &[Field] = &[
    Field::new("Name", Kind::Text, 0),
    Field::new(
        "ResultsByPartition",
        Kind::Array(&Kind::Struct(
            ADD_PARTITIONS_TO_TXN_RESULTS_BY_TOPIC_V3_AND_BELOW_RESULTS_BY_PARTITION,
        )),
        0,
    ),
];

const ADD_PARTITIONS_TO_TXN: &[Field] = &[
    Field::new("ThrottleTimeMs", Kind::Fixed(4), 0),
    Field::new("ErrorCode", Kind::Fixed(2), 4),
    Field::new(
        "ResultsByTransaction",
        Kind::Array(&Kind::Struct(ADD_PARTITIONS_TO_TXN_RESULTS_BY_TRANSACTION)),
        4,
    ),
    Field::new(
        "ResultsByTopicV3AndBelow",
        Kind::Array(&Kind::Struct(
            ADD_PARTITIONS_TO_TXN_RESULTS_BY_TOPIC_V3_AND_BELOW,
        )),
        0,
    )
    .upto(3),
];

/// The bodies of answers that can be checked, by API key.
pub(super) const ANSWERS: &[Body] = &[
    Body::new(1, 4, 18, 12, FETCH),
    Body::new(2, 1, 11, 6, LIST_OFFSETS),
    Body::new(18, 0, 4, 3, API_VERSIONS),
    Body::new(19, 2, 7, 5, CREATE_TOPICS),
    Body::new(23, 2, 4, 4, OFFSET_FOR_LEADER_EPOCH),
    Body::new(24, 0, 5, 3, ADD_PARTITIONS_TO_TXN),
    Body::new(27, 1, 2, 1, WRITE_TXN_MARKERS),
    Body::new(56, 2, 3, 0, ALTER_PARTITION),
    Body::new(58, 0, 0, 0, ENVELOPE),
    Body::new(59, 0, 1, 0, FETCH_SNAPSHOT),
    Body::new(62, 0, 4, 0, BROKER_REGISTRATION),
    Body::new(63, 0, 2, 0, BROKER_HEARTBEAT),
    Body::new(67, 0, 0, 0, ALLOCATE_PRODUCER_IDS),
    Body::new(73, 0, 0, 0, ASSIGN_REPLICAS_TO_DIRS),
];
