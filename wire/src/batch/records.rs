//! Pure: the records inside a batch, borrowed from its uncompressed bytes.

use crate::cursor::{Cursor, Short, Sink, varint_len, varlong_len};
use crate::{Offset, WallMs};

use super::attributes::TimestampType;
use super::builder::{nullable_len, put_nullable};
use super::view::BatchView;

/// Why bytes are no record of format v2 (`DefaultRecord` of Kafka makes the same checks).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordError {
    /// The bytes end inside the record, or a length points outside it.
    #[error("a record ends outside its batch")]
    Truncated,
    /// The record's size field is not the size of its fields.
    #[error("a record claims {claimed} bytes and takes {actual}")]
    Size {
        /// What the size field says.
        claimed: i32,
        /// What the fields take.
        actual: i64,
    },
    /// A negative or impossible count of headers.
    #[error("a record claims {0} headers")]
    HeaderCount(i32),
    /// A header without a key.
    #[error("a record header's key claims a length of {0}")]
    HeaderKey(i32),
    /// Bytes follow the last record that the batch's header counts.
    #[error("{0} bytes follow the batch's last record")]
    Trailing(usize),
    /// The batch's header claims a negative count of records.
    #[error("the batch claims {0} records")]
    Count(i32),
}

impl From<Short> for RecordError {
    fn from(_: Short) -> RecordError {
        RecordError::Truncated
    }
}

/// One record, borrowed. Absent and empty keys and values are told apart.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Unused by Kafka so far.
    pub attributes: i8,
    /// Distance from the batch's base timestamp in milliseconds.
    pub timestamp_delta: i64,
    /// Distance from the batch's base offset.
    pub offset_delta: i32,
    /// The key, if there is one.
    pub key: Option<&'a [u8]>,
    /// The value; without one the record is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in the producer's order, repeated keys included.
    pub headers: Headers<'a>,
}

impl<'a> Record<'a> {
    /// Takes one record off the front of `cursor`. Nothing of it is left unchecked.
    pub fn parse(cursor: &mut Cursor<'a>) -> Result<Record<'a>, RecordError> {
        let claimed = cursor.varint()?;
        let size = usize::try_from(claimed).map_err(|_| RecordError::Truncated)?;
        let mut body = Cursor::new(cursor.take(size)?);
        let attributes = body.i8()?;
        let timestamp_delta = body.varlong()?;
        let offset_delta = body.varint()?;
        let key = nullable(&mut body)?;
        let value = nullable(&mut body)?;
        let headers = Headers::parse(&mut body)?;
        if body.remaining() != 0 {
            let actual = (size - body.remaining()) as i64;
            return Err(RecordError::Size { claimed, actual });
        }
        Ok(Record {
            attributes,
            timestamp_delta,
            offset_delta,
            key,
            value,
            headers,
        })
    }

    /// Appends this record to `out` with another distance from the base timestamp.
    pub fn write(&self, timestamp_delta: i64, out: &mut Vec<u8>) {
        let headers = self.headers.bytes.rest();
        let count = self.headers.left as i32;
        let size = 1
            + varlong_len(timestamp_delta)
            + varint_len(self.offset_delta)
            + nullable_len(self.key)
            + nullable_len(self.value)
            + varint_len(count)
            + headers.len();
        out.reserve(size + 5);
        out.put_varint(size as i32);
        out.put(&[self.attributes as u8]);
        out.put_varlong(timestamp_delta);
        out.put_varint(self.offset_delta);
        put_nullable(out, self.key);
        put_nullable(out, self.value);
        out.put_varint(count);
        out.put(headers);
    }

    /// Offset of this record in `batch`'s partition.
    pub fn offset(&self, batch: &BatchView<'_>) -> Offset {
        batch
            .base_offset()
            .wrapping_add(i64::from(self.offset_delta))
    }

    /// Timestamp of this record in `batch`, by the batch's timestamp type.
    pub fn timestamp(&self, batch: &BatchView<'_>) -> WallMs {
        match batch.attributes().timestamp_type() {
            TimestampType::LogAppendTime => batch.max_timestamp(),
            TimestampType::CreateTime => batch.base_timestamp().wrapping_add(self.timestamp_delta),
        }
    }
}

fn nullable<'a>(body: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, Short> {
    match usize::try_from(body.varint()?) {
        Ok(length) => body.take(length).map(Some),
        Err(_) => Ok(None),
    }
}

/// One record header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    /// The key: UTF-8 by agreement of the clients, not checked by brokers.
    pub key: &'a [u8],
    /// The value, if there is one.
    pub value: Option<&'a [u8]>,
}

/// The headers of a record: an iterator over bytes that were checked when the record was parsed.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    left: usize,
    bytes: Cursor<'a>,
}

impl<'a> Headers<'a> {
    /// No headers.
    pub const NONE: Headers<'static> = Headers {
        left: 0,
        bytes: Cursor::EMPTY,
    };

    fn parse(body: &mut Cursor<'a>) -> Result<Headers<'a>, RecordError> {
        let count = body.varint()?;
        // A header takes two bytes at least: key length and value length.
        let left = usize::try_from(count)
            .ok()
            .filter(|left| *left <= body.remaining() / 2)
            .ok_or(RecordError::HeaderCount(count))?;
        let headers = Headers { left, bytes: *body };
        for _ in 0..left {
            let length = body.varint()?;
            let length = usize::try_from(length).map_err(|_| RecordError::HeaderKey(length))?;
            body.take(length)?;
            nullable(body)?;
        }
        Ok(headers)
    }

    /// Count of headers not yet given out.
    pub fn count(&self) -> usize {
        self.left
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.left = self.left.checked_sub(1)?;
        let length = usize::try_from(self.bytes.varint().ok()?).ok()?;
        let key = self.bytes.take(length).ok()?;
        let value = nullable(&mut self.bytes).ok()?;
        Some(Header { key, value })
    }
}

/// The records of a batch, one after the other. After an error nothing follows.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    left: usize,
    bytes: Cursor<'a>,
    verdict: Result<(), RecordError>,
}

impl<'a> Records<'a> {
    /// The records of a batch whose header counts `count`, in their uncompressed bytes.
    pub fn new(count: i32, uncompressed: &'a [u8]) -> Records<'a> {
        let left = usize::try_from(count);
        Records {
            left: left.unwrap_or(0),
            bytes: Cursor::new(uncompressed),
            verdict: left.map(|_| ()).map_err(|_| RecordError::Count(count)),
        }
    }

    /// The records of `batch`, which is not compressed.
    pub fn of(batch: &BatchView<'a>) -> Records<'a> {
        Records::new(batch.record_count(), batch.records_bytes())
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = std::mem::replace(&mut self.verdict, Ok(())) {
            *self = Records::new(0, &[]);
            return Some(Err(error));
        }
        if self.left == 0 {
            let trailing = self.bytes.remaining();
            self.bytes = Cursor::EMPTY;
            return (trailing > 0).then_some(Err(RecordError::Trailing(trailing)));
        }
        self.left -= 1;
        let record = Record::parse(&mut self.bytes);
        if record.is_err() {
            *self = Records::new(0, &[]);
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BatchBuilder, NewRecord};
    use super::*;

    #[test]
    fn absent_and_empty_and_repeated_things_are_kept_apart() {
        let headers: [(&[u8], Option<&[u8]>); 3] =
            [(b"h", Some(b"1")), (b"h", None), (b"", Some(b""))];
        let mut builder = BatchBuilder::new();
        builder.push(NewRecord::new(5, None, Some(b"")).headers(&headers));
        builder.push(NewRecord::new(3, Some(b""), None));
        let bytes = builder.build();
        let batch = BatchView::parse(&bytes).unwrap();
        let records: Vec<_> = Records::of(&batch).map(Result::unwrap).collect();
        assert_eq!((records[0].key, records[0].value), (None, Some(&b""[..])));
        assert_eq!((records[1].key, records[1].value), (Some(&b""[..]), None));
        let read: Vec<_> = records[0].headers.map(|h| (h.key, h.value)).collect();
        assert_eq!(read, headers);
        assert_eq!(records[1].headers.count(), 0);
        let times: Vec<_> = records.iter().map(|r| r.timestamp(&batch)).collect();
        assert_eq!(times, [5, 3]);
        assert_eq!(batch.max_timestamp(), 5);
    }

    #[test]
    fn every_truncation_is_an_error_and_ends_the_walk() {
        let mut builder = BatchBuilder::new();
        let headers: [(&[u8], Option<&[u8]>); 1] = [(b"key", Some(b"value"))];
        builder.push(NewRecord::new(1, Some(b"k"), Some(b"v")).headers(&headers));
        let bytes = builder.build();
        let records = BatchView::parse(&bytes).unwrap().records_bytes();
        for end in 0..records.len() {
            let mut walk = Records::new(1, &records[..end]);
            assert!(walk.next().unwrap().is_err(), "{end}");
            assert!(walk.next().is_none());
        }
        let mut longer = records.to_vec();
        longer.push(0);
        let last = Records::new(1, &longer).last().unwrap();
        assert_eq!(last.unwrap_err(), RecordError::Trailing(1));
    }

    #[test]
    fn a_record_is_written_as_it_was_but_for_its_timestamp() {
        let headers: [(&[u8], Option<&[u8]>); 2] = [(b"h", Some(b"1")), (b"n", None)];
        let mut builder = BatchBuilder::new();
        builder.push_at(3, NewRecord::new(50, Some(b"k"), None).headers(&headers));
        builder.push_at(9, NewRecord::new(70, None, Some(b"v")));
        let bytes = builder.build();
        let batch = BatchView::parse(&bytes).unwrap();
        let (mut same, mut moved) = (Vec::new(), Vec::new());
        for record in Records::of(&batch).map(Result::unwrap) {
            record.write(record.timestamp_delta, &mut same);
            record.write(record.timestamp_delta - 1_000_000, &mut moved);
        }
        assert_eq!(same, batch.records_bytes());
        let read: Vec<_> = Records::new(2, &moved).map(Result::unwrap).collect();
        assert_eq!(read[1].timestamp_delta, 20 - 1_000_000);
        let kept: Vec<_> = read[0].headers.map(|h| (h.key, h.value)).collect();
        assert_eq!((kept.as_slice(), read[0].offset_delta), (&headers[..], 3));
    }

    #[test]
    fn impossible_counts_cost_nothing() {
        let first = Records::new(-1, &[]).next().unwrap();
        assert_eq!(first.unwrap_err(), RecordError::Count(-1));
        assert!(Records::new(i32::MAX, &[]).next().unwrap().is_err());
        // size 10, attributes, delta, delta, null key, null value, header count 2^27.
        let record = [20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0x7f, 0];
        let first = Records::new(1, &record).next().unwrap();
        assert!(matches!(first, Err(RecordError::HeaderCount(_))));
    }
}
