//! Pure: what transactions can be asked, and what they answer, free of wire versions.

use std::rc::Rc;
use std::sync::Arc;

use crate::base::{PartitionIndex, ProducerId, WallMs};
use crate::coordinator::record::transaction::TransactionState;
use crate::coordinator::runtime::{self, Unavailable};

/// What a step of the machine wants done.
pub type Outcome = runtime::Outcome<Reply>;

/// A partition of a topic.
pub type TopicPartition = (Arc<str>, PartitionIndex);

/// Why a transaction refuses. Each stands for the Kafka error of the same meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransactionError {
    /// The partition that keeps the transactional id is not led here.
    NotCoordinator,
    /// That partition is being loaded.
    Loading,
    /// Transactions have all the memory of the shard that they may take: a client that comes again
    /// later may find some.
    NoMemory,
    /// An empty transactional id.
    InvalidRequest,
    /// A timeout below 1 ms or above `transaction.max.timeout.ms`.
    InvalidTimeout,
    /// The transaction before is still being ended: to be tried again.
    Concurrent,
    /// Another producer has taken the transactional id over, or this one has not heard of its own
    /// newest epoch.
    ProducerFenced,
    /// The transactional id is not known, or not by this producer id.
    InvalidProducerIdMapping,
    /// What is asked for does not fit the state.
    InvalidState,
    /// The partition is not in the transaction, which the client must abort (KIP-890).
    Abortable,
    /// There is no such transactional id.
    NotFound,
    /// The record would not fit the log.
    RecordTooLarge,
    /// The step needs a producer id that was not brought: to be done again with one. Never told to
    /// a client.
    NeedsProducerId,
    /// A reply of another kind than the request's.
    Unexpected,
}

/// A request whose reply may have to wait until the markers of a transaction are written.
#[derive(Clone, Debug)]
pub enum Request {
    /// InitProducerId of a transactional producer.
    Init(Init),
    /// AddPartitionsToTxn of one transaction, or AddOffsetsToTxn.
    Add(Add),
    /// EndTxn.
    End(End),
    /// Waits for transactions whose markers are to be written; brings a producer id that nothing
    /// uses, if the answer before was that one is needed.
    NextMarkers(Option<ProducerId>),
}

/// The reply to a [`Request`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// To [`Request::Init`] and [`Request::End`].
    Producer(Result<Producer, TransactionError>),
    /// To [`Request::Add`].
    Added(Result<(), TransactionError>),
    /// To [`Request::NextMarkers`]: what it says is durable.
    Markers(MarkersWanted),
}

/// What is to be done about markers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MarkersWanted {
    /// Transactions whose markers are to be written.
    pub transactions: Vec<Markers>,
    /// A transaction cannot be ended without a producer id that nothing uses.
    pub needs_producer_id: bool,
}

/// A producer id and its epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Producer {
    /// The id.
    pub id: ProducerId,
    /// The epoch.
    pub epoch: i16,
}

/// A producer begins to use a transactional id.
#[derive(Clone, Debug)]
pub struct Init {
    /// The transactional id.
    pub id: Rc<str>,
    /// How long its transactions may last, in milliseconds.
    pub timeout_ms: i32,
    /// What the producer had before, if it goes on after an error (KIP-360).
    pub expected: Option<Producer>,
    /// A producer id that nothing uses, if the answer before was that one is needed.
    pub fresh_id: Option<ProducerId>,
}

/// Partitions that a transaction is about to write to.
#[derive(Clone, Debug)]
pub struct Add {
    /// The transactional id.
    pub id: Rc<str>,
    /// The producer.
    pub producer: Producer,
    /// The partitions.
    pub partitions: Vec<TopicPartition>,
    /// The `transaction.version` that the client speaks: 0 or 2.
    pub client_version: i16,
}

/// A producer ends its transaction.
#[derive(Clone, Debug)]
pub struct End {
    /// The transactional id.
    pub id: Rc<str>,
    /// The producer.
    pub producer: Producer,
    /// Whether what was written counts.
    pub committed: bool,
    /// The `transaction.version` that the client speaks: with 2 each transaction has an epoch.
    pub client_version: i16,
    /// A producer id that nothing uses, if the answer before was that one is needed.
    pub fresh_id: Option<ProducerId>,
}

/// The markers of one transaction that is decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Markers {
    /// The transactional id.
    pub id: Rc<str>,
    /// The producer that the markers name; it also names the transaction.
    pub producer: Producer,
    /// Whether what was written counts.
    pub committed: bool,
    /// Whether each transaction of the producer has an epoch of its own.
    pub has_epochs: bool,
    /// Where markers are to be written.
    pub partitions: Vec<TopicPartition>,
}

/// A transactional id as DescribeTransactions shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// The producer.
    pub producer: Producer,
    /// The state.
    pub state: TransactionState,
    /// How long its transactions may last, in milliseconds.
    pub timeout_ms: i32,
    /// When the transaction began, -1 for never.
    pub started_ms: WallMs,
    /// Its partitions, by topic: of one that is being ended those without a marker.
    pub topics: Vec<(Arc<str>, Vec<PartitionIndex>)>,
}

/// A transactional id as ListTransactions shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The transactional id.
    pub id: Rc<str>,
    /// Its producer id.
    pub producer_id: ProducerId,
    /// The state.
    pub state: TransactionState,
}

// === impl Producer ===

impl Producer {
    /// No producer.
    pub const NONE: Producer = Producer { id: -1, epoch: -1 };
}

// === impl TransactionError ===

impl From<Unavailable> for TransactionError {
    fn from(unavailable: Unavailable) -> TransactionError {
        match unavailable {
            Unavailable::NotCoordinator => TransactionError::NotCoordinator,
            Unavailable::Loading => TransactionError::Loading,
        }
    }
}

// === impl Request ===

impl Request {
    /// The transactional id that it is about.
    pub(super) fn id(&self) -> Option<&Rc<str>> {
        match self {
            Request::Init(init) => Some(&init.id),
            Request::Add(add) => Some(&add.id),
            Request::End(end) => Some(&end.id),
            Request::NextMarkers(_) => None,
        }
    }

    /// Brings a producer id that nothing uses, where the answer before was that one is needed.
    pub(in crate::coordinator) fn bring(&mut self, fresh_id: ProducerId) {
        match self {
            Request::Init(init) => init.fresh_id = Some(fresh_id),
            Request::End(end) => end.fresh_id = Some(fresh_id),
            Request::NextMarkers(spare_id) => *spare_id = Some(fresh_id),
            Request::Add(_) => {}
        }
    }

    /// The reply that refuses it.
    pub(super) fn refusal(&self, error: TransactionError) -> Reply {
        match self {
            Request::Init(_) | Request::End(_) => Reply::Producer(Err(error)),
            Request::Add(_) => Reply::Added(Err(error)),
            Request::NextMarkers(_) => Reply::Markers(MarkersWanted::default()),
        }
    }
}

// === impl Reply ===

impl Reply {
    /// The error that it tells.
    pub(super) fn error(&self) -> Option<TransactionError> {
        match self {
            Reply::Producer(result) => result.err(),
            Reply::Added(result) => result.err(),
            Reply::Markers(_) => None,
        }
    }
}
