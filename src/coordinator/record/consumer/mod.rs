//! Pure: the records of a consumer group (KIP-848): its epochs, members, assignments and resolved
//! regular expressions.
//!
//! Keys, each with the group string first:
//! type 3 the group's epoch · 4 the topics of old (Kafka 4.0, only removed) · 5, member id string:
//! a member · 6 the epoch of the target assignment · 7, member id string: a member's target ·
//! 8, member id string: what a member has · 16, expression string: the topics that it stands for.
//! All values are flexible and of version 0.

mod assignment;
mod member;

use std::rc::Rc;

use crate::base::WallMs;
use crate::wire::cursor::{Cursor, Sink};
use crate::wire::primitive::Form;

use super::fields::{FieldError, Reader};
use super::{Encoded, Part, RecordError, malformed, value_version};

pub use assignment::{CurrentValue, TopicPartitions};
pub use member::{ClassicMetadata, ClassicProtocol, MemberMetadata};

const EPOCH: i16 = 3;
const PARTITION_METADATA: i16 = 4;
const MEMBER: i16 = 5;
const TARGET_EPOCH: i16 = 6;
const TARGET: i16 = 7;
const CURRENT: i16 = 8;
const REGEX: i16 = 16;

/// A record of a consumer group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerRecord {
    /// The group.
    pub group: Rc<str>,
    /// What it says of the group.
    pub change: ConsumerChange,
}

/// What a record says of a consumer group. Without a value it removes what its key names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConsumerChange {
    /// Type 3: the group itself.
    Epoch(Option<GroupEpoch>),
    /// Type 4: whether the topics are listed as Kafka 4.0 did; what is listed is not read.
    PartitionMetadata(bool),
    /// Type 5: a member, by its id.
    Member(Rc<str>, Option<MemberMetadata>),
    /// Type 6: the epoch of the target assignment.
    TargetEpoch(Option<TargetEpoch>),
    /// Type 7: what a member is to have.
    Target(Rc<str>, Option<Vec<TopicPartitions>>),
    /// Type 8: what a member has.
    Current(Rc<str>, Option<CurrentValue>),
    /// Type 16: the topics that a regular expression stands for.
    Regex(Rc<str>, Option<ResolvedRegex>),
}

/// The epoch of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupEpoch {
    /// The epoch.
    pub epoch: i32,
    /// A hash of the topics that it consumes, 0 where it is not known (KIP-1101).
    pub metadata_hash: i64,
}

/// The epoch of a target assignment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TargetEpoch {
    /// The epoch of the group that it was computed for.
    pub epoch: i32,
    /// When it was computed, 0 where that is not known (KIP-1263).
    pub timestamp: WallMs,
}

/// The topics that a regular expression stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResolvedRegex {
    /// Their names.
    pub topics: Vec<Rc<str>>,
    /// The version of the metadata that was searched.
    pub version: i64,
    /// When that was.
    pub timestamp: WallMs,
}

/// Whether a key of this type is of a consumer group.
pub(super) fn is_of_consumer_group(kind: i16) -> bool {
    matches!(kind, EPOCH..=CURRENT | REGEX)
}

/// The number field that a tag holds; it has a value of its own where it is missing.
fn put_tagged_i64(out: &mut Vec<u8>, value: i64) {
    if value == 0 {
        return Form::FLEXIBLE.put_no_tags(out);
    }
    out.put_uvarint(1);
    out.put_uvarint(0);
    out.put_uvarint(8);
    out.put(&value.to_be_bytes());
}

fn tagged_i64(fields: &mut Reader<'_>) -> Result<i64, FieldError> {
    let mut value = 0;
    fields.tags(|tag, mut field| {
        if tag == 0 {
            value = field.i64()?;
        }
        Ok(())
    })?;
    Ok(value)
}

/// Decodes a value of version 0, if there is one.
fn decoded<T>(
    kind: i16,
    value: Option<&[u8]>,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, FieldError>,
) -> Result<Option<T>, RecordError> {
    let Some(bytes) = value else { return Ok(None) };
    let mut cursor = Cursor::new(bytes);
    value_version(&mut cursor, kind, 0)?;
    let read = read(&mut Reader::new(cursor, true));
    read.map(Some).map_err(malformed(kind, Part::Value))
}

/// A value of version 0 with these fields.
fn encoded(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![0, 0];
    put(&mut out);
    out
}

// === impl ConsumerRecord ===

impl ConsumerRecord {
    /// Decodes a record whose key is of type `kind`; `key` is behind that type.
    pub(super) fn decode(
        kind: i16,
        key: Cursor<'_>,
        value: Option<&[u8]>,
    ) -> Result<ConsumerRecord, RecordError> {
        let mut key = Reader::new(key, false);
        let mut text = || key.string().map_err(malformed(kind, Part::Key));
        let group = text()?;
        let change = match kind {
            EPOCH => ConsumerChange::Epoch(decoded(kind, value, GroupEpoch::fields)?),
            PARTITION_METADATA => ConsumerChange::PartitionMetadata(value.is_some()),
            MEMBER => {
                ConsumerChange::Member(text()?, decoded(kind, value, MemberMetadata::fields)?)
            }
            TARGET_EPOCH => ConsumerChange::TargetEpoch(decoded(kind, value, TargetEpoch::fields)?),
            TARGET => ConsumerChange::Target(text()?, decoded(kind, value, assignment::target)?),
            CURRENT => {
                ConsumerChange::Current(text()?, decoded(kind, value, CurrentValue::fields)?)
            }
            _ => ConsumerChange::Regex(text()?, decoded(kind, value, ResolvedRegex::fields)?),
        };
        Ok(ConsumerRecord { group, change })
    }

    /// The bytes that Kafka 4.3 writes for it; `None` for the topics of old, which it only removes.
    pub(super) fn encode(&self) -> Option<Encoded> {
        use ConsumerChange::*;
        let (kind, of) = match &self.change {
            Epoch(_) => (EPOCH, None),
            PartitionMetadata(_) => (PARTITION_METADATA, None),
            Member(member, _) => (MEMBER, Some(member)),
            TargetEpoch(_) => (TARGET_EPOCH, None),
            Target(member, _) => (TARGET, Some(member)),
            Current(member, _) => (CURRENT, Some(member)),
            Regex(expression, _) => (REGEX, Some(expression)),
        };
        let value = match &self.change {
            PartitionMetadata(true) => return None,
            PartitionMetadata(false) => None,
            Epoch(value) => value.map(|it| encoded(|out| it.put(out))),
            Member(_, value) => value.as_ref().map(|it| encoded(|out| it.put(out))),
            TargetEpoch(value) => value.map(|it| encoded(|out| it.put(out))),
            Target(_, value) => {
                let value = value.as_ref();
                value.map(|it| encoded(|out| assignment::put_target(it, out)))
            }
            Current(_, value) => value.as_ref().map(|it| encoded(|out| it.put(out))),
            Regex(_, value) => value.as_ref().map(|it| encoded(|out| it.put(out))),
        };
        let mut key = Vec::with_capacity(6 + self.group.len() + of.map_or(0, |it| it.len()));
        key.put(&kind.to_be_bytes());
        Form::PLAIN.put_string(&mut key, &self.group);
        if let Some(of) = of {
            Form::PLAIN.put_string(&mut key, of);
        }
        Some(Encoded { key, value })
    }
}

// === impl GroupEpoch ===

impl GroupEpoch {
    fn fields(fields: &mut Reader<'_>) -> Result<GroupEpoch, FieldError> {
        Ok(GroupEpoch {
            epoch: fields.cursor.i32()?,
            metadata_hash: tagged_i64(fields)?,
        })
    }

    fn put(self, out: &mut Vec<u8>) {
        out.put(&self.epoch.to_be_bytes());
        put_tagged_i64(out, self.metadata_hash);
    }
}

// === impl TargetEpoch ===

impl TargetEpoch {
    fn fields(fields: &mut Reader<'_>) -> Result<TargetEpoch, FieldError> {
        Ok(TargetEpoch {
            epoch: fields.cursor.i32()?,
            timestamp: tagged_i64(fields)?,
        })
    }

    fn put(self, out: &mut Vec<u8>) {
        out.put(&self.epoch.to_be_bytes());
        put_tagged_i64(out, self.timestamp);
    }
}

// === impl ResolvedRegex ===

impl ResolvedRegex {
    fn fields(fields: &mut Reader<'_>) -> Result<ResolvedRegex, FieldError> {
        let count = fields.count()?;
        let topics = (0..count).map(|_| fields.string());
        let topics = topics.collect::<Result<_, _>>()?;
        let (version, timestamp) = (fields.cursor.i64()?, fields.cursor.i64()?);
        fields.tags(|_, _| Ok(()))?;
        Ok(ResolvedRegex {
            topics,
            version,
            timestamp,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        Form::FLEXIBLE.put_length(out, self.topics.len());
        for topic in &self.topics {
            Form::FLEXIBLE.put_string(out, topic);
        }
        out.put(&self.version.to_be_bytes());
        out.put(&self.timestamp.to_be_bytes());
        Form::FLEXIBLE.put_no_tags(out);
    }
}

#[cfg(test)]
mod tests;
