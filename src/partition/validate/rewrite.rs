//! Pure: a batch made anew, for the few that cannot be stored as they came: another codec, odd
//! offsets, a header whose largest timestamp is not that of its records.

use crate::base::WallMs;
use crate::wire::batch::{
    BatchView, Codec, HEADER_BYTES, RecordError, TimestampType, reseal, set_timestamp,
};
use crate::wire::compress::{DecompressError, compress_at, decompress};
use crate::wire::cursor::{Cursor, Sink, varint_len, varlong_len};

use super::Invalid;

/// What is to be changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rewrite {
    /// Number the records, which are not compressed, from 0.
    pub renumber: bool,
    /// Compress them so.
    pub codec: Codec,
    /// How hard to try, as a level of that codec.
    pub level: i32,
    /// Give out their timestamps as the producer's, this one being the largest.
    pub create_time: Option<WallMs>,
    /// The largest batch allowed, in bytes.
    pub size_max: usize,
    /// The most that uncompressed records may take, in bytes.
    pub uncompressed_max: usize,
}

/// Writes a valid batch anew into `out`.
pub(super) fn rewrite<'a>(
    batch: &BatchView<'_>,
    codec: Codec,
    how: &Rewrite,
    out: &'a mut Vec<u8>,
) -> Result<BatchView<'a>, Invalid> {
    out.clear();
    out.extend_from_slice(&batch.bytes()[..HEADER_BYTES]);
    if how.renumber {
        let mut records = Vec::with_capacity(batch.records_bytes().len());
        renumber(batch, &mut records)?;
        put_records(Codec::None, &records, how, out)?;
    } else {
        put_records(codec, batch.records_bytes(), how, out)?;
    }
    let (size, max) = (out.len(), how.size_max);
    if size > max {
        return Err(Invalid::TooLarge { size, max });
    }
    reseal(out, how.codec);
    if let Some(max_timestamp) = how.create_time {
        let stamped = set_timestamp(out, TimestampType::CreateTime, max_timestamp);
        stamped.map_err(|_| Invalid::Malformed)?;
    }
    BatchView::parse(out).map_err(|_| Invalid::Malformed)
}

fn put_records(
    codec: Codec,
    records: &[u8],
    how: &Rewrite,
    out: &mut Vec<u8>,
) -> Result<(), Invalid> {
    if codec == how.codec {
        out.extend_from_slice(records);
        return Ok(());
    }
    if how.codec == Codec::None {
        let size_max = how.size_max.saturating_sub(out.len());
        return decompress(codec, records, size_max, out).map_err(|error| match error {
            DecompressError::TooLarge { max_bytes } => Invalid::TooLarge {
                size: HEADER_BYTES + max_bytes + 1,
                max: how.size_max,
            },
            DecompressError::Corrupt(codec) => Invalid::Undecodable(codec),
        });
    }
    let mut plain = Vec::new();
    let plain = match codec {
        Codec::None if records.len() > how.uncompressed_max => {
            // Once compressed it could not be looked into any more.
            return Err(Invalid::Bomb {
                max: how.uncompressed_max,
            });
        }
        Codec::None => records,
        _ => {
            decompress(codec, records, how.uncompressed_max, &mut plain)?;
            &plain
        }
    };
    compress_at(how.codec, how.level, plain, out).map_err(|_| Invalid::Undecodable(how.codec))
}

/// Copies the records with their offsets counted anew.
fn renumber(batch: &BatchView<'_>, out: &mut Vec<u8>) -> Result<(), Invalid> {
    let mut rest = Cursor::new(batch.records_bytes());
    for index in 0..batch.record_count() {
        copy_numbered(&mut rest, index, out).map_err(Invalid::Record)?;
    }
    Ok(())
}

fn copy_numbered(rest: &mut Cursor<'_>, index: i32, out: &mut Vec<u8>) -> Result<(), RecordError> {
    let size = usize::try_from(rest.varint()?).map_err(|_| RecordError::Truncated)?;
    let mut record = Cursor::new(rest.take(size)?);
    let attributes = record.u8()?;
    let timestamp_delta = record.varlong()?;
    record.varint()?;
    let size = 1 + varlong_len(timestamp_delta) + varint_len(index) + record.remaining();
    out.put_varint(size as i32);
    out.put(&[attributes]);
    out.put_varlong(timestamp_delta);
    out.put_varint(index);
    out.put(record.rest());
    Ok(())
}
