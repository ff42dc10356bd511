//! Drives: the lookups of a segment: read from their files, held against the data, made anew.
//!
//! The files have no checksum, and one that is empty or shortened looks like a whole one. So what
//! they claim is compared with the batches before it decides anything: each entry with the batch
//! it leads to, when it is used; and the largest timestamp, by which a segment is passed over or
//! deleted, with all batches behind the last entry, once.

use std::io;
use std::rc::Rc;

use super::claim::Claim;
use super::data::{Segment, file_name};
use crate::base::{Offset, WallMs};
use crate::io::buffer::BLOCK_BYTES;
use crate::log::format::{OffsetIndex, Scanner, Stop, TimeIndex, walk};
use crate::log::inner::Inner;
use crate::wire::batch::BatchHeader;

/// So many bytes of a segment may lie between two entries of its offset index, or behind the last,
/// where `index.interval.bytes` is less: for large batches, and for what was written under another
/// setting. Where there are more, entries are missing.
const UNINDEXED_BYTES_MAX: u64 = 2 << 20;

/// Holds a claim against batches that are shown to it one after the other, up to the last.
pub struct Check {
    claim: Claim,
    gap_max: u64,
    position: u64,
    /// Bytes since the last entry of the offset index.
    since_entry: u64,
    /// Whether the batch was seen that has the largest timestamp.
    youngest_seen: bool,
    fits: bool,
}

impl Check {
    /// To be shown the batches from position `from` on, which lies before or at the last entries.
    pub fn new(claim: Claim, interval_bytes: u64, from: u64) -> Check {
        Check {
            claim,
            gap_max: interval_bytes.max(UNINDEXED_BYTES_MAX),
            position: from,
            since_entry: 0,
            youngest_seen: claim.youngest.is_none() && from == 0,
            fits: true,
        }
    }

    /// The next batch and its size in bytes.
    pub fn see(&mut self, header: &BatchHeader, bytes: usize) {
        let timestamp = header.max_timestamp();
        match self.claim.youngest {
            None => self.fits &= timestamp < 0,
            Some((youngest, offset)) => {
                self.fits &= timestamp <= youngest;
                if (header.base_offset()..=header.last_offset()).contains(&offset) {
                    self.fits &= timestamp == youngest;
                    self.youngest_seen = true;
                }
            }
        }
        if self.position > self.claim.indexed {
            self.fits &= self.since_entry <= self.gap_max;
        } else {
            self.since_entry = 0;
        }
        self.since_entry += bytes as u64;
        self.position += bytes as u64;
    }

    /// Whether nothing that was seen speaks against it.
    pub fn fits(&self) -> bool {
        self.fits && self.position == self.claim.upto
    }

    /// Whether it is true: all was seen that could speak against it.
    pub fn holds(&self) -> bool {
        self.fits() && self.youngest_seen
    }
}

impl Inner {
    /// Reads the lookups of a segment of `len` bytes from their files; `false` when one is
    /// missing or cannot be right.
    pub async fn read_lookups(&self, segment: &Segment, len: u64) -> io::Result<bool> {
        let base = segment.base_offset;
        let disk = self.logs.disk();
        let name = |suffix| self.dir.join(file_name(base, suffix));
        let offsets = match disk.read(&name(".index")).await {
            Ok(bytes) => OffsetIndex::from_bytes(&bytes, len),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let times = match disk.read(&name(".timeindex")).await {
            Ok(bytes) => TimeIndex::from_bytes(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let (Some(offsets), Some(times)) = (offsets, times) else {
            return Ok(false);
        };
        let claim = Claim::of(base, len, &offsets, &times);
        let known = segment.known.get();
        if known.is_some_and(|known| known != claim) {
            // They are not what this process has written or checked.
            return Ok(false);
        }
        if let Some(youngest) = claim.youngest {
            segment.max_timestamp.set(youngest);
        }
        *segment.offsets.borrow_mut() = offsets;
        *segment.times.borrow_mut() = times;
        segment.claim.set(claim);
        segment.indexed.set(true);
        segment.times_checked.set(known.is_some());
        Ok(true)
    }

    /// Sees to it that the lookups of `segment` are in memory: from their files, or rebuilt
    /// from the data where those are missing or wrong.
    pub async fn load_lookups(&self, segment: &Rc<Segment>) -> io::Result<()> {
        segment.used.set(true);
        if segment.indexed.get() {
            return Ok(());
        }
        let found = self.read_lookups(segment, segment.size.get()).await?;
        if segment.is_retired() {
            // Compaction took its place, and its names: those may have been the new one's.
            segment.forget_lookups();
            return Err(io::ErrorKind::NotFound.into());
        }
        if !found {
            return self.rebuild_lookups(segment).await;
        }
        let Claim { upto, indexed, .. } = segment.claim.get();
        let gap_max = self.config.borrow().index_interval_bytes;
        if upto - indexed > gap_max.max(UNINDEXED_BYTES_MAX) {
            self.check_times(segment).await?;
        }
        Ok(())
    }

    /// Sees to it that the largest timestamp of `segment`, whose lookups are in memory, is that of
    /// its batches. Reads those behind the last entry of the time index, which at the end of a
    /// segment are few where timestamps rise; once for each segment.
    pub async fn check_times(&self, segment: &Rc<Segment>) -> io::Result<()> {
        if segment.times_checked.get() {
            return Ok(());
        }
        let claim = segment.claim.get();
        if self.claim_holds(segment, claim).await? {
            segment.known.set(Some(claim));
            segment.times_checked.set(true);
            return Ok(());
        }
        if segment.is_retired() {
            return Err(io::ErrorKind::NotFound.into());
        }
        tracing::warn!(file = %segment.path().display(),
            "the index files of a segment did not fit it: made anew");
        self.rebuild_lookups(segment).await
    }

    async fn claim_holds(&self, segment: &Rc<Segment>, claim: Claim) -> io::Result<bool> {
        let base = segment.base_offset;
        let from = match claim.youngest {
            Some((_, offset)) => segment.offsets.borrow().position_of(base, offset),
            None => 0,
        };
        let from = from.min(claim.indexed);
        let mut scanner = Scanner::tolerant(from, base);
        let interval = self.config.borrow().index_interval_bytes;
        let mut check = Check::new(claim, interval, from);
        let file = segment.file(self.logs.disk()).await?;
        walk(&file, claim.upto, &mut scanner, &mut |header, batch| {
            check.see(header, batch.len());
        })
        .await?;
        Ok(check.holds())
    }

    /// The offset behind the last batch of a segment of `len` bytes, when its lookups are whole
    /// and the batches behind their last entry fill the file to its end. `scanned` counts the
    /// bytes that were read for that.
    pub async fn end_by_lookups(
        &self,
        segment: &Segment,
        len: u64,
        scanned: &mut u64,
    ) -> io::Result<Option<Offset>> {
        if !self.read_lookups(segment, len).await? {
            return Ok(None);
        }
        let file = segment.file(self.logs.disk()).await?;
        let (base, claim) = (segment.base_offset, segment.claim.get());
        let from = claim.indexed;
        let mut scanner = Scanner::tolerant(from, base);
        let (interval, may_have_gaps) = {
            let config = self.config.borrow();
            let may_have_gaps = config.compact || self.gaps.get();
            (config.index_interval_bytes, may_have_gaps)
        };
        let mut check = Check::new(claim, interval, from);
        // The checksums leave out where batches begin: each tells of the one behind it, and the
        // last entry of the first that is looked at.
        let entry = segment.offsets.borrow().entry_before(base, Offset::MAX);
        let mut last_known = entry.map(|(last_offset, _)| last_offset);
        let mut next = Some(base).filter(|_| entry.is_none());
        let mut goes_on = true;
        walk(&file, len, &mut scanner, &mut |header, batch| {
            check.see(header, batch.len());
            *scanned += batch.len() as u64;
            goes_on &= next.is_none_or(|next| next == header.base_offset());
            goes_on &= last_known
                .take()
                .is_none_or(|last| last == header.last_offset());
            next = Some(header.next_offset());
        })
        .await?;
        if !goes_on && !may_have_gaps {
            return Ok(None);
        }
        segment.begin_entry(len - from);
        if check.holds() {
            segment.known.set(Some(claim));
            segment.times_checked.set(true);
        }
        let end = scanner.expected;
        let is_behind = claim.youngest.is_some_and(|(_, offset)| offset >= end);
        Ok((check.fits() && !is_behind).then_some(end))
    }

    /// Sees to it that the timestamp of the first batch of `segment` is known, if it holds one.
    pub async fn load_first_timestamp(&self, segment: &Segment) -> io::Result<()> {
        if segment.first_timestamp.get() < 0 && segment.size.get() > 0 {
            let file = segment.file(self.logs.disk()).await?;
            let block = file.read(0, BLOCK_BYTES).await?;
            if let Some(header) = BatchHeader::copy(&block) {
                segment.first_timestamp.set(header.max_timestamp());
            }
        }
        Ok(())
    }

    /// Makes the lookups of `segment` anew from its data, as far as those are written.
    pub async fn rebuild_lookups(&self, segment: &Rc<Segment>) -> io::Result<()> {
        let file = segment.file(self.logs.disk()).await?;
        let fresh = Segment::new(&self.dir, segment.base_offset, segment.created_ms.get());
        let interval = self.config.borrow().index_interval_bytes;
        let upto = segment.written.get();
        let mut scanner = Scanner::tolerant(0, segment.base_offset);
        let stop = walk(&file, upto, &mut scanner, &mut |header, batch| {
            fresh.note(header, batch.len(), interval);
        })
        .await?;
        self.logs.probe().mended_lookups_count.add(1);
        fresh.note_time();
        let end = self.end_of(segment);
        let is_whole = stop == Stop::End && scanner.expected <= end;
        segment.first_timestamp.set(fresh.first_timestamp.get());
        // What was appended meanwhile is noted already.
        let appended = scanner.expected..end;
        let newer = |offset: Offset| appended.contains(&offset);
        let (youngest, at) = segment.max_timestamp.get();
        let youngest = Some((youngest, at)).filter(|it| newer(it.1));
        let whole = fresh.max_timestamp.get();
        segment.max_timestamp.set(match (is_whole, youngest) {
            // What lies behind the damage may be of any age: who looks for it must meet it.
            (false, _) => (WallMs::MAX, scanner.expected.min(end - 1)),
            (true, Some(newest)) if newest.0 > whole.0 => newest,
            (true, _) => whole,
        });
        let base = segment.base_offset;
        let offsets = segment.offsets.replace(fresh.offsets.take());
        for (offset, position) in offsets.entries(base).into_iter().filter(|it| newer(it.0)) {
            segment.offsets.borrow_mut().push(base, offset, position);
        }
        let times = segment.times.replace(fresh.times.take());
        for (time, offset) in times.entries(base).into_iter().filter(|it| newer(it.1)) {
            segment.times.borrow_mut().push(base, time, offset);
        }
        segment.times_checked.set(true);
        segment.indexed.set(true);
        segment.known.set(None);
        // On disk it is put right soon, unless the data are what is wrong.
        if is_whole {
            segment.settled.set(false);
        }
        Ok(())
    }
}
