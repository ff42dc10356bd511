//! Drives: what happens behind the appends: space ahead, names, files of sealed segments.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::inner::{FailedOperation, Inner};
use super::room::is_lack_of_room;
use super::segment::{Segment, file_name};
use super::trailer::extent;
use crate::base::{Offset, WallMs};
use crate::io::buffer::block_up;
use crate::io::event::Event;
use crate::io::file::File;

/// Name of the file that is prepared for the segment after the one at a base offset.
pub const NEXT_SUFFIX: &str = ".log.next";

/// Steps longer than this are prepared and made durable piece by piece, in bytes.
const PREPARE_PIECE_BYTES: u64 = 8 << 20;
/// A step used up within this time makes the next one twice as long.
const FAST_STEP_MS: i64 = 5_000;
/// A step that lasted longer than this makes the next one half as long.
const SLOW_STEP_MS: i64 = 60_000;

/// State of one log's background work.
#[derive(Default)]
pub struct Upkeep {
    event: Event,
    runs: Cell<bool>,
    /// Whether a job is under way.
    busy: Cell<bool>,
    /// Prepared file for the segment after the active one.
    next: RefCell<Option<Next>>,
    /// Bytes that are kept prepared ahead of the appends.
    step_bytes: Cell<u64>,
    /// When a step was last asked for.
    step_ms: Cell<WallMs>,
    /// Snapshots of producer state to be written.
    snapshots: RefCell<VecDeque<(Offset, Vec<u8>)>>,
    /// Whether the log's folder is known to be there.
    folder_made: Cell<bool>,
}

/// A file without a name of its own yet.
struct Next {
    after: Offset,
    file: File,
    path: PathBuf,
    prepared: u64,
}

/// One piece of background work.
enum Job {
    Prepare(Rc<Segment>, u64),
    Rename(Rc<Segment>),
    CreateNext(Rc<Segment>),
    WriteEpochs,
    WriteSnapshot(Offset, Vec<u8>),
    Settle(Rc<Segment>),
}

// === impl Upkeep ===

impl Upkeep {
    /// Has the work looked at again.
    pub fn wake(&self) {
        self.event.call();
    }

    /// Notes that the log's folder exists.
    pub fn folder_exists(&self) {
        self.folder_made.set(true);
    }

    /// Whether the log's folder exists.
    pub fn has_folder(&self) -> bool {
        self.folder_made.get()
    }

    /// Whether a job is under way.
    pub fn is_busy(&self) -> bool {
        self.busy.get()
    }

    /// Takes a snapshot of producer state up to `offset`, to be written soon.
    pub fn keep_snapshot(&self, offset: Offset, content: Vec<u8>) {
        self.snapshots.borrow_mut().push_back((offset, content));
    }

    /// The oldest snapshot that is to be written.
    pub fn take_snapshot(&self) -> Option<(Offset, Vec<u8>)> {
        self.snapshots.borrow_mut().pop_front()
    }

    /// Gives up the file prepared for the next segment; its path is returned.
    pub fn take_next(&self) -> Option<PathBuf> {
        self.next.borrow_mut().take().map(|next| next.path)
    }

    /// Gives the file that was prepared behind `old` to `segment`.
    pub fn adopt_next(&self, old: &Segment, segment: &Segment) {
        let next = self.next.borrow_mut().take();
        if let Some(next) = next
            && next.after == old.base_offset
        {
            next.give_to(segment);
        }
    }
}

impl Next {
    fn give_to(self, segment: &Segment) {
        segment.set_file(self.file);
        segment.set_path(self.path);
        segment.prepared.set(self.prepared);
    }
}

// === impl Inner ===

impl Inner {
    /// The data file of `segment` once it is prepared up to `to`; `None` when the log has
    /// failed or stopped before that.
    pub async fn prepared_file(self: &Rc<Self>, segment: &Segment, to: u64) -> Option<File> {
        if segment.prepared.get() < to {
            self.logs.probe().unprepared_waits_count.add(1);
            self.start_upkeep();
        }
        while segment.prepared.get() < to {
            if self.has_failed() {
                return None;
            }
            self.room.set_starved(true);
            if self.room.is_stuck() {
                self.progress.ring();
                self.tell_owner();
            }
            self.upkeep.wake();
            self.progress.wait().await;
        }
        self.room.set_starved(false);
        segment.opened()
    }

    /// Has space prepared when little is left, in steps that follow the rate of appends.
    pub fn upkeep_if_low(self: &Rc<Self>, segment: &Segment, now: WallMs) {
        let upkeep = &self.upkeep;
        let (least, most) = self.logs.options().prepare_bytes;
        let step = upkeep.step_bytes.get().max(least);
        let size = segment.size.get();
        let limit = block_up(self.config.borrow().segment_bytes);
        let left = segment.prepared.get().saturating_sub(size);
        let next_is_there = upkeep.next.borrow().is_some();
        if left > step / 2 || segment.prepared.get() >= limit && next_is_there {
            return;
        }
        if !upkeep.busy.get() {
            let lasted = now - upkeep.step_ms.replace(now);
            let step = match lasted {
                ..FAST_STEP_MS => (step * 2).min(most),
                SLOW_STEP_MS.. => (step / 2).max(least),
                _ => step,
            };
            upkeep.step_bytes.set(step);
        }
        self.start_upkeep();
    }

    /// Starts the background work, or has it looked at again.
    pub fn start_upkeep(self: &Rc<Self>) {
        if !self.upkeep.runs.replace(true) {
            let inner = Rc::clone(self);
            self.logs.disk().spawn(async move { inner.keep_up().await });
        }
        self.upkeep.wake();
    }

    async fn keep_up(self: Rc<Self>) {
        loop {
            self.upkeep.event.wait().await;
            while !self.has_failed() && !self.room.rests() {
                let Some(job) = self.next_job() else {
                    self.room_suffices();
                    break;
                };
                self.upkeep.busy.set(true);
                let result = self.run(job).await;
                self.upkeep.busy.set(false);
                match result {
                    Err(_) if self.has_failed() => {}
                    Err(error) if is_lack_of_room(&error) => self.lack_room(&error),
                    Err(error) => self.fail(FailedOperation::Prepare, &error),
                    Ok(()) => {}
                }
                self.progress.ring();
            }
            if self.stopped.get() || self.has_failed() {
                self.upkeep.runs.set(false);
                return;
            }
        }
    }

    /// Notes that nothing is left that needs room.
    fn room_suffices(&self) {
        if self.room.is_lacking() {
            self.room.suffices();
            self.tell_owner();
            self.progress.ring();
        }
    }

    /// Whether an append of `bytes` needs no space that is not prepared, in the active segment
    /// or, where that `is_full`, in the next one.
    pub fn is_prepared_for(&self, bytes: u64, is_full: bool) -> bool {
        match self.active() {
            Some(active) if is_full => {
                let next = self.upkeep.next.borrow();
                let next = next
                    .as_ref()
                    .filter(|next| next.after == active.base_offset);
                next.is_some_and(|next| next.prepared >= extent(bytes))
            }
            Some(active) => active.prepared.get() >= extent(active.size.get() + bytes),
            None => false,
        }
    }

    /// What is to be done first: what an append waits for, then what one will soon need, then
    /// the rest.
    fn next_job(&self) -> Option<Job> {
        let state = self.state.borrow();
        let active = state.segments.last()?;
        let starved = state.segments.iter().find(|segment| {
            segment.written.get() < segment.size.get()
                && segment.prepared.get() < extent(segment.size.get())
        });
        if let Some(segment) = starved {
            let to = self.prepare_target(segment, true);
            return Some(Job::Prepare(Rc::clone(segment), to));
        }
        if self.stopped.get() {
            return None;
        }
        let step = self.upkeep.step_bytes.get();
        let size = active.size.get();
        let prepared = active.prepared.get();
        let target = self.prepare_target(active, false);
        if self.is_nameless(active) && state.segments.len() > 1 {
            return Some(Job::Prepare(Rc::clone(active), target.max(extent(0))));
        }
        if size > 0 && prepared < target && prepared.saturating_sub(size) <= step / 2 {
            return Some(Job::Prepare(Rc::clone(active), target));
        }
        if let Some(segment) = state
            .segments
            .iter()
            .find(|segment| segment.has_next_name())
        {
            return Some(Job::Rename(Rc::clone(segment)));
        }
        let limit = block_up(self.config.borrow().segment_bytes);
        let near_end = prepared >= limit && limit.saturating_sub(size) <= step;
        if near_end && self.upkeep.next.borrow().is_none() {
            return Some(Job::CreateNext(Rc::clone(active)));
        }
        drop(state);
        self.next_record_job()
    }

    /// Whether there is nothing of `segment` on disk, not even its name.
    pub fn is_nameless(&self, segment: &Segment) -> bool {
        !segment.on_disk.get()
    }

    /// Files that only shorten the next start: they may come late.
    fn next_record_job(&self) -> Option<Job> {
        let state = self.state.borrow();
        if !self.upkeep.folder_made.get() {
            return None;
        }
        if state.epochs_changed {
            return Some(Job::WriteEpochs);
        }
        if let Some((offset, content)) = self.upkeep.take_snapshot() {
            return Some(Job::WriteSnapshot(offset, content));
        }
        let flushed = self.flushed_offset.get();
        state
            .segments
            .windows(2)
            .find(|pair| {
                let [sealed, follower] = pair else {
                    return false;
                };
                !sealed.settled.get()
                    && follower.base_offset <= flushed
                    && !state.is_to_write(sealed)
            })
            .map(|pair| Job::Settle(Rc::clone(&pair[0])))
    }

    /// Up to where `segment` is to be prepared now: a step ahead of its end where it is still
    /// appended to, within its limit, one piece at a time.
    fn prepare_target(&self, segment: &Segment, starved: bool) -> u64 {
        let limit = block_up(self.config.borrow().segment_bytes);
        let needed = extent(segment.size.get());
        let ahead = block_up(segment.size.get() + self.upkeep.step_bytes.get()).min(limit);
        let piece = block_up(segment.prepared.get()) + PREPARE_PIECE_BYTES;
        // What is waited for is not made to wait for the luxury of a long step.
        let piece = if starved { needed.max(piece) } else { piece };
        needed.max(ahead).min(piece)
    }

    async fn run(&self, job: Job) -> io::Result<()> {
        match job {
            Job::Prepare(segment, to) => self.prepare(&segment, to).await,
            Job::Rename(segment) => match self.rename_to_final(&segment).await {
                Err(_) if segment.is_retired() => Ok(()),
                result => result,
            },
            Job::CreateNext(active) => self.create_next(&active).await,
            Job::WriteEpochs => self.write_epochs().await,
            Job::WriteSnapshot(offset, content) => {
                let written = self.write_snapshot(offset, content.clone()).await;
                if written.as_ref().is_err_and(is_lack_of_room) {
                    self.upkeep
                        .snapshots
                        .borrow_mut()
                        .push_front((offset, content));
                }
                written
            }
            Job::Settle(segment) => match self.settle(&segment).await {
                // Retention took it meanwhile.
                Err(_) if segment.is_retired() => Ok(()),
                result => result,
            },
        }
    }

    async fn prepare(&self, segment: &Segment, to: u64) -> io::Result<()> {
        let disk = self.logs.disk();
        let from = segment.prepared.get();
        let _permit = self.logs.prepare_permit(to - from).await;
        if segment.on_disk.get() {
            let file = segment.file(disk).await?;
            if file.len().await? < segment.written.get() {
                return Err(segment.shrunk());
            }
            file.prepare(from, to).await?;
        } else {
            self.make_folder().await?;
            let file = self.prepared_anew(&segment.path(), to).await?;
            segment.set_file(file);
        }
        let interval = self.config.borrow().index_interval_bytes.max(1);
        segment.reserve_entries((to / interval) as usize);
        segment.prepared.set(to);
        self.logs.probe().prepared_bytes.add(to - from);
        Ok(())
    }

    /// A new file with so many bytes prepared; none is left where that fails, so that it can be
    /// tried again.
    async fn prepared_anew(&self, path: &Path, bytes: u64) -> io::Result<File> {
        let disk = self.logs.disk();
        let file = disk.create(path).await?;
        let mut prepared = file.prepare(0, bytes).await;
        if prepared.is_ok() {
            prepared = disk.sync_dir(&self.dir).await;
        }
        match prepared {
            Ok(()) => Ok(file),
            Err(error) => {
                drop(file);
                // What went wrong first is what counts.
                let _ = disk.remove(path).await;
                Err(error)
            }
        }
    }

    async fn create_next(&self, active: &Rc<Segment>) -> io::Result<()> {
        let disk = self.logs.disk();
        let path = self.dir.join(file_name(active.base_offset, NEXT_SUFFIX));
        let limit = block_up(self.config.borrow().segment_bytes);
        let prepared = block_up(self.upkeep.step_bytes.get())
            .min(limit)
            .min(PREPARE_PIECE_BYTES);
        let permit = self.logs.prepare_permit(prepared).await;
        let file = self.prepared_anew(&path, prepared).await?;
        drop(permit);
        self.logs.probe().prepared_bytes.add(prepared);
        let next = Next {
            after: active.base_offset,
            file,
            path,
            prepared,
        };
        match self.place_next(next, active) {
            Some(unwanted) => disk.remove(&unwanted.path).await,
            None => Ok(()),
        }
    }

    /// Keeps the file for the segment after `active`, or gives it to that one if the log has
    /// rolled meanwhile; returns it when nobody wants it any more.
    fn place_next(&self, next: Next, active: &Rc<Segment>) -> Option<Next> {
        let state = self.state.borrow();
        let at = state.segments.iter().position(|it| Rc::ptr_eq(it, active));
        match at.and_then(|at| state.segments.get(at + 1)) {
            None if at.is_some() => *self.upkeep.next.borrow_mut() = Some(next),
            Some(follower) if self.is_nameless(follower) => {
                next.give_to(follower);
            }
            _ => return Some(next),
        }
        None
    }

    /// Waits until no background job is under way.
    pub async fn upkeep_idle(&self) {
        while self.upkeep.busy.get() {
            self.progress.wait().await;
        }
    }
}
