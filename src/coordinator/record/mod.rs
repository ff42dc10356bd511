//! Pure: the records of `__consumer_offsets`, in Kafka's own formats, and, in [`transaction`],
//! those of `__transaction_state`.
//!
//! A key is an int16 record type and a body; a value is an int16 version and a body; a record
//! without a value is a tombstone. One file per family. What is decoded here may have been
//! written by any Kafka since 0.9; what is encoded is what Kafka 4.3 writes. Types that this
//! broker does not act on (share and streams groups) stay in the log and decode to
//! [`Record::Other`].

mod classic;
mod consumer;
mod fields;
mod offset;
pub mod transaction;

pub use classic::{GroupValue, MemberValue};
pub use consumer::{
    ClassicMetadata, ClassicProtocol, ConsumerChange, ConsumerRecord, CurrentValue, GroupEpoch,
    MemberMetadata, ResolvedRegex, TargetEpoch, TopicPartitions,
};
pub use offset::{OffsetKey, OffsetValue};

use std::rc::Rc;

use crate::wire::cursor::{Cursor, Short};
use fields::FieldError;

/// A decoded record of `__consumer_offsets`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// A committed offset, or (without value) its removal: key types 0 and 1.
    Offset(OffsetKey, Option<OffsetValue>),
    /// The metadata of a classic group, or (without value) its removal: key type 2.
    Group(Rc<str>, Option<GroupValue>),
    /// Something of a consumer group: key types 3 to 8, and 16.
    Consumer(ConsumerRecord),
    /// A record of another type; the number is that type.
    Other(i16),
}

/// A record as bytes, ready for a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encoded {
    /// The key.
    pub key: Vec<u8>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

/// Why bytes are no record of an internal topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordError {
    /// A record without a key.
    #[error("a record without a key")]
    NoKey,
    /// The key's or the value's bytes end early, or are no text where text belongs.
    #[error("the {} of a record of type {kind} is malformed", .part.name())]
    Malformed {
        /// The record's type.
        kind: i16,
        /// Which half of it.
        part: Part,
    },
    /// A value of a version newer than any known.
    #[error("a record of type {kind} has the unknown version {version}")]
    Version {
        /// The record's type.
        kind: i16,
        /// The version it claims.
        version: i16,
    },
}

/// A half of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The key.
    Key,
    /// The value.
    Value,
}

/// Takes the version off a value, and refuses those above `max`.
fn value_version(cursor: &mut Cursor<'_>, kind: i16, max: i16) -> Result<i16, RecordError> {
    let malformed = RecordError::Malformed {
        kind,
        part: Part::Value,
    };
    let version = cursor.i16().map_err(|_| malformed)?;
    if (0..=max).contains(&version) {
        return Ok(version);
    }
    Err(RecordError::Version { kind, version })
}

fn malformed<E>(kind: i16, part: Part) -> impl FnOnce(E) -> RecordError {
    move |_| RecordError::Malformed { kind, part }
}

// === impl Record ===

impl Record {
    /// The records that make these changes to a consumer group.
    pub fn of_consumers(
        group: &Rc<str>,
        changes: Vec<ConsumerChange>,
    ) -> impl Iterator<Item = Record> {
        let group = group.clone();
        changes.into_iter().map(move |change| {
            let group = group.clone();
            Record::Consumer(ConsumerRecord { group, change })
        })
    }

    /// Decodes a record of the log.
    pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Record, RecordError> {
        let mut key = Cursor::new(key.ok_or(RecordError::NoKey)?);
        let kind = key.i16().map_err(malformed::<Short>(-1, Part::Key))?;
        match kind {
            offset::LEGACY_KIND | offset::KIND => {
                let key =
                    OffsetKey::decode(key).map_err(malformed::<FieldError>(kind, Part::Key))?;
                let value = value
                    .map(|bytes| OffsetValue::decode(kind, Cursor::new(bytes)))
                    .transpose()?;
                Ok(Record::Offset(key, value))
            }
            classic::KIND => {
                let group =
                    classic::decode_key(key).map_err(malformed::<FieldError>(kind, Part::Key))?;
                let value = value
                    .map(|bytes| GroupValue::decode(Cursor::new(bytes)))
                    .transpose()?;
                Ok(Record::Group(group, value))
            }
            kind if consumer::is_of_consumer_group(kind) => {
                ConsumerRecord::decode(kind, key, value).map(Record::Consumer)
            }
            other => Ok(Record::Other(other)),
        }
    }

    /// The bytes that Kafka 4.3 writes for this record.
    ///
    /// What this broker never makes has no bytes, `None`: `Other`, and the topics of a consumer
    /// group as Kafka 4.0 listed them.
    pub fn encode(&self) -> Option<Encoded> {
        match self {
            Record::Offset(key, value) => Some(Encoded {
                key: key.encode(),
                value: value.as_ref().map(OffsetValue::encode),
            }),
            Record::Group(group, value) => Some(Encoded {
                key: classic::encode_key(group),
                value: value.as_ref().map(GroupValue::encode),
            }),
            Record::Consumer(record) => record.encode(),
            Record::Other(_) => None,
        }
    }
}

// === impl Encoded ===

impl Encoded {
    /// Bytes of key and value together.
    pub fn size_bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}

// === impl Part ===

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Key => "key",
            Part::Value => "value",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::batch::{Records, batches};

    /// Partitions of `__consumer_offsets` as Apache Kafka 4.3.1 wrote them.
    const KAFKA: [&[u8]; 5] = [
        include_bytes!("../../../tests/golden/offsets/kafka-4.3.1-0.log"),
        include_bytes!("../../../tests/golden/offsets/kafka-4.3.1-1.log"),
        include_bytes!("../../../tests/golden/offsets/kafka-4.3.1-static-members.log"),
        include_bytes!("../../../tests/golden/offsets/kafka-4.3.1-regular-expression.log"),
        include_bytes!("../../../tests/golden/offsets/kafka-4.3.1-consumer-offsets.log"),
    ];

    #[test]
    fn what_kafka_wrote_is_read_and_written_byte_by_byte() {
        let mut kinds = std::collections::BTreeMap::new();
        for batch in KAFKA.into_iter().flat_map(batches) {
            let batch = batch.unwrap();
            for record in Records::of(&batch) {
                let record = record.unwrap();
                let decoded = Record::decode(record.key, record.value).unwrap();
                let kind = match (&decoded, record.value.is_some()) {
                    (Record::Offset(..), true) => "commit",
                    (Record::Offset(..), false) => "commit removed",
                    (Record::Group(..), true) => "group",
                    (Record::Group(..), false) => "group removed",
                    (Record::Consumer(_), true) => "consumer group",
                    (Record::Consumer(_), false) => "consumer group removed",
                    (Record::Other(_), _) => "other",
                };
                *kinds.entry(kind).or_insert(0) += 1;
                let encoded = decoded.encode().unwrap();
                assert_eq!(Some(&*encoded.key), record.key);
                assert_eq!(encoded.value.as_deref(), record.value);
            }
        }
        let kinds: Vec<_> = kinds.into_iter().collect();
        assert_eq!(
            kinds,
            [
                ("commit", 12),
                ("commit removed", 3),
                ("consumer group", 50),
                ("consumer group removed", 25),
                ("group", 7),
                ("group removed", 1),
            ]
        );
    }
}
