//! Pure: writing into batches: the fields that the broker owns, and whole headers.

use crate::compress::Codec;
use crate::{LeaderEpoch, Offset, ProducerId, WallMs};

use super::attributes::{Attributes, TimestampType};
use super::header::{
    ATTRIBUTES_AT, BASE_SEQUENCE_AT, BASE_TIMESTAMP_AT, BatchHeader, COUNT_AT, CRC_AT,
    LAST_OFFSET_DELTA_AT, LEADER_EPOCH_AT, LENGTH_AT, LENGTH_PREFIX_BYTES, MAGIC, MAGIC_AT,
    MAX_TIMESTAMP_AT, PRODUCER_EPOCH_AT, PRODUCER_ID_AT,
};
use super::view::{BatchError, BatchView, crc_of};

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

impl BatchHeader {
    /// Sets the two fields that the leader owns and that the checksum leaves out.
    #[inline]
    pub fn stamp(&mut self, base_offset: Offset, leader_epoch: LeaderEpoch) {
        stamp(&mut self.0, base_offset, leader_epoch);
    }

    /// Makes `now` the timestamp of all records (`message.timestamp.type=LogAppendTime`);
    /// `records` are the bytes behind the header, for the new checksum.
    pub fn set_log_append_time(&mut self, now: WallMs, records: &[u8]) {
        let attributes = self.attributes();
        let attributes = attributes.with_timestamp_type(TimestampType::LogAppendTime);
        put_at(&mut self.0, ATTRIBUTES_AT, attributes.0.to_be_bytes());
        put_at(&mut self.0, MAX_TIMESTAMP_AT, now.to_be_bytes());
        let crc = crc32c::crc32c_append(self.crc_seed(), records);
        put_at(&mut self.0, CRC_AT, crc.to_be_bytes());
    }
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

/// Makes the header at the front of `batch` one for the records that stand behind it: length,
/// codec and checksum.
///
/// # Panics
/// When `batch` is shorter than a header.
pub fn reseal(batch: &mut [u8], codec: Codec) {
    let length = (batch.len() - LENGTH_PREFIX_BYTES) as i32;
    put_at(batch, LENGTH_AT, length.to_be_bytes());
    let [high, low] = [batch[ATTRIBUTES_AT], batch[ATTRIBUTES_AT + 1]];
    let attributes = Attributes(i16::from_be_bytes([high, low])).with_codec(codec);
    put_at(batch, ATTRIBUTES_AT, attributes.0.to_be_bytes());
    seal(batch);
}

/// What compaction changes in a batch's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remains {
    /// How the records that are left are compressed.
    pub codec: Codec,
    /// How many there are.
    pub count: i32,
    /// What their timestamps count from: where `delete_horizon` is set, the moment from which
    /// on tombstones in the batch may go (KIP-534).
    pub base_timestamp: WallMs,
    /// The largest timestamp.
    pub max_timestamp: WallMs,
    /// Whether the base timestamp is that moment.
    pub delete_horizon: bool,
}

/// Makes the header at the front of `batch`, which was another batch's, one for the records
/// that stand behind it now. Offsets, leader epoch, producer and sequence stay.
///
/// # Panics
/// When `batch` is shorter than a header.
pub fn seal_remains(batch: &mut [u8], remains: &Remains) {
    let [high, low] = [batch[ATTRIBUTES_AT], batch[ATTRIBUTES_AT + 1]];
    let attributes = Attributes(i16::from_be_bytes([high, low]));
    let attributes = attributes.with_delete_horizon(remains.delete_horizon);
    put_at(batch, ATTRIBUTES_AT, attributes.0.to_be_bytes());
    put_at(
        batch,
        BASE_TIMESTAMP_AT,
        remains.base_timestamp.to_be_bytes(),
    );
    put_at(batch, MAX_TIMESTAMP_AT, remains.max_timestamp.to_be_bytes());
    put_at(batch, COUNT_AT, remains.count.to_be_bytes());
    reseal(batch, remains.codec);
}

/// Everything that a header says, for writing one; [`BatchHeader`] tells what each means.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeaderFields {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Epoch of the leader that appends the batch; -1 from a producer.
    pub leader_epoch: LeaderEpoch,
    /// The attribute bits.
    pub attributes: Attributes,
    /// Last offset minus base offset.
    pub last_offset_delta: i32,
    /// What the records' timestamp deltas are added to.
    pub base_timestamp: WallMs,
    /// Largest timestamp of the records.
    pub max_timestamp: WallMs,
    /// The idempotent producer, or -1.
    pub producer_id: ProducerId,
    /// Its epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Count of records.
    pub count: i32,
}

impl HeaderFields {
    /// Writes the header into the first 61 bytes of `batch`, which is the whole batch with its
    /// records in place, and seals it.
    ///
    /// # Panics
    /// When `batch` is shorter than a header.
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
fn put_at<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

#[cfg(test)]
mod tests {
    use super::super::{BatchBuilder, NewRecord, batches};
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
        set_timestamp(&mut bytes, TimestampType::LogAppendTime, 99).unwrap();
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
