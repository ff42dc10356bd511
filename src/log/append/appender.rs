//! Drives: batches into the tail at once, from there to the device in order, and the acks.

use std::fmt;
use std::rc::Rc;

use crate::base::{LeaderEpoch, Offset, WallMs};
use crate::log::config::LogConfig;
use crate::log::inner::{Inner, Mark, State};
use crate::log::segment::Segment;
use crate::wire::batch::{BatchError, BatchHeader, BatchView, HEADER_BYTES};

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
    /// Of replicated batches: one begins before the end of the log or of the batch in front of it,
    /// or behind it in a log that may have no gaps; or its leader epoch is below an earlier one.
    OutOfOrder,
    /// Of replicated batches: the checksum of one does not fit its bytes.
    Corrupt,
}

/// Batches that are put into one segment and written together.
pub(super) struct Run {
    segment: Rc<Segment>,
    /// Where in the segment they begin.
    from: u64,
    /// Where the log ends with those that were put.
    end_offset: Offset,
    chunks_taken: usize,
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
        let base_offset = self.end_offset.get();
        let last_offset = base_offset + survey.records - 1;
        self.admit(bytes, last_offset, survey.max_timestamp, now, &config)?;
        let segment = self.segment_for(bytes, last_offset, survey.max_timestamp, now, &config);

        let mut run = Run::begin(&segment, base_offset);
        self.note_epoch(epoch, base_offset, now);
        let mut offset = base_offset;
        for batch in batches.flatten() {
            let (mut header, records) = (batch.header(), batch.records_bytes());
            header.stamp(offset, epoch);
            if let Some(time) = log_append_time {
                header.set_log_append_time(time, records);
            }
            run.put(self, &header, records, &config);
            offset = header.last_offset() + 1;
        }
        run.end(self, now);
        Ok(Appended {
            base_offset,
            last_offset,
        })
    }

    /// Refuses what the device, or the memory, has no room for now.
    pub(super) fn admit(
        &self,
        bytes: u64,
        last_offset: Offset,
        max_timestamp: WallMs,
        now: WallMs,
        config: &LogConfig,
    ) -> Result<(), AppendError> {
        if !self.may_queue(bytes) {
            // Waiting does not help while the log is stuck: there is no room.
            return Err(match self.room.is_stuck() {
                true => AppendError::NoRoom,
                false => AppendError::Busy,
            });
        }
        if self.room.is_lacking() {
            let is_full = self.active().is_none_or(|active| {
                active.is_full_for(bytes, last_offset, max_timestamp, now, config)
            });
            if self.room.is_stuck() || !self.is_prepared_for(bytes, is_full) {
                return Err(AppendError::NoRoom);
            }
        }
        Ok(())
    }

    /// Whether so many more bytes may wait to be written.
    pub(super) fn may_queue(&self, bytes: u64) -> bool {
        let queued = self.state.borrow().queued_bytes;
        // Below half one append may go over the bound: there `wait_for_room` ends, and else a large
        // one would be told to wait for ever.
        let max = self.logs.options().queued_bytes_max as u64;
        let is_much = queued > max / 2 && queued + bytes > max;
        !is_much && (queued == 0 || !self.logs.memory().is_full())
    }

    /// Waits until less is queued than an append may find.
    pub async fn wait_for_room(self: &Rc<Self>) {
        self.wake_writer();
        self.logs.hurry_home();
        let half = self.logs.options().queued_bytes_max as u64 / 2;
        while !self.has_failed() && !self.stopped.get() && !self.room.is_stuck() {
            if self.awaits_store.get() && !self.may_leap() {
                self.wake_writer();
                self.flush();
                self.start_upkeep();
                self.progress.wait().await;
                continue;
            }
            self.awaits_store.set(false);
            let queued = self.state.borrow().queued_bytes;
            if queued == 0 || queued <= half && !self.logs.memory().is_full() {
                return;
            }
            self.progress.wait().await;
        }
    }

    /// To be called before batches of `epoch` are put at `offset` and behind it.
    pub(super) fn note_epoch(&self, epoch: LeaderEpoch, offset: Offset, now: WallMs) {
        if self.flushed_offset.get() == self.end_offset.get() {
            self.unflushed_since.set(now);
        }
        let mut state = self.state.borrow_mut();
        if state.epochs.assign(epoch, offset) {
            state.epochs_changed = true;
            self.upkeep.wake();
        }
    }

    /// The segment for the next `bytes`: the active one, or a new one when that is full.
    pub(super) fn segment_for(
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

impl Run {
    /// None yet; they are to go behind what `segment` holds, in a log that ends at `end_offset`.
    pub fn begin(segment: &Rc<Segment>, end_offset: Offset) -> Run {
        Run {
            segment: Rc::clone(segment),
            from: segment.size.get(),
            end_offset,
            chunks_taken: 0,
        }
    }

    /// The segment that they are put into.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Bytes of those that were put.
    pub fn bytes(&self) -> u64 {
        self.segment.size.get() - self.from
    }

    /// Puts one more into the tail, as its `header` says by now.
    pub fn put(&mut self, log: &Inner, header: &BatchHeader, records: &[u8], config: &LogConfig) {
        self.chunks_taken += log.state.borrow_mut().tail.append(
            log.logs.disk().pool(),
            self.segment.base_offset,
            self.segment.size.get(),
            self.end_offset,
            [header.as_bytes(), records],
        );
        self.end_offset = header.next_offset();
        let size_bytes = HEADER_BYTES + records.len();
        self.segment
            .note(header, size_bytes, config.index_interval_bytes);
    }

    /// Has them written: the log ends with them now.
    pub fn end(self, log: &Rc<Inner>, now: WallMs) {
        let end_offset = self.end_offset;
        self.segment.modified_ms.set(now);
        log.end_offset.set(end_offset);
        let mut state = log.state.borrow_mut();
        state.queue(&self.segment, self.from, end_offset);
        drop(state);
        let probe = log.logs.probe();
        probe.appends_count.add(1);
        probe.append_bytes.add(self.bytes());
        if self.chunks_taken > 0 {
            log.logs.memory().chunks_taken(log, self.chunks_taken);
        }
        log.have_written(&self.segment, self.from, end_offset, now);
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
            AppendError::OutOfOrder => f.write_str("the batches do not continue the log"),
            AppendError::Corrupt => f.write_str("the checksum of a batch does not fit its bytes"),
        }
    }
}

impl std::error::Error for AppendError {}
