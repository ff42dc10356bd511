//! Pure: whether the bytes of a body, of a request or an answer, can be the message that they
//! claim to be.
//!
//! The codec crate believes the counts that it reads and allocates for them, so nothing goes
//! there before every length, count, null, marker and text of it has been walked here. The
//! walk allocates nothing. What it knows of the messages is in `table.rs` and `answers.rs`, which
//! `derive.py` writes from Kafka's own schemas.

mod answers;
#[cfg(test)]
mod fuzz;
mod reader;
mod table;

use super::primitive::Flaw;
use reader::Reader;
pub use reader::{Fault, Malformed};

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

/// Memory that the codec takes for one unknown tagged field: a node of its map.
const UNKNOWN_TAG_COST: usize = 448;

/// Checks `body`, a request of the given API and version, against the table. What decoding it
/// will allocate, at most, is returned in bytes; the codec's texts and byte fields share the
/// body's own memory and are not counted.
///
/// Bytes behind the message are not looked at. A body that passes cannot make the codec panic
/// or refuse.
pub fn check(api_key: i16, version: i16, body: &[u8]) -> Result<usize, Malformed> {
    check_in(table::BODIES, api_key, version, body)
}

/// As [`check`], of the body of an answer.
pub fn check_answer(api_key: i16, version: i16, body: &[u8]) -> Result<usize, Malformed> {
    check_in(answers::ANSWERS, api_key, version, body)
}

fn check_in(
    bodies: &'static [Body],
    api_key: i16,
    version: i16,
    body: &[u8],
) -> Result<usize, Malformed> {
    let index = bodies.binary_search_by_key(&api_key, |body| body.key);
    let known = index.ok().map(|index| &bodies[index]);
    let Some(known) = known.filter(|body| (body.first..=body.last).contains(&version)) else {
        return Err(Fault::Unknown.of("the body"));
    };
    let mut walk = Walk {
        version,
        reader: Reader::new(body, version >= known.flexible),
        cost: 0,
    };
    match walk.fields(known.fields) {
        Ok(()) => Ok(walk.cost),
        Err(fault) => Err(fault.of(walk.reader.field)),
    }
}

struct Walk<'a> {
    version: i16,
    reader: Reader<'a>,
    cost: usize,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &'static [Field]) -> Result<(), Fault> {
        for field in fields {
            if field.is_in(self.version) && field.tag.is_none() {
                self.field(field)?;
            }
        }
        let version = self.version;
        let mut cost = 0;
        let outcome = self.reader.tags(|tag, content| {
            let Some(field) = fields.iter().find(|field| field.tag == Some(tag)) else {
                cost += UNKNOWN_TAG_COST;
                return Ok(false);
            };
            content.at(field.name);
            if !field.is_in(version) {
                return Err(Fault::TagVersion);
            }
            let mut inner = Walk {
                version,
                reader: *content,
                cost: 0,
            };
            let outcome = inner.field(field);
            *content = inner.reader;
            cost += inner.cost;
            outcome.map(|()| true)
        });
        self.cost += cost;
        outcome
    }

    fn field(&mut self, field: &'static Field) -> Result<(), Fault> {
        self.reader.at(field.name);
        let nullable = field.nullable <= self.version;
        match field.kind {
            Kind::Struct(fields) if nullable => match self.reader.bytes.i8()? {
                1 => self.fields(fields),
                -1 => Ok(()),
                marker => Err(Fault::Marker(marker)),
            },
            kind => match self.value(kind)? {
                Null(true) if !nullable => Err(Fault::Flaw(Flaw::Null)),
                _ => Ok(()),
            },
        }
    }

    fn value(&mut self, kind: Kind) -> Result<Null, Fault> {
        let null = match kind {
            Kind::Fixed(size) => {
                self.reader.bytes.take(usize::from(size))?;
                false
            }
            Kind::Text => self.reader.nullable_text()?.is_none(),
            Kind::Blob => self.reader.nullable_blob()?.is_none(),
            Kind::Array(element) => {
                let least_bytes = self.least_bytes(*element);
                let count = self.reader.nullable_count(least_bytes)?;
                self.elements(*element, count.unwrap_or(0))?;
                count.is_none()
            }
            Kind::Struct(fields) => {
                self.fields(fields)?;
                false
            }
        };
        Ok(Null(null))
    }

    fn elements(&mut self, element: Kind, count: u32) -> Result<(), Fault> {
        self.cost += count as usize * memory_bytes(element);
        let array = self.reader.field;
        for _ in 0..count {
            self.reader.at(array);
            if let Null(true) = self.value(element)? {
                return Err(Fault::Flaw(Flaw::Null));
            }
        }
        Ok(())
    }

    /// The fewest bytes that a value of this kind takes in this version.
    fn least_bytes(&self, kind: Kind) -> usize {
        let flexible = self.reader.form.flexible;
        match kind {
            Kind::Fixed(size) => usize::from(size),
            _ if flexible && !matches!(kind, Kind::Struct(_)) => 1,
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
                least.sum::<usize>() + usize::from(flexible)
            }
        }
    }
}

/// Whether a value was null. Inside an array nothing may be.
struct Null(bool);

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
