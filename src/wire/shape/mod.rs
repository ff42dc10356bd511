//! Pure: whether the bytes of a request body can be the message that they claim to be.
//!
//! The codec crate believes the counts that it reads and allocates for them, so nothing goes
//! there before every length, count, null, marker and text of it has been walked here. The
//! walk allocates nothing. What it knows of the messages is in `table.rs`, which `derive.py`
//! writes from Kafka's own schemas.

#[cfg(test)]
mod fuzz;
mod table;

use std::fmt;

use super::cursor::{Cursor, Short};

/// A body of one API: its fields in order.
pub(super) struct Body {
    key: i16,
    first: i16,
    last: i16,
    flexible: i16,
    fields: &'static [Field],
}

impl Body {
    const fn new(key: i16, first: i16, last: i16, flexible: i16, fields: &'static [Field]) -> Body {
        Body {
            key,
            first,
            last,
            flexible,
            fields,
        }
    }
}

/// What a field is made of, as far as its bytes go.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// So many bytes.
    Fixed(u8),
    /// A length and UTF-8.
    Text,
    /// A length and any bytes.
    Blob,
    /// A count and so many elements.
    Array(&'static Kind),
    /// Fields in order.
    Struct(&'static [Field]),
}

/// A field, and the versions that it is there in.
pub(super) struct Field {
    name: &'static str,
    kind: Kind,
    first: i16,
    last: i16,
    nullable: i16,
    tag: Option<u32>,
}

impl Field {
    const fn new(name: &'static str, kind: Kind, first: i16) -> Field {
        Field {
            name,
            kind,
            first,
            last: i16::MAX,
            nullable: i16::MAX,
            tag: None,
        }
    }

    /// The last version that has the field.
    const fn upto(mut self, last: i16) -> Field {
        self.last = last;
        self
    }

    /// The first version in which the field may be null.
    const fn nullable(mut self, first: i16) -> Field {
        self.nullable = first;
        self
    }

    /// The field stands among the tagged ones, under this number.
    const fn tag(mut self, tag: u32) -> Field {
        self.tag = Some(tag);
        self
    }

    fn is_in(&self, version: i16) -> bool {
        self.first <= version && version <= self.last
    }
}

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
/// Memory that the codec takes for one unknown tagged field: a node of its map.
const UNKNOWN_TAG_COST: usize = 448;

/// Checks `body`, a request of the given API and version, against the table. What decoding it
/// will allocate, at most, is returned in bytes; the codec's texts and byte fields share the
/// body's own memory and are not counted.
///
/// Bytes behind the message are not looked at. A body that passes cannot make the codec panic
/// or refuse.
pub fn check(api_key: i16, version: i16, body: &[u8]) -> Result<usize, Malformed> {
    let index = table::BODIES.binary_search_by_key(&api_key, |body| body.key);
    let known = index.ok().map(|index| &table::BODIES[index]);
    let Some(known) = known.filter(|body| (body.first..=body.last).contains(&version)) else {
        return Err(Malformed {
            field: "the body",
            fault: Fault::Unknown,
        });
    };
    let mut walk = Walk {
        version,
        flexible: version >= known.flexible,
        bytes: Cursor::new(body),
        cost: 0,
    };
    walk.fields(known.fields)?;
    Ok(walk.cost)
}

struct Walk<'a> {
    version: i16,
    flexible: bool,
    bytes: Cursor<'a>,
    cost: usize,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &'static [Field]) -> Result<(), Malformed> {
        for field in fields {
            if field.is_in(self.version) && field.tag.is_none() {
                self.field(field).map_err(|deep| deep.of(field))?;
            }
        }
        if self.flexible {
            self.tags(fields)?;
        }
        Ok(())
    }

    fn field(&mut self, field: &'static Field) -> Result<(), Deep> {
        let nullable = field.nullable <= self.version;
        match field.kind {
            Kind::Struct(fields) if nullable => match self.bytes.i8()? {
                1 => Ok(self.fields(fields)?),
                -1 => Ok(()),
                marker => Err(Deep::Here(Fault::Marker(marker))),
            },
            kind => self.value(kind, nullable),
        }
    }

    fn value(&mut self, kind: Kind, nullable: bool) -> Result<(), Deep> {
        match kind {
            Kind::Fixed(size) => {
                self.bytes.take(usize::from(size))?;
            }
            Kind::Text => {
                let Some(length) = self.length(nullable, 2)? else {
                    return Ok(());
                };
                if length > MAX_TEXT_BYTES {
                    return Err(Deep::Here(Fault::Length(i64::from(length))));
                }
                let text = self.span(length)?;
                std::str::from_utf8(text).map_err(|_| Deep::Here(Fault::Utf8))?;
            }
            Kind::Blob => {
                if let Some(length) = self.length(nullable, 4)? {
                    self.span(length)?;
                }
            }
            Kind::Array(element) => {
                if let Some(count) = self.length(nullable, 4)? {
                    self.elements(*element, count)?;
                }
            }
            Kind::Struct(fields) => self.fields(fields)?,
        }
        Ok(())
    }

    fn elements(&mut self, element: Kind, count: u32) -> Result<(), Deep> {
        let least = self.least_bytes(element).max(1);
        let room = self.bytes.remaining() / least;
        if count as usize > room {
            return Err(Deep::Here(Fault::Count(i64::from(count))));
        }
        self.cost += count as usize * memory_bytes(element);
        for _ in 0..count {
            self.value(element, false)?;
        }
        Ok(())
    }

    /// A length or count, or `None` for null: compact and one too large in flexible versions,
    /// else big-endian of `width` bytes with -1 for null.
    fn length(&mut self, nullable: bool, width: usize) -> Result<Option<u32>, Deep> {
        let length = match (self.flexible, width) {
            (true, _) => i64::from(self.bytes.uvarint()?) - 1,
            (false, 2) => i64::from(self.bytes.i16()?),
            (false, _) => i64::from(self.bytes.i32()?),
        };
        match u32::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 && nullable => Ok(None),
            Err(_) if length == -1 => Err(Deep::Here(Fault::Null)),
            Err(_) => Err(Deep::Here(Fault::Length(length))),
        }
    }

    fn span(&mut self, length: u32) -> Result<&[u8], Deep> {
        let span = self.bytes.take(length as usize);
        span.map_err(|_| Deep::Here(Fault::Length(i64::from(length))))
    }

    fn tags(&mut self, fields: &'static [Field]) -> Result<(), Malformed> {
        let lost = |_| Malformed {
            field: "a tagged field",
            fault: Fault::Short,
        };
        for _ in 0..self.bytes.uvarint().map_err(lost)? {
            let tag = self.bytes.uvarint().map_err(lost)?;
            let size = self.bytes.uvarint().map_err(lost)?;
            let content = self.bytes.take(size as usize).map_err(lost)?;
            match fields.iter().find(|field| field.tag == Some(tag)) {
                None => self.cost += UNKNOWN_TAG_COST,
                Some(field) if !field.is_in(self.version) => {
                    return Err(Deep::Here(Fault::TagVersion).of(field));
                }
                Some(field) => {
                    let mut inner = Walk {
                        bytes: Cursor::new(content),
                        cost: 0,
                        ..*self
                    };
                    inner.field(field).map_err(|deep| deep.of(field))?;
                    if inner.bytes.remaining() > 0 {
                        return Err(Deep::Here(Fault::TagSize).of(field));
                    }
                    self.cost += inner.cost;
                }
            }
        }
        Ok(())
    }

    /// The fewest bytes that a value of this kind takes in this version.
    fn least_bytes(&self, kind: Kind) -> usize {
        match kind {
            Kind::Fixed(size) => usize::from(size),
            _ if self.flexible && !matches!(kind, Kind::Struct(_)) => 1,
            Kind::Text => 2,
            Kind::Blob | Kind::Array(_) => 4,
            Kind::Struct(fields) => {
                let untagged = fields
                    .iter()
                    .filter(|field| field.is_in(self.version) && field.tag.is_none());
                let least = untagged.map(|field| match field.kind {
                    Kind::Struct(_) if field.nullable <= self.version => 1,
                    kind => self.least_bytes(kind),
                });
                least.sum::<usize>() + usize::from(self.flexible)
            }
        }
    }
}

/// What a value of this kind takes in the codec's structs, at most, without what it points to.
const fn memory_bytes(kind: Kind) -> usize {
    match kind {
        Kind::Fixed(size) if size > 8 => 16,
        Kind::Fixed(_) => 8,
        Kind::Text | Kind::Blob => 32,
        Kind::Array(_) => 24,
        Kind::Struct(fields) => {
            // The map of unknown tagged fields is there in all versions.
            let mut sum = 24;
            let mut index = 0;
            while index < fields.len() {
                sum += memory_bytes(fields[index].kind);
                index += 1;
            }
            sum
        }
    }
}

/// A fault in this field, or one further down whose field is known already.
enum Deep {
    Here(Fault),
    There(Malformed),
}

impl Deep {
    fn of(self, field: &'static Field) -> Malformed {
        match self {
            Deep::Here(fault) => Malformed {
                field: field.name,
                fault,
            },
            Deep::There(malformed) => malformed,
        }
    }
}

impl From<Short> for Deep {
    fn from(_: Short) -> Deep {
        Deep::Here(Fault::Short)
    }
}

impl From<Malformed> for Deep {
    fn from(malformed: Malformed) -> Deep {
        Deep::There(malformed)
    }
}
