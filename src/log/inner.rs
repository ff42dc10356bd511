//! Drives: the state that the parts of a log share, its progress and its failure.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::append::{Flushing, Logs, Tail};
use super::config::LogConfig;
use super::format::{AbortedTransactions, Checksums, Epochs};
use super::journal::Side;
use super::maintenance::Rounds;
use super::segment::Segment;
use super::space::{Room, Upkeep};
use crate::base::{Offset, TopicId, WallMs};
use crate::io::cause::Cause;
use crate::io::event::{Bell, Event};

/// What failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedOperation {
    /// A write of appended batches.
    Write,
    /// A flush of the device.
    Flush,
    /// Space ahead of the writes could not be prepared: most often the disk is full.
    Prepare,
    /// The log was found damaged when it was opened.
    Damage,
    /// The file that is written to was removed while it was open: acks would be for nothing.
    Unlinked,
    /// The folder that the log lies in has failed.
    Folder,
    /// Nothing failed: the log is being removed.
    Removal,
}

impl FailedOperation {
    /// Whether it is reported once for all logs, not log by log.
    pub fn is_told_elsewhere(self) -> bool {
        matches!(self, FailedOperation::Folder | FailedOperation::Removal)
    }
}

/// Why a log takes no more appends. What had been acked before still holds.
#[derive(Clone, Debug)]
pub struct LogFailure {
    /// What failed.
    pub operation: FailedOperation,
    /// Whose fault it is.
    pub cause: Cause,
    /// One sentence, with the file where one is known.
    pub reason: String,
}

/// See [`super::Log::on_acked`] and [`super::Log::on_start`].
pub type OnMoved = Rc<dyn Fn(Offset)>;
/// See [`super::Log::on_roll`].
pub type OnRoll = Rc<dyn Fn(Offset) -> Vec<u8>>;

/// A log's parts; the methods are spread over the files of this room.
pub struct Inner {
    pub logs: Logs,
    pub dir: PathBuf,
    /// The last part of `dir`: `<topic>-<partition>`.
    pub name: Box<str>,
    pub topic_id: Option<TopicId>,
    pub config: RefCell<Rc<LogConfig>>,
    pub state: RefCell<State>,
    pub aborted: RefCell<AbortedTransactions>,
    /// What the leader epoch checkpoint may be.
    pub sums: RefCell<Checksums>,
    /// What the indexes of aborted transactions may be.
    pub index_sums: RefCell<Checksums>,
    pub start_offset: Cell<Offset>,
    pub end_offset: Cell<Offset>,
    /// Everything before this is written to the segments.
    pub written_offset: Cell<Offset>,
    /// Everything before this is durable: in the segments, or in the journal.
    pub flushed_offset: Cell<Offset>,
    /// Everything before this is durable in the segments.
    pub stored_offset: Cell<Offset>,
    pub acked_offset: Cell<Offset>,
    /// Nothing at or behind this goes: see [`super::Log::set_committed`].
    pub committed: Cell<Offset>,
    /// Whether offsets may be missing between its batches: see [`super::Opening::gaps`].
    pub gaps: Cell<bool>,
    /// Whether the next batch lies so far ahead that it waits for everything to be stored.
    pub awaits_store: Cell<bool>,
    /// When the oldest append that is not flushed was made; meaningful while there is one.
    pub unflushed_since: Cell<WallMs>,
    /// How many flushes had failed before the oldest write that is not flushed was begun: see
    /// [`Logs::failed_flushes`].
    pub failed_flushes: Cell<u64>,
    pub failure: RefCell<Option<LogFailure>>,
    /// No more appends, and tasks end when they run out of work.
    pub stopped: Cell<bool>,
    pub on_acked: RefCell<Option<OnMoved>>,
    pub on_start: RefCell<Option<OnMoved>>,
    pub on_roll: RefCell<Option<OnRoll>>,
    /// There is something to write.
    pub work: Event,
    pub writer_runs: Cell<bool>,
    /// Whether a write is under way or waits for prepared space.
    pub writer_busy: Cell<bool>,
    pub flushing: Flushing,
    /// What it keeps for the journal.
    pub side: Side,
    pub upkeep: Upkeep,
    pub room: Room,
    pub rounds: Rounds,
    /// Segment and position of each batch known to be damaged.
    pub damaged_places: RefCell<BTreeSet<(Offset, u64)>>,
    /// The offset of the newest snapshot of producer state that is on disk and whole.
    pub snapshot_at: Cell<Option<Offset>>,
    /// Reads from disk under way.
    pub reads: Cell<usize>,
    /// Whether the log is being compacted.
    pub cleaning: Cell<bool>,
    /// Whether segments are being taken off or exchanged: one may do that at a time.
    pub reshaping: Cell<bool>,
    /// Whether the log is noted as one that has written: see [`Logs::look_for_files`].
    pub is_noted: Cell<bool>,
    /// Rung when written, flushed or prepared positions moved, and at failure.
    pub progress: Bell,
}

/// What an append changes.
#[derive(Default)]
pub struct State {
    /// In offset order; the last one is active. Empty until the first append of a new log.
    pub segments: Vec<Rc<Segment>>,
    pub tail: Tail,
    /// What is to be written, in order.
    pub marks: VecDeque<Mark>,
    /// The segment that the write under way belongs to.
    pub writing: Option<Rc<Segment>>,
    /// Bytes behind those marks and in the write under way.
    pub queued_bytes: u64,
    pub epochs: Epochs,
    /// Whether `epochs` differs from its checkpoint.
    pub epochs_changed: bool,
}

/// A stretch of one segment that is to be written; ends with whole batches.
pub struct Mark {
    pub segment: Rc<Segment>,
    pub from: u64,
    pub to: u64,
    /// The offset behind its last record.
    pub end_offset: Offset,
}

impl Inner {
    /// A log that holds nothing.
    pub fn new(logs: &Logs, dir: &Path, config: LogConfig, topic_id: Option<TopicId>) -> Inner {
        Inner {
            logs: logs.clone(),
            dir: dir.to_owned(),
            name: dir.file_name().unwrap_or_default().to_string_lossy().into(),
            topic_id,
            config: RefCell::new(Rc::new(config)),
            state: RefCell::default(),
            aborted: RefCell::default(),
            sums: RefCell::default(),
            index_sums: RefCell::default(),
            start_offset: Cell::new(0),
            end_offset: Cell::new(0),
            written_offset: Cell::new(0),
            flushed_offset: Cell::new(0),
            stored_offset: Cell::new(0),
            acked_offset: Cell::new(0),
            committed: Cell::new(Offset::MAX),
            gaps: Cell::new(false),
            awaits_store: Cell::new(false),
            unflushed_since: Cell::new(0),
            failed_flushes: Cell::new(0),
            failure: RefCell::new(None),
            stopped: Cell::new(false),
            on_acked: RefCell::default(),
            on_start: RefCell::default(),
            on_roll: RefCell::default(),
            work: Event::default(),
            writer_runs: Cell::new(false),
            writer_busy: Cell::new(false),
            flushing: Flushing::default(),
            side: Side::default(),
            upkeep: Upkeep::new(logs.options().prepare_bytes),
            room: Room::default(),
            rounds: Rounds::default(),
            damaged_places: RefCell::default(),
            snapshot_at: Cell::new(None),
            reads: Cell::new(0),
            cleaning: Cell::new(false),
            reshaping: Cell::new(false),
            is_noted: Cell::new(false),
            progress: Bell::default(),
        }
    }

    /// Everything before `end` is there, and nothing behind it.
    pub fn stands_at(&self, end: Offset) {
        self.end_offset.set(end);
        self.written_offset.set(end);
        self.flushed_offset.set(end);
        self.stored_offset.set(end);
        self.acked_offset.set(end);
    }

    /// Closes the log for good: no append and no ack after this.
    pub fn fail(&self, operation: FailedOperation, error: &io::Error) {
        if self.failure.borrow().is_some() {
            return;
        }
        if !operation.is_told_elsewhere() {
            self.logs.probe().failed_logs_count.add(1);
        }
        *self.failure.borrow_mut() = Some(LogFailure {
            operation,
            cause: Cause::of(error),
            reason: format!("{}: {operation} failed: {error}", self.dir.display()),
        });
        self.progress.ring();
        self.work.call();
        self.tell_owner();
    }

    /// Notes that the device is full, or the host short of something: until that has changed, what
    /// needs new space is refused.
    pub fn lack_room(&self, error: &io::Error) {
        let cause = Cause::of(error);
        let cure = match cause {
            Cause::NoRoom => "free space on this device, or lower the retention of what lies there",
            _ => {
                "no fault of this device: raise LimitNOFILE (ulimit -n) or free memory of this host"
            }
        };
        let failure = LogFailure {
            operation: FailedOperation::Prepare,
            cause,
            reason: format!(
                "{}: {error}: {cure}; records are taken again by themselves once that is done",
                self.dir.display()
            ),
        };
        self.room.lacks(failure);
        self.progress.ring();
        self.tell_owner();
    }

    /// See [`super::Log::seek_room`].
    pub fn seek_room(self: &Rc<Self>) {
        if self.room.retry() && !self.stopped.get() {
            self.start_upkeep();
        }
    }

    /// Fails the log where the file that it writes to has no name any more: it was removed,
    /// or its folder, and everything acked since is gone with it.
    pub fn look_for_file(&self) {
        if self.has_failed() || self.stopped.get() {
            return;
        }
        let Some(active) = self.active() else { return };
        let Some(file) = active.opened() else { return };
        if file.is_unlinked() {
            let path = active.path();
            let reason = format!(
                "{} was removed while it is written to: its records are gone; put the folder \
                 back from a copy, or delete the topic, and start again",
                path.display()
            );
            self.fail(FailedOperation::Unlinked, &io::Error::other(reason));
        }
    }

    /// To be called before a write to a segment: where everything before it is durable there, and
    /// not in the journal alone, flushes that failed until now have dropped nothing of this log.
    pub fn note_failed_flushes(&self) {
        if self.stored_offset.get() >= self.written_offset.get() {
            self.failed_flushes.set(self.logs.failed_flushes());
        }
    }

    /// Whether the log has failed.
    pub fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    /// Whether the log is removed or about to be.
    pub fn is_removed(&self) -> bool {
        let failure = self.failure.borrow();
        failure
            .as_ref()
            .is_some_and(|it| it.operation == FailedOperation::Removal)
    }

    /// Lets the background tasks end.
    pub fn stop(&self) {
        self.stopped.set(true);
        self.on_acked.borrow_mut().take();
        self.on_start.borrow_mut().take();
        self.on_roll.borrow_mut().take();
        self.work.call();
        self.upkeep.wake();
        self.progress.ring();
    }

    /// Everything before this may be deleted or compacted, as far as its readers and replicas are
    /// concerned.
    pub fn settled_offset(&self) -> Offset {
        self.acked_offset.get().min(self.committed.get())
    }

    /// Moves the acked offset, never back, and says so to the owner.
    pub fn ack(&self, offset: Offset) {
        if offset > self.acked_offset.get() && !self.has_failed() {
            self.acked_offset.set(offset);
            self.tell_owner();
        }
    }

    pub fn tell_owner(&self) {
        // Cloned, because the callback may append or replace the callback.
        let callback = self.on_acked.borrow().clone();
        if let Some(callback) = callback {
            callback(self.acked_offset.get());
        }
    }

    /// The active segment.
    pub fn active(&self) -> Option<Rc<Segment>> {
        self.state.borrow().segments.last().cloned()
    }

    /// Whether `segment` is the active one.
    pub fn is_active(&self, segment: &Segment) -> bool {
        let state = self.state.borrow();
        let active = state.segments.last();
        active.is_some_and(|it| it.base_offset == segment.base_offset)
    }

    /// Bytes of the batches in all segments.
    pub fn size_bytes(&self) -> u64 {
        let state = self.state.borrow();
        state
            .segments
            .iter()
            .map(|segment| segment.size.get())
            .sum()
    }

    /// Gives up the oldest memory of the tail; `false` when none can go now.
    pub fn evict(&self) -> bool {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        // Everything before the write under way, or else before the first that waits, is on disk.
        let waiting = state.marks.front().map(|mark| &mark.segment);
        let at = state.writing.as_ref().or(waiting);
        let Some(segment) = at.or(state.segments.last()) else {
            return false;
        };
        let written = (segment.base_offset, segment.written.get());
        // What is to go into the journal is copied from here, too.
        let (base, written) = match self.side.first_wanted() {
            Some(first) => written.min(first),
            None => written,
        };
        state.tail.evict(self.logs.disk().pool(), base, written)
    }

    /// Whether any of the newest records are in memory.
    pub fn has_tail(&self) -> bool {
        self.state.borrow().tail.bytes() > 0
    }
}

impl fmt::Display for FailedOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FailedOperation::Write => "a write",
            FailedOperation::Flush => "a flush",
            FailedOperation::Prepare => "preparing space",
            FailedOperation::Damage => "the check of its content",
            FailedOperation::Unlinked => "the look for its data file",
            FailedOperation::Folder => "the folder it lies in",
            FailedOperation::Removal => "going on while it is removed",
        })
    }
}

impl fmt::Display for LogFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
