//! Pure: the records inside a compressed batch, without their keys and values: what a broker
//! has to know of them, in the memory of one small window.

use crate::compress::{Codec, DecompressError, Decompressor};

use super::records::RecordError;

/// Bytes uncompressed at a time.
const WINDOW_BYTES: usize = 16 * 1024;

/// A record as seen from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outline {
    /// Distance from the batch's base timestamp in milliseconds.
    pub timestamp_delta: i64,
    /// Distance from the batch's base offset.
    pub offset_delta: i32,
    /// Whether there is a key, be it empty.
    pub has_key: bool,
}

/// Why the records of a batch could not be outlined.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OutlineError {
    /// The uncompressed bytes are not the records that the batch's header counts.
    #[error("{0}")]
    Record(RecordError),
    /// The compressed bytes could not be read.
    #[error("{0}")]
    Decompress(DecompressError),
}

impl From<RecordError> for OutlineError {
    fn from(error: RecordError) -> OutlineError {
        OutlineError::Record(error)
    }
}

impl From<DecompressError> for OutlineError {
    fn from(error: DecompressError) -> OutlineError {
        OutlineError::Decompress(error)
    }
}

/// The records of a compressed batch, one after the other. After an error nothing follows.
pub struct Outlines<'a> {
    left: i32,
    stream: Stream<'a>,
}

impl<'a> Outlines<'a> {
    /// The records of a batch whose header counts `count`; of their uncompressed bytes no more
    /// than `max_bytes` are looked at.
    pub fn new(
        codec: Codec,
        count: i32,
        compressed: &'a [u8],
        max_bytes: usize,
    ) -> Result<Outlines<'a>, OutlineError> {
        if count < 0 {
            return Err(RecordError::Count(count).into());
        }
        Ok(Outlines {
            left: count,
            stream: Stream {
                source: Decompressor::new(codec, compressed, max_bytes)?,
                window: vec![0; WINDOW_BYTES],
                at: 0,
                end: 0,
                taken: 0,
            },
        })
    }

    fn read(&mut self) -> Result<Outline, OutlineError> {
        self.left -= 1;
        let outline = self.stream.outline()?;
        if self.left == 0 && !self.stream.is_at_end()? {
            let trailing = self.stream.end - self.stream.at;
            return Err(RecordError::Trailing(trailing).into());
        }
        Ok(outline)
    }
}

impl Iterator for Outlines<'_> {
    type Item = Result<Outline, OutlineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return None;
        }
        let outline = self.read();
        if outline.is_err() {
            self.left = 0;
        }
        Some(outline)
    }
}

struct Stream<'a> {
    source: Decompressor<'a>,
    window: Vec<u8>,
    at: usize,
    end: usize,
    taken: u64,
}

impl Stream<'_> {
    fn outline(&mut self) -> Result<Outline, OutlineError> {
        let claimed = self.varint()?;
        let begin = self.taken;
        self.byte()?;
        let timestamp_delta = self.varlong()?;
        let offset_delta = self.varint()?;
        let has_key = self.nullable()?;
        self.nullable()?;
        let headers = self.varint()?;
        if headers < 0 {
            return Err(RecordError::HeaderCount(headers).into());
        }
        for _ in 0..headers {
            let key = self.varint()?;
            let key = u64::try_from(key).map_err(|_| RecordError::HeaderKey(key))?;
            self.skip(key)?;
            self.nullable()?;
        }
        let actual = (self.taken - begin) as i64;
        if actual != i64::from(claimed) {
            return Err(RecordError::Size { claimed, actual }.into());
        }
        Ok(Outline {
            timestamp_delta,
            offset_delta,
            has_key,
        })
    }

    /// Passes a field that may be absent; whether it is there is returned.
    fn nullable(&mut self) -> Result<bool, OutlineError> {
        match u64::try_from(self.varint()?) {
            Ok(length) => self.skip(length).map(|()| true),
            Err(_) => Ok(false),
        }
    }

    fn skip(&mut self, mut count: u64) -> Result<(), OutlineError> {
        self.taken += count;
        loop {
            let here = count.min((self.end - self.at) as u64);
            self.at += here as usize;
            count -= here;
            if count == 0 {
                return Ok(());
            }
            self.refill()?;
        }
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, OutlineError> {
        if self.at == self.end {
            self.refill()?;
        }
        let byte = self.window[self.at];
        self.at += 1;
        self.taken += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<i32, OutlineError> {
        let raw = self.base128(5)? as u32;
        Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    fn varlong(&mut self) -> Result<i64, OutlineError> {
        let raw = self.base128(10)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    #[inline]
    fn base128(&mut self, max_bytes: u32) -> Result<u64, OutlineError> {
        let mut value = 0;
        for i in 0..max_bytes {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RecordError::Truncated.into())
    }

    fn is_at_end(&mut self) -> Result<bool, OutlineError> {
        match self.at == self.end {
            true => Ok(!self.read_on()?),
            false => Ok(false),
        }
    }

    fn refill(&mut self) -> Result<(), OutlineError> {
        match self.read_on()? {
            true => Ok(()),
            false => Err(RecordError::Truncated.into()),
        }
    }

    fn read_on(&mut self) -> Result<bool, OutlineError> {
        self.at = 0;
        self.end = 0;
        self.end = self.source.read(&mut self.window)?;
        Ok(self.end > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BatchBuilder, BatchView, NewRecord, Records};
    use super::*;
    use crate::compress::compress;

    const CODECS: [Codec; 5] = [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ];

    fn outlines(codec: Codec, count: i32, records: &[u8]) -> Result<Vec<Outline>, OutlineError> {
        let mut packed = Vec::new();
        compress(codec, records, &mut packed).unwrap();
        Outlines::new(codec, count, &packed, 1 << 20)?.collect()
    }

    #[test]
    fn outlines_agree_with_the_records() {
        let value = vec![7; 3 * WINDOW_BYTES];
        let headers: [(&[u8], Option<&[u8]>); 2] = [(b"h", None), (b"", Some(&value))];
        let mut builder = BatchBuilder::new();
        for i in 0..200 {
            let key = (i % 3 > 0).then_some(&value[..i]);
            builder.push(NewRecord::new(1000 - i as i64, key, Some(&value[i..2 * i])));
        }
        builder.push(NewRecord::new(-1, None, Some(&value)).headers(&headers));
        let bytes = builder.build();
        let batch = BatchView::parse(&bytes).unwrap();
        let expected: Vec<_> = Records::of(&batch)
            .map(|record| {
                let record = record.unwrap();
                Outline {
                    timestamp_delta: record.timestamp_delta,
                    offset_delta: record.offset_delta,
                    has_key: record.key.is_some(),
                }
            })
            .collect();
        for codec in CODECS {
            let found = outlines(codec, 201, batch.records_bytes());
            assert_eq!(found.as_ref(), Ok(&expected), "{codec:?}");
        }
    }

    #[test]
    fn outlines_refuse_what_the_records_refuse() {
        let headers: [(&[u8], Option<&[u8]>); 1] = [(b"key", Some(b"value"))];
        let mut builder = BatchBuilder::new();
        builder.push(NewRecord::new(5, Some(b"k"), Some(b"v")).headers(&headers));
        builder.push(NewRecord::new(9, None, None));
        let bytes = builder.build();
        let records = BatchView::parse(&bytes).unwrap().records_bytes();
        let mut refused = 0;
        for at in 0..records.len() {
            for bit in 0..8 {
                let mut damaged = records.to_vec();
                damaged[at] ^= 1 << bit;
                let whole: Result<Vec<_>, _> = Records::new(2, &damaged).collect();
                for codec in CODECS {
                    let found = outlines(codec, 2, &damaged);
                    assert_eq!(found.is_ok(), whole.is_ok(), "{codec:?} {at} {bit}");
                }
                refused += usize::from(whole.is_err());
            }
        }
        assert!(refused > 50);
        for codec in CODECS {
            let trailing = outlines(codec, 1, records).unwrap_err();
            let trailing_is = |e| matches!(e, OutlineError::Record(RecordError::Trailing(_)));
            assert!(trailing_is(trailing), "{codec:?}");
            let missing = outlines(codec, 3, records).unwrap_err();
            assert_eq!(missing, RecordError::Truncated.into(), "{codec:?}");
        }
    }

    #[test]
    fn a_record_of_gigabytes_stops_at_the_bound() {
        let mut records = vec![0x80, 0x80, 0x80, 0x80, 0x08, 0, 0, 0, 1];
        records.extend([0x80, 0x80, 0x80, 0x80, 0x04]);
        records.resize(8 << 20, 0);
        for codec in CODECS {
            let max_bytes = 1 << 20;
            let error = DecompressError::TooLarge { max_bytes };
            assert_eq!(outlines(codec, 1, &records), Err(error.into()));
        }
    }
}
