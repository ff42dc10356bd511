//! Drives: what the logs of one shard share: flushers, memory bounds, counts.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::Path;
use std::rc::{Rc, Weak};

use super::flusher::Flushers;
use crate::io::budget::Budget;
use crate::io::disk::Disk;
use crate::io::file::File;
use crate::log::inner::Inner;
use crate::log::journal::Journal;
use crate::log::probe::Probe;
use crate::log::read::LogMemory;

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
    /// Larger appends go past the journal, in bytes: writing them twice would cost more than a
    /// flush of the log's own file, which has to note that they are there. It is an eighth of
    /// this where acks wait for no flush.
    pub entered_bytes_max: u64,
    /// A log that has so many bytes which are in the journal alone writes them to its own file
    /// without waiting for the other logs.
    pub away_bytes_max: u64,
    /// Where more logs than this have written what was in the journal, one flush of the file system
    /// takes the place of those of their files: it waits for what other programs have written
    /// there, too.
    pub flushed_each_max: usize,
    /// The shortest and the longest step in which a log has room made ahead of its end, in bytes.
    pub prepare_bytes: (u64, u64),
}

/// The logs of one shard on one device; cheap to clone. Logs on different devices must not share
/// it: where a flush of one fails the others count on nothing that they had written before.
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
    flushers: Rc<Flushers>,
    /// Logs that retention removed something of in this round.
    removals: Cell<usize>,
    /// Logs that wrote something since [`Logs::look_for_files`]. Weak: they hold this.
    written: RefCell<Vec<Weak<Inner>>>,
    memory: Rc<LogMemory>,
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
            entered_bytes_max: 128 << 10,
            away_bytes_max: 256 << 10,
            flushed_each_max: 64,
            prepare_bytes: (64 << 10, 16 << 20),
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
            flushers: Rc::default(),
            removals: Cell::new(0),
            written: RefCell::default(),
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

    /// The tasks that flush their files.
    pub(super) fn flushers(&self) -> &Rc<Flushers> {
        &self.shared.flushers
    }

    /// Logs that wait for a flush which is not under way.
    pub fn waiting_for_flush_count(&self) -> usize {
        self.shared.flushers.waiting_count()
    }

    /// Flushes `file`. Where that fails no log counts on what it had written before, in this file
    /// or in another.
    pub(in crate::log) async fn flush(&self, file: &File) -> io::Result<()> {
        let flushed = file.flush().await;
        if flushed.is_err() {
            self.shared.probe.failed_flushes_count.add(1);
        }
        flushed
    }

    /// Flushes the file system that holds `dir`, and `file` in it; as [`Logs::flush`].
    pub(in crate::log) async fn flush_file_system(
        &self,
        dir: &Path,
        file: &File,
    ) -> io::Result<()> {
        let synced = self.disk().sync_all(dir).await;
        if synced.is_err() {
            self.shared.probe.failed_flushes_count.add(1);
        }
        synced?;
        // XFS hands no flush to the device where it has nothing to note in its journal.
        self.flush(file).await
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
}
