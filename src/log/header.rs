//! Pure: a batch's header as a copy of its 61 bytes, where the batch itself may lie in pieces.

use crate::base::{LeaderEpoch, Offset, WallMs};

/// Size of a record batch's header in format v2, in bytes.
pub const HEADER_BYTES: usize = 61;
/// Bytes before those that the length field counts.
pub const LENGTH_PREFIX_BYTES: usize = 12;

const LENGTH_AT: usize = 8;
const EPOCH_AT: usize = 12;
const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;
const MAX_TIMESTAMP_AT: usize = 35;

const LOG_APPEND_TIME_BIT: u8 = 1 << 3;

/// A copy of a batch's header.
#[derive(Clone, Copy, Debug)]
pub struct Header([u8; HEADER_BYTES]);

impl Header {
    /// The header at the front of `bytes`; `None` when fewer than a header's bytes are there.
    pub fn copy(bytes: &[u8]) -> Option<Header> {
        bytes.first_chunk().copied().map(Header)
    }

    /// The bytes as they stand in the file.
    pub fn bytes(&self) -> &[u8; HEADER_BYTES] {
        &self.0
    }

    /// Size of the whole batch in bytes; `None` when the length field cannot be one.
    pub fn size_bytes(&self) -> Option<usize> {
        let length = i32::from_be_bytes(self.at(LENGTH_AT));
        let size = usize::try_from(length)
            .ok()?
            .checked_add(LENGTH_PREFIX_BYTES)?;
        (size >= HEADER_BYTES).then_some(size)
    }

    /// Whether the length field is zero: no batch was ever written here.
    pub fn is_blank(&self) -> bool {
        self.at(LENGTH_AT) == [0; 4]
    }

    /// Format version; 2 is the only one there should be.
    pub fn magic(&self) -> i8 {
        self.0[MAGIC_AT] as i8
    }

    /// Offset of the first record.
    pub fn base_offset(&self) -> Offset {
        i64::from_be_bytes(self.at(0))
    }

    /// Offset of the last record; wraps when the bytes are no batch.
    pub fn last_offset(&self) -> Offset {
        self.base_offset()
            .wrapping_add(i64::from(self.last_offset_delta()))
    }

    /// Last offset less base offset.
    pub fn last_offset_delta(&self) -> i32 {
        i32::from_be_bytes(self.at(LAST_OFFSET_DELTA_AT))
    }

    /// Epoch of the leader that appended the batch.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        i32::from_be_bytes(self.at(EPOCH_AT))
    }

    /// Largest timestamp of its records, -1 where they have none.
    pub fn max_timestamp(&self) -> WallMs {
        i64::from_be_bytes(self.at(MAX_TIMESTAMP_AT))
    }

    /// The stored checksum.
    pub fn crc(&self) -> u32 {
        u32::from_be_bytes(self.at(CRC_AT))
    }

    /// The checksum of the header's part that it covers; continue it over the records.
    pub fn crc_seed(&self) -> u32 {
        crc32c::crc32c(&self.0[ATTRIBUTES_AT..])
    }

    /// Sets the two fields that the broker owns and that the checksum leaves out.
    pub fn stamp(&mut self, base_offset: Offset, epoch: LeaderEpoch) {
        self.put(0, base_offset.to_be_bytes());
        self.put(EPOCH_AT, epoch.to_be_bytes());
    }

    /// Makes `now` the timestamp of all records (`message.timestamp.type=LogAppendTime`);
    /// `records` are the bytes behind the header, for the new checksum.
    pub fn set_log_append_time(&mut self, now: WallMs, records: &[u8]) {
        self.0[ATTRIBUTES_AT + 1] |= LOG_APPEND_TIME_BIT;
        self.put(MAX_TIMESTAMP_AT, now.to_be_bytes());
        let crc = crc32c::crc32c_append(self.crc_seed(), records);
        self.put(CRC_AT, crc.to_be_bytes());
    }

    fn at<const N: usize>(&self, position: usize) -> [u8; N] {
        let mut field = [0; N];
        field.copy_from_slice(&self.0[position..position + N]);
        field
    }

    fn put<const N: usize>(&mut self, position: usize, field: [u8; N]) {
        self.0[position..position + N].copy_from_slice(&field);
    }
}

/// The size of the batch at the front of `bytes`, when it is whole and its magic is 2.
pub fn whole_batch(bytes: &[u8]) -> Option<(Header, usize)> {
    let header = Header::copy(bytes)?;
    let size = header.size_bytes()?;
    (header.magic() == 2 && size <= bytes.len()).then_some((header, size))
}
