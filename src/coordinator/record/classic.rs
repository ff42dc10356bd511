//! Pure: a classic group's metadata, `GroupMetadataKey` and `GroupMetadataValue`.
//!
//! Key, type 2: group string.
//! Value: protocol type string · generation int32 · protocol nullable string · leader nullable
//! string · current state timestamp int64 (2+) · members, each: member id string · instance id
//! nullable string (3+) · client id string · client host string · rebalance timeout int32 (1+) ·
//! session timeout int32 · subscription bytes · assignment bytes. Version 4 is flexible.
//! Written: version 3.

use std::rc::Rc;

use bytes::Bytes;

use crate::base::WallMs;
use crate::wire::cursor::{Cursor, Sink};
use crate::wire::primitive::Form;

use super::fields::{FieldError, Reader};
use super::{Part, RecordError, malformed, value_version};

/// The key type of group metadata.
pub(super) const KIND: i16 = 2;

/// A classic group as it was when its last generation was complete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupValue {
    /// The class of protocols its members speak, such as `consumer`; empty when none ever joined.
    pub protocol_type: Rc<str>,
    /// The generation, 0 before the first one.
    pub generation: i32,
    /// The protocol (assignor) chosen; `None` without members.
    pub protocol: Option<Rc<str>>,
    /// Member id of the leader; `None` without members.
    pub leader: Option<Rc<str>>,
    /// When the group entered its state; `None` in records older than version 2.
    pub state_timestamp: Option<WallMs>,
    /// The members.
    pub members: Vec<MemberValue>,
}

/// A member of a classic group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberValue {
    /// The id that the coordinator gave it.
    pub member_id: Rc<str>,
    /// `group.instance.id` of a static member (KIP-345).
    pub instance_id: Option<Rc<str>>,
    /// The client's name for itself.
    pub client_id: Rc<str>,
    /// The client's address, as `/127.0.0.1`.
    pub client_host: Rc<str>,
    /// How long a rebalance waits for it, in milliseconds; `None` in records of version 0.
    pub rebalance_timeout_ms: Option<i32>,
    /// After how many milliseconds without a heartbeat it is removed.
    pub session_timeout_ms: i32,
    /// Its metadata for the chosen protocol.
    pub subscription: Bytes,
    /// What the leader assigned to it.
    pub assignment: Bytes,
}

pub(super) fn decode_key(cursor: Cursor<'_>) -> Result<Rc<str>, FieldError> {
    Reader::new(cursor, false).string()
}

pub(super) fn encode_key(group: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + group.len());
    out.put(&KIND.to_be_bytes());
    Form::PLAIN.put_string(&mut out, group);
    out
}

// === impl GroupValue ===

impl GroupValue {
    pub(super) fn decode(mut cursor: Cursor<'_>) -> Result<GroupValue, RecordError> {
        let version = value_version(&mut cursor, KIND, 4)?;
        GroupValue::fields(version, cursor).map_err(malformed(KIND, Part::Value))
    }

    fn fields(version: i16, cursor: Cursor<'_>) -> Result<GroupValue, FieldError> {
        let mut fields = Reader::new(cursor, version >= 4);
        let protocol_type = fields.string()?;
        let generation = fields.cursor.i32()?;
        let protocol = fields.nullable_string()?;
        let leader = fields.nullable_string()?;
        let state_timestamp = match version >= 2 {
            true => Some(fields.cursor.i64()?).filter(|&time| time != -1),
            false => None,
        };
        let count = fields.count()?;
        let members = (0..count)
            .map(|_| MemberValue::fields(version, &mut fields))
            .collect::<Result<_, _>>()?;
        fields.tags(|_, _| Ok(()))?;
        Ok(GroupValue {
            protocol_type,
            generation,
            protocol,
            leader,
            state_timestamp,
            members,
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.members.len() * 256);
        out.put(&3i16.to_be_bytes());
        Form::PLAIN.put_string(&mut out, &self.protocol_type);
        out.put(&self.generation.to_be_bytes());
        Form::PLAIN.put_nullable_string(&mut out, self.protocol.as_deref());
        Form::PLAIN.put_nullable_string(&mut out, self.leader.as_deref());
        out.put(&self.state_timestamp.unwrap_or(-1).to_be_bytes());
        out.put(&(self.members.len() as i32).to_be_bytes());
        for member in &self.members {
            member.encode(&mut out);
        }
        out
    }
}

// === impl MemberValue ===

impl MemberValue {
    fn fields(version: i16, fields: &mut Reader<'_>) -> Result<MemberValue, FieldError> {
        let member_id = fields.string()?;
        let instance_id = match version >= 3 {
            true => fields.nullable_string()?,
            false => None,
        };
        let client_id = fields.string()?;
        let client_host = fields.string()?;
        let rebalance_timeout_ms = match version >= 1 {
            true => Some(fields.cursor.i32()?).filter(|&timeout| timeout != -1),
            false => None,
        };
        let session_timeout_ms = fields.cursor.i32()?;
        let subscription = fields.bytes()?;
        let assignment = fields.bytes()?;
        fields.tags(|_, _| Ok(()))?;
        Ok(MemberValue {
            member_id,
            instance_id,
            client_id,
            client_host,
            rebalance_timeout_ms,
            session_timeout_ms,
            subscription,
            assignment,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        Form::PLAIN.put_string(out, &self.member_id);
        Form::PLAIN.put_nullable_string(out, self.instance_id.as_deref());
        Form::PLAIN.put_string(out, &self.client_id);
        Form::PLAIN.put_string(out, &self.client_host);
        out.put(&self.rebalance_timeout_ms.unwrap_or(-1).to_be_bytes());
        out.put(&self.session_timeout_ms.to_be_bytes());
        Form::PLAIN.put_bytes(out, &self.subscription);
        Form::PLAIN.put_bytes(out, &self.assignment);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Record;
    use super::*;

    fn value() -> GroupValue {
        GroupValue {
            protocol_type: "consumer".into(),
            generation: 4,
            protocol: Some("range".into()),
            leader: Some("m-1".into()),
            state_timestamp: Some(1_700_000_000_000),
            members: vec![MemberValue {
                member_id: "m-1".into(),
                instance_id: Some("i".into()),
                client_id: "c".into(),
                client_host: "/127.0.0.1".into(),
                rebalance_timeout_ms: Some(300_000),
                session_timeout_ms: 45_000,
                subscription: Bytes::from_static(b"sub"),
                assignment: Bytes::from_static(b"assigned"),
            }],
        }
    }

    #[test]
    fn a_group_comes_back() {
        let empty = GroupValue {
            protocol_type: "".into(),
            protocol: None,
            leader: None,
            state_timestamp: None,
            members: Vec::new(),
            ..value()
        };
        for value in [Some(value()), Some(empty), None] {
            let record = Record::Group("g".into(), value);
            let encoded = record.encode().unwrap();
            let back = Record::decode(Some(&encoded.key), encoded.value.as_deref());
            assert_eq!(back, Ok(record));
        }
    }

    #[test]
    fn the_flexible_version_is_read() {
        let mut bytes = vec![0, 4, 9];
        bytes.put(b"consumer");
        bytes.put(&4i32.to_be_bytes());
        bytes.put(&[6, b'r', b'a', b'n', b'g', b'e', 0]);
        bytes.put(&8i64.to_be_bytes());
        bytes.put(&[2, 2, b'm', 0, 2, b'c', 2, b'h']);
        bytes.put(&1i32.to_be_bytes());
        bytes.put(&2i32.to_be_bytes());
        // Subscription, assignment, one unknown tagged field of the member, none of the group.
        bytes.put(&[3, 1, 2, 1, 1, 5, 1, 77, 0]);
        let read = GroupValue::decode(Cursor::new(&bytes)).unwrap();
        assert_eq!((read.leader, read.state_timestamp), (None, Some(8)));
        assert_eq!(&*read.members[0].member_id, "m");
        assert_eq!(&read.members[0].subscription[..], [1, 2]);
        assert_eq!(read.members[0].assignment, Bytes::new());
    }

    #[test]
    fn older_versions_lack_fields() {
        let mut bytes = vec![0, 0];
        Form::PLAIN.put_string(&mut bytes, "consumer");
        bytes.put(&4i32.to_be_bytes());
        Form::PLAIN.put_string(&mut bytes, "range");
        Form::PLAIN.put_string(&mut bytes, "m");
        bytes.put(&1i32.to_be_bytes());
        for text in ["m", "c", "h"] {
            Form::PLAIN.put_string(&mut bytes, text);
        }
        bytes.put(&30_000i32.to_be_bytes());
        Form::PLAIN.put_bytes(&mut bytes, b"s");
        Form::PLAIN.put_bytes(&mut bytes, b"a");
        let read = GroupValue::decode(Cursor::new(&bytes)).unwrap();
        assert_eq!(read.state_timestamp, None);
        assert_eq!(read.members[0].instance_id, None);
        assert_eq!(read.members[0].rebalance_timeout_ms, None);
        assert_eq!(read.members[0].session_timeout_ms, 30_000);
    }

    #[test]
    fn no_prefix_of_a_group_is_a_group() {
        let whole = value().encode();
        for length in 2..whole.len() {
            assert!(GroupValue::decode(Cursor::new(&whole[..length])).is_err());
        }
    }

    #[test]
    fn a_claimed_count_of_members_buys_no_memory() {
        let mut bytes = GroupValue {
            members: Vec::new(),
            ..value()
        }
        .encode();
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&i32::MAX.to_be_bytes());
        assert!(GroupValue::decode(Cursor::new(&bytes)).is_err());
    }
}
