//! Drives: periodic work: late flushes, old segments, memory that is no longer used.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use super::retention::{Candidate, expired_count};
use crate::base::{Offset, WallMs};
use crate::log::inner::{FailedOperation, Inner, Mark};
use crate::log::segment::{Segment, file_name};

/// Segments that are looked at when a log rolls: so many may wait for their final form.
const ROLLED_MAX: usize = 32;

/// What one round of maintenance remembers for the next.
#[derive(Default)]
pub struct Rounds {
    /// The log's end at the last round: where it has not moved, the log is idle.
    seen_end: Cell<Offset>,
    /// The end that the last write's trailer vouches for.
    vouched: Cell<Offset>,
}

/// Why records were not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteError {
    /// The offset lies behind what is acked, or committed, or before 0.
    OutOfRange,
}

impl Rounds {
    /// Notes that the log was found, or left, whole up to `end`.
    pub fn whole_up_to(&self, end: Offset) {
        self.seen_end.set(end);
        self.vouched.set(end);
    }
}

impl Inner {
    /// See [`crate::log::Log::maintain`].
    pub async fn maintain(self: &Rc<Self>, now: WallMs) -> io::Result<()> {
        if self.has_failed() || self.stopped.get() {
            return Ok(());
        }
        self.logs.memory().forget_parked(self, false);
        self.look_at_length().await?;
        self.flush_if_late(now);
        self.vouch_if_idle();
        // It may have been closed meanwhile, and its files be another's by now.
        if self.has_failed() || self.stopped.get() {
            return Ok(());
        }
        // Compaction may be exchanging segments just now: the next round comes soon enough.
        if let Some(reshaping) = self.reshape() {
            let deleted = self.delete_expired(now).await;
            self.forget_unused();
            drop(reshaping);
            deleted?;
        }
        // A job that could not be seen from an append may be due.
        if self.upkeep.has_folder() {
            self.start_upkeep();
        }
        Ok(())
    }

    /// Fails the log where the file that is written to is shorter than what is in it.
    async fn look_at_length(&self) -> io::Result<()> {
        let Some(active) = self.active() else {
            return Ok(());
        };
        // Asked before: it may grow, and be written to, before the answer is here.
        let written = active.written.get();
        if let Some(file) = active.opened()
            && file.len().await? < written
        {
            self.fail(FailedOperation::Damage, &active.shrunk());
        }
        Ok(())
    }

    fn flush_if_late(self: &Rc<Self>, now: WallMs) {
        let waiting = self.written_offset.get() > self.flushed_offset.get();
        let flush_ms = self.config.borrow().flush_ms;
        if waiting && now - self.unflushed_since.get() >= flush_ms {
            self.flush();
        }
    }

    /// Rewrites the last block of an idle log once, so that its trailer speaks for all of it.
    fn vouch_if_idle(self: &Rc<Self>) {
        let end = self.end_offset.get();
        let idle = self.rounds.seen_end.replace(end) == end && self.stored_offset.get() == end;
        let Some(active) = self.active() else {
            return;
        };
        if !idle || self.rounds.vouched.get() == end || active.size.get() == 0 {
            return;
        }
        self.rounds.vouched.set(end);
        active.settled.set(false);
        let size = active.size.get();
        self.state.borrow_mut().marks.push_back(Mark {
            segment: active,
            from: size,
            to: size,
            end_offset: end,
        });
        self.wake_writer();
    }

    /// Takes the segments off that retention no longer keeps.
    async fn delete_expired(self: &Rc<Self>, now: WallMs) -> io::Result<()> {
        let segments = self.state.borrow().segments.clone();
        let config = self.config.borrow().clone();
        for segment in &segments {
            // Their youngest record is known from the time index only.
            if segment.max_timestamp.get().0 < 0 && config.delete_old && config.retention_ms >= 0 {
                self.load_lookups(segment).await?;
            }
        }
        let count_expired = || {
            // What is in the journal alone is brought to its segment before that goes.
            let acked = self.settled_offset().min(self.written_offset.get());
            let start = self.start_offset.get();
            let candidates = self.candidates(&segments);
            expired_count(&candidates, start, acked, now, &config)
        };
        for segment in &segments[..count_expired()] {
            // A time index that lost its end makes a segment look older than it is. Of one that
            // cannot be read any more nothing better is known.
            if config.delete_old && config.retention_ms >= 0 {
                let _ = self.load_times(segment).await;
            }
        }
        let count = self.followed_by_name(&segments, count_expired());
        if count == 0 {
            return Ok(());
        }
        let start = self.start_offset.get();
        let acked = self.settled_offset().min(self.written_offset.get());
        // A full device has no room for a new segment, and gets none while this waits for one.
        let whole =
            count == segments.len() && self.end_offset.get() == acked && !self.room.is_lacking();
        let first_kept = match segments.get(count).or(segments.last()) {
            Some(_) if whole => self.roll(now),
            Some(kept) => Rc::clone(kept),
            None => return Ok(()),
        };
        // Until it has its own name, a start after a crash finds it by the one before it; and
        // where nothing else is left, its name is all that tells where the log went on.
        if !self.wait_for_name(&first_kept).await {
            return Ok(());
        }
        let end = first_kept.base_offset;
        self.void_in_journal(end).await?;
        let gone: Vec<Rc<Segment>> = {
            let segments = &mut self.state.borrow_mut().segments;
            let count = segments.partition_point(|segment| segment.base_offset < end);
            segments.drain(..count).collect()
        };
        self.raise_start(end.max(start));
        self.remove_files(&gone).await?;
        self.tell_of_removal(&gone, end);
        // What is gone needs no flush, and its file may have been the last there was to flush. Not
        // before it is gone: a crash might bring it back, and trailers would call it damaged.
        for durable in [&self.stored_offset, &self.flushed_offset] {
            durable.set(durable.get().max(end));
        }
        Ok(())
    }

    /// How many of the first `count` segments may go so that one whose file has its name follows. A
    /// full device has no room for that of a new one: without this what would make room, deleting
    /// old segments, would wait for it.
    fn followed_by_name(&self, segments: &[Rc<Segment>], count: usize) -> usize {
        if !self.room.is_lacking() {
            return count;
        }
        let named = |at: &usize| {
            let kept = segments.get(*at);
            kept.is_some_and(|kept| kept.on_disk.get())
        };
        (1..=count).rev().find(named).unwrap_or(0)
    }

    /// Says in the log what retention removed: one line, as long as they are few in this round.
    fn tell_of_removal(&self, gone: &[Rc<Segment>], end: Offset) {
        if self.logs.may_tell_of_removal() {
            let bytes: u64 = gone.iter().map(|it| it.size.get()).sum();
            tracing::info!(dir = %self.dir.display(), segments = gone.len(), bytes,
                before_offset = end, "retention removed segments");
        }
    }

    /// Waits until the file of `segment` has the segment's name, durably; `false` when it never
    /// will.
    async fn wait_for_name(self: &Rc<Self>, segment: &Segment) -> bool {
        while !segment.on_disk.get() {
            if self.has_failed() || self.stopped.get() || self.room.is_lacking() {
                return false;
            }
            self.start_upkeep();
            self.progress.wait().await;
        }
        true
    }

    fn candidates(&self, segments: &[Rc<Segment>]) -> Vec<Candidate> {
        let ends = segments.iter().skip(1).map(|next| next.base_offset);
        let ends = ends.chain([self.end_offset.get()]);
        segments
            .iter()
            .zip(ends)
            .map(|(segment, end_offset)| Candidate {
                end_offset,
                bytes: segment.size.get(),
                youngest: segment.age_timestamp(),
            })
            .collect()
    }

    /// Moves the first readable offset, never back, and says so to the owner.
    fn raise_start(&self, offset: Offset) {
        if offset > self.start_offset.get() {
            self.start_offset.set(offset);
            // Cloned, because the callback may replace the callback.
            let callback = self.on_start.borrow().clone();
            if let Some(callback) = callback {
                callback(offset);
            }
        }
    }

    /// Forgets the epochs of what is gone for good: a crash before that brings records back, and
    /// with them their epochs are wanted.
    fn forget_epochs(&self) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if let Some(first) = state.segments.first() {
            state.epochs.cut_front(first.base_offset);
            self.aborted.borrow_mut().cut_front(first.base_offset);
            state.epochs_changed = true;
        }
    }

    /// Removes the files of segments that the log has given up, the oldest first, so that a
    /// crash in between leaves no gap.
    async fn remove_files(&self, gone: &[Rc<Segment>]) -> io::Result<()> {
        let disk = self.logs.disk();
        for segment in gone {
            segment.retire().await;
        }
        // A job that began before they were given up may still be at them.
        self.upkeep_idle().await;
        self.snapshot_at.set(None);
        for segment in gone {
            for suffix in [".index", ".timeindex", ".txnindex", ".snapshot"] {
                let path = self.dir.join(file_name(segment.base_offset, suffix));
                disk.remove(&path).await?;
            }
            disk.remove(&segment.path()).await?;
            segment.close_file();
        }
        disk.sync_dir(&self.dir).await?;
        self.forget_epochs();
        self.upkeep.wake();
        Ok(())
    }

    /// Closes the files that were not read since last time, unless segments are just exchanged.
    pub fn close_unused(&self) {
        if !self.reshaping.get() {
            self.forget_unused();
        }
    }

    /// Closes files and forgets lookups of sealed segments that were not read since the last call.
    fn forget_unused(&self) {
        let state = self.state.borrow();
        let sealed = state.segments.len().saturating_sub(1);
        for segment in state.segments[..sealed]
            .iter()
            .filter(|it| it.settled.get())
        {
            if !segment.used.replace(false) {
                segment.close_file();
                segment.forget_lookups();
            }
        }
    }

    /// Forgets the lookups of the newest sealed segments that were never read: a log that rolls
    /// often would have those of many in memory before the next round.
    pub fn forget_never_read(&self) {
        let state = self.state.borrow();
        let sealed = state.segments.iter().rev().skip(1);
        sealed
            .take(ROLLED_MAX)
            .filter(|it| it.settled.get() && !it.used.get())
            .for_each(|it| it.forget_lookups());
    }

    /// See [`crate::log::Log::delete_records_before`].
    pub fn delete_records_before(&self, offset: Offset) -> Result<Offset, DeleteError> {
        if offset < 0 || offset > self.settled_offset() {
            return Err(DeleteError::OutOfRange);
        }
        self.raise_start(offset);
        Ok(self.start_offset.get())
    }

    /// Everything before this offset is in sealed segments whose files have their final form.
    pub fn recovery_point(&self) -> Offset {
        if planted!(RecoveryPointTooLarge) {
            return self.written_offset.get();
        }
        let state = self.state.borrow();
        let unsettled = state.segments.iter().find(|segment| !segment.settled.get());
        let flushed = self.stored_offset.get();
        unsettled.map_or(flushed, |segment| segment.base_offset.min(flushed))
    }
}
