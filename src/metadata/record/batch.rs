//! Pure: metadata records in the batches of a log, one record to a value, without keys.

use crate::base::{LeaderEpoch, Offset, WallMs};
use crate::wire::batch::{BatchBuilder, BatchView, Codec, NewRecord, RecordError, Records};

use super::{MetadataRecord, RecordRefused};

/// Why a batch of the metadata log could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BatchRefused {
    /// Its records are compressed; neither Kafka nor this broker writes such.
    #[error("a metadata batch is compressed")]
    Compressed,
    /// The bytes are no records.
    #[error("{0}")]
    Records(RecordError),
    /// The record at this offset has no value.
    #[error("the metadata record at offset {0} has no value")]
    NoValue(Offset),
    /// The value of the record at this offset is not understood.
    #[error("at offset {0}: {1}")]
    Record(Offset, RecordRefused),
}

/// One uncompressed batch of `records`, to be appended to the metadata log, which puts it at its
/// offset. Must not be empty.
pub fn encode_batch(records: &[MetadataRecord], epoch: LeaderEpoch, now: WallMs) -> Vec<u8> {
    let mut builder = BatchBuilder::new().leader_epoch(epoch);
    let mut value = Vec::new();
    for record in records {
        value.clear();
        record.encode(&mut value);
        builder.push(NewRecord::new(now, None, Some(&value)));
    }
    builder.build()
}

/// The records of a batch with their offsets. KRaft's control records (who leads the quorum, and
/// its voters) change nothing that an image holds: a control batch reads as empty.
pub fn decode_batch(batch: &BatchView<'_>) -> Result<Vec<(Offset, MetadataRecord)>, BatchRefused> {
    let decoded = values(batch)?.into_iter().map(|(offset, value)| {
        let record = MetadataRecord::decode(value)
            .map_err(|refused| BatchRefused::Record(offset, refused))?;
        Ok((offset, record))
    });
    decoded.collect()
}

/// The same records as they stand in the bytes, unread.
pub fn values<'a>(batch: &BatchView<'a>) -> Result<Vec<(Offset, &'a [u8])>, BatchRefused> {
    if batch.attributes().is_control() {
        return Ok(Vec::new());
    }
    if batch.attributes().codec() != Ok(Codec::None) {
        return Err(BatchRefused::Compressed);
    }
    Records::of(batch)
        .map(|record| {
            let record = record.map_err(BatchRefused::Records)?;
            let offset = record.offset(batch);
            let value = record.value.ok_or(BatchRefused::NoValue(offset))?;
            Ok((offset, value))
        })
        .collect()
}
