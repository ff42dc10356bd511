//! Pure: committed offsets, `OffsetCommitKey` and `OffsetCommitValue`.
//!
//! Key, types 0 and 1: group string, topic string, partition int32.
//! Value: offset int64 · leader epoch int32 (3+) · metadata string · commit timestamp int64 ·
//! expire timestamp int64 (1 only) · topic id as tagged field 0 (4+, flexible).
//! Written: type 1 with value version 4, or version 1 when the client gave a retention time.

use std::rc::Rc;

use crate::base::ids::Uuid;
use crate::base::{LeaderEpoch, Offset, PartitionIndex, TopicId, WallMs};
use crate::wire::cursor::{Cursor, Sink};
use crate::wire::primitive::Form;

use super::fields::{FieldError, Reader};
use super::{Part, RecordError, malformed, value_version};

/// The key type of Kafka 0.8.2's commits (`LegacyOffsetCommitKey`); only read.
pub(super) const LEGACY_KIND: i16 = 0;
/// The key type of commits.
pub(super) const KIND: i16 = 1;

/// Which offset is committed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OffsetKey {
    /// The group that consumes.
    pub group: Rc<str>,
    /// The topic it consumes.
    pub topic: Rc<str>,
    /// The partition of that topic.
    pub partition: PartitionIndex,
}

/// A committed offset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetValue {
    /// The next offset to consume.
    pub offset: Offset,
    /// Leader epoch of the last consumed record, -1 when unknown.
    pub leader_epoch: LeaderEpoch,
    /// What the client wanted to keep beside it.
    pub metadata: Rc<str>,
    /// When it was committed.
    pub commit_timestamp: WallMs,
    /// When it expires, if the client asked for a time of its own (OffsetCommit up to v4).
    pub expire_timestamp: Option<WallMs>,
    /// The topic's id at the time of the commit; zero in records older than version 4.
    pub topic_id: TopicId,
}

// === impl OffsetKey ===

impl OffsetKey {
    pub(super) fn decode(cursor: Cursor<'_>) -> Result<OffsetKey, FieldError> {
        let mut fields = Reader::new(cursor, false);
        Ok(OffsetKey {
            group: fields.string()?,
            topic: fields.string()?,
            partition: fields.cursor.i32()?,
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(10 + self.group.len() + self.topic.len());
        out.put(&KIND.to_be_bytes());
        Form::PLAIN.put_string(&mut out, &self.group);
        Form::PLAIN.put_string(&mut out, &self.topic);
        out.put(&self.partition.to_be_bytes());
        out
    }
}

// === impl OffsetValue ===

impl OffsetValue {
    pub(super) fn decode(kind: i16, mut cursor: Cursor<'_>) -> Result<OffsetValue, RecordError> {
        let max = if kind == LEGACY_KIND { 0 } else { 4 };
        let version = value_version(&mut cursor, kind, max)?;
        OffsetValue::fields(version, cursor).map_err(malformed(kind, Part::Value))
    }

    fn fields(version: i16, cursor: Cursor<'_>) -> Result<OffsetValue, FieldError> {
        let mut fields = Reader::new(cursor, version >= 4);
        let offset = fields.cursor.i64()?;
        let leader_epoch = if version >= 3 {
            fields.cursor.i32()?
        } else {
            -1
        };
        let metadata = fields.string()?;
        let commit_timestamp = fields.cursor.i64()?;
        let expire_timestamp = match version {
            1 => Some(fields.cursor.i64()?).filter(|&time| time != -1),
            _ => None,
        };
        let mut topic_id = TopicId::ZERO;
        fields.tags(|tag, mut field| {
            if tag == 0 {
                topic_id = TopicId(Uuid::from_bytes(field.uuid()?));
            }
            Ok(())
        })?;
        Ok(OffsetValue {
            offset,
            leader_epoch,
            metadata,
            commit_timestamp,
            expire_timestamp,
            topic_id,
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48 + self.metadata.len());
        if let Some(expire_timestamp) = self.expire_timestamp {
            out.put(&1i16.to_be_bytes());
            out.put(&self.offset.to_be_bytes());
            Form::PLAIN.put_string(&mut out, &self.metadata);
            out.put(&self.commit_timestamp.to_be_bytes());
            out.put(&expire_timestamp.to_be_bytes());
            return out;
        }
        out.put(&4i16.to_be_bytes());
        out.put(&self.offset.to_be_bytes());
        out.put(&self.leader_epoch.to_be_bytes());
        Form::FLEXIBLE.put_string(&mut out, &self.metadata);
        out.put(&self.commit_timestamp.to_be_bytes());
        if self.topic_id == TopicId::ZERO {
            Form::FLEXIBLE.put_no_tags(&mut out);
        } else {
            out.put_uvarint(1);
            out.put_uvarint(0);
            out.put_uvarint(16);
            out.put(self.topic_id.0.as_bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::Record;
    use super::*;

    fn key() -> OffsetKey {
        OffsetKey {
            group: "g".into(),
            topic: "t".into(),
            partition: 3,
        }
    }

    fn value() -> OffsetValue {
        OffsetValue {
            offset: 42,
            leader_epoch: 7,
            metadata: "über".into(),
            commit_timestamp: 1_700_000_000_000,
            expire_timestamp: None,
            topic_id: TopicId(Uuid::from_u128(9)),
        }
    }

    fn round_trip(value: Option<OffsetValue>) -> Record {
        let encoded = Record::Offset(key(), value).encode().unwrap();
        Record::decode(Some(&encoded.key), encoded.value.as_deref()).unwrap()
    }

    #[test]
    fn a_commit_comes_back() {
        for value in [
            None,
            Some(value()),
            Some(OffsetValue {
                topic_id: TopicId::ZERO,
                ..value()
            }),
        ] {
            assert_eq!(round_trip(value.clone()), Record::Offset(key(), value));
        }
    }

    #[test]
    fn a_commit_with_its_own_expiry_is_written_in_the_version_that_has_one() {
        let with_expiry = OffsetValue {
            expire_timestamp: Some(5),
            ..value()
        };
        assert_eq!(with_expiry.encode()[..2], [0, 1]);
        let kept = OffsetValue {
            leader_epoch: -1,
            topic_id: TopicId::ZERO,
            ..with_expiry.clone()
        };
        assert_eq!(
            round_trip(Some(with_expiry)),
            Record::Offset(key(), Some(kept))
        );
    }

    #[test]
    fn old_versions_are_read() {
        let mut bytes = vec![0, 3];
        bytes.put(&42i64.to_be_bytes());
        bytes.put(&7i32.to_be_bytes());
        Form::PLAIN.put_string(&mut bytes, "m");
        bytes.put(&9i64.to_be_bytes());
        let read = OffsetValue::decode(KIND, Cursor::new(&bytes)).unwrap();
        assert_eq!((read.offset, read.leader_epoch), (42, 7));
        // Versions 0 and 2 are the same without the leader epoch.
        bytes.drain(10..14);
        for version in [0, 2] {
            bytes[1] = version;
            let read = OffsetValue::decode(KIND, Cursor::new(&bytes)).unwrap();
            assert_eq!((read.leader_epoch, read.commit_timestamp), (-1, 9));
            assert_eq!(&*read.metadata, "m");
        }
    }

    #[test]
    fn what_is_no_commit_is_refused() {
        let newer = OffsetValue::decode(KIND, Cursor::new(&[0, 5]));
        assert_eq!(
            newer,
            Err(RecordError::Version {
                kind: KIND,
                version: 5
            })
        );
        let whole = value().encode();
        for length in 0..whole.len() {
            let cut = OffsetValue::decode(KIND, Cursor::new(&whole[..length]));
            assert_eq!(cut, Err(malformed::<()>(KIND, Part::Value)(())));
        }
        let key = key().encode();
        assert!(Record::decode(Some(&key[..key.len() - 1]), None).is_err());
        assert_eq!(Record::decode(None, None), Err(RecordError::NoKey));
    }

    #[test]
    fn records_of_other_types_are_let_through() {
        assert_eq!(
            Record::decode(Some(&[0, 9, 9, 9]), None),
            Ok(Record::Other(9))
        );
        assert_eq!(
            Record::decode(Some(&[0, 23]), Some(&[0])),
            Ok(Record::Other(23))
        );
    }
}
