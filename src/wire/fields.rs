//! Pure: the fields of a message body: both encodings of lengths (KIP-482), nulls, tags.

use std::fmt;

use crate::base::{LeaderEpoch, NodeId, TopicId};

use super::cursor::{Cursor, Short, Sink};

/// Which field of a body is not what it should be, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// Kafka's name of the field.
    pub field: &'static str,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What may be wrong with a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The body ends within it.
    Short,
    /// It is null and may not be.
    Null,
    /// A length below zero, above what such a field can have, or past the end of the body.
    Length(i64),
    /// A count below zero or of more elements than the rest of the body can hold.
    Count(i64),
    /// It is text and not UTF-8.
    Utf8,
    /// The byte that says whether it is there is neither 1 nor -1.
    Marker(i8),
    /// A tagged field whose size is not the one of its content.
    TagSize,
    /// A tagged field that this version does not have yet.
    TagVersion,
    /// No table of this API and version: asking for it is the caller's mistake.
    Unknown,
}

impl Fault {
    /// This fault, found in the field of this name.
    pub fn of(self, field: &'static str) -> Malformed {
        Malformed { field, fault: self }
    }
}

impl From<Short> for Fault {
    fn from(_: Short) -> Fault {
        Fault::Short
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field;
        match self.fault {
            Fault::Short => write!(f, "the request ends within {field}"),
            Fault::Null => write!(f, "{field} is null"),
            Fault::Length(length) => write!(f, "{field} claims a length of {length} bytes"),
            Fault::Count(count) => write!(f, "{field} claims {count} elements"),
            Fault::Utf8 => write!(f, "{field} is not UTF-8"),
            Fault::Marker(marker) => write!(f, "{field} is marked with {marker}"),
            Fault::TagSize => write!(f, "the tagged field {field} is not of the size it claims"),
            Fault::TagVersion => write!(f, "the tagged field {field} is not of this version"),
            Fault::Unknown => write!(f, "the layout of {field} is not known in this version"),
        }
    }
}

impl std::error::Error for Malformed {}

/// Longest text that Kafka reads, in bytes.
const MAX_TEXT_BYTES: u32 = 0x7fff;

/// Reads fields off the front of a body in one of the two encodings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    pub bytes: Cursor<'a>,
    /// Lengths are compact and tagged fields follow each struct.
    pub flexible: bool,
    /// The field being read, for whoever reports a fault.
    pub field: &'static str,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], flexible: bool) -> Reader<'a> {
        Reader {
            bytes: Cursor::new(bytes),
            flexible,
            field: "the body",
        }
    }

    /// Names the field that is read next.
    #[inline]
    pub fn at(&mut self, field: &'static str) -> &mut Self {
        self.field = field;
        self
    }

    #[inline]
    pub fn i32(&mut self) -> Result<i32, Fault> {
        Ok(self.bytes.i32()?)
    }

    #[inline]
    pub fn i64(&mut self) -> Result<i64, Fault> {
        Ok(self.bytes.i64()?)
    }

    /// A text's length and bytes, or `None` for null.
    #[inline]
    pub fn nullable_text(&mut self) -> Result<Option<&'a str>, Fault> {
        let Some(length) = self.length(2)? else {
            return Ok(None);
        };
        if length > MAX_TEXT_BYTES {
            return Err(Fault::Length(i64::from(length)));
        }
        let text = self.span(length)?;
        std::str::from_utf8(text).map(Some).map_err(|_| Fault::Utf8)
    }

    #[inline]
    pub fn text(&mut self) -> Result<&'a str, Fault> {
        self.nullable_text()?.ok_or(Fault::Null)
    }

    /// A byte field's length and bytes, or `None` for null.
    #[inline]
    pub fn nullable_blob(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        match self.length(4)? {
            None => Ok(None),
            Some(length) => self.span(length).map(Some),
        }
    }

    /// An array's count, or `None` for null. The rest of the body must be able to hold as many
    /// elements of at least `least_bytes` each.
    #[inline]
    pub fn nullable_count(&mut self, least_bytes: usize) -> Result<Option<u32>, Fault> {
        let count = self.length(4)?;
        let room = self.bytes.remaining() / least_bytes.max(1);
        match count {
            Some(count) if count as usize > room => Err(Fault::Count(i64::from(count))),
            count => Ok(count),
        }
    }

    #[inline]
    pub fn count(&mut self, least_bytes: usize) -> Result<u32, Fault> {
        self.nullable_count(least_bytes)?.ok_or(Fault::Null)
    }

    /// A length or count, or `None` for null: compact and one too large when flexible, else
    /// big-endian of `width` bytes with -1 for null.
    #[inline]
    fn length(&mut self, width: usize) -> Result<Option<u32>, Fault> {
        let length = match (self.flexible, width) {
            (true, _) => i64::from(self.bytes.uvarint()?) - 1,
            (false, 2) => i64::from(self.bytes.i16()?),
            (false, _) => i64::from(self.bytes.i32()?),
        };
        match u32::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(Fault::Length(length)),
        }
    }

    #[inline]
    fn span(&mut self, length: u32) -> Result<&'a [u8], Fault> {
        let span = self.bytes.take(length as usize);
        span.map_err(|_| Fault::Length(i64::from(length)))
    }

    /// Takes the tagged fields that end a struct, where there are such. `known` is given the
    /// number and content of each; it leaves nothing of those that it knows and answers whether
    /// it does.
    #[inline]
    pub fn tags(
        &mut self,
        mut known: impl FnMut(u32, &mut Reader<'a>) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.at("a tagged field").bytes.uvarint()? {
            let tag = self.bytes.uvarint()?;
            let size = self.bytes.uvarint()?;
            let mut content = Reader {
                bytes: Cursor::new(self.bytes.take(size as usize)?),
                ..*self
            };
            let outcome = known(tag, &mut content);
            self.field = content.field;
            if outcome? && content.bytes.remaining() > 0 {
                return Err(Fault::TagSize);
            }
        }
        Ok(())
    }
}

/// A topic as a request or response names it: by name, or by id since KIP-516.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TopicRef<'a> {
    /// Older versions.
    Name(&'a str),
    /// Newer versions.
    Id(TopicId),
}

impl<'a> Reader<'a> {
    #[inline]
    pub fn topic(&mut self, by_id: bool) -> Result<TopicRef<'a>, Fault> {
        if by_id {
            let id = self.at("TopicId").bytes.uuid()?;
            Ok(TopicRef::Id(TopicId(uuid::Uuid::from_bytes(id))))
        } else {
            self.at("Topic").text().map(TopicRef::Name)
        }
    }
}

/// Who leads a partition now, for a client that asked the wrong node (KIP-951).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CurrentLeader {
    /// The leader, or -1 when there is none.
    pub leader: NodeId,
    /// Its epoch, or -1 when unknown.
    pub epoch: LeaderEpoch,
}

/// Where a node listens (KIP-951).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeEndpoint<'a> {
    /// The node.
    pub node: NodeId,
    /// Its advertised host.
    pub host: &'a str,
    /// Its advertised port.
    pub port: i32,
    /// Its rack, if it has one.
    pub rack: Option<&'a str>,
}

/// Writes fields in one of the two encodings.
#[derive(Debug)]
pub(super) struct Writer<'o, O> {
    pub out: &'o mut O,
    pub flexible: bool,
}

impl<O: Sink> Writer<'_, O> {
    pub fn i16(&mut self, value: i16) {
        self.out.put(&value.to_be_bytes());
    }

    pub fn i32(&mut self, value: i32) {
        self.out.put(&value.to_be_bytes());
    }

    pub fn i64(&mut self, value: i64) {
        self.out.put(&value.to_be_bytes());
    }

    pub fn count(&mut self, count: usize) {
        match self.flexible {
            true => self.out.put_uvarint(count as u32 + 1),
            false => self.i32(count as i32),
        }
    }

    pub fn nullable_count(&mut self, count: Option<usize>) {
        match (count, self.flexible) {
            (Some(count), _) => self.count(count),
            (None, true) => self.out.put(&[0]),
            (None, false) => self.i32(-1),
        }
    }

    pub fn nullable_text(&mut self, text: Option<&str>) {
        match (text, self.flexible) {
            (None, true) => self.out.put(&[0]),
            (None, false) => self.i16(-1),
            (Some(text), flexible) => {
                match flexible {
                    true => self.out.put_uvarint(text.len() as u32 + 1),
                    false => self.i16(text.len() as i16),
                }
                self.out.put(text.as_bytes());
            }
        }
    }

    pub fn topic(&mut self, topic: TopicRef<'_>) {
        match topic {
            TopicRef::Name(name) => self.nullable_text(Some(name)),
            TopicRef::Id(id) => self.out.put(id.0.as_bytes()),
        }
    }

    /// Ends a struct without tagged fields.
    pub fn no_tags(&mut self) {
        if self.flexible {
            self.out.put(&[0]);
        }
    }

    /// A tagged field that says who leads.
    pub fn leader_tag(&mut self, tag: u32, leader: CurrentLeader) {
        self.out.put_uvarint(tag);
        self.out.put(&[9]);
        self.i32(leader.leader.0);
        self.i32(leader.epoch);
        self.no_tags();
    }

    /// The tagged field 0 of a response: where the leaders that it names listen.
    pub fn node_endpoints(&mut self, nodes: &[NodeEndpoint<'_>]) {
        self.out.put_uvarint(0);
        let size: usize = nodes.iter().map(endpoint_bytes).sum();
        let count = nodes.len() as u32 + 1;
        self.out.put_uvarint((size + uvarint_len(count)) as u32);
        self.out.put_uvarint(count);
        for node in nodes {
            self.i32(node.node.0);
            self.nullable_text(Some(node.host));
            self.i32(node.port);
            self.nullable_text(node.rack);
            self.no_tags();
        }
    }
}

fn endpoint_bytes(node: &NodeEndpoint<'_>) -> usize {
    let text = |text: &str| uvarint_len(text.len() as u32 + 1) + text.len();
    4 + text(node.host) + 4 + node.rack.map_or(1, text) + 1
}

fn uvarint_len(value: u32) -> usize {
    (32 - (value | 1).leading_zeros() as usize).div_ceil(7)
}
