//! Drives: where things are in a log: its ends, its terms, its times; and moving its start.

use super::Partition;
use super::fetch::ReadError;
use crate::base::{LeaderEpoch, Offset, WallMs};
use crate::wire::batch::{BatchView, NO_TIMESTAMP, Records, batches};
use crate::wire::compress::decompress;

/// Bytes looked at in one go.
const SCAN_BYTES: usize = 1 << 20;
/// What the records of a batch may take; it was checked when they were appended.
const PLAIN_BYTES_MAX: usize = 1 << 30;

/// A place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The timestamp of the record there, where one was looked for by time; else -1.
    pub timestamp: WallMs,
    /// Its offset.
    pub offset: Offset,
    /// The term in which it was or will be written.
    pub leader_epoch: LeaderEpoch,
}

impl Partition {
    /// The first offset that may be read.
    pub fn earliest(&self) -> Result<Spot, ReadError> {
        self.check_serving()?;
        let offset = self.start_offset();
        let is_empty = offset == self.log().end_offset();
        let written_in = self.log().epoch_at(offset).filter(|_| !is_empty);
        Ok(Spot {
            timestamp: NO_TIMESTAMP,
            offset,
            leader_epoch: written_in.unwrap_or(self.leader_epoch()),
        })
    }

    /// Where reading ends: everything before is acked.
    pub fn latest(&self) -> Result<Spot, ReadError> {
        self.check_serving()?;
        Ok(Spot {
            timestamp: NO_TIMESTAMP,
            offset: self.high_watermark(),
            leader_epoch: self.leader_epoch(),
        })
    }

    /// The first readable record that is not older than `timestamp`.
    pub async fn at_time(&self, timestamp: WallMs) -> Result<Option<Spot>, ReadError> {
        self.check_serving()?;
        let start = self.start_offset();
        self.scan(|batch| match batch.max_timestamp() >= timestamp {
            true => first_at(batch, start, timestamp),
            false => None,
        })
        .await
    }

    /// The first of the youngest readable records.
    pub async fn at_max_timestamp(&self) -> Result<Option<Spot>, ReadError> {
        self.check_serving()?;
        let start = self.start_offset();
        let mut youngest: Option<Spot> = None;
        self.scan(|batch| {
            let seen = youngest.map(|spot| spot.timestamp);
            if seen.is_none_or(|seen| batch.max_timestamp() > seen) {
                youngest = first_at(batch, start, batch.max_timestamp()).or(youngest);
            }
            None::<()>
        })
        .await?;
        Ok(youngest)
    }

    /// Shows `visit` the readable batches in order, until it has found what it looks for.
    async fn scan<T>(
        &self,
        mut visit: impl FnMut(&BatchView<'_>) -> Option<T>,
    ) -> Result<Option<T>, ReadError> {
        let mut offset = self.start_offset();
        let (mut slices, mut bytes) = (Vec::new(), Vec::new());
        while offset < self.high_watermark() {
            slices.clear();
            bytes.clear();
            let read = self.read(offset, SCAN_BYTES, true, &mut slices).await?;
            slices
                .iter()
                .for_each(|slice| bytes.extend_from_slice(slice));
            if read == 0 {
                break;
            }
            for batch in batches(&bytes) {
                let Ok(batch) = batch else { return Ok(None) };
                if let Some(found) = visit(&batch) {
                    return Ok(Some(found));
                }
                offset = batch.next_offset();
            }
        }
        Ok(None)
    }

    /// The largest term not above `epoch` and where it ended, the current one at the log's end;
    /// (-1, -1) for a term to come. A term counts from its first moment, also before it has
    /// written; one older than all that is known ended where the log begins (KIP-101).
    pub fn epoch_end(&self, epoch: LeaderEpoch) -> (LeaderEpoch, Offset) {
        let (current, end_offset) = (self.leader_epoch(), self.log().end_offset());
        if epoch == -1 || epoch > current {
            return (-1, -1);
        }
        if epoch == current {
            return (epoch, end_offset);
        }
        match (self.log().epoch_end(epoch), self.log().latest_epoch()) {
            ((-1, _), Some(latest)) if latest < epoch => (latest, end_offset),
            ((-1, _), Some(_)) => (epoch, self.start_offset()),
            ((-1, _), None) => (epoch, end_offset),
            (known, _) => known,
        }
    }
}

/// The first record of a batch from `start` on that is not older than `timestamp`.
fn first_at(batch: &BatchView<'_>, start: Offset, timestamp: WallMs) -> Option<Spot> {
    let codec = batch.attributes().codec().ok()?;
    let mut plain = Vec::new();
    decompress(codec, batch.records_bytes(), PLAIN_BYTES_MAX, &mut plain).ok()?;
    Records::new(batch.record_count(), &plain)
        .map_while(Result::ok)
        .map(|record| (record.timestamp(batch), record.offset(batch)))
        .find(|(at, offset)| *at >= timestamp && *offset >= start)
        .map(|(timestamp, offset)| Spot {
            timestamp,
            offset,
            leader_epoch: batch.leader_epoch(),
        })
}
