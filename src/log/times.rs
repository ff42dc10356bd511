//! Drives: from a timestamp to an offset, and to the youngest record.

use std::rc::Rc;

use super::header::Header;
use super::inner::Inner;
use super::reader::{Ask, ReadError};
use super::segment::Segment;
use crate::base::{LeaderEpoch, Offset, WallMs};
use crate::wire::batch::{BatchView, TimestampType, batches};
use crate::wire::unpack::unpack;

/// Bytes read at once while looking through batches.
const LOOK_BYTES: usize = 64 << 10;
/// A record found by its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its timestamp.
    pub timestamp: WallMs,
    /// Its offset.
    pub offset: Offset,
    /// The epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
}

impl Inner {
    /// See [`super::Log::offset_for_time`].
    pub async fn offset_for_time(
        self: &Rc<Self>,
        timestamp: WallMs,
    ) -> Result<Option<Found>, ReadError> {
        let segments = self.state.borrow().segments.clone();
        for segment in &segments {
            self.load_times(segment).await?;
            if segment.max_timestamp.get().0 < timestamp {
                continue;
            }
            let base = segment.base_offset;
            let entry = segment.times.borrow().entry_before(base, timestamp);
            if !self.time_fits(segment, entry).await? {
                self.rebuild_lookups(segment).await.map_err(ReadError::Io)?;
            }
            let from = segment.times.borrow().offset_before(base, timestamp);
            let from = from.max(self.start_offset.get());
            let mut each = |batch: &BatchView<'_>| {
                let may_hold = batch.max_timestamp() >= timestamp;
                may_hold.then(|| first_at(batch, timestamp, from)).flatten()
            };
            let found = self.look(segment, from, &mut each);
            if let Some(found) = found.await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// See [`super::Log::youngest`].
    pub async fn youngest(self: &Rc<Self>) -> Result<Option<Found>, ReadError> {
        let segments = self.state.borrow().segments.clone();
        let mut best: Option<&Rc<Segment>> = None;
        for segment in &segments {
            self.load_times(segment).await?;
            let better =
                |best: &Rc<Segment>| segment.max_timestamp.get().0 > best.max_timestamp.get().0;
            if segment.max_timestamp.get().0 >= 0 && best.is_none_or(better) {
                best = Some(segment);
            }
        }
        let Some(segment) = best else {
            return Ok(None);
        };
        let (timestamp, last_offset) = segment.max_timestamp.get();
        // The index knows the batch's last offset; the record lies somewhere before it.
        self.look(
            segment,
            last_offset.max(self.start_offset.get()),
            &mut |batch| {
                (batch.max_timestamp() == timestamp)
                    .then(|| match batch.attributes().timestamp_type() {
                        TimestampType::LogAppendTime => Some(Found {
                            timestamp,
                            offset: batch.base_offset(),
                            leader_epoch: batch.leader_epoch(),
                        }),
                        TimestampType::CreateTime => {
                            first_at(batch, timestamp, batch.base_offset())
                        }
                    })
                    .flatten()
            },
        )
        .await
    }

    /// Whether there is a batch as young as an entry of the time index says, where it says.
    async fn time_fits(
        self: &Rc<Self>,
        segment: &Rc<Segment>,
        entry: Option<(WallMs, Offset)>,
    ) -> Result<bool, ReadError> {
        let Some((timestamp, offset)) = entry else {
            return Ok(true);
        };
        let mut found = Vec::new();
        let ask = Ask {
            offset,
            max_bytes: 1,
            upto: self.end_of(segment),
        };
        self.read_segment(segment, &ask, &mut found).await?;
        let head: Vec<u8> = found
            .iter()
            .flat_map(|piece| piece.iter().copied())
            .collect();
        Ok(Header::copy(&head).is_some_and(|header| {
            header.base_offset() <= offset && header.max_timestamp() == timestamp
        }))
    }

    /// Sees to it that the youngest timestamp of `segment` is known, and true.
    async fn load_times(self: &Rc<Self>, segment: &Rc<Segment>) -> Result<(), ReadError> {
        self.load_lookups(segment).await.map_err(ReadError::Io)?;
        let last = segment.times.borrow().last(segment.base_offset);
        // The file has no checksum.
        if !segment.times_checked.replace(true) && !self.time_fits(segment, last).await? {
            self.rebuild_lookups(segment).await.map_err(ReadError::Io)?;
        }
        Ok(())
    }

    /// Shows the batches of `segment` from the one that holds `from` on, until one is found.
    async fn look(
        self: &Rc<Self>,
        segment: &Segment,
        from: Offset,
        each: &mut dyn FnMut(&BatchView<'_>) -> Option<Found>,
    ) -> Result<Option<Found>, ReadError> {
        let end = {
            let state = self.state.borrow();
            let after = state
                .segments
                .partition_point(|other| other.base_offset <= segment.base_offset);
            let next = state.segments.get(after).map(|next| next.base_offset);
            next.unwrap_or(self.end_offset.get())
        };
        let mut next = from.max(segment.base_offset);
        while next < end {
            let mut pieces = Vec::new();
            if self.read(next, LOOK_BYTES, end, &mut pieces).await? == 0 {
                break;
            }
            let bytes: Vec<u8> = pieces
                .iter()
                .flat_map(|piece| piece.iter().copied())
                .collect();
            let before = next;
            for batch in batches(&bytes) {
                let batch = batch.map_err(|_| self.damaged(segment, 0))?;
                if let Some(found) = each(&batch) {
                    return Ok(Some(found));
                }
                next = batch.next_offset();
            }
            if next <= before {
                break;
            }
        }
        Ok(None)
    }
}

/// The first record of `batch` at or behind `offset` that is no older than `timestamp`.
fn first_at(batch: &BatchView<'_>, timestamp: WallMs, offset: Offset) -> Option<Found> {
    let mut room = Vec::new();
    let records = unpack(batch, &mut room).ok()?;
    records
        .map_while(Result::ok)
        .find(|record| record.timestamp(batch) >= timestamp && record.offset(batch) >= offset)
        .map(|record| Found {
            timestamp: record.timestamp(batch),
            offset: record.offset(batch),
            leader_epoch: batch.leader_epoch(),
        })
}
