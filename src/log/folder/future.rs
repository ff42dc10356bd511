//! Drives: a copy of a log in a folder on another file system, made while the log is in use, and
//! the exchange of the two (Kafka's future log, KIP-113).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Folder, HandedOver};
use crate::base::ids::Uuid;
use crate::base::{Offset, PartitionIndex, WallMs};
use crate::io::buffer::BLOCK_BYTES;
use crate::io::disk::{Disk, Entry};
use crate::io::durable::Durable;
use crate::log::Log;
use crate::log::compaction::CLEANED_SUFFIX;
use crate::log::inner::Inner;
use crate::log::segment::{Segment, base_offset_in, file_name};

/// What the name of a folder ends with that gets a copy of a log (Kafka's
/// `LogManager.FutureDirSuffix`).
const FUTURE_SUFFIX: &str = "-future";
/// Bytes that are read, and then written, at once.
const STEP_BYTES: usize = 256 << 10;
/// Room is asked for in pieces of this many bytes.
const RESERVE_BYTES: u64 = 4 << 20;
/// An active segment of at least this many bytes is sealed, so that it can be copied while the log
/// goes on.
const ROLL_BYTES: u64 = 4 << 20;
/// The files of a sealed segment that are large. They stay as they are until the segment goes.
const LARGE: [&str; 3] = [".log", ".index", ".timeindex"];

/// A copy of a log that is being made. A start removes it, whatever it holds: it becomes the log
/// with its name only.
pub struct FutureLog {
    disk: Disk,
    dir: PathBuf,
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

/// Why a log that was copied did not go over.
#[derive(Debug)]
pub enum NotHandedOver {
    /// It lies where it did, closed, and may be opened again.
    Stays(io::Error),
    /// It may be found in both folders by a start: until then it must not be opened in either.
    Unclear(io::Error),
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> CopyError {
        CopyError::Io(error)
    }
}

/// The name of the folder that gets a copy of a partition's log; `unique` tells its copies apart.
pub fn future_name(topic: &str, partition: PartitionIndex, unique: Uuid) -> String {
    format!("{topic}-{partition}.{}{FUTURE_SUFFIX}", unique.simple())
}

/// Whether a folder holds a copy that was being made.
pub(super) fn is_future(entry: &Entry) -> bool {
    entry.is_dir && entry.name.ends_with(FUTURE_SUFFIX)
}

/// The partition that such a folder is named after.
pub(super) fn future_of(entry: &Entry) -> Option<(String, PartitionIndex)> {
    let name = entry.name.strip_suffix(FUTURE_SUFFIX)?;
    let (name, _) = name.rsplit_once('.')?;
    let (topic, index) = name.rsplit_once('-')?;
    Some((topic.to_owned(), index.parse().ok()?))
}

// === impl Folder ===

impl Folder {
    /// Begins a copy of a partition's log here: its folder is there, durably, when this returns.
    pub async fn begin_future(
        &self,
        topic: &str,
        partition: PartitionIndex,
        unique: Uuid,
    ) -> io::Result<FutureLog> {
        let dir = self.dir.join(future_name(topic, partition, unique));
        self.disk.create_dir(&dir).await?;
        Ok(FutureLog {
            disk: self.disk.clone(),
            dir,
            copied: BTreeMap::new(),
            copied_bytes: 0,
        })
    }

    /// The partitions of which the last run was making copies here, until it ended. What there is
    /// of them is in the trash.
    pub fn futures(&self) -> Vec<(String, PartitionIndex)> {
        self.futures.iter().cloned().collect()
    }

    /// Gives up a copy: its files are deleted with the trash.
    pub fn give_up_future(&self, future: FutureLog) {
        self.trash.borrow_mut().push(future.dir);
    }

    /// Puts the copy `future` of a log that was closed with [`Log::close`] into its place in the
    /// folder `to`, on another file system, and the log here into the trash. What is not copied yet
    /// is copied before. Who reads from `log` afterwards is told that there is nothing.
    ///
    /// After a crash a start finds the log in one of the two folders, or the same in both, closed.
    pub async fn hand_over_copied(
        &self,
        (topic, partition): (&str, PartitionIndex),
        log: &Log,
        future: &mut FutureLog,
        to: &Folder,
    ) -> Result<HandedOver, NotHandedOver> {
        let stays = NotHandedOver::Stays;
        if !log.0.is_closed() {
            return Err(stays(io::Error::other("the log was not closed before")));
        }
        let given = self.given(topic, partition, log);
        // A start would put back what the journal holds, in this folder.
        log.0.void_in_journal(Offset::MAX).await.map_err(stays)?;
        log.0.leave().await;
        let is_there = future.finish(&log.0).await.map_err(stays)?;
        // Before the log is there: what is known of it must be known when it is opened.
        to.take_over(topic, partition, given).await.map_err(stays)?;
        if is_there && let Err(error) = self.exchange(topic, partition, future, to).await {
            // Of a log that is not there nothing may be known.
            let _ = to.forget(&[(topic, partition)]).await;
            return Err(error);
        }
        if let Err(error) = self.forget(&[(topic, partition)]).await {
            // What they say of a log that is not here is not asked for.
            let dir = self.dir.display();
            tracing::error!(%dir, topic, partition, %error, "cannot write the checkpoints");
        }
        Ok(given)
    }

    /// Gives the copy its name, and then takes the log out of the way. An error in between is
    /// undone: as long as both have the name, neither may be appended to.
    async fn exchange(
        &self,
        topic: &str,
        partition: PartitionIndex,
        future: &FutureLog,
        to: &Folder,
    ) -> Result<(), NotHandedOver> {
        let place = to.path(topic, partition);
        let renamed = self.disk.rename(&future.dir, &place).await;
        renamed.map_err(NotHandedOver::Stays)?;
        if let Err(error) = to.disk.sync_dir(&to.dir).await {
            return Err(to.undo(error, &place, future).await);
        }
        let unique = future.dir.extension().unwrap_or_default().to_string_lossy();
        let unique = unique.trim_end_matches(FUTURE_SUFFIX);
        match self.to_trash(topic, partition, unique, None).await {
            Ok(trash) => {
                self.disk
                    .sync_dir(&self.dir)
                    .await
                    .map_err(NotHandedOver::Unclear)?;
                self.trash.borrow_mut().extend(trash);
                Ok(())
            }
            Err(error) => Err(to.undo(error, &place, future).await),
        }
    }

    /// Takes its name from a copy again.
    async fn undo(&self, error: io::Error, place: &Path, future: &FutureLog) -> NotHandedOver {
        let undone = async {
            self.disk.rename(place, &future.dir).await?;
            self.disk.sync_dir(&self.dir).await
        };
        match undone.await {
            Ok(()) => NotHandedOver::Stays(error),
            Err(_) => NotHandedOver::Unclear(error),
        }
    }
}

// === impl FutureLog ===

impl FutureLog {
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
        let state = log.state.borrow();
        let missing = state.segments.iter().filter(|segment| !self.has(segment));
        Ok(missing.map(|segment| segment.size.get()).sum())
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
            self.copy(log, &from, &name, modified_ms, goes_on).await?;
        }
        Ok(())
    }

    /// Makes the copy of a closed log whole: copies what is missing, and removes what the log has
    /// no more. Whether the log has a folder at all.
    async fn finish(&mut self, log: &Inner) -> io::Result<bool> {
        let entries = match log.logs.disk().list(&log.dir).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            entries => entries?,
        };
        let mut names = BTreeSet::new();
        let wanted = entries.iter().filter(|entry| !entry.is_dir);
        for entry in wanted.filter(|entry| !is_leftover(&entry.name)) {
            names.insert(entry.name.as_str());
            if self.is_copied(log, &entry.name) {
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

// === impl Inner ===

impl Inner {
    /// The segments whose files have their final form.
    fn sealed(&self) -> Vec<Rc<Segment>> {
        let state = self.state.borrow();
        let count = state.segments.len().saturating_sub(1);
        let sealed = state.segments[..count].iter();
        sealed.filter(|it| it.settled.get()).cloned().collect()
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
