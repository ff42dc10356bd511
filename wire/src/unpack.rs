//! Pure: the records of a batch, whatever it is compressed with, for those who look into it.

use super::batch::{BatchView, Codec, Records};
use super::compress::{DecompressError, Decompressor};

/// What the records of one batch may take once they are uncompressed, in bytes: what a produce
/// request brings is refused beyond it, and whatever looks into a batch later (compaction, lookups
/// by time, group coordinators) takes as much. A few hundred times Kafka's largest batch (1 MiB).
pub const UNPACKED_BYTES_MAX: usize = 256 << 20;

/// Why a batch cannot be looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// Its codec is none of Kafka's; the number is its id.
    #[error("there is no codec {0}")]
    Codec(u8),
    /// Its records cannot be decompressed.
    #[error("{0}")]
    Compression(DecompressError),
}

impl UnpackError {
    /// Whether it is nothing but larger than [`UNPACKED_BYTES_MAX`].
    pub fn is_too_large(self) -> bool {
        matches!(
            self,
            UnpackError::Compression(DecompressError::TooLarge { .. })
        )
    }
}

/// The records of a batch, uncompressed: in `buffer` where it is not that already.
pub fn unpack<'a>(
    batch: &BatchView<'a>,
    buffer: &'a mut Vec<u8>,
) -> Result<Records<'a>, UnpackError> {
    let mut unpacking = Unpacking::new(batch, buffer)?;
    while unpacking.step(buffer)? {}
    Ok(unpacking.records(buffer))
}

/// A batch that is uncompressed in steps, so that others may run in between.
pub struct Unpacking<'a> {
    batch: BatchView<'a>,
    source: Option<Decompressor<'a>>,
}

impl<'a> Unpacking<'a> {
    /// Begins; `buffer` is emptied.
    pub fn new(batch: &BatchView<'a>, buffer: &mut Vec<u8>) -> Result<Unpacking<'a>, UnpackError> {
        buffer.clear();
        let codec = batch.attributes().codec().map_err(UnpackError::Codec)?;
        // One that was emptied says the codec it had.
        let packed = codec != Codec::None && batch.record_count() != 0;
        let source =
            packed.then(|| Decompressor::new(codec, batch.records_bytes(), UNPACKED_BYTES_MAX));
        Ok(Unpacking {
            batch: *batch,
            source: source.transpose().map_err(UnpackError::Compression)?,
        })
    }

    /// Goes on for some kilobytes; `false` at the end.
    pub fn step(&mut self, buffer: &mut Vec<u8>) -> Result<bool, UnpackError> {
        match &mut self.source {
            Some(source) => source.append_to(buffer).map_err(UnpackError::Compression),
            None => Ok(false),
        }
    }

    /// The records, once there are no more steps.
    pub fn records<'r>(&self, buffer: &'r [u8]) -> Records<'r>
    where
        'a: 'r,
    {
        match self.source {
            Some(_) => Records::new(self.batch.record_count(), buffer),
            None => Records::of(&self.batch),
        }
    }
}
