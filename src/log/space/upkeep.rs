//! Drives: what happens behind the appends: room ahead, files of sealed segments.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use super::plan::Job;
use super::step::{Asked, Step};
use crate::base::{Offset, WallMs};
use crate::io::cause::{Cause, is_lack_of_room};
use crate::io::durable::Durable;
use crate::io::event::Event;
use crate::io::file::File;
use crate::log::format::extent;
use crate::log::inner::{FailedOperation, Inner};
use crate::log::segment::Segment;
use crate::wire::batch::HEADER_BYTES;

/// Whether a log's folder is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Folder {
    /// It is not known to be.
    #[default]
    Unmade,
    /// Until the machine stops.
    Made,
    /// For good.
    Lasting,
}

/// State of one log's background work.
pub struct Upkeep {
    event: Event,
    runs: Cell<bool>,
    /// Whether a job is under way.
    busy: Cell<bool>,
    step: Step,
    /// Snapshots of producer state to be written.
    snapshots: RefCell<VecDeque<(Offset, Vec<u8>)>>,
    folder: Cell<Folder>,
}

// === impl Upkeep ===

impl Upkeep {
    /// No work yet; room will be asked for in steps within these bounds, in bytes.
    pub fn new(step_bytes: (u64, u64)) -> Upkeep {
        Upkeep {
            event: Event::default(),
            runs: Cell::new(false),
            busy: Cell::new(false),
            step: Step::new(step_bytes),
            snapshots: RefCell::default(),
            folder: Cell::default(),
        }
    }

    /// Has the work looked at again.
    pub fn wake(&self) {
        self.event.call();
    }

    /// Notes that the log's folder exists.
    pub fn folder_exists(&self) {
        self.folder.set(self.folder.get().max(Folder::Made));
    }

    /// Notes that the log's folder is there for good.
    pub fn folder_lasts(&self) {
        self.folder.set(Folder::Lasting);
        self.wake();
    }

    /// Whether the log's folder is there for good.
    pub fn has_lasting_folder(&self) -> bool {
        self.folder.get() == Folder::Lasting
    }

    /// Whether the log's folder exists.
    pub fn has_folder(&self) -> bool {
        self.folder.get() >= Folder::Made
    }

    /// Whether a job is under way.
    pub fn is_busy(&self) -> bool {
        self.busy.get()
    }

    /// How much room it asks for.
    pub(super) fn step(&self) -> &Step {
        &self.step
    }

    /// Takes a snapshot of producer state up to `offset`, to be written soon.
    pub fn keep_snapshot(&self, offset: Offset, content: Vec<u8>) {
        self.snapshots.borrow_mut().push_back((offset, content));
    }

    /// The oldest snapshot that is to be written.
    pub fn take_snapshot(&self) -> Option<(Offset, Vec<u8>)> {
        self.snapshots.borrow_mut().pop_front()
    }

    /// Whether there is something that is to be written before the log is closed.
    pub fn has_unwritten(&self) -> bool {
        self.busy.get() || !self.snapshots.borrow().is_empty()
    }
}

// === impl Inner ===

impl Inner {
    /// The data file of `segment` once it has room up to `to`; `None` when the log has failed or
    /// stopped before that.
    pub async fn prepared_file(self: &Rc<Self>, segment: &Segment, to: u64) -> Option<File> {
        if segment.prepared.get() < to {
            self.logs.probe().unprepared_waits_count.add(1);
            self.ask_for_room(segment, segment.modified_ms.get());
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

    /// Has room made where little is left in `segment`, which was appended to.
    pub fn upkeep_if_low(self: &Rc<Self>, segment: &Segment, now: WallMs) {
        if self.is_low(segment) {
            self.ask_for_room(segment, now);
        }
    }

    fn ask_for_room(self: &Rc<Self>, segment: &Segment, now: WallMs) {
        // What a sealed one needs says nothing of the rate of appends.
        if self.is_active(segment) {
            self.upkeep.step.ask(Asked {
                now,
                segment: segment.base_offset,
                size: segment.size.get(),
            });
        }
        self.start_upkeep();
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
                    && (self.upkeep.step.ask_for_less() || self.give_room_back().await)
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

    /// Whether there is room for an append of `bytes`, which begins a new segment where the active
    /// one `is_full`.
    pub fn is_prepared_for(&self, bytes: u64, is_full: bool) -> bool {
        let active = self.active().filter(|_| !is_full);
        active.is_some_and(|it| it.prepared.get() >= extent(it.size.get() + bytes))
    }

    async fn run(&self, job: Job) -> io::Result<()> {
        match job {
            Job::MakeRoom(segment, to) => self.make_room_up_to(&segment, to).await,
            Job::WriteEpochs => self.write_epochs(Durable::Now).await,
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

    async fn make_room_up_to(&self, segment: &Segment, to: u64) -> io::Result<()> {
        if segment.on_disk.get() {
            let file = segment.file(self.logs.disk()).await?;
            if file.len().await? < segment.written.get() {
                return Err(segment.shrunk());
            }
            self.lengthen(&file, segment.prepared.get(), to).await?;
        } else {
            if self.upkeep.has_folder() {
                self.make_files_last().await?;
            }
            self.make_folder().await?;
            let file = self.made_file(segment, to).await?;
            segment.set_file(file);
        }
        self.now_prepared(segment, to);
        Ok(())
    }

    /// The length is durable before anything is written there: where a file ended with its last
    /// batch and another followed, a start would take what was lost between them for what
    /// compaction left out.
    async fn lengthen(&self, file: &File, from: u64, to: u64) -> io::Result<()> {
        file.reserve(from, to).await?;
        self.logs.flush(file).await
    }

    /// Makes durable that the files are there which the log has by now, and how long they are.
    async fn make_files_last(&self) -> io::Result<()> {
        if self.upkeep.has_lasting_folder() {
            return Ok(());
        }
        let segments = self.state.borrow().segments.clone();
        for file in segments.iter().filter_map(|it| it.opened()) {
            self.logs.flush(&file).await?;
        }
        self.make_folder_last().await
    }

    /// The new file of a segment, with room for so many bytes; none is left where that fails, so
    /// that it can be tried again. The first one of a log need not survive a crash before the
    /// log's first flush, which is one for many new logs: what is in it is in the journal, or not
    /// acked.
    async fn made_file(&self, segment: &Segment, bytes: u64) -> io::Result<File> {
        let disk = self.logs.disk();
        let path = segment.path();
        let file = disk.create(&path).await?;
        let made = match self.upkeep.has_lasting_folder() {
            true => self.lengthen_for_good(&file, bytes).await,
            false => file.reserve(0, bytes).await,
        };
        match made {
            Ok(()) => Ok(file),
            Err(error) => {
                drop(file);
                // What went wrong first is what counts.
                let _ = disk.remove(&path).await;
                Err(error)
            }
        }
    }

    async fn lengthen_for_good(&self, file: &File, bytes: u64) -> io::Result<()> {
        self.lengthen(file, 0, bytes).await?;
        self.logs.disk().sync_dir(&self.dir).await
    }

    /// Lets writes reach up to `to`.
    fn now_prepared(&self, segment: &Segment, to: u64) {
        let config = self.config.borrow().clone();
        // However near each other entries may be, each is of a batch.
        let interval = config.index_interval_bytes.max(HEADER_BYTES as u64);
        let entries = (to / interval).min(config.segment_index_bytes / 8);
        segment.reserve_entries(entries as usize);
        self.upkeep.step.was_had();
        // A file that is longer than what is in it does not have its final form.
        segment.settled.set(false);
        let from = segment.prepared.replace(to);
        self.logs.probe().prepared_bytes.add(to - from);
    }

    /// Waits until no background job is under way.
    pub async fn upkeep_idle(&self) {
        while self.upkeep.busy.get() {
            self.progress.wait().await;
        }
    }
}
