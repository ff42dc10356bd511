//! Drives: what happens behind the appends: space ahead, names, files of sealed segments.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::base::{Offset, WallMs};
use crate::io::buffer::block_up;
use crate::io::cause::{Cause, is_lack_of_room};
use crate::io::event::Event;
use crate::io::file::File;
use crate::log::format::extent;
use crate::log::inner::{FailedOperation, Inner, State};
use crate::log::segment::{Segment, file_name};
use crate::wire::batch::HEADER_BYTES;

/// Name of the file that is prepared for the segment after the one at a base offset.
pub const NEXT_SUFFIX: &str = ".log.next";

/// Steps longer than this are prepared and made durable piece by piece, in bytes.
const PREPARE_PIECE_BYTES: u64 = 4 << 20;
/// The same while appends wait, to this log or to the next one in line, in bytes.
const URGENT_PIECE_BYTES: u64 = 2 << 20;
/// A step used up within this time makes the next one twice as long.
const FAST_STEP_MS: i64 = 5_000;
/// A step that lasted longer than this makes the next one half as long.
const SLOW_STEP_MS: i64 = 60_000;

/// A log that was filled faster than space was prepared gets it without zeros for so long, and
/// twice as long each time until this happens no more.
const OUTRUN_MS: (i64, i64) = (1_000, 64_000);

/// State of one log's background work.
#[derive(Default)]
pub struct Upkeep {
    event: Event,
    runs: Cell<bool>,
    /// Whether a job is under way.
    busy: Cell<bool>,
    /// Prepared file for the segment after the active one.
    next: RefCell<Option<Next>>,
    /// Bytes that are kept prepared ahead of the appends; 0 before the first since the start.
    step_bytes: Cell<u64>,
    /// Whether there was no room for what was asked for last, and less is asked for now.
    asks_less: Cell<bool>,
    /// When a step was last asked for.
    step_ms: Cell<WallMs>,
    /// When records were last appended.
    now: Cell<WallMs>,
    /// Until when space is reserved, and not prepared, and for how long that was decided.
    outrun: Cell<(WallMs, i64)>,
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
    /// Up to there; whether appends wait for it.
    Prepare(Rc<Segment>, u64, bool),
    /// Room up to there, without zeros.
    Reserve(Rc<Segment>, u64),
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

    /// Whether there is something that is to be written, or removed, before the log is closed.
    pub fn has_unwritten(&self) -> bool {
        self.busy.get() || !self.snapshots.borrow().is_empty() || self.next.borrow().is_some()
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
            self.note_outrun(segment);
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
        upkeep.now.set(now);
        if !self.is_outrun() {
            self.give_back_reserved(segment);
        }
        let step = self.step_bytes();
        let low = match self.is_outrun() {
            true => step.max(self.logs.options().reserve_bytes) / 2,
            false => step / 2,
        };
        let size = segment.size.get();
        let limit = block_up(self.config.borrow().segment_bytes);
        let left = segment.prepared.get().saturating_sub(size);
        let next_is_there = upkeep.next.borrow().is_some();
        if left > low || segment.prepared.get() >= limit && next_is_there {
            return;
        }
        if !upkeep.busy.get() {
            self.set_step(match now - upkeep.step_ms.replace(now) {
                ..FAST_STEP_MS => step * 2,
                SLOW_STEP_MS.. => step / 2,
                _ => step,
            });
        }
        self.start_upkeep();
    }

    /// Whether the log was filled faster than space was prepared a short while ago.
    fn is_outrun(&self) -> bool {
        self.upkeep.now.get() < self.upkeep.outrun.get().0 && !self.upkeep.asks_less.get()
    }

    /// Appends wait for space in `segment`: notes it where this is a log that is filled fast.
    fn note_outrun(&self, segment: &Segment) {
        let step = self.upkeep.step_bytes.get();
        if step * 16 < self.logs.options().reserve_bytes || !self.may_reserve(segment) {
            return;
        }
        let now = self.upkeep.now.get();
        let (until, lasted) = self.upkeep.outrun.get();
        if now >= until {
            let (least, most) = OUTRUN_MS;
            let again = now - until < 4 * lasted;
            let lasts = if again { (lasted * 2).min(most) } else { least };
            self.upkeep.outrun.set((now + lasts, lasts));
        }
    }

    /// Whether space can be reserved in `segment` behind what is prepared: it has a file, and
    /// nothing prepared lies behind what is reserved.
    fn may_reserve(&self, segment: &Segment) -> bool {
        let (from, to) = segment.reserved.get();
        segment.on_disk.get() && (from >= to || to == segment.prepared.get())
    }

    fn reserve_target(&self, segment: &Segment) -> u64 {
        let limit = block_up(self.config.borrow().segment_bytes);
        let needed = extent(segment.size.get());
        let ahead = segment.prepared.get() + self.logs.options().reserve_bytes;
        needed.max(block_up(ahead).min(limit))
    }

    /// Has reserved space prepared where the log is no longer filled fast: a flush of what is
    /// written there takes longer.
    fn give_back_reserved(&self, segment: &Segment) {
        let (from, to) = segment.reserved.get();
        // As much as is appended until zeros are there behind it.
        let left = block_up(self.logs.options().reserve_bytes / 64);
        let keep = extent(segment.size.get()) + left;
        if from < to && to == segment.prepared.get() && keep < to && !self.upkeep.busy.get() {
            segment.reserved.set((from, keep));
            segment.prepared.set(keep);
        }
    }

    fn step_bytes(&self) -> u64 {
        let (least, _) = self.logs.options().prepare_bytes;
        self.upkeep.step_bytes.get().max(least)
    }

    /// Has the steps be so long from now on, within their bounds.
    fn set_step(&self, bytes: u64) {
        let (least, most) = self.logs.options().prepare_bytes;
        self.upkeep.step_bytes.set(bytes.clamp(least, most));
    }

    /// Has the shortest steps asked for where there was no room for a longer one; `false` when
    /// that has been tried.
    fn ask_for_less(&self) -> bool {
        self.set_step(0);
        self.upkeep.outrun.set((self.upkeep.now.get(), 0));
        !self.upkeep.asks_less.replace(true)
    }

    /// Cuts a sealed segment to its length: what it has ahead is room, too. Whether that was done.
    async fn give_room_back(&self) -> bool {
        let sealed = self.to_settle(&self.state.borrow());
        match sealed {
            // If it fails, the job that this is otherwise will say so.
            Some(sealed) => self.settle(&sealed).await.is_ok(),
            None => false,
        }
    }

    /// Starts the background work, or has it looked at again.
    pub fn start_upkeep(self: &Rc<Self>) {
        if !self.upkeep.runs.replace(true) {
            let inner = Rc::clone(self);
            self.logs
                .disk()
                .runtime()
                .spawn(async move { inner.keep_up().await });
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
                let mut result = self.run(job).await;
                if result.as_ref().is_err_and(is_lack_of_room)
                    && (self.ask_for_less() || self.give_room_back().await)
                {
                    result = Ok(());
                }
                self.upkeep.busy.set(false);
                match result {
                    Err(_) if self.has_failed() => {}
                    Err(error) if Cause::of(&error) == Cause::Device => {
                        self.fail(FailedOperation::Prepare, &error);
                    }
                    Err(error) => self.lack_room(&error),
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
        // A name for each file before there is one behind it: a start could take a hole for what
        // compaction left.
        let unnamed = state.segments.iter().find(|it| it.has_next_name());
        if let Some(unnamed) = unnamed
            && starved.is_some_and(|segment| self.is_nameless(segment))
        {
            return Some(Job::Rename(Rc::clone(unnamed)));
        }
        if let Some(segment) = starved {
            if segment.prepared.get() > 0 && !self.upkeep.asks_less.get() {
                self.set_step(self.step_bytes() * 2);
            }
            self.note_outrun(segment);
            if self.is_outrun() && self.may_reserve(segment) {
                let to = self.reserve_target(segment);
                return Some(Job::Reserve(Rc::clone(segment), to));
            }
            let to = self.prepare_target(segment, true);
            return Some(Job::Prepare(Rc::clone(segment), to, true));
        }
        if self.stopped.get() {
            return None;
        }
        let step = self.upkeep.step_bytes.get();
        let size = active.size.get();
        let prepared = active.prepared.get();
        let target = self.prepare_target(active, false);
        if self.is_nameless(active) && state.segments.len() > 1 {
            if let Some(unnamed) = unnamed {
                return Some(Job::Rename(Rc::clone(unnamed)));
            }
            return Some(Job::Prepare(
                Rc::clone(active),
                target.max(extent(0)),
                false,
            ));
        }
        let reserve_to = self.reserve_target(active);
        if self.is_outrun() && self.may_reserve(active) && prepared < reserve_to {
            let low = self.logs.options().reserve_bytes / 2;
            if prepared.saturating_sub(size) <= low {
                return Some(Job::Reserve(Rc::clone(active), reserve_to));
            }
        } else if step > 0 && prepared < target && prepared.saturating_sub(size) <= step / 2 {
            return Some(Job::Prepare(Rc::clone(active), target, false));
        }
        if let Some(unnamed) = unnamed {
            return Some(Job::Rename(Rc::clone(unnamed)));
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
        self.to_settle(&state).map(Job::Settle)
    }

    /// The oldest sealed segment whose files do not have their final form, once all of it is
    /// flushed.
    fn to_settle(&self, state: &State) -> Option<Rc<Segment>> {
        let flushed = self.stored_offset.get();
        let mut pairs = state.segments.windows(2);
        let found = pairs.find(|pair| {
            let (sealed, follower) = (&pair[0], &pair[1]);
            !sealed.settled.get() && follower.base_offset <= flushed && !state.is_to_write(sealed)
        });
        found.map(|pair| Rc::clone(&pair[0]))
    }

    /// Up to where `segment` is to be prepared now: a step ahead of its end where it is still
    /// appended to, within its limit, one piece at a time.
    fn prepare_target(&self, segment: &Segment, starved: bool) -> u64 {
        let limit = block_up(self.config.borrow().segment_bytes);
        let needed = extent(segment.size.get());
        let ahead = block_up(segment.size.get() + self.upkeep.step_bytes.get()).min(limit);
        let prepared = block_up(segment.prepared.get());
        // What is waited for is not made to wait for the luxury of a long step.
        let piece = match starved {
            true if self.upkeep.asks_less.get() => needed,
            true => needed.max(prepared + URGENT_PIECE_BYTES),
            false => prepared + PREPARE_PIECE_BYTES,
        };
        needed.max(ahead).min(piece)
    }

    async fn run(&self, job: Job) -> io::Result<()> {
        match job {
            Job::Prepare(segment, to, is_urgent) => self.prepare(&segment, to, is_urgent).await,
            Job::Reserve(segment, to) => self.reserve(&segment, to).await,
            Job::Rename(segment) => match self.rename_to_final(&segment).await {
                Err(_) if segment.is_retired() => Ok(()),
                result => result,
            },
            Job::CreateNext(active) => self.create_next(&active).await,
            Job::WriteEpochs => self.write_epochs().await,
            Job::WriteSnapshot(offset, content) => {
                let written = self.write_snapshot(offset, content.clone()).await;
                if let Err(error) = &written
                    && Cause::of(error) != Cause::Device
                {
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

    async fn prepare(&self, segment: &Segment, to: u64, is_urgent: bool) -> io::Result<()> {
        let disk = self.logs.disk();
        let from = segment.prepared.get();
        let _permit = self.logs.prepare_permit(to - from, is_urgent).await;
        if self.is_outrun() && self.may_reserve(segment) {
            // Appends wait by now, and room alone is had faster.
            return Ok(());
        }
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
        self.now_prepared(segment, to);
        Ok(())
    }

    async fn reserve(&self, segment: &Segment, to: u64) -> io::Result<()> {
        let from = segment.prepared.get();
        let file = segment.file(self.logs.disk()).await?;
        if file.len().await? < segment.written.get() {
            return Err(segment.shrunk());
        }
        file.reserve(from, to).await?;
        // The length first: where a file ended with its last batch and another followed, a start
        // would take what was lost between them for what compaction left out.
        file.flush().await?;
        let (start, end) = segment.reserved.get();
        let start = if start < end { start } else { from };
        segment.reserved.set((start, to));
        self.now_prepared(segment, to);
        Ok(())
    }

    /// Lets writes reach up to `to`.
    fn now_prepared(&self, segment: &Segment, to: u64) {
        let config = self.config.borrow().clone();
        // However near each other entries may be, each is of a batch.
        let interval = config.index_interval_bytes.max(HEADER_BYTES as u64);
        let entries = (to / interval).min(config.segment_index_bytes / 8);
        segment.reserve_entries(entries as usize);
        self.upkeep.asks_less.set(false);
        // A file that is longer than what is in it does not have its final form.
        segment.settled.set(false);
        let from = segment.prepared.replace(to);
        self.logs.probe().prepared_bytes.add(to - from);
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
        let permit = self.logs.prepare_permit(prepared, false).await;
        let file = self.prepared_anew(&path, prepared).await?;
        drop(permit);
        self.upkeep.asks_less.set(false);
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
    /// rolled meanwhile; returns it when it is no longer wanted.
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
