//! Pure: the 61 bytes in front of every record batch, read in place or as a copy. Layout:
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
/// Where a batch of any format says its version.
pub const MAGIC_AT: usize = 16;
pub(super) const CRC_AT: usize = 17;
pub(super) const ATTRIBUTES_AT: usize = 21;
pub(super) const LAST_OFFSET_DELTA_AT: usize = 23;
pub(super) const BASE_TIMESTAMP_AT: usize = 27;
pub(super) const MAX_TIMESTAMP_AT: usize = 35;
pub(super) const PRODUCER_ID_AT: usize = 43;
pub(super) const PRODUCER_EPOCH_AT: usize = 51;
pub(super) const BASE_SEQUENCE_AT: usize = 53;
pub(super) const COUNT_AT: usize = 57;

/// The header of a batch: a view of bytes that begin with it, or a copy of it.
///
/// Everything is as the bytes say, so counts and deltas of an unchecked batch may be anything.
#[derive(Clone, Copy)]
pub struct BatchHeader<B = [u8; HEADER_BYTES]>(pub(super) B);

impl BatchHeader {
    /// A copy of the header at the front of `bytes`; `None` when fewer than a header's bytes are
    /// there.
    pub fn copy(bytes: &[u8]) -> Option<BatchHeader> {
        bytes.first_chunk().copied().map(BatchHeader)
    }

    /// The bytes as they stand in the file.
    pub fn as_bytes(&self) -> &[u8; HEADER_BYTES] {
        &self.0
    }
}

impl<B: AsRef<[u8]>> BatchHeader<B> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.0.as_ref()
    }

    /// Size of the whole batch in bytes; `None` when the length field cannot be one.
    #[inline]
    pub fn claimed_bytes(&self) -> Option<usize> {
        let length = i32_at(self.bytes(), LENGTH_AT);
        let size = usize::try_from(length).ok()? + LENGTH_PREFIX_BYTES;
        (size >= HEADER_BYTES).then_some(size)
    }

    /// Whether the length field is zero: no batch was ever written here.
    #[inline]
    pub fn is_blank(&self) -> bool {
        i32_at(self.bytes(), LENGTH_AT) == 0
    }

    /// Format version; [`MAGIC`] is the only one there should be.
    #[inline]
    pub fn magic(&self) -> i8 {
        self.bytes()[MAGIC_AT] as i8
    }

    /// The checksum of the header's part that it covers; to be continued over the records.
    #[inline]
    pub fn crc_seed(&self) -> u32 {
        crc32c::crc32c(&self.bytes()[ATTRIBUTES_AT..HEADER_BYTES])
    }

    /// Offset of the first record that the batch was written with; compaction keeps it.
    #[inline]
    pub fn base_offset(&self) -> Offset {
        i64_at(self.bytes(), 0)
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
        i32_at(self.bytes(), LEADER_EPOCH_AT)
    }

    /// The checksum as stored.
    #[inline]
    pub fn crc(&self) -> u32 {
        i32_at(self.bytes(), CRC_AT) as u32
    }

    /// The attribute bits.
    #[inline]
    pub fn attributes(&self) -> Attributes {
        Attributes(i16_at(self.bytes(), ATTRIBUTES_AT))
    }

    /// Last offset minus base offset.
    #[inline]
    pub fn last_offset_delta(&self) -> i32 {
        i32_at(self.bytes(), LAST_OFFSET_DELTA_AT)
    }

    /// What the records' timestamp deltas are added to; the delete horizon when
    /// [`Attributes::has_delete_horizon`].
    #[inline]
    pub fn base_timestamp(&self) -> WallMs {
        i64_at(self.bytes(), BASE_TIMESTAMP_AT)
    }

    /// Largest timestamp of the batch's records, or -1.
    #[inline]
    pub fn max_timestamp(&self) -> WallMs {
        i64_at(self.bytes(), MAX_TIMESTAMP_AT)
    }

    /// Who wrote it idempotently, or [`NO_PRODUCER`].
    #[inline]
    pub fn producer_id(&self) -> ProducerId {
        i64_at(self.bytes(), PRODUCER_ID_AT)
    }

    /// Whether an idempotent producer (or a coordinator, for a marker) wrote it.
    #[inline]
    pub fn has_producer_id(&self) -> bool {
        self.producer_id() > NO_PRODUCER
    }

    /// Epoch of that producer, or -1.
    #[inline]
    pub fn producer_epoch(&self) -> i16 {
        i16_at(self.bytes(), PRODUCER_EPOCH_AT)
    }

    /// Sequence number of the first record, or [`NO_SEQUENCE`].
    #[inline]
    pub fn base_sequence(&self) -> i32 {
        i32_at(self.bytes(), BASE_SEQUENCE_AT)
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
        i32_at(self.bytes(), COUNT_AT)
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for BatchHeader<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchHeader")
            .field("base_offset", &self.base_offset())
            .field("last_offset", &self.last_offset())
            .field("leader_epoch", &self.leader_epoch())
            .field("attributes", &self.attributes())
            .field("record_count", &self.record_count())
            .field("max_timestamp", &self.max_timestamp())
            .field("producer_id", &self.producer_id())
            .field("producer_epoch", &self.producer_epoch())
            .field("base_sequence", &self.base_sequence())
            .field("claimed_bytes", &self.claimed_bytes())
            .finish()
    }
}

/// Bytes of a header up to and with the last offset delta.
pub const SPAN_BYTES: usize = LAST_OFFSET_DELTA_AT + 4;

/// What walking over batches needs of each: how far it reaches. Unchecked, as the bytes say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchSpan {
    /// Offset of the last record.
    pub last_offset: Offset,
    /// Size of the whole batch in bytes.
    pub size_bytes: usize,
}

impl BatchSpan {
    /// Reads the first bytes of a header.
    #[inline]
    pub fn of(bytes: &[u8; SPAN_BYTES]) -> BatchSpan {
        let delta = i32_at(bytes, LAST_OFFSET_DELTA_AT);
        let length = i32_at(bytes, LENGTH_AT).max(0);
        BatchSpan {
            last_offset: i64_at(bytes, 0).wrapping_add(i64::from(delta)),
            size_bytes: length as usize + LENGTH_PREFIX_BYTES,
        }
    }
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
fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(array_at(bytes, at))
}

#[inline]
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}
