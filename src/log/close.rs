//! Drives: the clean end of a log, and its removal.

use std::io;
use std::path::Path;
use std::rc::Rc;

use super::inner::{FailedOperation, Inner};
use super::segment::file_name;
use crate::base::Offset;
use crate::io::durable::Durable;

impl Inner {
    /// Waits until all that was appended is written and flushed; `false` when the log failed, or
    /// the device has no room for it.
    pub async fn drain(self: &Rc<Self>) -> bool {
        loop {
            if self.has_failed() || self.room.is_stuck() {
                return false;
            }
            let quiet = {
                let state = self.state.borrow();
                state.marks.is_empty() && state.writing.is_none()
            };
            if quiet && self.stored_offset.get() >= self.end_offset.get() {
                return true;
            }
            match quiet {
                true => self.flush(),
                false => self.wake_writer(),
            }
            self.progress.wait().await;
        }
    }

    /// Whether [`Inner::close`] would find all as it leaves it: the log was opened so, and nothing
    /// was appended since.
    pub fn is_as_closed(&self) -> bool {
        let state = self.state.borrow();
        let end = self.end_offset.get();
        state.segments.iter().all(|it| it.settled.get())
            && !state.epochs_changed
            && !self.upkeep.has_unwritten()
            && self.stored_offset.get() >= end
            && (self.snapshot_at.get() == Some(end) || !self.upkeep.has_folder())
    }

    /// See [`super::Log::close`] and [`super::Log::close_in_batch`]; whether anything was written.
    pub async fn close(self: &Rc<Self>, durable: Durable) -> io::Result<bool> {
        self.stopped.set(true);
        let snapshot = self.on_roll.borrow().clone();
        if !self.drain().await {
            let lack = self.room.lack();
            let why = lack.map_or("the log had failed before".to_owned(), |lack| lack.reason);
            return Err(io::Error::other(why));
        }
        self.stop();
        // Retention may be removing files just now: the next start must not find these.
        while self.cleaning.get() || self.reshaping.get() {
            self.progress.wait().await;
        }
        self.upkeep_idle().await;
        let segments = self.state.borrow().segments.clone();
        if segments.is_empty() || !self.upkeep.has_folder() || self.is_as_closed() {
            segments.iter().for_each(|it| it.close_file());
            return Ok(false);
        }
        // One that was begun has nothing on disk where there was no room for it, or no time.
        for segment in segments.iter().filter(|it| it.on_disk.get()) {
            if !segment.settled.get() {
                segment.note_time();
                self.settle_unnamed(segment, durable).await?;
            }
            segment.close_file();
        }
        self.write_snapshots().await?;
        if let Some(snapshot) = snapshot {
            let end = self.end_offset.get();
            let path = self.dir.join(file_name(end, ".snapshot"));
            let disk = self.logs.disk();
            disk.swap_as(&path, snapshot(end), durable).await?;
        }
        if self.state.borrow().epochs_changed {
            self.write_epochs(durable).await?;
        }
        // All names at once: many logs close at the same time.
        if durable == Durable::Now {
            self.logs.disk().sync_dir(&self.dir).await?;
        }
        segments.iter().for_each(|it| it.settled.set(true));
        Ok(true)
    }

    /// Whether all of it is in its segments and nothing is appended any more.
    pub fn is_closed(&self) -> bool {
        self.stopped.get()
            && (!self.has_failed() || self.is_removed())
            && self.stored_offset.get() >= self.end_offset.get()
            && self
                .state
                .borrow()
                .segments
                .iter()
                .all(|it| it.settled.get())
    }

    /// The base offset of the segment that `offset` lies in: everything before it lies in whole
    /// segments. `None` where the log begins behind `offset`; 0 for a log without segments.
    pub fn whole_segments_before(&self, offset: Offset) -> Option<Offset> {
        let state = self.state.borrow();
        if state.segments.is_empty() {
            return Some(0);
        }
        let bases = state.segments.iter().rev().map(|it| it.base_offset);
        bases.into_iter().find(|base| *base <= offset)
    }

    /// Leaves the files of a closed log to one that is opened in its place: returns once no reader
    /// is at them. Who reads here later is told that there is nothing.
    pub async fn leave(self: &Rc<Self>) {
        self.fail(FailedOperation::Removal, &io::ErrorKind::NotFound.into());
        self.logs.memory().forget_parked(self, true);
        while self.reads.get() > 0 || self.upkeep.is_busy() {
            self.progress.wait().await;
        }
        self.state.borrow_mut().tail.clear();
    }

    /// See [`super::Log::retire`].
    pub async fn retire(self: &Rc<Self>, trash: &Path) -> io::Result<bool> {
        if self.is_in_journal() {
            // Should the machine stop before the folder has its new name, a start finds the log
            // whole. What cannot be written is given up: the topic is gone.
            self.stopped.set(true);
            self.drain().await;
        }
        // No task may open a file by name while the name changes.
        self.fail(FailedOperation::Removal, &io::ErrorKind::NotFound.into());
        self.side.let_go();
        self.stop();
        self.void_in_journal(Offset::MAX).await?;
        self.logs.memory().forget_parked(self, true);
        while self.writer_busy.get()
            || self.upkeep.is_busy()
            || self.reads.get() > 0
            || self.cleaning.get()
            || self.reshaping.get()
        {
            self.progress.wait().await;
        }
        self.state.borrow_mut().tail.clear();
        if !self.upkeep.has_folder() {
            return Ok(false);
        }
        self.logs.disk().rename(&self.dir, trash).await?;
        for segment in &self.state.borrow().segments {
            segment.close_file();
        }
        Ok(true)
    }
}
