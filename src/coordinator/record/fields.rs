//! Pure: the primitive fields of internal records, in the old and the flexible encoding.

use std::rc::Rc;

use bytes::Bytes;

use crate::wire::cursor::{Cursor, Short};
use crate::wire::primitive::{Flaw, Form};

/// A field's bytes end early, hold a length that cannot be, or are no UTF-8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FieldError;

impl From<Flaw> for FieldError {
    fn from(_: Flaw) -> FieldError {
        FieldError
    }
}

impl From<Short> for FieldError {
    fn from(_: Short) -> FieldError {
        FieldError
    }
}

/// Takes fields off a record's body.
pub(super) struct Reader<'a> {
    /// The bytes not yet taken; fixed-size numbers are taken from it directly.
    pub cursor: Cursor<'a>,
    form: Form,
}

impl<'a> Reader<'a> {
    /// A reader of fields whose lengths are int16/int32, or varints when `flexible`.
    pub fn new(cursor: Cursor<'a>, flexible: bool) -> Reader<'a> {
        let form = Form { flexible };
        Reader { cursor, form }
    }

    /// A string, or null.
    pub fn nullable_string(&mut self) -> Result<Option<Rc<str>>, FieldError> {
        let text = self
            .form
            .nullable_string_within(&mut self.cursor, usize::MAX);
        Ok(text?.map(Rc::from))
    }

    /// A string that may not be null.
    pub fn string(&mut self) -> Result<Rc<str>, FieldError> {
        self.nullable_string()?.ok_or(FieldError)
    }

    /// Bytes that may not be null.
    pub fn bytes(&mut self) -> Result<Bytes, FieldError> {
        let bytes = self.form.nullable_bytes(&mut self.cursor)?;
        Ok(Bytes::copy_from_slice(bytes.ok_or(FieldError)?))
    }

    /// The count of an array that may not be null. At most one per byte that is left, so that
    /// it may size an allocation.
    pub fn count(&mut self) -> Result<usize, FieldError> {
        Ok(self.form.count(&mut self.cursor)?)
    }

    /// The count of an array, or null. At most one per byte that is left.
    pub fn nullable_count(&mut self) -> Result<Option<usize>, FieldError> {
        let count = self.form.nullable_count(&mut self.cursor, 1)?;
        Ok(count.map(|count| count as usize))
    }

    /// The tagged fields at the end of a struct; none in the old encoding.
    pub fn tags(
        &mut self,
        take: impl FnMut(u32, Cursor<'a>) -> Result<(), FieldError>,
    ) -> Result<(), FieldError> {
        self.form.tags(&mut self.cursor, take)
    }
}
