//! Pure: the records of a batch, whatever it is compressed with, for those who look into it.

use std::fmt;

use super::batch::{BatchView, Codec, Records};
use super::compress::{DecompressError, decompress};

/// What a compressed batch of our own log may grow to while it is looked into, in bytes. What
/// clients send has a tighter bound, by `partition::validate`.
const UNCOMPRESSED_BYTES_MAX: usize = 256 << 20;

/// Why a batch cannot be looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnpackError {
    /// Its codec is none of Kafka's; the number is its id.
    Codec(u8),
    /// Its records cannot be decompressed.
    Compression(DecompressError),
}

impl fmt::Display for UnpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnpackError::Codec(id) => write!(f, "there is no codec {id}"),
            UnpackError::Compression(error) => error.fmt(f),
        }
    }
}

/// The records of a batch, uncompressed: in `room` where it is not that already.
pub fn unpack<'a>(
    batch: &BatchView<'a>,
    room: &'a mut Vec<u8>,
) -> Result<Records<'a>, UnpackError> {
    let codec = batch.attributes().codec().map_err(UnpackError::Codec)?;
    // One that was emptied says the codec it had.
    if codec == Codec::None || batch.record_count() == 0 {
        return Ok(Records::of(batch));
    }
    room.clear();
    decompress(codec, batch.records_bytes(), UNCOMPRESSED_BYTES_MAX, room)
        .map_err(UnpackError::Compression)?;
    Ok(Records::new(batch.record_count(), room))
}
