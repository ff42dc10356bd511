//! Drives: from a timestamp to an offset, and to the youngest record.

use std::rc::Rc;

use super::error::ReadError;
use super::reader::Ask;
#[cfg(doc)]
use crate::base::limits;
use crate::base::{LeaderEpoch, Offset, WallMs};
use crate::log::inner::Inner;
use crate::log::segment::Segment;
use crate::wire::batch::{BatchHeader, BatchView, NO_TIMESTAMP, TimestampType, batches};
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

/// The youngest record of a segment from an offset on, as far as it has been looked for.
#[derive(Clone, Copy, Debug)]
pub struct Readable {
    /// The offset.
    start: Offset,
    /// Every batch that ends before this offset was looked at.
    upto: Offset,
    /// Largest timestamp and the last offset of the first batch that has it.
    youngest: (WallMs, Offset),
}

/// A batch whose records cannot be read, though it is what was written.
struct Unreadable;

type Looked = Result<Option<Found>, Unreadable>;

impl Inner {
    /// See [`crate::log::Log::offset_for_time`].
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
            let mut each = |batch: &BatchView<'_>| match batch.max_timestamp() >= timestamp {
                true => first_at(batch, timestamp, from),
                false => Ok(None),
            };
            let found = self.look(segment, from, &mut each);
            if let Some(found) = found.await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// See [`crate::log::Log::youngest`].
    pub async fn youngest(self: &Rc<Self>) -> Result<Option<Found>, ReadError> {
        let segments = self.state.borrow().segments.clone();
        let start = self.start_offset.get();
        let mut best: Option<(&Rc<Segment>, (WallMs, Offset))> = None;
        for segment in segments.iter().filter(|it| self.end_of(it) > start) {
            self.load_times(segment).await?;
            let youngest = match segment.base_offset < start {
                true => self.youngest_from(segment, start).await?,
                false => segment.max_timestamp.get(),
            };
            if youngest.0 >= 0 && best.is_none_or(|(_, best)| youngest.0 > best.0) {
                best = Some((segment, youngest));
            }
        }
        let Some((segment, (timestamp, last_offset))) = best else {
            return Ok(None);
        };
        // That is the batch's last offset; the record lies somewhere before it.
        let mut each = |batch: &BatchView<'_>| {
            let from = batch.base_offset().max(start);
            match (
                batch.max_timestamp() >= timestamp,
                batch.attributes().timestamp_type(),
            ) {
                (false, _) => Ok(None),
                (true, TimestampType::LogAppendTime) => Ok(Some(Found {
                    timestamp,
                    offset: from,
                    leader_epoch: batch.leader_epoch(),
                })),
                (true, TimestampType::CreateTime) => first_at(batch, timestamp, from),
            }
        };
        let found = self.look(segment, last_offset.max(start), &mut each);
        found.await
    }

    /// Largest timestamp of the records of `segment` from `start` on, which lies in it, and the
    /// last offset of the first batch that has it. What was looked at once is not looked at again.
    async fn youngest_from(
        self: &Rc<Self>,
        segment: &Rc<Segment>,
        start: Offset,
    ) -> Result<(WallMs, Offset), ReadError> {
        let whole = segment.max_timestamp.get();
        if whole.0 < 0 {
            return Ok(whole);
        }
        let before = segment.readable.get().filter(|it| it.start == start);
        let mut seen = before.unwrap_or(Readable {
            start,
            upto: start,
            youngest: (NO_TIMESTAMP, start),
        });
        let from = seen.upto;
        let mut each = |batch: &BatchView<'_>| {
            let youngest = match batch.base_offset() >= start {
                true => batch.max_timestamp(),
                false => youngest_record(batch, start)?,
            };
            if youngest > seen.youngest.0 {
                seen.youngest = (youngest, batch.last_offset());
            }
            seen.upto = batch.next_offset();
            Ok(None)
        };
        self.look(segment, from, &mut each).await?;
        segment.readable.set(Some(seen));
        Ok(seen.youngest)
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
            memory_bytes: usize::MAX,
        };
        self.read_segment(segment, &ask, None, &mut found).await?;
        let head: Vec<u8> = found
            .iter()
            .flat_map(|piece| piece.iter().copied())
            .collect();
        Ok(BatchHeader::copy(&head).is_some_and(|header| {
            header.base_offset() <= offset && header.max_timestamp() == timestamp
        }))
    }

    /// Sees to it that the youngest timestamp of `segment` is known, and true.
    pub async fn load_times(self: &Rc<Self>, segment: &Rc<Segment>) -> Result<(), ReadError> {
        self.load_lookups(segment).await.map_err(ReadError::Io)?;
        self.check_times(segment).await.map_err(ReadError::Io)
    }

    /// Shows the batches of `segment` from the one that holds `from` on, until one is found.
    async fn look(
        self: &Rc<Self>,
        segment: &Segment,
        from: Offset,
        each: &mut dyn FnMut(&BatchView<'_>) -> Looked,
    ) -> Result<Option<Found>, ReadError> {
        let end = self.end_of(segment);
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
                let looked = each(&batch).map_err(|Unreadable| self.damaged(segment, 0))?;
                if looked.is_some() {
                    return Ok(looked);
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

/// The first record of `batch` at or behind `offset` that is no older than `timestamp`. Of a batch
/// too large to be unpacked (see [`limits::UNPACKED_BYTES_MAX`]) it is said to be the first one:
/// who reads from there on misses nothing.
fn first_at(batch: &BatchView<'_>, timestamp: WallMs, offset: Offset) -> Looked {
    let mut room = Vec::new();
    let found = |timestamp, offset| Found {
        timestamp,
        offset,
        leader_epoch: batch.leader_epoch(),
    };
    let records = match unpack(batch, &mut room) {
        Ok(records) => records,
        Err(error) if error.is_too_large() => {
            let first = batch.base_offset().max(offset);
            return Ok(Some(found(batch.max_timestamp(), first)));
        }
        Err(_) => return Err(Unreadable),
    };
    for record in records {
        let record = record.map_err(|_| Unreadable)?;
        let (time, at) = (record.timestamp(batch), record.offset(batch));
        if time >= timestamp && at >= offset {
            return Ok(Some(found(time, at)));
        }
    }
    Ok(None)
}

/// The largest timestamp of the records of `batch` at or behind `offset`.
fn youngest_record(batch: &BatchView<'_>, offset: Offset) -> Result<WallMs, Unreadable> {
    let mut room = Vec::new();
    let records = match unpack(batch, &mut room) {
        Ok(records) => records,
        Err(error) if error.is_too_large() => return Ok(batch.max_timestamp()),
        Err(_) => return Err(Unreadable),
    };
    let mut youngest = NO_TIMESTAMP;
    for record in records {
        let record = record.map_err(|_| Unreadable)?;
        if record.offset(batch) >= offset {
            youngest = youngest.max(record.timestamp(batch));
        }
    }
    Ok(youngest)
}
