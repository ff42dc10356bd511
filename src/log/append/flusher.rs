//! Drives: what the logs of one shard share: device flushes, memory bounds, counts.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::{Rc, Weak};

use crate::base::Offset;
use crate::io::budget::Budget;
use crate::io::disk::Disk;
use crate::io::event::Event;
use crate::io::file::File;
use crate::io::semaphore::{Permit, Semaphore};
use crate::log::inner::{FailedOperation, Inner};
use crate::log::journal::Journal;
use crate::log::probe::Probe;
use crate::log::read::LogMemory;
use crate::log::segment::Segment;

/// Stretches up to this are prepared without waiting for others, in bytes.
const PREPARE_FREE_BYTES: u64 = 256 << 10;

/// Lines that the log gets of one round of retention, one for each partition concerned.
const REMOVAL_LINES_MAX: usize = 50;

/// Bounds of what the logs of one shard may use.
#[derive(Clone, Debug)]
pub struct LogsOptions {
    /// What everything that clients can have these logs hold is taken from, beside other uses.
    pub budget: Rc<Budget>,
    /// Memory for the newest bytes of all logs, which tail reads are served from, in bytes.
    pub cache_bytes: usize,
    /// What that may grow to while no other use wants the memory, in bytes.
    pub cache_bytes_max: usize,
    /// Bytes that one log may hold that are appended and not yet written.
    pub queued_bytes_max: usize,
    /// Reads from disk under way at one time, in bytes.
    pub read_bytes_max: usize,
    /// Of a write with at least so many bytes of whole blocks, those are written from where they
    /// lie; of a shorter one they are copied.
    pub shared_write_bytes_min: u64,
    /// Bytes that one read from disk asks for. No more of what a reader is to have is in memory
    /// before it is sent.
    pub read_ahead_bytes: usize,
    /// Whether one flush makes durable what was written before it whatever file it is of, as
    /// overwrites in place on one device are; else each file is flushed.
    pub shared_flushes: bool,
    /// The first and the largest step in which space is prepared, in bytes.
    pub prepare_bytes: (u64, u64),
    /// What a log gets at a time while it is filled faster than space is prepared, in bytes: room
    /// without zeros. Steps have to have grown to a sixteenth of it before.
    pub reserve_bytes: u64,
}

/// The logs of one shard on one device; cheap to clone. One flush of the device serves all of
/// them, so logs on different devices must not share it; see [`LogsOptions::shared_flushes`].
#[derive(Clone)]
pub struct Logs {
    shared: Rc<Shared>,
    /// That of the folder which these logs lie in, if it has one.
    journal: Option<Journal>,
}

struct Shared {
    disk: Disk,
    options: LogsOptions,
    probe: Probe,
    waiting: RefCell<Vec<Waiter>>,
    due: Event,
    flusher_runs: Cell<bool>,
    /// Logs that retention removed something of in this round.
    removals: Cell<usize>,
    /// Logs that wrote something since [`Logs::look_for_files`]. Weak: they hold this.
    written: RefCell<Vec<Weak<Inner>>>,
    memory: Rc<LogMemory>,
    /// Taken by the log that prepares a long stretch.
    preparing: Rc<Semaphore>,
}

/// A log whose writes up to `offset` are complete and want a flush.
struct Waiter {
    log: Rc<Inner>,
    segment: Rc<Segment>,
    file: File,
    offset: Offset,
}

impl Default for LogsOptions {
    fn default() -> LogsOptions {
        LogsOptions {
            budget: Budget::new(512 << 20),
            cache_bytes: 64 << 20,
            cache_bytes_max: 64 << 20,
            queued_bytes_max: 32 << 20,
            read_bytes_max: 16 << 20,
            shared_write_bytes_min: 32 << 10,
            read_ahead_bytes: 256 << 10,
            shared_flushes: true,
            prepare_bytes: (64 << 10, 64 << 20),
            reserve_bytes: 16 << 20,
        }
    }
}

// === impl Logs ===

impl Logs {
    /// What logs on `disk` share.
    pub fn new(disk: &Disk, options: LogsOptions) -> Logs {
        let shared = Rc::new(Shared {
            disk: disk.clone(),
            memory: LogMemory::new(&options, disk.pool()),
            options,
            probe: Probe::default(),
            waiting: RefCell::default(),
            due: Event::default(),
            flusher_runs: Cell::new(false),
            removals: Cell::new(0),
            written: RefCell::default(),
            preparing: Semaphore::new(1),
        });
        Logs {
            shared,
            journal: None,
        }
    }

    /// The same with the journal of one folder: for the logs in it.
    #[must_use]
    pub(in crate::log) fn with_journal(&self, journal: Journal) -> Logs {
        Logs {
            journal: Some(journal),
            ..self.clone()
        }
    }

    /// The journal of the folder that these logs lie in, if it has one.
    pub(in crate::log) fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// Has what is in the journal alone brought to the logs' own files now: its memory is wanted.
    pub(in crate::log) fn hurry_home(&self) {
        if let Some(journal) = &self.journal {
            journal.hurry();
        }
    }

    /// The disk they lie on.
    pub fn disk(&self) -> &Disk {
        &self.shared.disk
    }

    /// Whether this is the same, not only one like it.
    pub fn is(&self, other: &Logs) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
    }

    /// The bounds.
    pub fn options(&self) -> &LogsOptions {
        &self.shared.options
    }

    /// What they counted.
    pub fn probe(&self) -> &Probe {
        &self.shared.probe
    }

    /// Logs that wait for the next flush.
    pub fn waiting_for_flush_count(&self) -> usize {
        self.shared.waiting.borrow().len()
    }

    /// Has the device flushed and then calls [`Inner::after_flush`] with `offset`. A flush
    /// under way does not cover this; the next one does, together with all that came meanwhile.
    pub(in crate::log) fn flush(&self, log: &Rc<Inner>, segment: &Rc<Segment>, offset: Offset) {
        let Some(file) = segment.opened() else {
            return;
        };
        self.shared.waiting.borrow_mut().push(Waiter {
            log: Rc::clone(log),
            segment: Rc::clone(segment),
            file,
            offset,
        });
        if !self.shared.flusher_runs.replace(true) {
            // Weak, so that the task does not keep alive what it serves.
            let shared = Rc::downgrade(&self.shared);
            self.shared.disk.runtime().spawn(flush_on(shared));
        }
        self.shared.due.call();
    }

    /// How many flushes have failed. Each may have dropped any write that it was to cover, and
    /// the next one does not say so.
    pub(in crate::log) fn failed_flushes(&self) -> u64 {
        self.shared.probe.failed_flushes_count.get()
    }

    /// Whether the log may have one more line of what retention removed in this round.
    pub(in crate::log) fn may_tell_of_removal(&self) -> bool {
        let count = self.shared.removals.get() + 1;
        self.shared.removals.set(count);
        count <= REMOVAL_LINES_MAX
    }

    /// Ends a round of retention: in how many more logs than were told of it removed something.
    pub fn untold_removals(&self) -> usize {
        self.shared
            .removals
            .take()
            .saturating_sub(REMOVAL_LINES_MAX)
    }

    /// Notes that `log` has written: see [`Logs::look_for_files`].
    pub(in crate::log) fn has_written(&self, log: &Rc<Inner>) {
        if !log.is_noted.replace(true) {
            self.shared.written.borrow_mut().push(Rc::downgrade(log));
        }
    }

    /// Fails each log that has written since the last call to a file which was removed meanwhile:
    /// what it acked is gone. To be called a few times a second; one system call for each such log.
    pub fn look_for_files(&self) {
        let next = || self.shared.written.borrow_mut().pop();
        while let Some(log) = next() {
            if let Some(log) = log.upgrade() {
                log.is_noted.set(false);
                log.look_for_file();
            }
        }
    }

    /// The memory they take.
    pub(in crate::log) fn memory(&self) -> &Rc<LogMemory> {
        &self.shared.memory
    }

    /// Waits until no other log prepares a long stretch, if this one is long: zeros written by
    /// one are background, by sixteen at a time they are in the way of appends. Those that
    /// appends wait for (`is_urgent`) go first, else the log that asked first: one that is filled
    /// fast would never let another have its turn.
    pub(in crate::log) async fn prepare_permit(
        &self,
        bytes: u64,
        is_urgent: bool,
    ) -> Option<Permit> {
        let preparing = &self.shared.preparing;
        match is_urgent {
            _ if bytes <= PREPARE_FREE_BYTES => None,
            true => Some(preparing.take_urgently(1).await),
            false => Some(preparing.take(1).await),
        }
    }
}

impl Shared {
    /// Flushes each file that no other's flush covers, or else the device once.
    async fn flush_all(&self, covered: &[Waiter]) -> io::Result<()> {
        let mut flushed_any = false;
        for waiter in covered {
            let own = waiter.segment.needs_own_flush() && !planted!(OwnFlushForgotten);
            if own || !self.options.shared_flushes {
                self.flush_one(waiter).await?;
                flushed_any = true;
            }
        }
        match covered.first() {
            Some(first) if !flushed_any => self.flush_one(first).await,
            _ => Ok(()),
        }
    }

    async fn flush_one(&self, waiter: &Waiter) -> io::Result<()> {
        let begun = self.disk.runtime().now();
        let result = waiter.segment.flush(&waiter.file).await;
        self.probe.flushes_count.add(1);
        let lasted_us = self.disk.runtime().us_since(begun);
        self.probe.flush_latency.record_us(lasted_us);
        result
    }
}

/// Flushes for as long as logs share this: each flush serves every log that waits when it begins.
async fn flush_on(shared: Weak<Shared>) {
    let mut covered: Vec<Waiter> = Vec::new();
    while let Some(shared) = shared.upgrade() {
        if shared.waiting.borrow().is_empty() {
            shared.due.wait().await;
        }
        std::mem::swap(&mut covered, &mut *shared.waiting.borrow_mut());
        if covered.is_empty() {
            continue;
        }
        let result = shared.flush_all(&covered).await;
        shared.probe.flushed_logs_count.add(covered.len() as u64);
        match result {
            Ok(()) => {
                for waiter in covered.drain(..) {
                    waiter.log.after_flush(waiter.offset);
                }
            }
            Err(error) => {
                // What the device dropped is not known: every wait for it fails, and
                // so does each log that has written and begins to wait later.
                shared.probe.failed_flushes_count.add(1);
                let waiting = std::mem::take(&mut *shared.waiting.borrow_mut());
                for waiter in covered.drain(..).chain(waiting) {
                    waiter.log.fail(FailedOperation::Flush, &error);
                }
            }
        }
    }
}
