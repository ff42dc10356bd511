//! Pure: whole record batches, seen in place.

use std::fmt;
use std::ops::Deref;

use super::header::{
    ATTRIBUTES_AT, BatchHeader, HEADER_BYTES, LENGTH_AT, LENGTH_PREFIX_BYTES, MAGIC, MAGIC_AT,
    i32_at,
};

/// Why bytes are no record batch of format v2.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes are there than a header has, or than the length field claims.
    #[error("the batch needs {needed} bytes and {have} are there")]
    Truncated {
        /// Bytes that the batch needs.
        needed: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// The length field is smaller than a header.
    #[error("the batch claims a length of {0} bytes")]
    Length(i32),
    /// The format version is not 2.
    #[error("the batch has format version {0}, not 2")]
    Magic(i8),
    /// The stored checksum is not the one of the bytes.
    #[error("the batch's checksum is {stored:#010x}, its bytes give {computed:#010x}")]
    Crc {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
}

/// One whole record batch of format v2, seen in place.
///
/// The checksum is checked only where [`BatchView::verify_crc`] is called; everything else is
/// as the bytes say, so counts and deltas of an unchecked batch may be anything.
#[derive(Clone, Copy)]
pub struct BatchView<'a>(BatchHeader<&'a [u8]>);

impl<'a> BatchView<'a> {
    /// The batch at the front of `bytes`, which may go on behind it.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<BatchView<'a>, BatchError> {
        let have = bytes.len();
        // The format version stands where it stood in formats v0 and v1, whose headers are
        // shorter: say what such bytes are before asking for 61 of them.
        if let (Some(magic), true) = (bytes.get(MAGIC_AT), have >= LENGTH_PREFIX_BYTES)
            && *magic as i8 != MAGIC
        {
            return Err(BatchError::Magic(*magic as i8));
        }
        if have < HEADER_BYTES {
            let needed = HEADER_BYTES;
            return Err(BatchError::Truncated { needed, have });
        }
        let length = i32_at(bytes, LENGTH_AT);
        if length < (HEADER_BYTES - LENGTH_PREFIX_BYTES) as i32 {
            return Err(BatchError::Length(length));
        }
        let needed = length as usize + LENGTH_PREFIX_BYTES;
        match bytes.get(..needed) {
            Some(bytes) => Ok(BatchView(BatchHeader(bytes))),
            None => Err(BatchError::Truncated { needed, have }),
        }
    }

    /// A copy of the header.
    #[inline]
    pub fn header(&self) -> BatchHeader {
        let mut copy = [0; HEADER_BYTES];
        copy.copy_from_slice(&self.bytes()[..HEADER_BYTES]);
        BatchHeader(copy)
    }

    /// All bytes of the batch, header included.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.0.0
    }

    /// Size of the whole batch in bytes.
    #[inline]
    pub fn size_bytes(&self) -> usize {
        self.bytes().len()
    }

    /// The records, compressed as [`super::Attributes::codec`] says.
    #[inline]
    pub fn records_bytes(&self) -> &'a [u8] {
        &self.bytes()[HEADER_BYTES..]
    }

    /// Compares the stored checksum (CRC-32C of everything from the attributes on) with the
    /// bytes.
    #[inline]
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let stored = self.crc();
        let computed = crc_of(self.bytes());
        if stored == computed {
            Ok(())
        } else {
            Err(BatchError::Crc { stored, computed })
        }
    }
}

impl<'a> Deref for BatchView<'a> {
    type Target = BatchHeader<&'a [u8]>;

    #[inline]
    fn deref(&self) -> &BatchHeader<&'a [u8]> {
        &self.0
    }
}

impl fmt::Debug for BatchView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The batches that stand one behind the other in `bytes`. After an error nothing follows.
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches { rest: bytes }
}

/// Iterator of [`batches`].
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Batches<'a> {
    /// The bytes not yet given out; empty after an error.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<BatchView<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let batch = BatchView::parse(self.rest);
        self.rest = match &batch {
            Ok(batch) => &self.rest[batch.size_bytes()..],
            Err(_) => &[],
        };
        Some(batch)
    }
}

#[inline]
pub(super) fn crc_of(batch: &[u8]) -> u32 {
    crc32c::crc32c(&batch[ATTRIBUTES_AT..])
}
