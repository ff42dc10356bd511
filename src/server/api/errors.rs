//! Pure: what our errors are called on the wire: the only place where domain errors become
//! Kafka's codes. No arm is a wildcard: a new error does not compile until it has its code.

use crate::base::ErrorCode;
use crate::coordinator::group::GroupError;
use crate::coordinator::transaction::TransactionError;
use crate::log;
use crate::metadata::controller::decide::{
    AlterConfigsError, AlterQuotasError, AssignmentError, CreatePartitionsError, CreateTopicError,
    DeleteTopicError, NameError, PlacementError, ReassignError, UpdateFeaturesError,
};
use crate::partition::append::AppendError;
use crate::partition::offsets::DeleteError;
use crate::partition::producers::ProducerError;
use crate::partition::read::ReadError;
use crate::partition::validate::Invalid;
use crate::server::state::telemetry::TelemetryError;
use crate::shard::dir_moves::AskError;
use crate::shard::markers::MarkerError;
use crate::shard::partitions::LookupError;
use crate::shard::producer_ids::NoProducerId;

/// A partition that cannot be used here.
pub fn lookup(error: LookupError) -> ErrorCode {
    match error {
        LookupError::UnknownTopicOrPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        LookupError::UnknownTopicId => ErrorCode::UNKNOWN_TOPIC_ID,
        LookupError::NotLeader { .. } => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        LookupError::Storage => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

/// A replica that does not go to another folder.
pub fn alter_log_dir(error: &AskError) -> ErrorCode {
    match error {
        AskError::LongName => ErrorCode::INVALID_TOPIC_EXCEPTION,
        AskError::UnknownDir => ErrorCode::LOG_DIR_NOT_FOUND,
        AskError::UnknownPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        AskError::NotHere => ErrorCode::REPLICA_NOT_AVAILABLE,
        AskError::Offline | AskError::Io => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

/// An append that failed.
pub fn append(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::InternalTopic => ErrorCode::INVALID_TOPIC_EXCEPTION,
        AppendError::Invalid(error) => invalid(error),
        AppendError::Producer(error) => producer(error),
        AppendError::TooLarge => ErrorCode::RECORD_LIST_TOO_LARGE,
        // Both are tried again by those who append, and told only if they give up.
        AppendError::Busy | AppendError::Long => ErrorCode::REQUEST_TIMED_OUT,
        AppendError::Storage(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        AppendError::TooFewReplicas => ErrorCode::NOT_ENOUGH_REPLICAS,
        AppendError::TooFewReplicasAfterwards => ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        AppendError::Closed => ErrorCode::NOT_LEADER_OR_FOLLOWER,
    }
}

/// Records that are not what they should be.
fn invalid(error: &Invalid) -> ErrorCode {
    match error {
        Invalid::NoBatch
        | Invalid::SecondBatch
        | Invalid::OldFormat(_)
        | Invalid::BaseOffset(_)
        | Invalid::Count { .. }
        | Invalid::Control
        | Invalid::Sequence(_)
        | Invalid::Record(_) => ErrorCode::INVALID_RECORD,
        Invalid::ZstdTooOld => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        Invalid::Malformed | Invalid::Crc { .. } => ErrorCode::CORRUPT_MESSAGE,
        Invalid::TooLarge { .. } | Invalid::Bomb { .. } => ErrorCode::MESSAGE_TOO_LARGE,
        Invalid::Rejected(rejected) if rejected.has_timestamp() => ErrorCode::INVALID_TIMESTAMP,
        Invalid::Rejected(_) => ErrorCode::INVALID_RECORD,
        Invalid::Codec(_) | Invalid::Undecodable(_) | Invalid::Unordered => {
            ErrorCode::UNKNOWN_SERVER_ERROR
        }
    }
}

/// A batch that a producer may not append.
fn producer(error: &ProducerError) -> ErrorCode {
    match error {
        ProducerError::OutOfOrderSequence { .. } => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        ProducerError::InvalidProducerEpoch { .. } => ErrorCode::INVALID_PRODUCER_EPOCH,
        ProducerError::InvalidTxnState { .. } => ErrorCode::INVALID_TXN_STATE,
        ProducerError::CoordinatorFenced { .. } => ErrorCode::TRANSACTION_COORDINATOR_FENCED,
    }
}

/// A read that failed.
pub fn read(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OffsetOutOfRange => ErrorCode::OFFSET_OUT_OF_RANGE,
        ReadError::FencedLeaderEpoch => ErrorCode::FENCED_LEADER_EPOCH,
        ReadError::UnknownLeaderEpoch => ErrorCode::UNKNOWN_LEADER_EPOCH,
        ReadError::NotAReplica => ErrorCode::UNKNOWN_LEADER_EPOCH,
        ReadError::OldReplica => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ReadError::NotKnownYet => ErrorCode::OFFSET_NOT_AVAILABLE,
        ReadError::NegativeSize => ErrorCode::UNKNOWN_SERVER_ERROR,
        ReadError::Log(log::ReadError::Damaged { .. }) => ErrorCode::CORRUPT_MESSAGE,
        ReadError::Log(log::ReadError::OutOfRange) => ErrorCode::OFFSET_OUT_OF_RANGE,
        ReadError::Storage(_) | ReadError::Log(log::ReadError::Io(_)) => {
            ErrorCode::KAFKA_STORAGE_ERROR
        }
        ReadError::Closed => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ReadError::Deleted => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    }
}

/// A transaction that was not ended in a partition.
pub fn marker(error: MarkerError) -> ErrorCode {
    match error {
        MarkerError::UnknownPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        MarkerError::OldEpoch => ErrorCode::INVALID_PRODUCER_EPOCH,
        MarkerError::OldCoordinator => ErrorCode::TRANSACTION_COORDINATOR_FENCED,
        MarkerError::NoLeader => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        MarkerError::TooFewReplicas => ErrorCode::NOT_ENOUGH_REPLICAS,
        MarkerError::Storage => ErrorCode::KAFKA_STORAGE_ERROR,
        MarkerError::Late => ErrorCode::REQUEST_TIMED_OUT,
    }
}

/// Records that were not deleted.
pub fn delete_records(error: &DeleteError) -> ErrorCode {
    match error {
        DeleteError::InternalTopic => ErrorCode::INVALID_TOPIC_EXCEPTION,
        DeleteError::Compacted => ErrorCode::POLICY_VIOLATION,
        DeleteError::OutOfRange => ErrorCode::OFFSET_OUT_OF_RANGE,
        DeleteError::Storage(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        DeleteError::Closed => ErrorCode::NOT_LEADER_OR_FOLLOWER,
    }
}

/// A name that no topic can have.
pub fn topic_name(error: &NameError) -> ErrorCode {
    match error {
        NameError::Empty
        | NameError::Dots(_)
        | NameError::TooLong(_)
        | NameError::Characters(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
    }
}

/// What a change of the cluster is answered with that was not decided on: the metadata log cannot
/// be written, or no active controller of the cluster has answered.
pub fn undecided(is_in_cluster: bool) -> ErrorCode {
    match is_in_cluster {
        true => ErrorCode::REQUEST_TIMED_OUT,
        false => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

/// A producer that gets no id.
pub fn producer_id(error: NoProducerId, is_in_cluster: bool) -> ErrorCode {
    match error {
        NoProducerId::Exhausted => ErrorCode::UNKNOWN_SERVER_ERROR,
        // As in Kafka: the producer asks again.
        NoProducerId::Undecided(_) if is_in_cluster => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        NoProducerId::Undecided(_) => undecided(is_in_cluster),
    }
}

/// A topic that was not created.
pub fn create_topic(error: &CreateTopicError) -> ErrorCode {
    match error {
        CreateTopicError::Duplicate
        | CreateTopicError::Reserved
        | CreateTopicError::AssignedWithReplicas
        | CreateTopicError::AssignedWithCount => ErrorCode::INVALID_REQUEST,
        CreateTopicError::TooManyPartitions | CreateTopicError::TooLarge => {
            ErrorCode::POLICY_VIOLATION
        }
        CreateTopicError::Name(error) => topic_name(error),
        CreateTopicError::Collides { .. } => ErrorCode::INVALID_TOPIC_EXCEPTION,
        CreateTopicError::Exists(_) => ErrorCode::TOPIC_ALREADY_EXISTS,
        CreateTopicError::NullConfigs(_)
        | CreateTopicError::LongConfig
        | CreateTopicError::Config(_) => ErrorCode::INVALID_CONFIG,
        CreateTopicError::AssignedTwice(_) | CreateTopicError::AssignedGaps => {
            ErrorCode::INVALID_REPLICA_ASSIGNMENT
        }
        CreateTopicError::Assignment(error) => assignment(error),
        CreateTopicError::ReplicationFactor => ErrorCode::INVALID_REPLICATION_FACTOR,
        CreateTopicError::PartitionCount => ErrorCode::INVALID_PARTITIONS,
        CreateTopicError::Placement { error, .. } => placement(error),
    }
}

fn assignment(error: &AssignmentError) -> ErrorCode {
    match error {
        AssignmentError::Empty
        | AssignmentError::UnknownNode(_)
        | AssignmentError::Twice(_)
        | AssignmentError::Inconsistent { .. }
        | AssignmentError::AllFenced(_)
        | AssignmentError::OneMachine => ErrorCode::INVALID_REPLICA_ASSIGNMENT,
    }
}

fn placement(error: &PlacementError) -> ErrorCode {
    match error {
        PlacementError::NotPositive(_)
        | PlacementError::AllFenced
        | PlacementError::TooFewNodes { .. }
        | PlacementError::OneMachine { .. } => ErrorCode::INVALID_REPLICATION_FACTOR,
    }
}

/// A topic that was not deleted.
pub fn delete_topic(error: &DeleteTopicError) -> ErrorCode {
    match error {
        DeleteTopicError::Nameless
        | DeleteTopicError::NameAndId
        | DeleteTopicError::DuplicateName
        | DeleteTopicError::DuplicateId
        | DeleteTopicError::NameOfDuplicateId => ErrorCode::INVALID_REQUEST,
        DeleteTopicError::UnknownName => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        DeleteTopicError::UnknownId => ErrorCode::UNKNOWN_TOPIC_ID,
    }
}

/// A topic that did not grow: the code, and the text unless Kafka has none.
pub fn create_partitions(error: &CreatePartitionsError) -> (ErrorCode, Option<String>) {
    let code = match error {
        CreatePartitionsError::Duplicate => ErrorCode::INVALID_REQUEST,
        CreatePartitionsError::UnknownTopic => {
            return (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None);
        }
        CreatePartitionsError::SameCount(_) | CreatePartitionsError::Fewer { .. } => {
            ErrorCode::INVALID_PARTITIONS
        }
        CreatePartitionsError::AssignmentCount { .. } => ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        CreatePartitionsError::Assignment(error) => assignment(error),
        CreatePartitionsError::Placement(error) => placement(error),
        CreatePartitionsError::TooLarge => return (ErrorCode::UNKNOWN_SERVER_ERROR, None),
    };
    (code, Some(error.to_string()))
}

/// A partition that does not go where it shall.
pub fn reassign(error: &ReassignError) -> (ErrorCode, Option<String>) {
    let code = match error {
        ReassignError::UnknownTopic(_) | ReassignError::UnknownPartition(..) => {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        }
        ReassignError::NotMoving => return (ErrorCode::NO_REASSIGNMENT_IN_PROGRESS, None),
        ReassignError::Assignment(error) => assignment(error),
        ReassignError::OtherFactor(..) => ErrorCode::INVALID_REPLICATION_FACTOR,
    };
    (code, Some(error.to_string()))
}

/// Settings that were not changed: the code, and the text unless Kafka has none.
pub fn alter_configs(error: &AlterConfigsError) -> (ErrorCode, Option<String>) {
    let code = match error {
        AlterConfigsError::Request(_) => ErrorCode::INVALID_REQUEST,
        AlterConfigsError::Config(_) => ErrorCode::INVALID_CONFIG,
        AlterConfigsError::Name(error) => topic_name(error),
        AlterConfigsError::UnknownTopic(_) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        AlterConfigsError::UnknownOperation => return (ErrorCode::UNKNOWN_SERVER_ERROR, None),
        AlterConfigsError::TooMany | AlterConfigsError::TooLarge => ErrorCode::POLICY_VIOLATION,
    };
    (code, Some(error.to_string()))
}

/// Features that were not changed: the code, and the text.
pub fn update_features(error: &UpdateFeaturesError) -> (ErrorCode, String) {
    (ErrorCode::INVALID_UPDATE_VERSION, error.to_string())
}

/// A client that is not asked for metrics now, or may not push what it does.
pub fn telemetry(error: TelemetryError) -> ErrorCode {
    match error {
        TelemetryError::TooEarly => ErrorCode::THROTTLING_QUOTA_EXCEEDED,
        TelemetryError::Terminated => ErrorCode::INVALID_REQUEST,
        TelemetryError::UnknownSubscription => ErrorCode::UNKNOWN_SUBSCRIPTION_ID,
        TelemetryError::UnknownCodec => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        TelemetryError::TooLarge => ErrorCode::TELEMETRY_TOO_LARGE,
        TelemetryError::Unreadable => ErrorCode::INVALID_RECORD,
    }
}

/// Quotas that were not changed: the code, and the text.
pub fn alter_quotas(error: &AlterQuotasError) -> (ErrorCode, String) {
    let code = match error {
        AlterQuotasError::Request(_) => ErrorCode::INVALID_REQUEST,
        AlterQuotasError::LongName | AlterQuotasError::TooMany | AlterQuotasError::TooLarge => {
            ErrorCode::POLICY_VIOLATION
        }
    };
    (code, error.to_string())
}

/// A request that a transaction refuses, of a client that knows PRODUCER_FENCED (KIP-588).
pub fn transaction(error: TransactionError) -> ErrorCode {
    match error {
        TransactionError::NotCoordinator => ErrorCode::NOT_COORDINATOR,
        // Clients wait a while and come again, without looking for another coordinator.
        TransactionError::Loading | TransactionError::NoMemory => {
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
        }
        TransactionError::InvalidRequest => ErrorCode::INVALID_REQUEST,
        TransactionError::InvalidTimeout => ErrorCode::INVALID_TRANSACTION_TIMEOUT,
        TransactionError::Concurrent => ErrorCode::CONCURRENT_TRANSACTIONS,
        TransactionError::ProducerFenced => ErrorCode::PRODUCER_FENCED,
        TransactionError::InvalidProducerIdMapping => ErrorCode::INVALID_PRODUCER_ID_MAPPING,
        TransactionError::InvalidState => ErrorCode::INVALID_TXN_STATE,
        TransactionError::Abortable => ErrorCode::TRANSACTION_ABORTABLE,
        TransactionError::NotFound => ErrorCode::TRANSACTIONAL_ID_NOT_FOUND,
        TransactionError::RecordTooLarge
        | TransactionError::NeedsProducerId
        | TransactionError::Unexpected => ErrorCode::UNKNOWN_SERVER_ERROR,
    }
}

/// A request that a group refuses.
pub fn group(error: GroupError) -> ErrorCode {
    match error {
        GroupError::NotCoordinator => ErrorCode::NOT_COORDINATOR,
        // Clients wait a while and come again, without looking for another coordinator.
        GroupError::Loading | GroupError::NoMemory => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        GroupError::InvalidGroupId => ErrorCode::INVALID_GROUP_ID,
        GroupError::InvalidSessionTimeout => ErrorCode::INVALID_SESSION_TIMEOUT,
        GroupError::UnknownMember => ErrorCode::UNKNOWN_MEMBER_ID,
        GroupError::IllegalGeneration => ErrorCode::ILLEGAL_GENERATION,
        GroupError::InconsistentProtocol => ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        GroupError::RebalanceInProgress => ErrorCode::REBALANCE_IN_PROGRESS,
        GroupError::MemberIdRequired => ErrorCode::MEMBER_ID_REQUIRED,
        GroupError::FencedInstanceId => ErrorCode::FENCED_INSTANCE_ID,
        GroupError::GroupFull => ErrorCode::GROUP_MAX_SIZE_REACHED,
        GroupError::GroupNotFound => ErrorCode::GROUP_ID_NOT_FOUND,
        GroupError::NonEmpty => ErrorCode::NON_EMPTY_GROUP,
        GroupError::SubscribedToTopic => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
        GroupError::MetadataTooLarge => ErrorCode::OFFSET_METADATA_TOO_LARGE,
        GroupError::UnstableOffset => ErrorCode::UNSTABLE_OFFSET_COMMIT,
        GroupError::FencedMemberEpoch => ErrorCode::FENCED_MEMBER_EPOCH,
        GroupError::StaleMemberEpoch => ErrorCode::STALE_MEMBER_EPOCH,
        GroupError::UnreleasedInstanceId => ErrorCode::UNRELEASED_INSTANCE_ID,
        GroupError::UnsupportedAssignor => ErrorCode::UNSUPPORTED_ASSIGNOR,
        GroupError::InvalidRegex => ErrorCode::INVALID_REGULAR_EXPRESSION,
        GroupError::InvalidRequest => ErrorCode::INVALID_REQUEST,
        GroupError::UnsupportedVersion => ErrorCode::UNSUPPORTED_VERSION,
        GroupError::InvalidProducerEpoch => ErrorCode::INVALID_PRODUCER_EPOCH,
        GroupError::InvalidTxnState => ErrorCode::INVALID_TXN_STATE,
        GroupError::RecordTooLarge | GroupError::Unexpected => ErrorCode::UNKNOWN_SERVER_ERROR,
    }
}
