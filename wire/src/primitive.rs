//! Pure: the primitive fields of Kafka's messages and records, in their plain and their flexible
//! encoding (KIP-482): strings, bytes, arrays, tagged fields. Numbers are read by
//! [`Cursor`](super::cursor::Cursor) itself.

use super::cursor::{Cursor, Short, Sink};

/// Which of the two encodings the fields of a message or record have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Form {
    /// Lengths are compact, and tagged fields follow each struct.
    pub flexible: bool,
}

/// What is wrong with a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// The bytes end within it.
    Short,
    /// It is null and may not be.
    Null,
    /// Its length is below zero, above what such a field can have, or past the end of the bytes.
    Length(i64),
    /// Its count is below zero, or of more elements than the rest of the bytes can hold.
    Count(i64),
    /// It is text and not UTF-8.
    Utf8,
}

/// How many bytes a length has in the plain encoding.
#[derive(Clone, Copy)]
enum Width {
    /// Those of strings.
    Two,
    /// Those of byte fields and arrays.
    Four,
}

/// The longest string that Kafka reads in a request, in bytes.
pub const STRING_BYTES_MAX: usize = 0x7fff;

impl Form {
    /// The encoding of old versions.
    pub const PLAIN: Form = Form { flexible: false };
    /// The encoding of newer versions.
    pub const FLEXIBLE: Form = Form { flexible: true };

    /// Takes a length or count; `None` stands for null. A compact one is stored one larger than it
    /// is, so that 0 is null; a plain one is -1 for null.
    #[inline]
    fn length(self, cursor: &mut Cursor<'_>, width: Width) -> Result<Option<u32>, Flaw> {
        let length = match (self.flexible, width) {
            (true, _) => i64::from(cursor.uvarint()?) - 1,
            (false, Width::Two) => i64::from(cursor.i16()?),
            (false, Width::Four) => i64::from(cursor.i32()?),
        };
        match u32::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(Flaw::Length(length)),
        }
    }

    /// Takes a string of at most `bytes_max`, or null.
    #[inline]
    pub fn nullable_string_within<'a>(
        self,
        cursor: &mut Cursor<'a>,
        bytes_max: usize,
    ) -> Result<Option<&'a str>, Flaw> {
        let Some(length) = self.length(cursor, Width::Two)? else {
            return Ok(None);
        };
        if length as usize > bytes_max {
            return Err(Flaw::Length(i64::from(length)));
        }
        let text = take(cursor, length)?;
        std::str::from_utf8(text).map(Some).map_err(|_| Flaw::Utf8)
    }

    /// Takes a string of a request, or null.
    #[inline]
    pub fn nullable_string<'a>(self, cursor: &mut Cursor<'a>) -> Result<Option<&'a str>, Flaw> {
        self.nullable_string_within(cursor, STRING_BYTES_MAX)
    }

    /// Takes a string of a request.
    #[inline]
    pub fn string<'a>(self, cursor: &mut Cursor<'a>) -> Result<&'a str, Flaw> {
        self.nullable_string(cursor)?.ok_or(Flaw::Null)
    }

    /// Takes a byte field, or null.
    #[inline]
    pub fn nullable_bytes<'a>(self, cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, Flaw> {
        match self.length(cursor, Width::Four)? {
            None => Ok(None),
            Some(length) => take(cursor, length).map(Some),
        }
    }

    /// Takes an array's count, or null. The bytes at hand must be able to hold as many elements of
    /// at least `least_bytes` each, so that the count may size an allocation.
    #[inline]
    pub fn nullable_count(
        self,
        cursor: &mut Cursor<'_>,
        least_bytes: usize,
    ) -> Result<Option<u32>, Flaw> {
        let count = self.length(cursor, Width::Four)?;
        let most = cursor.remaining() / least_bytes.max(1);
        match count {
            Some(count) if count as usize > most => Err(Flaw::Count(i64::from(count))),
            count => Ok(count),
        }
    }

    /// Takes an array's count, at most one for each byte at hand.
    #[inline]
    pub fn count(self, cursor: &mut Cursor<'_>) -> Result<usize, Flaw> {
        let count = self.nullable_count(cursor, 1)?;
        count.map(|count| count as usize).ok_or(Flaw::Null)
    }

    /// Takes the tagged fields that end a struct, where there are such, and shows the number and
    /// the content of each to `visit`.
    #[inline]
    pub fn tags<'a, E: From<Short>>(
        self,
        cursor: &mut Cursor<'a>,
        mut visit: impl FnMut(u32, Cursor<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..cursor.uvarint()? {
            let tag = cursor.uvarint()?;
            let size = cursor.uvarint()? as usize;
            visit(tag, Cursor::new(cursor.take(size)?))?;
        }
        Ok(())
    }

    /// Takes the tagged fields and ignores them.
    pub fn skip_tags(self, cursor: &mut Cursor<'_>) -> Result<(), Short> {
        self.tags(cursor, |_, _| Ok(()))
    }

    /// Puts a string, or null.
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

    /// Puts a byte field.
    pub fn put_bytes(self, out: &mut Vec<u8>, bytes: &[u8]) {
        self.put_length(out, bytes.len());
        out.put(bytes);
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

#[inline]
fn take<'a>(cursor: &mut Cursor<'a>, length: u32) -> Result<&'a [u8], Flaw> {
    let taken = cursor.take(length as usize);
    taken.map_err(|Short| Flaw::Length(i64::from(length)))
}

impl From<Short> for Flaw {
    fn from(_: Short) -> Flaw {
        Flaw::Short
    }
}

/// For readers that only tell good bytes from bad ones.
impl From<Flaw> for Short {
    fn from(_: Flaw) -> Short {
        Short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMS: [Form; 2] = [Form::PLAIN, Form::FLEXIBLE];

    #[test]
    fn values_come_back_in_both_encodings() {
        for form in FORMS {
            let mut out = Vec::new();
            form.put_string(&mut out, "orders");
            form.put_nullable_string(&mut out, None);
            form.put_bytes(&mut out, &[1, 2, 3]);
            form.put_length(&mut out, 1);
            out.push(9);
            form.put_null_array(&mut out);
            form.put_no_tags(&mut out);
            let mut cursor = Cursor::new(&out);
            assert_eq!(form.string(&mut cursor), Ok("orders"));
            assert_eq!(form.nullable_string(&mut cursor), Ok(None));
            let bytes: &[u8] = &[1, 2, 3];
            assert_eq!(form.nullable_bytes(&mut cursor), Ok(Some(bytes)));
            assert_eq!(form.count(&mut cursor), Ok(1));
            assert_eq!(cursor.u8(), Ok(9));
            assert_eq!(form.nullable_count(&mut cursor, 1), Ok(None));
            assert_eq!(form.skip_tags(&mut cursor), Ok(()));
            assert_eq!(cursor.remaining(), 0);
        }
    }

    #[test]
    fn each_flaw_is_told_apart() {
        let plain = |bytes: &'static [u8]| Form::PLAIN.string(&mut Cursor::new(bytes));
        assert_eq!(plain(&[0]), Err(Flaw::Short));
        assert_eq!(plain(&[255, 255]), Err(Flaw::Null));
        assert_eq!(plain(&[255, 254]), Err(Flaw::Length(-2)));
        assert_eq!(plain(&[0, 2, b'a']), Err(Flaw::Length(2)));
        assert_eq!(plain(&[0, 1, 0xff]), Err(Flaw::Utf8));
        let count = |bytes: &'static [u8], least| {
            Form::FLEXIBLE.nullable_count(&mut Cursor::new(bytes), least)
        };
        assert_eq!(count(&[4, 0, 0, 0], 1), Ok(Some(3)));
        assert_eq!(count(&[4, 0, 0, 0], 2), Err(Flaw::Count(3)));
    }

    #[test]
    fn a_string_may_be_as_long_as_its_reader_allows() {
        let text = "x".repeat(STRING_BYTES_MAX + 1);
        let mut out = Vec::new();
        Form::FLEXIBLE.put_string(&mut out, &text);
        let read =
            |bytes_max| Form::FLEXIBLE.nullable_string_within(&mut Cursor::new(&out), bytes_max);
        assert_eq!(read(usize::MAX), Ok(Some(text.as_str())));
        let too_long = Flaw::Length(text.len() as i64);
        assert_eq!(read(STRING_BYTES_MAX), Err(too_long));
    }

    #[test]
    fn tagged_fields_are_shown_and_must_not_end_early() {
        let section = [2, 0, 1, 7, 5, 2, 8, 9, 0xee];
        let mut seen = Vec::new();
        let mut cursor = Cursor::new(&section);
        let mut visit = |tag, field: Cursor<'_>| {
            seen.push((tag, field.rest().to_vec()));
            Ok::<(), Short>(())
        };
        Form::FLEXIBLE.tags(&mut cursor, &mut visit).unwrap();
        assert_eq!(seen, [(0, vec![7]), (5, vec![8, 9])]);
        assert_eq!(cursor.rest(), [0xee]);
        for end in 0..section.len() - 1 {
            let mut cut = Cursor::new(&section[..end]);
            assert_eq!(Form::FLEXIBLE.skip_tags(&mut cut), Err(Short), "{end}");
        }
    }
}
