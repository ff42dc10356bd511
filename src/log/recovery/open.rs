//! Drives: opening a log: what is there, what of it is valid, cutting a torn end.

use std::io;
use std::path::Path;
use std::rc::Rc;

use super::listing::Listing;
use crate::base::{Offset, WallMs};
use crate::io::disk::Disk;
use crate::log::append::{Logs, REACH};
use crate::log::config::LogConfig;
use crate::log::format::{AbortedTransaction, Epochs, Scanner, Stop, walk};
use crate::log::inner::{FailedOperation, Inner};
use crate::log::opening::{Damage, OpenError, Opening, Recovered, Replay};
use crate::log::segment::{NEXT_SUFFIX, Segment, file_name};

/// A log while it is being opened.
pub struct Opener<'a> {
    pub inner: Rc<Inner>,
    pub disk: Disk,
    pub listing: Listing,
    pub opening: Opening,
    pub recovered: Recovered,
    pub(super) replay: &'a mut dyn FnMut(Replay<'_>),
    /// What the leader epoch checkpoint says.
    pub(super) known_epochs: Option<Epochs>,
    /// Whether every segment is checked, whatever is known.
    pub(super) trusts_nothing: bool,
    /// The first segment that is to be checked, where the producers' snapshot made it known.
    pub(super) checked_from: Option<Offset>,
    /// Batches from this offset on are shown to `replay`.
    pub(super) replay_from: Offset,
    /// The base offset of the first segment that was checked whole.
    pub(super) scanned_from: Option<Offset>,
    /// The aborted transactions whose markers lie in segments that were.
    pub(super) scanned_aborts: Vec<AbortedTransaction>,
    now: WallMs,
}

/// Opens the log in `dir`; see [`crate::log::Log::open`].
pub async fn open(
    logs: &Logs,
    dir: &Path,
    config: LogConfig,
    opening: Opening,
    now: WallMs,
    replay: &mut dyn FnMut(Replay<'_>),
) -> Result<(Rc<Inner>, Recovered), OpenError> {
    let inner = Rc::new(Inner::new(logs, dir, config, opening.topic_id));
    inner.gaps.set(opening.gaps);
    let disk = logs.disk().clone();
    let entries = match disk.list(dir).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Nothing was ever appended, or the file was removed.
            return match opening.known_offset() {
                0 => Ok((inner, Recovered::default())),
                known => Err(OpenError::Lost(dir.to_owned(), known)),
            };
        }
        Err(error) => return Err(OpenError::Io(error)),
    };
    inner.upkeep.folder_lasts();
    let mut opener = Opener {
        inner,
        disk,
        listing: Listing::of(&entries),
        opening,
        recovered: Recovered::default(),
        replay,
        known_epochs: None,
        trusts_nothing: false,
        checked_from: None,
        replay_from: Offset::MAX,
        scanned_from: None,
        scanned_aborts: Vec::new(),
        now,
    };
    opener.run().await?;
    Ok((opener.inner, opener.recovered))
}

impl Opener<'_> {
    async fn run(&mut self) -> Result<(), OpenError> {
        for name in std::mem::take(&mut self.listing.leftovers) {
            self.disk.remove(&self.inner.dir.join(name)).await?;
        }
        self.finish_swaps().await?;
        self.load_epochs().await?;
        self.load_snapshot().await?;
        let bases: Vec<Offset> = self.listing.segments.keys().copied().collect();
        let start = bases.first().copied().unwrap_or(self.opening.start_offset);
        if bases.is_empty() && start < self.opening.known_offset() {
            let dir = self.inner.dir.clone();
            return Err(OpenError::Lost(dir, self.opening.known_offset()));
        }
        let mut end = start;
        let mut next = bases.first().copied();
        let mut epoch = -1;
        while let Some(base) = next {
            if base != end {
                return Err(OpenError::Gap { end, next: base });
            }
            let follower = bases.iter().copied().find(|other| *other > base);
            let sealed = match follower {
                Some(follower) if self.is_sealed(base, follower).await? => Some(follower),
                _ => None,
            };
            if let Some(follower) = sealed {
                self.take_sealed(base, follower).await?;
                end = follower;
                next = Some(follower);
                continue;
            }
            let compacted = self.is_compacted(base, follower).await?;
            let mut scanner = Scanner {
                position: 0,
                expected: base,
                epoch,
                gaps: compacted || self.opening.gaps,
                upto: self.opening.cut_at.unwrap_or(Offset::MAX),
            };
            if self.opening.clean
                && !self.trusts_nothing
                && let Some(found) = self.take_clean_active(base).await?
            {
                end = found;
                break;
            }
            next = self.take_scanned(base, &mut scanner, compacted).await?;
            end = scanner.expected;
            epoch = scanner.epoch;
        }
        self.load_aborted(end).await?;
        self.finish(start, end).await
    }

    /// Where the segment at `base` ends, in a log that ends at `end`; `None` if there is none.
    pub fn segment_end(&self, base: Offset, end: Offset) -> Option<Offset> {
        let state = self.inner.state.borrow();
        let mut from = state.segments.iter().map(|segment| segment.base_offset);
        from.find(|one| *one == base)?;
        Some(from.next().unwrap_or(end))
    }

    fn finish_offsets(&self, start: Offset, end: Offset) {
        let inner = &self.inner;
        inner
            .start_offset
            .set(start.max(self.opening.start_offset).min(end));
        inner.stands_at(end);
        inner.rounds.whole_up_to(end);
    }

    async fn finish(&mut self, start: Offset, end: Offset) -> Result<(), OpenError> {
        self.finish_offsets(start, end);
        {
            let mut state = self.inner.state.borrow_mut();
            match self.opening.cut_at {
                Some(_) if planted!(CutKeepsEpochs) => {}
                Some(_) => state.epochs.cut_back(end),
                None => state.epochs.cut_back(end.max(start + 1)),
            }
            let known = self.known_epochs.take().unwrap_or_default();
            state.epochs_changed = self.recovered.epochs_damaged || state.epochs != known;
            self.recovered.segments_count = state.segments.len();
        }
        if let Some(damage) = &self.recovered.damage {
            let error = io::Error::new(io::ErrorKind::InvalidData, damage.to_string());
            self.inner.fail(FailedOperation::Damage, &error);
            return Ok(());
        }
        let mut stale = std::mem::take(&mut self.listing.snapshots);
        stale.retain(|offset| *offset > end && !planted!(StaleSnapshot));
        for offset in &stale {
            let name = file_name(*offset, ".snapshot");
            self.disk.remove(&self.inner.dir.join(name)).await?;
        }
        if !stale.is_empty() {
            // One that came back after a power cut might lie before a later end.
            self.disk.sync_dir(&self.inner.dir).await?;
        }
        for base in std::mem::take(&mut self.listing.nexts).into_keys() {
            let name = file_name(base, NEXT_SUFFIX);
            self.disk.remove(&self.inner.dir.join(name)).await?;
        }
        Ok(())
    }

    /// What is known of the segment at `base`, whose file has `len` bytes.
    fn found_segment(&self, base: Offset, len: u64) -> Rc<Segment> {
        let modified = self.listing.modified.get(&base).copied();
        let modified = modified.unwrap_or(self.now);
        let segment = Rc::new(Segment::new(&self.inner.dir, base, modified));
        segment.on_disk.set(true);
        segment.prepared.set(len);
        segment
    }

    fn new_segment(&self, base: Offset, len: u64) -> Rc<Segment> {
        let segment = self.found_segment(base, len);
        self.inner
            .state
            .borrow_mut()
            .segments
            .push(Rc::clone(&segment));
        segment
    }

    /// Whether the segment at `base` has gaps that compaction left: its batches lead without
    /// a fault to the very end of the file, which there is always blank space behind where
    /// the end is torn, and no further than to the segment that follows.
    async fn is_compacted(&self, base: Offset, follower: Option<Offset>) -> io::Result<bool> {
        let cleaned = self.opening.cleaned;
        let compact =
            self.inner.config.borrow().compact || cleaned.is_some_and(|cleaned| base < cleaned);
        let (true, Some(follower)) = (compact, follower) else {
            return Ok(false);
        };
        let len = self.listing.segments[&base];
        let path = self.inner.dir.join(file_name(base, ".log"));
        let file = self.disk.open(&path).await?;
        let mut scanner = Scanner::tolerant(0, base);
        let stop = walk(&file, len, &mut scanner, &mut |_, _| {}).await?;
        Ok(stop == Stop::End && scanner.expected <= follower)
    }

    /// Whether the file of the segment at `base` holds what lies before `follower` and nothing
    /// else. Before the recovery point that is so. A segment that ends with it may have been
    /// opened again since, and been prepared for more: its end is looked at.
    pub async fn is_sealed(&mut self, base: Offset, follower: Offset) -> Result<bool, OpenError> {
        let recovery_point = self.opening.recovery_point;
        let is_to_cut = self.opening.cut_at.is_some_and(|cut_at| follower > cut_at);
        if self.trusts_nothing || is_to_cut {
            return Ok(false);
        }
        if self.opening.clean || follower != recovery_point {
            return Ok(self.opening.clean || follower < recovery_point);
        }
        if let Some(first) = self.checked_from {
            return Ok(base < first);
        }
        let len = self.listing.segments[&base];
        let segment = Segment::new(&self.inner.dir, base, self.now);
        let scanned = &mut self.recovered.scanned_bytes;
        let end = self.inner.end_by_lookups(&segment, len, scanned).await?;
        Ok(end == Some(follower))
    }

    /// A segment whose end is known from the one that follows.
    async fn take_sealed(&mut self, base: Offset, end: Offset) -> Result<(), OpenError> {
        let len = self.listing.segments[&base];
        let segment = self.new_segment(base, len);
        segment.size.set(len);
        segment.written.set(len);
        segment.indexed.set(false);
        segment.settled.set(true);
        self.replay_segment(&segment, len, end).await
    }

    /// The last segment of a log that was closed cleanly: only what its offset index does not
    /// reach is looked at. Returns where it ends, `None` when it is not as a clean close leaves it.
    async fn take_clean_active(&mut self, base: Offset) -> Result<Option<Offset>, OpenError> {
        let len = self.listing.segments[&base];
        let segment = self.found_segment(base, len);
        let mut end = base;
        if len > 0 {
            let scanned = &mut self.recovered.scanned_bytes;
            match self.inner.end_by_lookups(&segment, len, scanned).await? {
                Some(found) => end = found,
                None => return Ok(None),
            }
        }
        segment.size.set(len);
        segment.written.set(len);
        self.inner.load_first_timestamp(&segment).await?;
        self.replay_segment(&segment, len, end).await?;
        segment.close_file();
        // Its files are as a close leaves them, as far as can be known.
        segment.settled.set(segment.known.get().is_some());
        self.inner.state.borrow_mut().segments.push(segment);
        Ok(Some(end))
    }

    /// Shows the batches of a segment of `len` bytes that ends at `end`, if they are wanted.
    async fn replay_segment(
        &mut self,
        segment: &Segment,
        len: u64,
        end: Offset,
    ) -> Result<(), OpenError> {
        if self.replay_from >= end {
            return Ok(());
        }
        let file = segment.file(&self.disk).await?;
        let mut scanner = Scanner::tolerant(0, segment.base_offset);
        self.scan(segment, &file, len, &mut scanner, false).await?;
        segment.close_file();
        Ok(())
    }

    /// A segment whose end is not known: all of it is checked. Returns the base offset of the
    /// segment that follows, if one does.
    async fn take_scanned(
        &mut self,
        base: Offset,
        scanner: &mut Scanner,
        compacted: bool,
    ) -> Result<Option<Offset>, OpenError> {
        let len = self.listing.segments[&base];
        let segment = self.new_segment(base, len);
        {
            // What is scanned says itself which epochs wrote it; the checkpoint may speak of
            // batches that were lost.
            let mut state = self.inner.state.borrow_mut();
            if self.opening.cut_at.is_none() || !planted!(CutKeepsEpochs) {
                state.epochs.cut_back(base);
            }
        }
        self.scanned_from.get_or_insert(base);
        let file = segment.file(&self.disk).await?;
        let stop = self.scan(&segment, &file, len, scanner, true).await?;
        segment.written.set(scanner.position);
        let end = scanner.expected;
        if stop == Stop::Cut {
            self.cut(&segment, &file, len, stop).await?;
            return Ok(None);
        }
        if let Some(follower) = self.listing.segments.range(base + 1..).next()
            && self.leaps_to(*follower.0, &segment, end, stop, compacted)
        {
            scanner.expected = *follower.0;
            return Ok(Some(*follower.0));
        }
        if scanner.position > 0 {
            if self.listing.segments.contains_key(&end) && end > base {
                return Ok(Some(end));
            }
            if let Some(next_len) = self.listing.nexts.get(&base).copied()
                && self.adopt_next(base, scanner).await?
            {
                self.listing.nexts.remove(&base);
                self.listing.segments.insert(end, next_len);
                return Ok(Some(end));
            }
        }
        if self.end_is_proven(&segment, &file, len, stop, end).await? {
            self.cut(&segment, &file, len, stop).await?;
        } else {
            self.recovered.damage = Some(Damage {
                file: segment.path().display().to_string(),
                position: scanner.position,
                offset: end,
                reason: stop,
            });
        }
        Ok(None)
    }

    /// Whether the segment at `follower` continues `segment` though that ends before it.
    fn leaps_to(
        &self,
        follower: Offset,
        segment: &Segment,
        end: Offset,
        stop: Stop,
        compacted: bool,
    ) -> bool {
        if end >= follower {
            return false;
        }
        // Compacted by Kafka, which lets the last batches of a segment go.
        if compacted && stop == Stop::End && segment.size.get() > 0 {
            return true;
        }
        // Named after its first batch, when everything before was durable: see
        // `append/replicated.rs`. What is named after the end of the one before it cannot lie so
        // far ahead.
        let is_whole = matches!(stop, Stop::End | Stop::Blank);
        is_whole && self.opening.gaps && follower - segment.base_offset > REACH + 1
    }
}
