//! Pure: the records of `__transaction_state`, `TransactionLogKey` and `TransactionLogValue`.
//!
//! Key, version 0: transactional id string.
//! Value: producer id int64 · producer epoch int16 · timeout int32 · state int8 · nullable topics,
//! each: name string · partitions int32s · last update int64 · start int64. Version 1 is flexible;
//! its tags: 0 previous producer id int64 · 1 next producer id int64 · 2 transaction version of the
//! client int16 · 3 next producer epoch int16. Version 0 is written where `transaction.version`
//! is 0, else version 1.

use std::rc::Rc;
use std::sync::Arc;

use crate::base::{PartitionIndex, ProducerId, WallMs};
use crate::wire::cursor::{Cursor, Short, Sink};
use crate::wire::primitive::Form;

use super::fields::{FieldError, Reader};
use super::{Encoded, Part, RecordError, malformed, value_version};

/// The only version of keys; records whose key has another are skipped.
const KIND: i16 = 0;

/// A decoded record of `__transaction_state`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransactionRecord {
    /// How the transactional id stands, or (without value) its removal.
    State(Rc<str>, Option<TransactionValue>),
    /// A record whose key has another version; the number is that version.
    Other(i16),
}

/// How a transactional id stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransactionValue {
    /// The producer id in use.
    pub producer_id: ProducerId,
    /// The id before that, -1 for none.
    pub previous_producer_id: ProducerId,
    /// The id that takes over once the transaction has ended, -1 for none.
    pub next_producer_id: ProducerId,
    /// The epoch of the producer.
    pub producer_epoch: i16,
    /// The epoch of the next id, -1 for none (KIP-939, which nothing uses yet).
    pub next_producer_epoch: i16,
    /// How long a transaction may last, in milliseconds.
    pub timeout_ms: i32,
    /// The state.
    pub state: TransactionState,
    /// The partitions of the transaction, by topic; `None` where no transaction was begun.
    pub partitions: Option<Vec<TopicPartitions>>,
    /// When that was written.
    pub updated_ms: WallMs,
    /// When the transaction began, -1 for never.
    pub started_ms: WallMs,
    /// The `transaction.version` of the client that brought it there: 0 or 2.
    pub client_version: i16,
}

/// The partitions of one topic in a transaction.
pub type TopicPartitions = (Arc<str>, Vec<PartitionIndex>);

/// Where a transaction stands (`TransactionState` of Kafka).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TransactionState {
    /// A producer has initialised its id, and no more.
    Empty,
    /// It has partitions.
    Ongoing,
    /// It is decided that it is committed; markers are being written.
    PrepareCommit,
    /// It is decided that it is aborted; markers are being written.
    PrepareAbort,
    /// It was committed.
    CompleteCommit,
    /// It was aborted.
    CompleteAbort,
    /// The id has expired. Never in the log.
    Dead,
    /// A producer is about to be fenced. Never in the log.
    PrepareEpochFence,
}

// === impl TransactionRecord ===

impl TransactionRecord {
    /// Decodes a record of the log.
    pub fn decode(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<TransactionRecord, RecordError> {
        let mut key = Cursor::new(key.ok_or(RecordError::NoKey)?);
        let kind = key.i16().map_err(malformed::<Short>(-1, Part::Key))?;
        if kind != KIND {
            return Ok(TransactionRecord::Other(kind));
        }
        let id = Reader::new(key, false).string();
        let id = id.map_err(malformed::<FieldError>(KIND, Part::Key))?;
        let value = value.map(|bytes| TransactionValue::decode(Cursor::new(bytes)));
        Ok(TransactionRecord::State(id, value.transpose()?))
    }
}

/// The bytes that Kafka 4.3 writes for a transactional id's state, in version 1 if `flexible`, or
/// for its removal.
pub fn encode(id: &str, value: Option<&TransactionValue>, flexible: bool) -> Encoded {
    let mut key = Vec::with_capacity(4 + id.len());
    key.put(&KIND.to_be_bytes());
    Form::PLAIN.put_string(&mut key, id);
    Encoded {
        key,
        value: value.map(|value| value.encode(flexible)),
    }
}

// === impl TransactionValue ===

impl TransactionValue {
    fn decode(mut cursor: Cursor<'_>) -> Result<TransactionValue, RecordError> {
        let version = value_version(&mut cursor, KIND, 1)?;
        TransactionValue::fields(version, cursor).map_err(malformed(KIND, Part::Value))
    }

    fn fields(version: i16, cursor: Cursor<'_>) -> Result<TransactionValue, FieldError> {
        let mut fields = Reader::new(cursor, version >= 1);
        let producer_id = fields.cursor.i64()?;
        let producer_epoch = fields.cursor.i16()?;
        let timeout_ms = fields.cursor.i32()?;
        let state = TransactionState::from_id(fields.cursor.i8()?).ok_or(FieldError)?;
        let partitions = topics(&mut fields)?;
        let mut value = TransactionValue {
            producer_id,
            previous_producer_id: -1,
            next_producer_id: -1,
            producer_epoch,
            next_producer_epoch: -1,
            timeout_ms,
            state,
            partitions,
            updated_ms: fields.cursor.i64()?,
            started_ms: fields.cursor.i64()?,
            client_version: 0,
        };
        fields.tags(|tag, mut field| {
            match tag {
                0 => value.previous_producer_id = field.i64()?,
                1 => value.next_producer_id = field.i64()?,
                2 => value.client_version = field.i16()?,
                3 => value.next_producer_epoch = field.i16()?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(value)
    }

    fn encode(&self, flexible: bool) -> Vec<u8> {
        let form = Form { flexible };
        let topics = self.partitions.as_deref();
        let size = |(name, list): &TopicPartitions| 8 + name.len() + 4 * list.len();
        let mut out = Vec::with_capacity(64 + topics.map_or(0, |it| it.iter().map(size).sum()));
        out.put(&i16::from(flexible).to_be_bytes());
        out.put(&self.producer_id.to_be_bytes());
        out.put(&self.producer_epoch.to_be_bytes());
        out.put(&self.timeout_ms.to_be_bytes());
        out.put(&[self.state as u8]);
        match topics {
            None => form.put_null_array(&mut out),
            Some(topics) => {
                form.put_length(&mut out, topics.len());
                for topic in topics {
                    put_topic(form, &mut out, topic);
                }
            }
        }
        out.put(&self.updated_ms.to_be_bytes());
        out.put(&self.started_ms.to_be_bytes());
        if flexible {
            self.put_tags(&mut out);
        }
        out
    }

    fn put_tags(&self, out: &mut Vec<u8>) {
        let (previous, next) = (self.previous_producer_id, self.next_producer_id);
        let (version, epoch) = (self.client_version, self.next_producer_epoch);
        let present = [previous != -1, next != -1, version != 0, epoch != -1];
        out.put_uvarint(present.iter().filter(|is| **is).count() as u32);
        let bytes = [
            previous.to_be_bytes().to_vec(),
            next.to_be_bytes().to_vec(),
            version.to_be_bytes().to_vec(),
            epoch.to_be_bytes().to_vec(),
        ];
        for (tag, (bytes, _)) in (0..).zip(bytes.iter().zip(present)).filter(|it| it.1.1) {
            out.put_uvarint(tag);
            out.put_uvarint(bytes.len() as u32);
            out.put(bytes);
        }
    }
}

fn topics(fields: &mut Reader<'_>) -> Result<Option<Vec<TopicPartitions>>, FieldError> {
    let Some(count) = fields.nullable_count()? else {
        return Ok(None);
    };
    let topic = |fields: &mut Reader<'_>| {
        let name = Arc::from(&*fields.string()?);
        let count = fields.count()?;
        let indices = (0..count).map(|_| fields.cursor.i32());
        let indices = indices.collect::<Result<_, _>>()?;
        fields.tags(|_, _| Ok(()))?;
        Ok((name, indices))
    };
    (0..count)
        .map(|_| topic(fields))
        .collect::<Result<_, _>>()
        .map(Some)
}

fn put_topic(form: Form, out: &mut Vec<u8>, (name, indices): &TopicPartitions) {
    form.put_string(out, name);
    form.put_length(out, indices.len());
    for index in indices {
        out.put(&index.to_be_bytes());
    }
    form.put_no_tags(out);
}

// === impl TransactionState ===

impl TransactionState {
    /// Every state, by its number.
    pub const ALL: [TransactionState; 8] = [
        TransactionState::Empty,
        TransactionState::Ongoing,
        TransactionState::PrepareCommit,
        TransactionState::PrepareAbort,
        TransactionState::CompleteCommit,
        TransactionState::CompleteAbort,
        TransactionState::Dead,
        TransactionState::PrepareEpochFence,
    ];

    fn from_id(id: i8) -> Option<TransactionState> {
        let at = usize::try_from(id).ok()?;
        TransactionState::ALL.get(at).copied()
    }

    /// What Kafka's tools call it.
    pub fn name(self) -> &'static str {
        match self {
            TransactionState::Empty => "Empty",
            TransactionState::Ongoing => "Ongoing",
            TransactionState::PrepareCommit => "PrepareCommit",
            TransactionState::PrepareAbort => "PrepareAbort",
            TransactionState::CompleteCommit => "CompleteCommit",
            TransactionState::CompleteAbort => "CompleteAbort",
            TransactionState::Dead => "Dead",
            TransactionState::PrepareEpochFence => "PrepareEpochFence",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value() -> TransactionValue {
        TransactionValue {
            producer_id: 7,
            previous_producer_id: 6,
            next_producer_id: 8,
            producer_epoch: 3,
            next_producer_epoch: -1,
            timeout_ms: 60_000,
            state: TransactionState::PrepareCommit,
            partitions: Some(vec![("t".into(), vec![0, 2]), ("u".into(), vec![1])]),
            updated_ms: 1_700_000_000_001,
            started_ms: 1_700_000_000_000,
            client_version: 2,
        }
    }

    fn back(encoded: &Encoded) -> Result<TransactionRecord, RecordError> {
        TransactionRecord::decode(Some(&encoded.key), encoded.value.as_deref())
    }

    #[test]
    fn a_state_comes_back_in_both_versions() {
        let empty = TransactionValue {
            previous_producer_id: -1,
            next_producer_id: -1,
            state: TransactionState::Empty,
            partitions: None,
            client_version: 0,
            ..value()
        };
        let later = TransactionValue {
            next_producer_epoch: 9,
            partitions: Some(Vec::new()),
            ..value()
        };
        for value in [Some(value()), Some(empty.clone()), Some(later), None] {
            let encoded = encode("id", value.as_ref(), true);
            assert_eq!(
                back(&encoded),
                Ok(TransactionRecord::State("id".into(), value))
            );
        }
        let encoded = encode("id", Some(&empty), false);
        let empty = Some(empty);
        assert_eq!(
            back(&encoded),
            Ok(TransactionRecord::State("id".into(), empty))
        );
    }

    #[test]
    fn what_version_0_has_no_room_for_is_left_out() {
        let encoded = encode("id", Some(&value()), false);
        let plain = TransactionValue {
            previous_producer_id: -1,
            next_producer_id: -1,
            client_version: 0,
            ..value()
        };
        let plain = Some(plain);
        assert_eq!(
            back(&encoded),
            Ok(TransactionRecord::State("id".into(), plain))
        );
    }

    #[test]
    fn what_is_unknown_or_cut_short_is_told() {
        assert_eq!(
            TransactionRecord::decode(None, None),
            Err(RecordError::NoKey)
        );
        let other = TransactionRecord::decode(Some(&[0, 9, 1]), Some(&[1]));
        assert_eq!(other, Ok(TransactionRecord::Other(9)));
        for flexible in [false, true] {
            let mut encoded = encode("id", Some(&value()), flexible);
            let whole = encoded.value.clone().unwrap();
            for length in 0..whole.len() {
                encoded.value = Some(whole[..length].to_vec());
                assert!(back(&encoded).is_err(), "{length} bytes");
            }
            let mut newer = whole.clone();
            newer[1] = 2;
            encoded.value = Some(newer);
            let version = RecordError::Version {
                kind: 0,
                version: 2,
            };
            assert_eq!(back(&encoded), Err(version));
            // A state that there is not.
            let mut odd = whole;
            odd[16] = 8;
            encoded.value = Some(odd);
            assert!(back(&encoded).is_err());
        }
    }

    #[test]
    fn a_claimed_count_buys_no_memory() {
        let mut encoded = encode("id", Some(&value()), false);
        let bytes = encoded.value.as_mut().unwrap();
        bytes[17..21].copy_from_slice(&i32::MAX.to_be_bytes());
        assert!(back(&encoded).is_err());
    }
}
