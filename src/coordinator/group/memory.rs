//! Pure: what groups, members and offsets take of a shard's memory. The figures are estimates of
//! what the allocator sets aside, with maps and deadlines: rather too much than too little.

use std::rc::Rc;

use super::request::Protocol;
use crate::coordinator::record::{OffsetKey, OffsetValue};

/// The part of a shard's memory that groups may take.
pub trait Memory {
    /// Whether `bytes` more may be taken.
    fn can_take(&self, bytes: usize) -> bool;
    /// Counts `bytes` as what this machine takes in all, instead of what was counted before.
    fn count(&mut self, bytes: usize);
}

/// Memory without a bound, which is not counted.
pub struct Unbounded;

impl Memory for Unbounded {
    fn can_take(&self, _: usize) -> bool {
        true
    }

    fn count(&mut self, _: usize) {}
}

/// A group without members, with its deadlines.
pub(super) const GROUP_BYTES: usize = 900;
/// A member without its texts, with its deadline.
pub(super) const MEMBER_BYTES: usize = 700;
/// A member id that was given out, with its deadline.
const PENDING_BYTES: usize = 400;
/// A protocol that a member speaks, without its texts.
const PROTOCOL_BYTES: usize = 96;
/// A topic that a group consumes: its hash.
pub(super) const SUBSCRIBED_BYTES: usize = size_of::<u64>();
/// An offset, a topic or a group that offsets are kept for, without their texts.
const OFFSET_BYTES: usize = 176;

/// What a member is to have, without its partitions.
pub(super) const TARGET_BYTES: usize = 160;
/// A name in a list, without its text.
const LISTED_BYTES: usize = 48;
/// A topic of which a member has partitions, and each of these.
const TOPIC_OF_MEMBER_BYTES: usize = 120;
const PARTITION_OF_MEMBER_BYTES: usize = 24;

/// What a name in a list takes.
pub(super) fn of_name_in_list(name: &str) -> usize {
    LISTED_BYTES + name.len()
}

/// What so many partitions of a topic take that a member has, or is to have.
pub(super) fn of_partitions(count: usize) -> usize {
    TOPIC_OF_MEMBER_BYTES + count * PARTITION_OF_MEMBER_BYTES
}

/// What a protocol takes that a member speaks.
pub(super) fn of_protocol(name: &str, metadata: &[u8]) -> usize {
    PROTOCOL_BYTES + name.len() + metadata.len()
}

/// What the offsets of one partition take.
pub(super) fn of_offset(value: &OffsetValue) -> usize {
    OFFSET_BYTES + value.metadata.len()
}

/// What a topic or group of this name takes beside what is in it.
pub(super) fn of_name(name: &str) -> usize {
    OFFSET_BYTES + name.len()
}

/// What an offset of an open transaction takes.
pub(super) fn of_pending_offset(key: &OffsetKey, value: &OffsetValue) -> usize {
    of_name(&key.topic) + key.group.len() + of_offset(value)
}

/// What a member id takes that was given out.
pub(super) fn of_pending(id: &str) -> usize {
    PENDING_BYTES + id.len()
}

/// What the protocols of a member take.
pub(super) fn of_protocols(protocols: &[Protocol]) -> usize {
    let one = |one: &Protocol| of_protocol(&one.name, &one.metadata);
    protocols.iter().map(one).sum()
}

/// At most `bytes` of a text that a client chose, whole characters.
pub(super) fn prefix(text: &Rc<str>, bytes: usize) -> Rc<str> {
    if text.len() <= bytes {
        return text.clone();
    }
    text[..text.floor_char_boundary(bytes)].into()
}
