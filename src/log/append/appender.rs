//! Drives: batches into the tail at once, from there to the device in order, and the acks.

use std::fmt;
use std::rc::Rc;

use crate::base::{LeaderEpoch, Offset, WallMs};
use crate::log::config::LogConfig;
use crate::log::inner::{Inner, Mark, State};
use crate::log::segment::Segment;
use crate::wire::batch::{BatchError, BatchView};

/// Appends are written together up to this many bytes; also the granularity of progress.
const MARK_BYTES: u64 = 256 << 10;

/// What an append was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Offset of the last record.
    pub last_offset: Offset,
}

/// Why nothing was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// The log is closed, or has failed: see [`crate::log::Log::failure`].
    Closed,
    /// The bytes are no sequence of whole batches of format v2.
    Malformed,
    /// The batches together are larger than a segment may be, in bytes.
    LargerThanSegment(u64),
    /// The device has not kept up: too many bytes wait to be written. Nothing is lost by
    /// waiting ([`crate::log::Log::wait_for_room`]) and trying again.
    Busy,
    /// The device has no room for more than is prepared: see [`crate::log::Log::lack_of_room`].
    NoRoom,
}

/// What the first look at the batches of an append gives.
struct Survey {
    bytes: u64,
    records: i64,
    max_timestamp: WallMs,
}

impl Inner {
    /// See [`crate::log::Log::append`].
    pub fn append<'a>(
        self: &Rc<Self>,
        batches: impl Iterator<Item = Result<BatchView<'a>, BatchError>> + Clone,
        epoch: LeaderEpoch,
        log_append_time: Option<WallMs>,
        now: WallMs,
    ) -> Result<Appended, AppendError> {
        if self.stopped.get() || self.has_failed() {
            return Err(AppendError::Closed);
        }
        let mut survey = survey(batches.clone())?;
        survey.max_timestamp = log_append_time.unwrap_or(survey.max_timestamp);
        let config = Rc::clone(&self.config.borrow());
        let bytes = survey.bytes;
        if bytes > config.segment_bytes {
            return Err(AppendError::LargerThanSegment(config.segment_bytes));
        }
        let queued = self.state.borrow().queued_bytes;
        // Below half one append may go over the bound: there `wait_for_room` ends, and else a large
        // one would be told to wait for ever.
        let max = self.logs.options().queued_bytes_max as u64;
        let is_much = queued > max / 2 && queued + bytes > max;
        if is_much || queued > 0 && self.logs.memory().is_full() {
            return Err(AppendError::Busy);
        }
        let base_offset = self.end_offset.get();
        let last_offset = base_offset + survey.records - 1;
        if self.room.is_lacking() {
            let is_full = self.active().is_none_or(|active| {
                active.is_full_for(bytes, last_offset, survey.max_timestamp, now, &config)
            });
            if self.room.is_stuck() || !self.is_prepared_for(bytes, is_full) {
                return Err(AppendError::NoRoom);
            }
        }
        let segment = self.segment_for(bytes, last_offset, survey.max_timestamp, now, &config);

        let mut state = self.state.borrow_mut();
        if self.flushed_offset.get() == base_offset {
            self.unflushed_since.set(now);
        }
        if state.epochs.assign(epoch, base_offset) {
            state.epochs_changed = true;
            self.upkeep.wake();
        }
        let mark_from = segment.size.get();
        let mut offset = base_offset;
        let mut chunks_taken = 0;
        for batch in batches.flatten() {
            let (mut header, records) = (batch.header(), batch.records_bytes());
            header.stamp(offset, epoch);
            if let Some(time) = log_append_time {
                header.set_log_append_time(time, records);
            }
            chunks_taken += state.tail.append(
                self.logs.disk().pool(),
                segment.base_offset,
                segment.size.get(),
                offset,
                [header.as_bytes(), records],
            );
            segment.note(&header, batch.size_bytes(), config.index_interval_bytes);
            offset = header.last_offset() + 1;
        }
        segment.modified_ms.set(now);
        self.end_offset.set(offset);
        state.queue(&segment, mark_from, offset);
        drop(state);
        let probe = self.logs.probe();
        probe.appends_count.add(1);
        probe.append_bytes.add(bytes);
        if chunks_taken > 0 {
            self.logs.memory().chunks_taken(self, chunks_taken);
        }
        self.have_written(&segment, mark_from, offset, now);
        Ok(Appended {
            base_offset,
            last_offset,
        })
    }

    /// The segment for the next `bytes`: the active one, or a new one when that is full.
    fn segment_for(
        &self,
        bytes: u64,
        last_offset: Offset,
        timestamp: WallMs,
        now: WallMs,
        config: &LogConfig,
    ) -> Rc<Segment> {
        match self.active() {
            Some(active) if !active.is_full_for(bytes, last_offset, timestamp, now, config) => {
                active
            }
            _ => self.roll(now),
        }
    }

    /// Begins a new segment at the end of the log. In memory only: the upkeep makes the file.
    pub fn roll(&self, now: WallMs) -> Rc<Segment> {
        let base_offset = self.end_offset.get();
        let segment = Rc::new(Segment::new(&self.dir, base_offset, now));
        let first = self.state.borrow().segments.is_empty();
        if !first {
            self.logs.probe().rolls_count.add(1);
            let callback = self.on_roll.borrow().clone();
            if let Some(callback) = callback {
                self.upkeep
                    .keep_snapshot(base_offset, callback(base_offset));
            }
        }
        let mut state = self.state.borrow_mut();
        if let Some(old) = state.segments.last() {
            old.note_time();
            old.shrink_lookups();
        }
        state.segments.push(Rc::clone(&segment));
        drop(state);
        self.forget_never_read();
        self.upkeep.wake();
        segment
    }
}

impl State {
    fn queue(&mut self, segment: &Rc<Segment>, from: u64, end_offset: Offset) {
        let to = segment.size.get();
        self.queued_bytes += to - from;
        if let Some(last) = self.marks.back_mut()
            && Rc::ptr_eq(&last.segment, segment)
            && to - last.from <= MARK_BYTES
        {
            last.to = to;
            last.end_offset = end_offset;
            return;
        }
        self.marks.push_back(Mark {
            segment: Rc::clone(segment),
            from,
            to,
            end_offset,
        });
    }
}

fn survey<'a>(
    batches: impl Iterator<Item = Result<BatchView<'a>, BatchError>>,
) -> Result<Survey, AppendError> {
    let mut survey = Survey {
        bytes: 0,
        records: 0,
        max_timestamp: -1,
    };
    for batch in batches {
        let batch = batch.ok().filter(|batch| batch.last_offset_delta() >= 0);
        let batch = batch.ok_or(AppendError::Malformed)?;
        survey.bytes += batch.size_bytes() as u64;
        survey.records += i64::from(batch.last_offset_delta()) + 1;
        survey.max_timestamp = survey.max_timestamp.max(batch.max_timestamp());
    }
    if survey.records == 0 {
        return Err(AppendError::Malformed);
    }
    Ok(survey)
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::Closed => f.write_str("the log takes no more appends"),
            AppendError::Malformed => f.write_str("the bytes are no whole record batches"),
            AppendError::LargerThanSegment(limit) => {
                write!(f, "the batches do not fit into a segment of {limit} bytes")
            }
            AppendError::NoRoom => f.write_str("the device is full"),
            AppendError::Busy => f.write_str("the device does not keep up with the appends"),
        }
    }
}

impl std::error::Error for AppendError {}
