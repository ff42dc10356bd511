//! Drives: reads sealed segments that no client reads: is every batch still what was written,
//! and do the lookups lead to batches.

use std::io;
use std::rc::Rc;

use crate::base::{Offset, WallMs};
use crate::io::buffer::BLOCK_BYTES;
use crate::log::format::{Scanner, Step, Stop};
use crate::log::inner::Inner;
use crate::log::read::{ReadError, UnderWay};
use crate::log::segment::{Check, Segment};
use crate::wire::batch::BatchHeader;

/// Bytes read at once.
const STEP_BYTES: usize = 256 << 10;

/// One sealed segment while it is looked at. Holds nothing up: between its steps the segment may
/// be read, or go.
pub struct Scrub {
    log: Rc<Inner>,
    segment: Rc<Segment>,
    scanner: Scanner,
    /// What was read and not looked at yet; begins at `begin` in the file.
    bytes: Vec<u8>,
    begin: u64,
    /// Entries of the lookups that the batches have not reached yet, last one first.
    entries: Vec<(Offset, u64)>,
    times: Vec<(WallMs, Offset)>,
    youngest: WallMs,
    check: Check,
    lookups_fit: bool,
}

/// What a step of a scrub came to.
#[derive(Debug)]
pub enum Scrubbed {
    /// So many bytes were read; there is more.
    On(usize),
    /// The segment is sound, or was removed meanwhile.
    Sound,
    /// The lookups did not fit the batches, which are sound: they were made anew.
    LookupsMended,
    /// A batch is not what was written; readers of that place are refused.
    Damaged(ReadError),
}

impl Inner {
    /// The first sealed segment that begins behind `after`, to be looked at.
    pub async fn scrub_after(self: &Rc<Self>, after: Offset) -> io::Result<Option<Scrub>> {
        let found = {
            let state = self.state.borrow();
            let sealed = state.segments.len().saturating_sub(1);
            let mut sealed = state.segments[..sealed].iter();
            let next = sealed.find(|it| it.settled.get() && it.base_offset > after);
            next.cloned()
        };
        let Some(segment) = found else {
            return Ok(None);
        };
        let _under_way = UnderWay::new(self);
        let was_used = segment.used.get();
        self.load_lookups(&segment).await?;
        segment.used.set(was_used);
        let base = segment.base_offset;
        let mut entries = segment.offsets.borrow().entries(base);
        let mut times = segment.times.borrow().entries(base);
        entries.reverse();
        times.reverse();
        let interval = self.config.borrow().index_interval_bytes;
        let check = Check::new(segment.claims(), interval, 0);
        Ok(Some(Scrub {
            log: Rc::clone(self),
            scanner: Scanner::tolerant(0, base),
            segment,
            bytes: Vec::new(),
            begin: 0,
            entries,
            times,
            youngest: -1,
            check,
            lookups_fit: true,
        }))
    }
}

impl Scrub {
    /// The base offset of the segment.
    pub fn base_offset(&self) -> Offset {
        self.segment.base_offset
    }

    /// Reads on by one step.
    pub async fn step(&mut self) -> io::Result<Scrubbed> {
        let log = Rc::clone(&self.log);
        let _under_way = UnderWay::new(&log);
        if self.segment.is_retired() || log.is_removed() {
            return Ok(Scrubbed::Sound);
        }
        let read = match self.read_on().await {
            Err(_) if self.segment.is_retired() => return Ok(Scrubbed::Sound),
            read => read?,
        };
        log.logs.probe().scrubbed_bytes.add(read as u64);
        let size = self.segment.size.get();
        loop {
            let at = (self.scanner.position - self.begin) as usize;
            let window = self.bytes.get(at..).unwrap_or_default();
            match self.scanner.step(window, size - self.scanner.position) {
                Step::Batch(header, bytes) => {
                    let position = self.scanner.position - bytes as u64;
                    self.compare(&header, position);
                }
                Step::Stop(stop) => return self.finish(stop).await,
                Step::More(_) => {
                    let whole = at & !(BLOCK_BYTES - 1);
                    self.bytes.drain(..whole.min(self.bytes.len()));
                    self.begin += whole as u64;
                    return Ok(Scrubbed::On(read));
                }
            }
        }
    }

    async fn read_on(&mut self) -> io::Result<usize> {
        let size = self.segment.size.get();
        let at = self.begin + self.bytes.len() as u64;
        if at >= size {
            return Ok(0);
        }
        let permit = self.log.logs.memory().read_permit(STEP_BYTES).await;
        let file = self.segment.file(self.log.logs.disk()).await?;
        let piece = file.read(at, STEP_BYTES).await?;
        drop(permit);
        let wanted = (size - at).min(STEP_BYTES as u64) as usize;
        if piece.len() < wanted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // What follows the last batch in its block is not the segment's.
        self.bytes.extend_from_slice(&piece[..wanted]);
        Ok(wanted)
    }

    /// Holds the lookups against a batch.
    fn compare(&mut self, header: &BatchHeader, position: u64) {
        let last = header.last_offset();
        if let Some(bytes) = header.claimed_bytes() {
            self.check.see(header, bytes);
        }
        self.youngest = self.youngest.max(header.max_timestamp());
        while let Some((offset, at)) = self.entries.last()
            && *at <= position
        {
            self.lookups_fit &= (*offset, *at) == (last, position);
            self.entries.pop();
        }
        while let Some((timestamp, offset)) = self.times.last()
            && *offset <= last
        {
            self.lookups_fit &= *timestamp == self.youngest;
            self.times.pop();
        }
    }

    async fn finish(&mut self, stop: Stop) -> io::Result<Scrubbed> {
        let (log, segment) = (&self.log, &self.segment);
        log.logs.probe().scrubbed_segments_count.add(1);
        let fits = self.scanner.expected <= log.end_of(segment);
        if stop != Stop::End || !fits {
            return Ok(Scrubbed::Damaged(
                log.damaged(segment, self.scanner.position),
            ));
        }
        let all_met = self.entries.is_empty() && self.times.is_empty();
        if self.lookups_fit && all_met && self.check.holds() {
            return Ok(Scrubbed::Sound);
        }
        log.rebuild_lookups(segment).await?;
        log.start_upkeep();
        Ok(Scrubbed::LookupsMended)
    }
}
