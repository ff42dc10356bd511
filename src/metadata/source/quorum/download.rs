//! Pure: a snapshot of the metadata log on its way here, piece by piece. Whole batches are handed
//! on as they come, so that only the one that is not whole yet is kept.

use bytes::{Buf, Bytes, BytesMut};

use crate::base::{LeaderEpoch, Offset};
use crate::wire::batch::{BatchError, BatchView, ControlKind, RecordError, Records};

/// The largest snapshot that is taken: some ten million partitions.
const SNAPSHOT_BYTES_MAX: i64 = 4 << 30;
/// The largest batch in one; Kafka's have at most 8 MiB.
const BATCH_BYTES_MAX: usize = 16 << 20;

/// Which snapshot: everything before an offset, in the log of a term.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotId {
    /// First offset that is not in it.
    pub end_offset: Offset,
    /// Term of the last batch in it.
    pub epoch: LeaderEpoch,
}

/// A snapshot of which part has come.
#[derive(Debug)]
pub struct Download {
    id: SnapshotId,
    size: Option<i64>,
    position: i64,
    /// The beginning of a batch.
    rest: BytesMut,
    begun: bool,
    ended: bool,
}

/// What cannot be a piece of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DownloadError {
    /// It claims a size that cannot be, or another one than before.
    #[error("a snapshot of the metadata log claims a size of {0} bytes")]
    Size(i64),
    /// It is another piece than was asked for, an empty one, or goes beyond the end.
    #[error("a piece of a snapshot of the metadata log is not the one that was asked for")]
    Piece,
    /// A batch cannot be read.
    #[error("a snapshot of the metadata log cannot be read: {0}")]
    Batch(BatchError),
    /// A control batch cannot be read.
    #[error("a snapshot of the metadata log cannot be read: {0}")]
    Records(RecordError),
    /// A batch is too large.
    #[error("a snapshot of the metadata log has a batch of {0} bytes")]
    Large(usize),
    /// It does not begin or end as a whole snapshot does.
    #[error("a snapshot of the metadata log is not whole")]
    Truncated,
}

// === impl Download ===

impl Download {
    /// A snapshot of which nothing has come.
    pub fn new(id: SnapshotId) -> Download {
        Download {
            id,
            size: None,
            position: 0,
            rest: BytesMut::new(),
            begun: false,
            ended: false,
        }
    }

    /// Which one it is.
    pub fn id(&self) -> SnapshotId {
        self.id
    }

    /// The position of the next piece, in bytes.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Whether all of it has come.
    pub fn is_complete(&self) -> bool {
        self.size == Some(self.position)
    }

    /// Takes the next piece in: the batches that it completes, in order.
    pub fn piece(
        &mut self,
        size: i64,
        position: i64,
        bytes: &[u8],
    ) -> Result<Vec<Bytes>, DownloadError> {
        let is_size = (1..=SNAPSHOT_BYTES_MAX).contains(&size);
        if !is_size || self.size.is_some_and(|known| known != size) {
            return Err(DownloadError::Size(size));
        }
        self.size = Some(size);
        let after = position + bytes.len() as i64;
        if position != self.position || bytes.is_empty() || after > size {
            return Err(DownloadError::Piece);
        }
        self.position = after;
        self.rest.extend_from_slice(bytes);
        let mut whole = Vec::new();
        while let Some(bytes) = self.next_batch()? {
            let batch = BatchView::parse(&bytes).map_err(DownloadError::Batch)?;
            batch.verify_crc().map_err(DownloadError::Batch)?;
            self.note_bounds(&batch)?;
            whole.push(bytes);
        }
        if self.is_complete() && !(self.ended && self.rest.is_empty()) {
            return Err(DownloadError::Truncated);
        }
        Ok(whole)
    }

    /// Takes a whole batch off the front of what has come.
    fn next_batch(&mut self) -> Result<Option<Bytes>, DownloadError> {
        match BatchView::parse(&self.rest) {
            Ok(batch) => {
                let size = batch.size_bytes();
                Ok(Some(self.rest.copy_to_bytes(size)))
            }
            Err(BatchError::Truncated { needed, .. }) if needed > BATCH_BYTES_MAX => {
                Err(DownloadError::Large(needed))
            }
            Err(BatchError::Truncated { .. }) => Ok(None),
            Err(error) => Err(DownloadError::Batch(error)),
        }
    }

    /// The first record of a snapshot is a header, its last one a footer.
    fn note_bounds(&mut self, batch: &BatchView<'_>) -> Result<(), DownloadError> {
        let mut kind = None;
        if batch.attributes().is_control() {
            for record in Records::of(batch) {
                let record = record.map_err(DownloadError::Records)?;
                let key = record.key.ok_or(DownloadError::Truncated)?;
                let of = ControlKind::parse_key(key).map_err(|_| DownloadError::Truncated)?;
                self.begun |= of == ControlKind::SnapshotHeader;
                kind = Some(of);
            }
        }
        if !self.begun || self.ended {
            return Err(DownloadError::Truncated);
        }
        self.ended = kind == Some(ControlKind::SnapshotFooter);
        Ok(())
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::metadata::record::{MetadataRecord, encode_batch};
    use crate::wire::batch::{BatchBuilder, NewRecord, stamp};

    fn control(kind: ControlKind) -> Vec<u8> {
        let key = kind.key();
        let mut builder = BatchBuilder::new().control();
        builder.push(NewRecord::new(0, Some(&key), Some(&[0, 0])));
        builder.build()
    }

    /// A whole snapshot, as a controller makes it.
    pub fn snapshot(records: &[MetadataRecord]) -> Vec<u8> {
        let mut all = control(ControlKind::SnapshotHeader);
        for (at, records) in records.chunks(3).enumerate() {
            let mut batch = encode_batch(records, 1, 0);
            stamp(&mut batch, 1 + 3 * at as i64, 1);
            all.extend(batch);
        }
        all.extend(control(ControlKind::SnapshotFooter));
        all
    }

    fn some() -> Vec<u8> {
        snapshot(&vec![crate::metadata::record::NoOp {}.into(); 7])
    }

    fn download() -> Download {
        let (end_offset, epoch) = (8, 1);
        Download::new(SnapshotId { end_offset, epoch })
    }

    #[test]
    fn pieces_of_any_size_give_the_same_batches() {
        let bytes = some();
        for piece in [1, 7, 61, 100, bytes.len()] {
            let (mut download, mut found) = (download(), Vec::new());
            for part in bytes.chunks(piece) {
                assert!(!download.is_complete());
                let position = download.position();
                let batches = download.piece(bytes.len() as i64, position, part);
                found.extend(batches.unwrap());
            }
            assert!(download.is_complete());
            assert_eq!(found.len(), 5);
            assert_eq!(found.concat(), bytes);
        }
    }

    #[test]
    fn a_snapshot_that_is_not_whole_or_not_the_same_is_refused() {
        let bytes = some();
        let size = bytes.len() as i64;
        let refused = |size, position, bytes: &[u8]| download().piece(size, position, bytes);
        for wrong in [0, -1, SNAPSHOT_BYTES_MAX + 1] {
            let error = Err(DownloadError::Size(wrong));
            assert_eq!(refused(wrong, 0, &bytes), error);
        }
        assert_eq!(refused(size, 1, &bytes[1..]), Err(DownloadError::Piece));
        assert_eq!(refused(size, 0, &[]), Err(DownloadError::Piece));
        assert_eq!(refused(size - 1, 0, &bytes), Err(DownloadError::Piece));
        let mut two = download();
        two.piece(size, 0, &bytes[..10]).unwrap();
        let other = two.piece(size + 1, 10, &bytes[10..]);
        assert_eq!(other, Err(DownloadError::Size(size + 1)));
        // The footer, or part of it, is missing; the header is.
        let footer = control(ControlKind::SnapshotFooter).len();
        let truncated = Err(DownloadError::Truncated);
        for end in [1, footer] {
            let cut = &bytes[..bytes.len() - end];
            assert_eq!(refused(cut.len() as i64, 0, cut), truncated);
        }
        let cut = &bytes[footer..];
        assert_eq!(refused(cut.len() as i64, 0, cut), truncated);
        let twice = [&bytes[..], &bytes].concat();
        assert_eq!(refused(twice.len() as i64, 0, &twice), truncated);
        let mut damaged = bytes.clone();
        damaged[200] ^= 1;
        assert!(refused(size, 0, &damaged).is_err());
        let mut large = bytes.clone();
        large[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
        let error = refused(size, 0, &large).unwrap_err();
        assert!(matches!(error, DownloadError::Large(_)), "{error}");
    }
}
