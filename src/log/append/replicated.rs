//! Drives: batches that a leader sent into the tail, with the offsets and epochs that they have.

use std::rc::Rc;

use super::appender::{AppendError, Appended, Run};
use crate::base::{Offset, WallMs};
use crate::log::inner::Inner;
use crate::wire::batch::{BatchError, BatchView, batches};

/// A segment's files hold offsets up to so many behind its base offset.
pub const REACH: Offset = i32::MAX as Offset;

impl Inner {
    /// See [`crate::log::Log::append_replicated`].
    pub fn append_replicated(
        self: &Rc<Self>,
        bytes: &[u8],
        now: WallMs,
    ) -> Result<Appended, AppendError> {
        if self.stopped.get() || self.has_failed() {
            return Err(AppendError::Closed);
        }
        let bytes = self.continuing(bytes)?;
        let mut taken: Option<Appended> = None;
        let mut left = bytes;
        while !left.is_empty() {
            let run = match self.append_run(&mut left, now) {
                Ok(run) => run,
                Err(error) => return taken.ok_or(error),
            };
            let base_offset = taken.map_or(run.base_offset, |before| before.base_offset);
            taken = Some(Appended { base_offset, ..run });
        }
        taken.ok_or(AppendError::Malformed)
    }

    /// The whole batches at the front of `bytes`, which continue the log.
    fn continuing<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], AppendError> {
        let mut next = self.end_offset.get();
        let mut epoch = self.state.borrow().epochs.latest().unwrap_or(-1);
        let mut whole = 0;
        for batch in batches(bytes) {
            let batch = match batch {
                Ok(batch) => batch,
                // Leaders cut what they send where it is long enough.
                Err(BatchError::Truncated { .. }) if whole > 0 => break,
                Err(_) => return Err(AppendError::Malformed),
            };
            let (base, last) = (batch.base_offset(), last_offset(&batch)?);
            let continues = base == next || base > next && self.gaps.get();
            if !continues || batch.leader_epoch() < epoch {
                return Err(AppendError::OutOfOrder);
            }
            batch.verify_crc().map_err(|_| AppendError::Corrupt)?;
            (next, epoch) = (last + 1, batch.leader_epoch());
            whole += batch.size_bytes();
        }
        Ok(&bytes[..whole])
    }

    /// Takes as many of the batches in `left` as go into one segment and may be queued now.
    fn append_run(self: &Rc<Self>, left: &mut &[u8], now: WallMs) -> Result<Appended, AppendError> {
        let config = Rc::clone(&self.config.borrow());
        let mut run: Option<Run> = None;
        let end_before = self.end_offset.get();
        let mut appended = Appended {
            base_offset: end_before,
            last_offset: end_before - 1,
        };
        for batch in batches(left).flatten() {
            let (base, last) = (batch.base_offset(), last_offset(&batch)?);
            let (bytes, timestamp) = (batch.size_bytes() as u64, batch.max_timestamp());
            let run = match &mut run {
                None => {
                    self.admit(bytes, last, timestamp, now, &config)?;
                    self.leap(base, last, now)?;
                    let segment = self.segment_for(bytes, last, timestamp, now, &config);
                    appended.base_offset = base;
                    run.insert(Run::begin(&segment, end_before))
                }
                Some(run) => {
                    let is_full = run
                        .segment()
                        .is_full_for(bytes, last, timestamp, now, &config);
                    if is_full || !self.may_queue(run.bytes() + bytes) {
                        break;
                    }
                    run
                }
            };
            self.note_epoch(batch.leader_epoch(), base, now);
            run.put(self, &batch.header(), batch.records_bytes(), &config);
            appended.last_offset = last;
            *left = &left[batch.size_bytes()..];
        }
        let run = run.ok_or(AppendError::Malformed)?;
        run.end(self, now);
        Ok(appended)
    }

    /// Segments are named after the offset at which the one before ends, so that a start misses
    /// records that are lost between them. A batch that lies further ahead than its segment may
    /// reach begins one that is named after it. A start knows that from its name; and that nothing
    /// is lost, since the log was whole on the device before.
    fn leap(self: &Rc<Self>, base: Offset, last: Offset, now: WallMs) -> Result<(), AppendError> {
        if last - self.end_offset.get() <= REACH {
            return Ok(());
        }
        if !self.may_leap() {
            self.awaits_store.set(true);
            self.flush();
            return Err(AppendError::Busy);
        }
        self.end_offset.set(base);
        if !self.state.borrow().segments.is_empty() {
            self.roll(now);
        }
        Ok(())
    }

    /// Whether everything that was appended is durable in the segments, and each has its file.
    pub fn may_leap(&self) -> bool {
        self.stored_offset.get() >= self.end_offset.get()
            && !self.upkeep.is_busy()
            && self.active().is_none_or(|active| active.on_disk.get())
    }
}

fn last_offset(batch: &BatchView<'_>) -> Result<Offset, AppendError> {
    let last = batch
        .base_offset()
        .checked_add(batch.last_offset_delta().into());
    last.filter(|last| *last >= batch.base_offset() && *last < Offset::MAX)
        .ok_or(AppendError::Malformed)
}
