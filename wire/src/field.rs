//! Pure: the fields of Kafka's messages, in their plain and their flexible form (KIP-482),
//! for the few messages that this broker reads and writes in place.

use super::cursor::{Cursor, Short, Sink};

/// Which form the fields of a message version have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Form {
    /// Compact lengths and tagged fields.
    pub flexible: bool,
}

/// The length that stands for null.
const NULL: usize = usize::MAX;
/// Longest string that Kafka reads, in bytes.
const STRING_BYTES_MAX: usize = 0x7fff;

impl Form {
    /// Takes a string's or byte field's length; [`NULL`] for null. Plain byte fields have four
    /// bytes of length, plain strings two.
    fn length(self, cursor: &mut Cursor<'_>, wide: bool) -> Result<usize, Short> {
        if self.flexible {
            return Ok((cursor.uvarint()? as usize).wrapping_sub(1));
        }
        let length = if wide {
            cursor.i32()?
        } else {
            i32::from(cursor.i16()?)
        };
        match length {
            -1 => Ok(NULL),
            length => usize::try_from(length).map_err(|_| Short),
        }
    }

    /// Takes a nullable string.
    pub fn nullable_string<'a>(self, cursor: &mut Cursor<'a>) -> Result<Option<&'a str>, Short> {
        match self.length(cursor, false)? {
            NULL => Ok(None),
            length if length > STRING_BYTES_MAX => Err(Short),
            length => str::from_utf8(cursor.take(length)?)
                .map(Some)
                .map_err(|_| Short),
        }
    }

    /// Takes a string.
    pub fn string<'a>(self, cursor: &mut Cursor<'a>) -> Result<&'a str, Short> {
        self.nullable_string(cursor)?.ok_or(Short)
    }

    /// Takes a nullable byte field.
    pub fn nullable_bytes<'a>(self, cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, Short> {
        match self.length(cursor, true)? {
            NULL => Ok(None),
            length => cursor.take(length).map(Some),
        }
    }

    /// Takes an array's count. An element has at least a byte, so a count beyond the bytes at
    /// hand is a lie and refused.
    pub fn array(self, cursor: &mut Cursor<'_>) -> Result<usize, Short> {
        match self.length(cursor, true)? {
            NULL => Err(Short),
            count if count > cursor.remaining() => Err(Short),
            count => Ok(count),
        }
    }

    /// Takes the tagged fields, handing each to `visit`.
    pub fn tags<'a>(
        self,
        cursor: &mut Cursor<'a>,
        mut visit: impl FnMut(u32, Cursor<'a>) -> Result<(), Short>,
    ) -> Result<(), Short> {
        if !self.flexible {
            return Ok(());
        }
        let count = cursor.uvarint()?;
        for _ in 0..count {
            let tag = cursor.uvarint()?;
            let length = cursor.uvarint()? as usize;
            visit(tag, Cursor::new(cursor.take(length)?))?;
        }
        Ok(())
    }

    /// Takes the tagged fields and ignores them.
    pub fn skip_tags(self, cursor: &mut Cursor<'_>) -> Result<(), Short> {
        self.tags(cursor, |_, _| Ok(()))
    }

    /// Puts a nullable string.
    pub fn put_nullable_string(self, out: &mut Vec<u8>, text: Option<&str>) {
        match (self.flexible, text) {
            (true, None) => out.push(0),
            (true, Some(text)) => out.put_uvarint(text.len() as u32 + 1),
            (false, None) => out.put(&(-1i16).to_be_bytes()),
            (false, Some(text)) => out.put(&(text.len() as i16).to_be_bytes()),
        }
        out.put(text.unwrap_or_default().as_bytes());
    }

    /// Puts a string.
    pub fn put_string(self, out: &mut Vec<u8>, text: &str) {
        self.put_nullable_string(out, Some(text));
    }

    /// Puts the length of an array or of a byte field; the elements or bytes follow.
    pub fn put_length(self, out: &mut impl Sink, length: usize) {
        if self.flexible {
            out.put_uvarint(length as u32 + 1);
        } else {
            out.put(&(length as i32).to_be_bytes());
        }
    }

    /// Puts a null array.
    pub fn put_null_array(self, out: &mut Vec<u8>) {
        if self.flexible {
            out.push(0);
        } else {
            out.put(&(-1i32).to_be_bytes());
        }
    }

    /// Puts an empty set of tagged fields.
    pub fn put_no_tags(self, out: &mut Vec<u8>) {
        if self.flexible {
            out.push(0);
        }
    }
}

/// Whether a tagged field that is known was as long as it claimed.
pub fn ended(field: &Cursor<'_>) -> Result<(), Short> {
    match field.remaining() {
        0 => Ok(()),
        _ => Err(Short),
    }
}

/// A node's endpoint, as produce and fetch answers name it (KIP-951).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEndpoint {
    /// The node.
    pub node_id: i32,
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: i32,
    /// Its rack, if it has one.
    pub rack: Option<String>,
}

/// A partition's leader, as produce and fetch answers name it (KIP-951).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentLeader {
    /// The node that leads; -1 for none.
    pub leader_id: i32,
    /// Its term; -1 where it is not known.
    pub leader_epoch: i32,
}

/// Puts the tagged field `tag` that holds a leader: its number, its size, its bytes.
pub fn put_leader_tag(out: &mut Vec<u8>, tag: u32, leader: CurrentLeader) {
    out.put_uvarint(tag);
    out.put_uvarint(9);
    out.put(&leader.leader_id.to_be_bytes());
    out.put(&leader.leader_epoch.to_be_bytes());
    out.push(0);
}

/// Puts the tagged fields that end an answer: the endpoints of the nodes it has named, as tag
/// 0, or nothing.
pub fn put_endpoints_tag(out: &mut Vec<u8>, endpoints: &[NodeEndpoint]) {
    if endpoints.is_empty() {
        out.push(0);
        return;
    }
    let form = Form { flexible: true };
    let mut field = Vec::new();
    form.put_length(&mut field, endpoints.len());
    for endpoint in endpoints {
        field.put(&endpoint.node_id.to_be_bytes());
        form.put_string(&mut field, &endpoint.host);
        field.put(&endpoint.port.to_be_bytes());
        form.put_nullable_string(&mut field, endpoint.rack.as_deref());
        form.put_no_tags(&mut field);
    }
    out.push(1);
    out.put_uvarint(0);
    out.put_uvarint(field.len() as u32);
    out.put(&field);
}
