//! Pure: why a batch may not be appended.

use std::fmt;

use crate::base::{Offset, WallMs};
use crate::wire::batch::{Codec, OutlineError, RecordError};
use crate::wire::compress::DecompressError;

/// Why a batch may not be appended. Behind each: the error code that Kafka answers.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Invalid {
    /// There is no whole batch. INVALID_RECORD, before the log is looked at.
    #[error("there is no whole record batch")]
    NoBatch,
    /// More than one batch for a partition. INVALID_RECORD, before the log is looked at.
    #[error("there is more than one record batch")]
    SecondBatch,
    /// Format version 0 or 1. INVALID_RECORD, before the log is looked at.
    #[error("format version {0} is not taken any more")]
    OldFormat(i8),
    /// zstd in a request of a version that has none. UNSUPPORTED_COMPRESSION_TYPE, before the
    /// log is looked at.
    #[error("this version of the request has no zstd")]
    ZstdTooOld,
    /// An impossible length or format version. CORRUPT_MESSAGE.
    #[error("the bytes are no record batch")]
    Malformed,
    /// The checksum does not match. CORRUPT_MESSAGE.
    #[error("the checksum is {stored:#010x} where the bytes give {computed:#010x}")]
    Crc {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// Larger than the topic allows, as it came or as it would be stored. MESSAGE_TOO_LARGE.
    #[error("the batch takes {size} bytes of at most {max}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// `max.message.bytes`.
        max: usize,
    },
    /// Its records take more than this broker looks at. MESSAGE_TOO_LARGE, upon which a client
    /// splits it; Kafka has no such bound.
    #[error("the records take more than {max} bytes")]
    Bomb {
        /// The bound in bytes.
        max: usize,
    },
    /// The base offset is not 0. INVALID_RECORD.
    #[error("the base offset is {0}, not 0")]
    BaseOffset(Offset),
    /// No records, or not as many as offsets. INVALID_RECORD.
    #[error("the batch counts {count} records and {offsets} offsets")]
    Count {
        /// Records that the header counts.
        count: i32,
        /// Offsets that the header spans.
        offsets: i64,
    },
    /// Control batches are the brokers' own. INVALID_RECORD.
    #[error("clients do not write control batches")]
    Control,
    /// A producer id without sequence number. INVALID_RECORD.
    #[error("the batch has a producer id and sequence {0}")]
    Sequence(i32),
    /// The records are not what the header says. INVALID_RECORD.
    #[error("{0}")]
    Record(RecordError),
    /// Some records break the topic's rules. INVALID_TIMESTAMP if that is what one of them
    /// breaks, else INVALID_RECORD; with the list of them.
    #[error("{0}")]
    Rejected(Box<Rejected>),
    /// The bits of the codec stand for none. UNKNOWN_SERVER_ERROR.
    #[error("there is no codec {0}")]
    Codec(u8),
    /// The compressed bytes are not what the codec writes. UNKNOWN_SERVER_ERROR.
    #[error("the records are not {} data", .0.name())]
    Undecodable(Codec),
    /// Compressed records that are not numbered from 0. UNKNOWN_SERVER_ERROR.
    #[error("the compressed records are not numbered from 0")]
    Unordered,
}

impl Invalid {
    /// Whether Kafka answers -1 as log start offset, having not come as far as the log's own
    /// checks; with all other errors it answers the log's start offset.
    pub fn hides_log_start(&self) -> bool {
        match self {
            Invalid::NoBatch
            | Invalid::SecondBatch
            | Invalid::OldFormat(_)
            | Invalid::ZstdTooOld
            | Invalid::Malformed
            | Invalid::Crc { .. }
            | Invalid::TooLarge { .. }
            | Invalid::Bomb { .. } => true,
            Invalid::BaseOffset(_)
            | Invalid::Count { .. }
            | Invalid::Control
            | Invalid::Sequence(_)
            | Invalid::Record(_)
            | Invalid::Rejected(_)
            | Invalid::Codec(_)
            | Invalid::Undecodable(_)
            | Invalid::Unordered => false,
        }
    }
}

impl From<OutlineError> for Invalid {
    fn from(error: OutlineError) -> Invalid {
        match error {
            OutlineError::Record(error) => Invalid::Record(error),
            OutlineError::Decompress(error) => error.into(),
        }
    }
}

impl From<DecompressError> for Invalid {
    fn from(error: DecompressError) -> Invalid {
        match error {
            DecompressError::Corrupt(codec) => Invalid::Undecodable(codec),
            DecompressError::TooLarge { max_bytes } => Invalid::Bomb { max: max_bytes },
        }
    }
}

/// The records of a batch that break the topic's rules.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rejected {
    /// The first ones of them, in the order of the batch.
    pub problems: Vec<RecordProblem>,
    /// How many there are in all.
    pub total: usize,
}

impl Rejected {
    /// Whether a timestamp is among what is wrong, which decides about the error code.
    pub fn has_timestamp(&self) -> bool {
        let is_timestamp = |problem: &RecordProblem| problem.why != Problem::NoKey;
        self.problems.iter().any(is_timestamp)
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the batch's records are refused", self.total)?;
        match self.problems.first() {
            Some(first) => write!(f, ", first record {}: {first}", first.index),
            None => Ok(()),
        }
    }
}

/// A record that breaks a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordProblem {
    /// Which one of the batch, from 0.
    pub index: i32,
    /// What is wrong.
    pub why: Problem,
}

/// What is wrong with a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Problem {
    /// It has no key, and the topic is compacted.
    NoKey,
    /// Its timestamp is too far from the broker's clock.
    Timestamp {
        /// The timestamp.
        found: WallMs,
        /// The earliest one allowed.
        earliest: WallMs,
        /// The latest one allowed.
        latest: WallMs,
    },
    /// The producer gave out its timestamps as the broker's.
    NotItsClock,
}

impl fmt::Display for RecordProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            Problem::NoKey => f.write_str("a compacted topic needs a key in every record"),
            Problem::Timestamp {
                found,
                earliest,
                latest,
            } => write!(f, "timestamp {found} is outside {earliest} to {latest}"),
            Problem::NotItsClock => f.write_str("log append time is the broker's to set"),
        }
    }
}
