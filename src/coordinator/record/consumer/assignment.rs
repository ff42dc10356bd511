//! Pure: which partitions a member is to have and which it has,
//! `ConsumerGroupTargetAssignmentMemberValue` and `ConsumerGroupCurrentMemberAssignmentValue`.
//!
//! Target: [topic id uuid, partitions [int32]].
//! Current: member epoch int32 · previous member epoch int32 · state int8 · assigned [topic id
//! uuid, partitions [int32], tagged field 0: the epoch at which each was assigned, [int32]] · to be
//! revoked, in the same form.

use crate::base::ids::Uuid;
use crate::base::{PartitionIndex, TopicId};
use crate::coordinator::record::fields::{FieldError, Reader};
use crate::wire::cursor::Sink;
use crate::wire::primitive::Form;

/// Partitions of a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicPartitions {
    /// The topic.
    pub topic: TopicId,
    /// Its partitions.
    pub partitions: Vec<PartitionIndex>,
    /// The member epoch at which each of them was assigned (KIP-1251); `None` in a target, and
    /// before Kafka 4.3.
    pub epochs: Option<Vec<i32>>,
}

/// What a member has, and how far it is with that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CurrentValue {
    /// The epoch that is expected from it.
    pub member_epoch: i32,
    /// The one before, which is accepted once more.
    pub previous_member_epoch: i32,
    /// The number of its state, of `MemberState`.
    pub state: i8,
    /// What it has.
    pub assigned: Vec<TopicPartitions>,
    /// What it must give up first.
    pub revoked: Vec<TopicPartitions>,
}

pub(super) fn target(fields: &mut Reader<'_>) -> Result<Vec<TopicPartitions>, FieldError> {
    let topics = topics(fields)?;
    fields.tags(|_, _| Ok(()))?;
    Ok(topics)
}

pub(super) fn put_target(topics: &[TopicPartitions], out: &mut Vec<u8>) {
    put_topics(topics, out);
    Form::FLEXIBLE.put_no_tags(out);
}

fn topics(fields: &mut Reader<'_>) -> Result<Vec<TopicPartitions>, FieldError> {
    let count = fields.count()?;
    (0..count)
        .map(|_| TopicPartitions::fields(fields))
        .collect()
}

fn put_topics(topics: &[TopicPartitions], out: &mut Vec<u8>) {
    Form::FLEXIBLE.put_length(out, topics.len());
    for topic in topics {
        topic.put(out);
    }
}

fn numbers(fields: &mut Reader<'_>, count: usize) -> Result<Vec<i32>, FieldError> {
    if count > fields.cursor.remaining() / size_of::<i32>() {
        return Err(FieldError);
    }
    let numbers = (0..count).map(|_| Ok(fields.cursor.i32()?));
    numbers.collect()
}

fn put_numbers(numbers: &[i32], out: &mut Vec<u8>) {
    Form::FLEXIBLE.put_length(out, numbers.len());
    for number in numbers {
        out.put(&number.to_be_bytes());
    }
}

// === impl TopicPartitions ===

impl TopicPartitions {
    fn fields(fields: &mut Reader<'_>) -> Result<TopicPartitions, FieldError> {
        let topic = TopicId(Uuid::from_bytes(fields.cursor.uuid()?));
        let count = fields.count()?;
        let partitions = numbers(fields, count)?;
        let mut epochs = None;
        fields.tags(|tag, field| {
            if tag == 0 {
                let mut field = Reader::new(field, true);
                epochs = match field.nullable_count()? {
                    Some(count) => Some(numbers(&mut field, count)?),
                    None => None,
                };
            }
            Ok(())
        })?;
        Ok(TopicPartitions {
            topic,
            partitions,
            // Of another length they are ignored, as in Kafka.
            epochs: epochs.filter(|it| it.len() == count),
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.put(self.topic.0.as_bytes());
        put_numbers(&self.partitions, out);
        let Some(epochs) = &self.epochs else {
            return Form::FLEXIBLE.put_no_tags(out);
        };
        let mut field = Vec::with_capacity(5 + 4 * epochs.len());
        put_numbers(epochs, &mut field);
        out.put_uvarint(1);
        out.put_uvarint(0);
        out.put_uvarint(field.len() as u32);
        out.put(&field);
    }
}

// === impl CurrentValue ===

impl CurrentValue {
    pub(super) fn fields(fields: &mut Reader<'_>) -> Result<CurrentValue, FieldError> {
        let value = CurrentValue {
            member_epoch: fields.cursor.i32()?,
            previous_member_epoch: fields.cursor.i32()?,
            state: fields.cursor.i8()?,
            assigned: topics(fields)?,
            revoked: topics(fields)?,
        };
        fields.tags(|_, _| Ok(()))?;
        Ok(value)
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.put(&self.member_epoch.to_be_bytes());
        out.put(&self.previous_member_epoch.to_be_bytes());
        out.put(&self.state.to_be_bytes());
        put_topics(&self.assigned, out);
        put_topics(&self.revoked, out);
        Form::FLEXIBLE.put_no_tags(out);
    }
}
