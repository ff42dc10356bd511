//! Pure: the primitive fields of internal records, in the old and the flexible encoding.

use std::rc::Rc;

use bytes::Bytes;

use crate::wire::cursor::{Cursor, Short, Sink};

/// A field's bytes end early, hold a length that cannot be, or are no UTF-8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FieldError;

impl From<Short> for FieldError {
    fn from(_: Short) -> FieldError {
        FieldError
    }
}

/// Takes fields off a record's body.
pub(super) struct Reader<'a> {
    /// The bytes not yet taken; fixed-size numbers are taken from it directly.
    pub cursor: Cursor<'a>,
    flexible: bool,
}

impl<'a> Reader<'a> {
    /// A reader of fields whose lengths are int16/int32, or varints when `flexible`.
    pub fn new(cursor: Cursor<'a>, flexible: bool) -> Reader<'a> {
        Reader { cursor, flexible }
    }

    /// A length of `None` means null.
    fn length(&mut self, wide: bool) -> Result<Option<usize>, FieldError> {
        let length = match (self.flexible, wide) {
            (true, _) => i64::from(self.cursor.uvarint()?) - 1,
            (false, true) => i64::from(self.cursor.i32()?),
            (false, false) => i64::from(self.cursor.i16()?),
        };
        match length {
            -1 => Ok(None),
            _ => usize::try_from(length).map(Some).map_err(|_| FieldError),
        }
    }

    /// A string, or null.
    pub fn nullable_string(&mut self) -> Result<Option<Rc<str>>, FieldError> {
        let Some(length) = self.length(false)? else {
            return Ok(None);
        };
        let bytes = self.cursor.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| FieldError)?;
        Ok(Some(Rc::from(text)))
    }

    /// A string that may not be null.
    pub fn string(&mut self) -> Result<Rc<str>, FieldError> {
        self.nullable_string()?.ok_or(FieldError)
    }

    /// Bytes that may not be null.
    pub fn bytes(&mut self) -> Result<Bytes, FieldError> {
        let length = self.length(true)?.ok_or(FieldError)?;
        Ok(Bytes::copy_from_slice(self.cursor.take(length)?))
    }

    /// The count of an array that may not be null. At most one per byte that is left, so that
    /// it may size an allocation.
    pub fn count(&mut self) -> Result<usize, FieldError> {
        let count = self.length(true)?.ok_or(FieldError)?;
        if count > self.cursor.remaining() {
            return Err(FieldError);
        }
        Ok(count)
    }

    /// The tagged fields at the end of a struct; none in the old encoding.
    pub fn tags(
        &mut self,
        mut take: impl FnMut(u32, Cursor<'a>) -> Result<(), FieldError>,
    ) -> Result<(), FieldError> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.cursor.uvarint()? {
            let tag = self.cursor.uvarint()?;
            let size = self.cursor.uvarint()? as usize;
            take(tag, Cursor::new(self.cursor.take(size)?))?;
        }
        Ok(())
    }
}

/// Appends a string in the old encoding. Strings here came over Kafka's protocol or out of a
/// record, so that they fit an int16.
pub(super) fn put_string(out: &mut Vec<u8>, text: &str) {
    out.put(&(text.len() as i16).to_be_bytes());
    out.put(text.as_bytes());
}

/// Appends a string or null in the old encoding.
pub(super) fn put_nullable_string(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => put_string(out, text),
        None => out.put(&(-1i16).to_be_bytes()),
    }
}

/// Appends bytes in the old encoding.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put(&(bytes.len() as i32).to_be_bytes());
    out.put(bytes);
}
