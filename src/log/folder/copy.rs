//! Drives: a copy of a log on another file system, made while the log is in use (Kafka's future
//! log, KIP-113).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::base::{Offset, WallMs};
use crate::io::buffer::BLOCK_BYTES;
use crate::io::disk::Disk;
use crate::io::durable::Durable;
use crate::log::Log;
use crate::log::compaction::CLEANED_SUFFIX;
use crate::log::inner::Inner;
use crate::log::segment::{Segment, base_offset_in, file_name};

/// Bytes that are read, and then written, at once.
const STEP_BYTES: usize = 256 << 10;
/// Room is asked for in pieces of this many bytes.
const RESERVE_BYTES: u64 = 4 << 20;
/// An active segment of at least this many bytes is sealed, so that it can be copied while the log
/// goes on.
const ROLL_BYTES: u64 = 4 << 20;
/// The files of a sealed segment that are large. They stay as they are until the segment goes.
const LARGE: [&str; 3] = [".log", ".index", ".timeindex"];

/// Folders whose files are to be deleted.
pub type Trash = Rc<RefCell<Vec<PathBuf>>>;

/// A copy of a log that is being made. Its files are deleted with the trash of its folder once it
/// is dropped, unless it has taken the log's place. So are they by the next start, whatever they
/// hold: a copy becomes the log with its name only.
pub struct FutureLog {
    disk: Disk,
    pub(super) dir: PathBuf,
    /// Those of the folder that it lies in; `None` once it is not to be deleted any more.
    trash: Option<Trash>,
    /// The sealed segments that were copied whole.
    copied: BTreeMap<Offset, Rc<Segment>>,
    copied_bytes: u64,
}

/// Why a log was not copied further.
#[derive(Debug)]
pub enum CopyError {
    /// It was not to go on.
    Stopped,
    /// A file could not be read or written.
    Io(io::Error),
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> CopyError {
        CopyError::Io(error)
    }
}

// === impl FutureLog ===

impl FutureLog {
    /// A copy that holds nothing. Its folder `dir` is yet to be made.
    pub(super) fn new(disk: &Disk, dir: PathBuf, trash: &Trash) -> FutureLog {
        FutureLog {
            disk: disk.clone(),
            dir,
            trash: Some(Rc::clone(trash)),
            copied: BTreeMap::new(),
            copied_bytes: 0,
        }
    }

    /// Its files are not to be deleted.
    pub(super) fn stays(&mut self) {
        self.trash = None;
    }

    /// Bytes that were copied so far, all in all.
    pub fn copied_bytes(&self) -> u64 {
        self.copied_bytes
    }

    /// Every record before this offset is in the copy, as far as it is in the log.
    pub fn end_offset(&self, log: &Log) -> Offset {
        let state = log.0.state.borrow();
        let missing = state.segments.iter().find(|it| !self.has(it));
        missing.map_or(log.end_offset(), |segment| segment.base_offset)
    }

    fn has(&self, segment: &Rc<Segment>) -> bool {
        let copied = self.copied.get(&segment.base_offset);
        copied.is_some_and(|copied| Rc::ptr_eq(copied, segment))
    }

    /// Copies the sealed segments that are not in the copy yet, while the log goes on: appends,
    /// retention and compaction take no notice. After each piece `goes_on` is told its bytes; it
    /// may wait, and says whether to go on. Returns how many bytes of the log are still missing;
    /// where that is more than a little, an active segment that holds as much is sealed.
    pub async fn follow(
        &mut self,
        log: &Log,
        now: WallMs,
        goes_on: &mut impl AsyncFnMut(u64) -> bool,
    ) -> Result<u64, CopyError> {
        let log = &log.0;
        log.seal_for_copy(now);
        for segment in log.sealed() {
            if self.has(&segment) {
                continue;
            }
            match self.copy_segment(log, &segment, goes_on).await {
                Err(CopyError::Stopped) => return Err(CopyError::Stopped),
                // It was deleted or compacted meanwhile.
                _ if segment.is_retired() => continue,
                copied => copied?,
            }
            self.copied.insert(segment.base_offset, segment);
        }
        self.copied.retain(|_, segment| !segment.is_retired());
        Ok(self.missing_in(log))
    }

    /// How many bytes of the log are not in the copy.
    pub fn missing_bytes(&self, log: &Log) -> u64 {
        self.missing_in(&log.0)
    }

    fn missing_in(&self, log: &Inner) -> u64 {
        let state = log.state.borrow();
        let missing = state.segments.iter().filter(|segment| !self.has(segment));
        missing.map(|segment| segment.size.get()).sum()
    }

    async fn copy_segment(
        &mut self,
        log: &Inner,
        segment: &Segment,
        goes_on: &mut impl AsyncFnMut(u64) -> bool,
    ) -> Result<(), CopyError> {
        for suffix in LARGE {
            let name = file_name(segment.base_offset, suffix);
            let from = match suffix {
                ".log" => segment.path(),
                _ => log.dir.join(&name),
            };
            let modified_ms = segment.modified_ms.get();
            let copied = self.copy(log, &from, &name, modified_ms, goes_on).await;
            match copied {
                // It can be made anew from the records.
                Err(CopyError::Io(error))
                    if error.kind() == io::ErrorKind::NotFound && suffix != ".log" => {}
                copied => copied?,
            }
        }
        Ok(())
    }

    /// Makes the copy of a closed log whole: copies what is missing, and removes what the log has
    /// no more. Whether the log has a folder at all.
    pub(super) async fn finish(&mut self, log: &Inner) -> io::Result<bool> {
        let entries = match log.logs.disk().list(&log.dir).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            entries => entries?,
        };
        let before = self.disk.list(&self.dir).await?;
        let before: BTreeSet<_> = before.into_iter().map(|entry| entry.name).collect();
        let mut names = BTreeSet::new();
        let wanted = entries.iter().filter(|entry| !entry.is_dir);
        for entry in wanted.filter(|entry| !is_leftover(&entry.name)) {
            names.insert(entry.name.as_str());
            if before.contains(&entry.name) && self.is_copied(log, &entry.name) {
                continue;
            }
            let from = log.dir.join(&entry.name);
            let modified_ms = entry.modified_ms.unwrap_or_default();
            let mut goes_on = async |_| true;
            let copied = self.copy(log, &from, &entry.name, modified_ms, &mut goes_on);
            match copied.await {
                Ok(()) | Err(CopyError::Stopped) => {}
                Err(CopyError::Io(error)) => return Err(error),
            }
        }
        for entry in self.disk.list(&self.dir).await? {
            if !names.contains(entry.name.as_str()) {
                self.disk.remove(&self.dir.join(&entry.name)).await?;
            }
        }
        self.disk.sync_dir(&self.dir).await?;
        Ok(true)
    }

    /// Whether a file of a closed log is in the copy as it is now.
    fn is_copied(&self, log: &Inner, name: &str) -> bool {
        let mut bases = LARGE.iter().filter_map(|it| base_offset_in(name, it));
        let Some(base) = bases.next() else {
            return false;
        };
        let state = log.state.borrow();
        let mut segments = state.segments.iter();
        segments.any(|it| it.base_offset == base && self.has(it))
    }

    /// Copies a file, durably but for its name.
    async fn copy(
        &mut self,
        log: &Inner,
        from: &Path,
        name: &str,
        modified_ms: WallMs,
        goes_on: &mut impl AsyncFnMut(u64) -> bool,
    ) -> Result<(), CopyError> {
        let source = log.logs.disk().open(from).await?;
        let len = source.len().await?;
        let to = self.dir.join(name);
        self.disk.remove(&to).await?;
        let target = self.disk.create(&to).await?;
        let (mut position, mut reserved) = (0, 0);
        while position < len {
            let wanted = (len - position).min(STEP_BYTES as u64) as usize;
            let permit = log.logs.memory().read_permit(STEP_BYTES).await;
            let blocks = wanted.next_multiple_of(BLOCK_BYTES);
            let piece = source.read(position, blocks).await?;
            if piece.len() < wanted {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            let end = position + blocks as u64;
            if end > reserved {
                let to = end
                    .next_multiple_of(RESERVE_BYTES)
                    .min(len.next_multiple_of(BLOCK_BYTES as u64));
                target.reserve(reserved, to).await?;
                reserved = to;
            }
            let mut buffer = self.disk.pool().write_buffer(blocks, true);
            let bytes = buffer.bytes_mut();
            bytes[..wanted].copy_from_slice(&piece[..wanted]);
            bytes[wanted..].fill(0);
            target.write(position, buffer).await?;
            drop(permit);
            position += wanted as u64;
            self.copied_bytes += wanted as u64;
            if !goes_on(wanted as u64).await {
                return Err(CopyError::Stopped);
            }
        }
        if !planted!(CopyNotFlushed) {
            target.flush().await?;
        }
        target.truncate(len, modified_ms, Durable::Now).await?;
        Ok(())
    }
}

impl Drop for FutureLog {
    fn drop(&mut self) {
        if let Some(trash) = self.trash.take() {
            trash.borrow_mut().push(std::mem::take(&mut self.dir));
        }
    }
}

// === impl Inner ===

impl Inner {
    /// The segments whose files have their final form, and name: one that compaction has made
    /// gets its name last.
    fn sealed(&self) -> Vec<Rc<Segment>> {
        let state = self.state.borrow();
        let count = state.segments.len().saturating_sub(1);
        let sealed = state.segments[..count].iter();
        let is_named = |it: &Segment| it.path() == self.dir.join(file_name(it.base_offset, ".log"));
        let sealed = sealed.filter(|it| it.settled.get() && is_named(it));
        sealed.cloned().collect()
    }

    /// Sees to it that sealed segments get their final form, and begins a new one where the active
    /// one holds much. A full disk has no room for that.
    fn seal_for_copy(self: &Rc<Self>, now: WallMs) {
        if self.stopped.get() || self.has_failed() || !self.upkeep.has_folder() {
            return;
        }
        let is_large = |active: Rc<Segment>| active.size.get() >= ROLL_BYTES;
        if !self.room.is_lacking() && self.active().is_some_and(is_large) {
            self.roll(now);
        }
        self.start_upkeep();
    }
}

/// Whether a file of a log is what an interrupted job has left.
fn is_leftover(name: &str) -> bool {
    let mut suffixes = [".tmp", ".deleted", CLEANED_SUFFIX].iter();
    suffixes.any(|suffix| name.ends_with(suffix))
}
