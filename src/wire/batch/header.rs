//! Pure: the 61 bytes in front of every record batch: reading them in place, checking the
//! checksum, stamping the fields that the broker owns. Layout: `docs/formats/batch.md`.

use std::fmt;

use crate::base::{LeaderEpoch, Offset, ProducerId, WallMs};

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

const LENGTH_AT: usize = 8;
const LEADER_EPOCH_AT: usize = 12;
const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;
const BASE_TIMESTAMP_AT: usize = 27;
const MAX_TIMESTAMP_AT: usize = 35;
const PRODUCER_ID_AT: usize = 43;
const PRODUCER_EPOCH_AT: usize = 51;
const BASE_SEQUENCE_AT: usize = 53;
const COUNT_AT: usize = 57;

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

/// How the records of a batch are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // The names are the codecs'.
pub enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    /// Kafka's name of this codec.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// The number that stands for this codec in a batch's attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The codec with this number; the three bits of the attributes leave 5 to 7 unused.
    pub fn from_id(id: u8) -> Option<Codec> {
        [
            Codec::None,
            Codec::Gzip,
            Codec::Snappy,
            Codec::Lz4,
            Codec::Zstd,
        ]
        .get(usize::from(id))
        .copied()
    }
}

/// Who set the timestamps of a batch (`message.timestamp.type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimestampType {
    /// The producer.
    CreateTime,
    /// The broker, at append: the batch's max timestamp stands for all its records.
    LogAppendTime,
}

/// The sixteen attribute bits of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    const CODEC: i16 = 0b111;
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// The codec, or the unused number that stands in its place.
    #[inline]
    pub fn codec(self) -> Result<Codec, u8> {
        let id = (self.0 & Attributes::CODEC) as u8;
        Codec::from_id(id).ok_or(id)
    }

    /// Who set the timestamps.
    #[inline]
    pub fn timestamp_type(self) -> TimestampType {
        match self.0 & Attributes::LOG_APPEND_TIME {
            0 => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        }
    }

    /// Whether the batch belongs to a transaction.
    #[inline]
    pub fn is_transactional(self) -> bool {
        self.0 & Attributes::TRANSACTIONAL != 0
    }

    /// Whether the batch holds a control record instead of data.
    #[inline]
    pub fn is_control(self) -> bool {
        self.0 & Attributes::CONTROL != 0
    }

    /// Whether the base timestamp is the compaction's delete horizon (KIP-534).
    #[inline]
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Attributes::DELETE_HORIZON != 0
    }

    /// These bits with the codec replaced.
    #[must_use]
    pub fn with_codec(self, codec: Codec) -> Attributes {
        Attributes(self.0 & !Attributes::CODEC | i16::from(codec.id()))
    }

    /// These bits with the timestamp type replaced.
    #[must_use]
    pub fn with_timestamp_type(self, kind: TimestampType) -> Attributes {
        self.with(
            Attributes::LOG_APPEND_TIME,
            kind == TimestampType::LogAppendTime,
        )
    }

    /// These bits with the transactional one set or cleared.
    #[must_use]
    pub fn with_transactional(self, on: bool) -> Attributes {
        self.with(Attributes::TRANSACTIONAL, on)
    }

    /// These bits with the control one set or cleared.
    #[must_use]
    pub fn with_control(self, on: bool) -> Attributes {
        self.with(Attributes::CONTROL, on)
    }

    fn with(self, bit: i16, on: bool) -> Attributes {
        Attributes(if on { self.0 | bit } else { self.0 & !bit })
    }
}

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

/// Writes the two fields that the leader owns, both outside the checksum, into the batch at
/// the front of `batch`.
///
/// # Panics
/// When `batch` is shorter than a header: only batches that [`BatchView`] accepted come here.
#[inline]
pub fn stamp(batch: &mut [u8], base_offset: Offset, leader_epoch: LeaderEpoch) {
    put_at(batch, 0, base_offset.to_be_bytes());
    put_at(batch, LEADER_EPOCH_AT, leader_epoch.to_be_bytes());
}

/// Stamps all batches in `bytes` so that their offsets follow one another from `base_offset`
/// on. The offset after the last one is returned.
pub fn stamp_all(
    mut bytes: &mut [u8],
    base_offset: Offset,
    leader_epoch: LeaderEpoch,
) -> Result<Offset, BatchError> {
    let mut next_offset = base_offset;
    while !bytes.is_empty() {
        let batch = BatchView::parse(bytes)?;
        let size = batch.size_bytes();
        let count = i64::from(batch.last_offset_delta()) + 1;
        stamp(bytes, next_offset, leader_epoch);
        next_offset += count;
        bytes = &mut bytes[size..];
    }
    Ok(next_offset)
}

/// Makes the batch at the front of `bytes` one whose records all have the broker's clock as
/// timestamp (`message.timestamp.type=LogAppendTime`). The checksum is made anew.
pub fn set_log_append_time(bytes: &mut [u8], now: WallMs) -> Result<(), BatchError> {
    set_timestamp(bytes, TimestampType::LogAppendTime, now)
}

/// Writes timestamp type and max timestamp into the batch at the front of `bytes` and makes
/// its checksum anew; nothing is touched when both are as wanted already.
pub fn set_timestamp(
    bytes: &mut [u8],
    kind: TimestampType,
    max_timestamp: WallMs,
) -> Result<(), BatchError> {
    let batch = BatchView::parse(bytes)?;
    let attributes = batch.attributes();
    if attributes.timestamp_type() == kind && batch.max_timestamp() == max_timestamp {
        return Ok(());
    }
    let size = batch.size_bytes();
    let wanted = attributes.with_timestamp_type(kind);
    put_at(bytes, ATTRIBUTES_AT, wanted.0.to_be_bytes());
    put_at(bytes, MAX_TIMESTAMP_AT, max_timestamp.to_be_bytes());
    seal(&mut bytes[..size]);
    Ok(())
}

/// Everything that a header says, for writing one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub base_offset: Offset,
    pub leader_epoch: LeaderEpoch,
    pub attributes: Attributes,
    pub last_offset_delta: i32,
    pub base_timestamp: WallMs,
    pub max_timestamp: WallMs,
    pub producer_id: ProducerId,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub count: i32,
}

impl Fields {
    /// Writes the header into the first 61 bytes of `batch`, which is the whole batch with its
    /// records in place, and seals it.
    pub fn write(&self, batch: &mut [u8]) {
        let length = (batch.len() - LENGTH_PREFIX_BYTES) as i32;
        put_at(batch, 0, self.base_offset.to_be_bytes());
        put_at(batch, LENGTH_AT, length.to_be_bytes());
        put_at(batch, LEADER_EPOCH_AT, self.leader_epoch.to_be_bytes());
        put_at(batch, MAGIC_AT, MAGIC.to_be_bytes());
        put_at(batch, ATTRIBUTES_AT, self.attributes.0.to_be_bytes());
        put_at(
            batch,
            LAST_OFFSET_DELTA_AT,
            self.last_offset_delta.to_be_bytes(),
        );
        put_at(batch, BASE_TIMESTAMP_AT, self.base_timestamp.to_be_bytes());
        put_at(batch, MAX_TIMESTAMP_AT, self.max_timestamp.to_be_bytes());
        put_at(batch, PRODUCER_ID_AT, self.producer_id.to_be_bytes());
        put_at(batch, PRODUCER_EPOCH_AT, self.producer_epoch.to_be_bytes());
        put_at(batch, BASE_SEQUENCE_AT, self.base_sequence.to_be_bytes());
        put_at(batch, COUNT_AT, self.count.to_be_bytes());
        seal(batch);
    }
}

fn seal(batch: &mut [u8]) {
    let crc = crc_of(batch);
    put_at(batch, CRC_AT, crc.to_be_bytes());
}

#[inline]
fn crc_of(batch: &[u8]) -> u32 {
    crc32c::crc32c(&batch[ATTRIBUTES_AT..])
}

#[inline]
fn put_at<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

#[inline]
fn i16_at(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes(array_at(bytes, at))
}

#[inline]
fn i32_at(bytes: &[u8], at: usize) -> i32 {
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

#[cfg(test)]
mod tests {
    use super::super::{BatchBuilder, NewRecord};
    use super::*;

    fn batch(values: &[&str]) -> Vec<u8> {
        let mut builder = BatchBuilder::new();
        for (i, value) in values.iter().enumerate() {
            builder.push(NewRecord::new(
                1000 + i as i64,
                None,
                Some(value.as_bytes()),
            ));
        }
        builder.build()
    }

    #[test]
    fn stamping_leaves_the_checksum_alone() {
        let mut bytes = batch(&["a", "b", "c"]);
        let crc = BatchView::parse(&bytes).unwrap().crc();
        stamp(&mut bytes, 41, 7);
        let view = BatchView::parse(&bytes).unwrap();
        assert_eq!(view.crc(), crc);
        assert_eq!(view.verify_crc(), Ok(()));
        assert_eq!((view.base_offset(), view.last_offset()), (41, 43));
        assert_eq!(view.leader_epoch(), 7);
        assert_eq!(view.next_offset(), 44);
    }

    #[test]
    fn log_append_time_makes_a_new_checksum() {
        let mut bytes = batch(&["a", "b"]);
        set_log_append_time(&mut bytes, 99).unwrap();
        let view = BatchView::parse(&bytes).unwrap();
        assert_eq!(view.verify_crc(), Ok(()));
        assert_eq!(view.max_timestamp(), 99);
        assert_eq!(
            view.attributes().timestamp_type(),
            TimestampType::LogAppendTime
        );
        assert_eq!(view.base_timestamp(), 1000);
    }

    #[test]
    fn any_flipped_bit_under_the_checksum_is_found() {
        let mut bytes = batch(&["hello"]);
        for at in ATTRIBUTES_AT..bytes.len() {
            bytes[at] ^= 4;
            let found = BatchView::parse(&bytes).unwrap().verify_crc();
            assert!(matches!(found, Err(BatchError::Crc { .. })), "byte {at}");
            bytes[at] ^= 4;
        }
    }

    #[test]
    fn contiguous_batches_are_walked_and_stamped() {
        let mut bytes = batch(&["a", "b"]);
        bytes.extend(batch(&["c"]));
        assert_eq!(stamp_all(&mut bytes, 10, 3), Ok(13));
        let offsets: Vec<_> = batches(&bytes)
            .map(|batch| batch.unwrap().base_offset())
            .collect();
        assert_eq!(offsets, [10, 12]);
    }

    #[test]
    fn a_cut_batch_says_what_it_needs_and_ends_the_walk() {
        let mut bytes = batch(&["a"]);
        let whole = bytes.len();
        bytes.extend_from_slice(&batch(&["b"])[..whole - 1]);
        let mut walk = batches(&bytes);
        assert!(walk.next().unwrap().is_ok());
        let (needed, have) = (whole, whole - 1);
        let error = BatchError::Truncated { needed, have };
        assert_eq!(walk.next().unwrap().unwrap_err(), error);
        assert!(walk.next().is_none());
    }

    #[test]
    fn old_formats_and_silly_lengths_are_told_apart() {
        let mut bytes = batch(&["a"]);
        for length in [-1, 0, 48, i32::MIN] {
            put_at(&mut bytes, LENGTH_AT, i32::to_be_bytes(length));
            let error = BatchView::parse(&bytes).unwrap_err();
            assert_eq!(error, BatchError::Length(length));
        }
        bytes[MAGIC_AT] = 1;
        assert_eq!(BatchView::parse(&bytes).unwrap_err(), BatchError::Magic(1));
        let short = BatchView::parse(&[0; 5]).unwrap_err();
        assert!(matches!(short, BatchError::Truncated { have: 5, .. }));
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let mut builder = BatchBuilder::new().producer(9, 1, i32::MAX - 1);
        for _ in 0..4 {
            builder.push(NewRecord::new(0, None, None));
        }
        let bytes = builder.build();
        let view = BatchView::parse(&bytes).unwrap();
        assert_eq!(view.base_sequence(), i32::MAX - 1);
        assert_eq!(view.last_sequence(), 1);
    }
}
