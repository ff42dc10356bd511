//! Pure: the 61 bytes in front of every record batch, read in place. Layout:
//! `docs/formats/batch.md`.

use std::fmt;

use crate::{LeaderEpoch, Offset, ProducerId, WallMs};

use super::attributes::Attributes;

/// Size of a batch's header; the records begin here.
pub const HEADER_BYTES: usize = 61;
/// Bytes in front of what a batch's own length field counts: base offset and that field.
pub const LENGTH_PREFIX_BYTES: usize = 12;
/// The only format version written since Kafka 0.11 and accepted since Kafka 4.0.
pub const MAGIC: i8 = 2;
/// Producer id of a batch that no idempotent producer wrote.
pub const NO_PRODUCER: ProducerId = -1;
/// Base sequence of a batch that no idempotent producer wrote.
pub const NO_SEQUENCE: i32 = -1;
/// Timestamp of a record that has none.
pub const NO_TIMESTAMP: WallMs = -1;

pub(super) const LENGTH_AT: usize = 8;
pub(super) const LEADER_EPOCH_AT: usize = 12;
pub(super) const MAGIC_AT: usize = 16;
pub(super) const CRC_AT: usize = 17;
pub(super) const ATTRIBUTES_AT: usize = 21;
pub(super) const LAST_OFFSET_DELTA_AT: usize = 23;
pub(super) const BASE_TIMESTAMP_AT: usize = 27;
pub(super) const MAX_TIMESTAMP_AT: usize = 35;
pub(super) const PRODUCER_ID_AT: usize = 43;
pub(super) const PRODUCER_EPOCH_AT: usize = 51;
pub(super) const BASE_SEQUENCE_AT: usize = 53;
pub(super) const COUNT_AT: usize = 57;

/// Why bytes are no record batch of format v2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchError {
    /// Fewer bytes are there than a header has, or than the length field claims.
    Truncated {
        /// Bytes that the batch needs.
        needed: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// The length field is smaller than a header.
    Length(i32),
    /// The format version is not 2.
    Magic(i8),
    /// The stored checksum is not the one of the bytes.
    Crc {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            BatchError::Truncated { needed, have } => {
                write!(f, "the batch needs {needed} bytes and {have} are there")
            }
            BatchError::Length(length) => write!(f, "the batch claims a length of {length} bytes"),
            BatchError::Magic(magic) => write!(f, "the batch has format version {magic}, not 2"),
            BatchError::Crc { stored, computed } => write!(
                f,
                "the batch's checksum is {stored:#010x}, its bytes give {computed:#010x}"
            ),
        }
    }
}

impl std::error::Error for BatchError {}

/// One whole record batch of format v2, seen in place.
///
/// The checksum is checked only where [`BatchView::verify_crc`] is called; everything else is
/// as the bytes say, so counts and deltas of an unchecked batch may be anything.
#[derive(Clone, Copy)]
pub struct BatchView<'a> {
    bytes: &'a [u8],
}

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
            Some(bytes) => Ok(BatchView { bytes }),
            None => Err(BatchError::Truncated { needed, have }),
        }
    }

    /// All bytes of the batch, header included.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Size of the whole batch in bytes.
    #[inline]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Offset of the first record that the batch was written with; compaction keeps it.
    #[inline]
    pub fn base_offset(&self) -> Offset {
        i64_at(self.bytes, 0)
    }

    /// Offset of the last record that the batch was written with.
    #[inline]
    pub fn last_offset(&self) -> Offset {
        self.base_offset()
            .wrapping_add(i64::from(self.last_offset_delta()))
    }

    /// The offset after this batch.
    #[inline]
    pub fn next_offset(&self) -> Offset {
        self.last_offset().wrapping_add(1)
    }

    /// Epoch of the leader that appended the batch.
    #[inline]
    pub fn leader_epoch(&self) -> LeaderEpoch {
        i32_at(self.bytes, LEADER_EPOCH_AT)
    }

    /// The checksum as stored.
    #[inline]
    pub fn crc(&self) -> u32 {
        i32_at(self.bytes, CRC_AT) as u32
    }

    /// The attribute bits.
    #[inline]
    pub fn attributes(&self) -> Attributes {
        Attributes(i16_at(self.bytes, ATTRIBUTES_AT))
    }

    /// Last offset minus base offset.
    #[inline]
    pub fn last_offset_delta(&self) -> i32 {
        i32_at(self.bytes, LAST_OFFSET_DELTA_AT)
    }

    /// What the records' timestamp deltas are added to; the delete horizon when
    /// [`Attributes::has_delete_horizon`].
    #[inline]
    pub fn base_timestamp(&self) -> WallMs {
        i64_at(self.bytes, BASE_TIMESTAMP_AT)
    }

    /// Largest timestamp of the batch's records, or -1.
    #[inline]
    pub fn max_timestamp(&self) -> WallMs {
        i64_at(self.bytes, MAX_TIMESTAMP_AT)
    }

    /// Who wrote it idempotently, or [`NO_PRODUCER`].
    #[inline]
    pub fn producer_id(&self) -> ProducerId {
        i64_at(self.bytes, PRODUCER_ID_AT)
    }

    /// Whether an idempotent producer (or a coordinator, for a marker) wrote it.
    #[inline]
    pub fn has_producer_id(&self) -> bool {
        self.producer_id() > NO_PRODUCER
    }

    /// Epoch of that producer, or -1.
    #[inline]
    pub fn producer_epoch(&self) -> i16 {
        i16_at(self.bytes, PRODUCER_EPOCH_AT)
    }

    /// Sequence number of the first record, or [`NO_SEQUENCE`].
    #[inline]
    pub fn base_sequence(&self) -> i32 {
        i32_at(self.bytes, BASE_SEQUENCE_AT)
    }

    /// Sequence number of the last record, or [`NO_SEQUENCE`]; numbers wrap from the largest
    /// `i32` to 0.
    #[inline]
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence() {
            NO_SEQUENCE => NO_SEQUENCE,
            base => base.wrapping_add(self.last_offset_delta()) & i32::MAX,
        }
    }

    /// Count of records that the header claims.
    #[inline]
    pub fn record_count(&self) -> i32 {
        i32_at(self.bytes, COUNT_AT)
    }

    /// The records, compressed as [`Attributes::codec`] says.
    #[inline]
    pub fn records_bytes(&self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES..]
    }

    /// Compares the stored checksum (CRC-32C of everything from the attributes on) with the
    /// bytes.
    #[inline]
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let stored = self.crc();
        let computed = crc_of(self.bytes);
        if stored == computed {
            Ok(())
        } else {
            Err(BatchError::Crc { stored, computed })
        }
    }
}

impl fmt::Debug for BatchView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchView")
            .field("base_offset", &self.base_offset())
            .field("last_offset", &self.last_offset())
            .field("leader_epoch", &self.leader_epoch())
            .field("attributes", &self.attributes())
            .field("record_count", &self.record_count())
            .field("max_timestamp", &self.max_timestamp())
            .field("producer_id", &self.producer_id())
            .field("producer_epoch", &self.producer_epoch())
            .field("base_sequence", &self.base_sequence())
            .field("size_bytes", &self.size_bytes())
            .finish()
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

#[inline]
fn i16_at(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes(array_at(bytes, at))
}

#[inline]
pub(super) fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(array_at(bytes, at))
}

#[inline]
pub(super) fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(array_at(bytes, at))
}

#[inline]
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}
