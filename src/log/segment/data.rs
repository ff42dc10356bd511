//! Drives: one data file of a log: where it begins, how far it reaches, its lookups.

use std::cell::{Cell, RefCell};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::claim::Claim;
use crate::base::{Offset, WallMs};
use crate::io::disk::Disk;
use crate::io::event::Bell;
use crate::io::file::File;
use crate::log::config::LogConfig;
use crate::log::format::{OffsetIndex, TimeIndex};
use crate::log::read::Readable;
use crate::wire::batch::{BatchHeader, NO_TIMESTAMP};

/// Name of the file that was made for the segment after the one at a base offset, before that
/// offset was known, by versions until 2026-11.
pub const NEXT_SUFFIX: &str = ".log.next";

/// A segment; the newest of a log is the active one, the others are sealed.
pub struct Segment {
    /// Offset of the first record that may be in it.
    pub base_offset: Offset,
    /// Bytes of batches appended to it, written or not.
    pub size: Cell<u64>,
    /// Bytes from the front that may be written: they have room on the device, and the file is so
    /// long for good. See [`File::reserve`].
    pub prepared: Cell<u64>,
    /// Bytes from the front that have reached the device.
    pub written: Cell<u64>,
    /// Largest timestamp and the last offset of the first batch that has it.
    pub max_timestamp: Cell<(WallMs, Offset)>,
    /// Largest timestamp of the first batch, which `segment.ms` counts from.
    pub first_timestamp: Cell<WallMs>,
    /// When the segment was begun, which `segment.ms` counts from where its records have no
    /// timestamps; after a start, when it was last appended to.
    pub created_ms: Cell<WallMs>,
    /// When it was last appended to, for the age of records without timestamps. Its file says so
    /// too: whatever changes the file later sets its time back.
    pub modified_ms: Cell<WallMs>,
    /// Lookups; empty and to be loaded from files while `indexed` is false.
    pub offsets: RefCell<OffsetIndex>,
    /// See `offsets`.
    pub times: RefCell<TimeIndex>,
    /// Whether the two lookups are in memory.
    pub indexed: Cell<bool>,
    /// Whether the youngest timestamp is known to be true, not only read from a file.
    pub times_checked: Cell<bool>,
    /// What the files of the lookups said when they were read.
    pub claim: Cell<Claim>,
    /// What they say if they are as this process wrote or checked them.
    pub known: Cell<Option<Claim>>,
    /// The youngest of its records that can be read, where its first cannot.
    pub readable: Cell<Option<Readable>>,
    /// Whether it was read from disk since this was last cleared.
    pub used: Cell<bool>,
    /// Whether the data file is there, open or not.
    pub on_disk: Cell<bool>,
    /// Whether the files of a sealed segment have their final form on disk.
    pub settled: Cell<bool>,
    file: RefCell<Option<File>>,
    opening: Cell<usize>,
    opened: Bell,
    removed: Cell<bool>,
    /// Whether a compacted one stands in its place.
    replaced: Cell<bool>,
    /// Name of the data file as of now; it changes for a compacted one that takes its place.
    path: RefCell<PathBuf>,
    bytes_since_entry: Cell<u64>,
    /// A number of its own, by which its end is earlier than that of others.
    luck: u64,
}

/// Name of a segment's file: its base offset in twenty digits and `suffix`.
pub fn file_name(base_offset: Offset, suffix: &str) -> String {
    format!("{base_offset:020}{suffix}")
}

/// The base offset in a name made by [`file_name`].
pub fn base_offset_in(name: &str, suffix: &str) -> Option<Offset> {
    let digits = name.strip_suffix(suffix)?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

impl Segment {
    /// A segment that begins at `base_offset` and holds nothing yet; on disk there need not be
    /// anything of it.
    pub fn new(dir: &Path, base_offset: Offset, now: WallMs) -> Segment {
        Segment {
            base_offset,
            size: Cell::new(0),
            prepared: Cell::new(0),
            written: Cell::new(0),
            max_timestamp: Cell::new((NO_TIMESTAMP, base_offset)),
            first_timestamp: Cell::new(NO_TIMESTAMP),
            created_ms: Cell::new(now),
            modified_ms: Cell::new(now),
            offsets: RefCell::default(),
            times: RefCell::default(),
            indexed: Cell::new(true),
            times_checked: Cell::new(true),
            claim: Cell::default(),
            known: Cell::default(),
            readable: Cell::default(),
            used: Cell::new(false),
            on_disk: Cell::new(false),
            settled: Cell::new(false),
            file: RefCell::new(None),
            opening: Cell::new(0),
            opened: Bell::default(),
            removed: Cell::new(false),
            replaced: Cell::new(false),
            path: RefCell::new(dir.join(file_name(base_offset, ".log"))),
            bytes_since_entry: Cell::new(0),
            luck: luck(dir, base_offset),
        }
    }

    /// The data file's name as of now.
    pub fn path(&self) -> PathBuf {
        self.path.borrow().clone()
    }

    /// Notes that the data file has another name.
    pub fn set_path(&self, path: PathBuf) {
        *self.path.borrow_mut() = path;
    }

    /// Makes room in the lookups for `count` entries in all.
    pub fn reserve_entries(&self, count: usize) {
        let mut offsets = self.offsets.borrow_mut();
        let missing = count.saturating_sub(offsets.len());
        offsets.reserve(missing);
        self.times.borrow_mut().reserve(missing);
    }

    /// The open data file, if it is open.
    pub fn opened(&self) -> Option<File> {
        self.file.borrow().clone()
    }

    /// Hands over the open data file.
    pub fn set_file(&self, file: File) {
        *self.file.borrow_mut() = Some(file);
        self.on_disk.set(true);
    }

    /// Closes the data file here; reads under way keep their own handle.
    pub fn close_file(&self) {
        self.file.borrow_mut().take();
    }

    /// The data file, opened if it is not.
    pub async fn file(&self, disk: &Disk) -> io::Result<File> {
        if let Some(file) = self.opened() {
            return Ok(file);
        }
        if self.removed.get() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let path = self.path();
        self.opening.set(self.opening.get() + 1);
        let file = disk.open(&path).await;
        self.opening.set(self.opening.get() - 1);
        self.opened.ring();
        // Another task may have been here meanwhile: the first file stays.
        Ok(self.file.borrow_mut().get_or_insert(file?).clone())
    }

    /// What is wrong when the data file is shorter than it was made.
    pub fn shrunk(&self) -> io::Error {
        let reason = format!("{} has shrunk: records are gone", self.path().display());
        io::Error::new(io::ErrorKind::InvalidData, reason)
    }

    /// Forbids opening the data file by its name, and waits for opens that are under way.
    pub async fn retire(&self) {
        self.removed.set(true);
        while self.opening.get() > 0 {
            self.opened.wait().await;
        }
    }

    /// Notes that a compacted segment stands in its place from now on.
    pub fn replace(&self) {
        self.removed.set(true);
        self.replaced.set(true);
    }

    /// Whether a compacted segment stands in its place.
    pub fn is_replaced(&self) -> bool {
        self.replaced.get()
    }

    /// Whether the segment is no longer part of its log.
    pub fn is_retired(&self) -> bool {
        self.removed.get()
    }

    /// Goes on with a segment whose last `bytes` lie behind the last entry of its offset index.
    pub fn begin_entry(&self, bytes: u64) {
        self.bytes_since_entry.set(bytes);
    }

    /// What the lookups in memory say.
    pub fn claims(&self) -> Claim {
        let (offsets, times) = (self.offsets.borrow(), self.times.borrow());
        Claim::of(self.base_offset, self.size.get(), &offsets, &times)
    }

    /// Gives up the room for entries that will not come, since nothing more is appended.
    pub fn shrink_lookups(&self) {
        self.offsets.borrow_mut().shrink();
        self.times.borrow_mut().shrink();
    }

    /// Gives up the lookups; they are in their files.
    pub fn forget_lookups(&self) {
        if self.indexed.replace(false) {
            self.offsets.take();
            self.times.take();
        }
    }

    /// Counts a batch that is appended at the end of this segment: lookups, timestamps, size.
    pub fn note(&self, header: &BatchHeader, size_bytes: usize, interval_bytes: u64) {
        let position = self.size.get();
        self.settled.set(false);
        let last_offset = header.last_offset();
        let timestamp = header.max_timestamp();
        if position == 0 {
            self.first_timestamp.set(timestamp);
        }
        if timestamp > self.max_timestamp.get().0 {
            self.max_timestamp.set((timestamp, last_offset));
        }
        if self.bytes_since_entry.get() > interval_bytes {
            self.bytes_since_entry.set(0);
            self.offsets
                .borrow_mut()
                .push(self.base_offset, last_offset, position);
            self.note_time();
        }
        self.bytes_since_entry
            .set(self.bytes_since_entry.get() + size_bytes as u64);
        self.size.set(position + size_bytes as u64);
    }

    /// Adds the largest timestamp so far to the time index.
    pub fn note_time(&self) {
        let (timestamp, offset) = self.max_timestamp.get();
        self.times
            .borrow_mut()
            .push(self.base_offset, timestamp, offset);
    }

    /// Whether `bytes` more, up to `last_offset` and as young as `timestamp`, belong into the
    /// next segment.
    pub fn is_full_for(
        &self,
        bytes: u64,
        last_offset: Offset,
        timestamp: WallMs,
        now: WallMs,
        config: &LogConfig,
    ) -> bool {
        let size = self.size.get();
        if size == 0 {
            return false;
        }
        size + bytes > config.segment_bytes
            || self.is_due(timestamp, now, config)
            || last_offset - self.base_offset > i64::from(i32::MAX)
            || size + bytes > i64::from(i32::MAX) as u64
            || self.offsets.borrow().len() as u64 * 8 + 8 > config.segment_index_bytes
    }

    /// Whether `segment.ms` has passed since its first record, by the records' own clock where
    /// they have one.
    pub fn is_due(&self, timestamp: WallMs, now: WallMs, config: &LogConfig) -> bool {
        let first = self.first_timestamp.get();
        let waited = if first >= 0 && timestamp >= 0 {
            timestamp - first
        } else {
            now - self.created_ms.get()
        };
        waited > config.segment_ms - self.jitter_ms(config)
    }

    fn jitter_ms(&self, config: &LogConfig) -> i64 {
        match config.segment_jitter_ms.min(config.segment_ms) {
            ..=0 => 0,
            most => (self.luck % most as u64) as i64,
        }
    }

    /// The youngest timestamp in it, or when it was last appended to where its records have none,
    /// or where some cannot be read (Kafka's `LogSegment.largestTimestamp`).
    pub fn age_timestamp(&self) -> WallMs {
        match self.max_timestamp.get().0 {
            NO_TIMESTAMP | WallMs::MAX => self.modified_ms.get(),
            timestamp => timestamp,
        }
    }
}

/// A number that differs from log to log and from segment to segment, and is the same again
/// after a restart.
fn luck(dir: &Path, base_offset: Offset) -> u64 {
    let mut hasher = DefaultHasher::new();
    (dir, base_offset).hash(&mut hasher);
    hasher.finish()
}

/// The segment that holds `offset`, or the first behind it; segments lie in offset order.
pub fn find(segments: &[Rc<Segment>], offset: Offset) -> Option<&Rc<Segment>> {
    let after = segments.partition_point(|segment| segment.base_offset <= offset);
    segments.get(after.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_jitter_segments_end_at_different_times_but_never_late() {
        let config = LogConfig {
            segment_ms: 1000,
            segment_jitter_ms: 400,
            ..LogConfig::default()
        };
        let end = |base: Offset| {
            let segment = Segment::new(Path::new("/d/t-0"), base, 0);
            (0..).find(|now| segment.is_due(-1, *now, &config))
        };
        let ends: Vec<i64> = (0..50).filter_map(end).collect();
        assert!(
            ends.iter().all(|end| (602..=1001).contains(end)),
            "{ends:?}"
        );
        assert!(ends.iter().any(|end| *end < 750) && ends.iter().any(|end| *end > 850));
    }

    #[test]
    fn names_are_kafkas() {
        assert_eq!(file_name(42, ".log"), "00000000000000000042.log");
        assert_eq!(base_offset_in("00000000000000000042.log", ".log"), Some(42));
        assert_eq!(base_offset_in("42.log", ".log"), None);
        assert_eq!(base_offset_in("00000000000000000042.log", ".index"), None);
        assert_eq!(base_offset_in("0000000000000000004x.log", ".log"), None);
    }
}
