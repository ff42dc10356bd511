//! Pure: the fields of a message body: both encodings of lengths (KIP-482), nulls, tags.

use std::cell::Cell;
use std::fmt;

use crate::cursor::{Cursor, Short};
use crate::primitive::{Flaw, Form};

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
    /// Its bytes are no value of its kind.
    Flaw(Flaw),
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
        Fault::Flaw(Flaw::Short)
    }
}

impl From<Flaw> for Fault {
    fn from(flaw: Flaw) -> Fault {
        Fault::Flaw(flaw)
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field;
        match self.fault {
            Fault::Flaw(flaw) => match flaw {
                Flaw::Short => write!(f, "the message ends within {field}"),
                Flaw::Null => write!(f, "{field} is null"),
                Flaw::Length(length) => write!(f, "{field} claims a length of {length} bytes"),
                Flaw::Count(count) => write!(f, "{field} claims {count} elements"),
                Flaw::Utf8 => write!(f, "{field} is not UTF-8"),
            },
            Fault::Marker(marker) => write!(f, "{field} is marked with {marker}"),
            Fault::TagSize => write!(f, "the tagged field {field} is not of the size it claims"),
            Fault::TagVersion => write!(f, "the tagged field {field} is not of this version"),
            Fault::Unknown => write!(f, "the layout of {field} is not known in this version"),
        }
    }
}

impl std::error::Error for Malformed {}

/// Reads fields off the front of a body in one of the two encodings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    pub bytes: Cursor<'a>,
    pub form: Form,
    /// The field being read, for the report of a fault.
    pub field: &'static str,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], flexible: bool) -> Reader<'a> {
        Reader {
            bytes: Cursor::new(bytes),
            form: Form { flexible },
            field: "the body",
        }
    }

    /// Names the field that is read next.
    #[inline]
    pub fn at(&mut self, field: &'static str) -> &mut Self {
        self.field = field;
        self
    }

    /// A text's length and bytes, or `None` for null.
    #[inline]
    pub fn nullable_text(&mut self) -> Result<Option<&'a str>, Fault> {
        Ok(self.form.nullable_string(&mut self.bytes)?)
    }

    /// A byte field's length and bytes, or `None` for null.
    #[inline]
    pub fn nullable_blob(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        Ok(self.form.nullable_bytes(&mut self.bytes)?)
    }

    /// An array's count, or `None` for null. The rest of the body must be able to hold as many
    /// elements of at least `least_bytes` each.
    #[inline]
    pub fn nullable_count(&mut self, least_bytes: usize) -> Result<Option<u32>, Fault> {
        Ok(self.form.nullable_count(&mut self.bytes, least_bytes)?)
    }

    /// Takes the tagged fields that end a struct, where there are such. `known` is given the
    /// number and content of each; it leaves nothing of those that it knows and answers whether
    /// it does.
    #[inline]
    pub fn tags(
        &mut self,
        mut known: impl FnMut(u32, &mut Reader<'a>) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        if self.form.flexible {
            self.at("a tagged field");
        }
        let form = self.form;
        let field = Cell::new(self.field);
        let outcome = form.tags(&mut self.bytes, |tag, bytes| {
            let mut content = Reader {
                bytes,
                form,
                field: field.get(),
            };
            let outcome = known(tag, &mut content);
            field.set(content.field);
            match outcome? && content.bytes.remaining() > 0 {
                true => Err(Fault::TagSize),
                false => Ok(()),
            }
        });
        self.field = field.get();
        outcome
    }
}
