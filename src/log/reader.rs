//! Drives: reads by offset: from the tail at once, or from disk by way of the lookups.

use std::fmt;
use std::io;
use std::rc::Rc;

use super::header::Header;
use super::inner::{FailedOperation, Inner};
use super::segment::{self, Segment};
use crate::base::{LeaderEpoch, Offset};
use crate::io::buffer::{BLOCK_BYTES, Slice, block_down};
use crate::io::file::File;

/// What a read from memory gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cached {
    /// This many bytes of whole batches; none when nothing lies between the two offsets.
    Hit(usize),
    /// It must be read from disk.
    Miss,
    /// The offset lies outside the log.
    OutOfRange,
}

/// Why nothing was read.
#[derive(Debug)]
pub enum ReadError {
    /// The offset lies before the log's start or behind its end.
    OutOfRange,
    /// The bytes on disk are no batches: they were damaged after they had been written.
    Damaged {
        /// The data file.
        file: String,
        /// Where in it, in bytes.
        position: u64,
        /// Whether this place was not known to be damaged.
        is_news: bool,
    },
    /// The device failed.
    Io(io::Error),
}

/// Counts a read from disk for as long as it lasts.
pub struct UnderWay(Rc<Inner>);

/// What is to be read.
pub struct Ask {
    /// The first offset.
    pub offset: Offset,
    /// The most bytes, but at least one batch.
    pub max_bytes: usize,
    /// Where the last batch ends at the latest.
    pub upto: Offset,
}

/// A batch in a data file.
struct Place {
    header: Header,
    position: u64,
    bytes: usize,
    /// Its first offset is not before this.
    expected: Offset,
    /// The epoch of the one before it.
    epoch: LeaderEpoch,
}

/// A stretch of a data file in memory.
struct Window {
    position: u64,
    pieces: Vec<Slice>,
    bytes: usize,
}

impl Inner {
    /// See [`super::Log::read_cached`].
    pub fn read_cached(
        &self,
        offset: Offset,
        max_bytes: usize,
        upto: Offset,
        out: &mut Vec<Slice>,
    ) -> Cached {
        if offset < self.start_offset.get() || offset > self.end_offset.get() {
            return Cached::OutOfRange;
        }
        let upto = upto.min(self.end_offset.get());
        if offset >= upto {
            return Cached::Hit(0);
        }
        match self.state.borrow().tail.read(offset, max_bytes, upto, out) {
            Ok(bytes) => {
                self.logs.probe().cached_reads_count.add(1);
                Cached::Hit(bytes)
            }
            Err(_) => Cached::Miss,
        }
    }

    /// See [`super::Log::read`].
    pub async fn read(
        self: &Rc<Self>,
        offset: Offset,
        max_bytes: usize,
        upto: Offset,
        out: &mut Vec<Slice>,
    ) -> Result<usize, ReadError> {
        match self.read_cached(offset, max_bytes, upto, out) {
            Cached::Hit(bytes) => return Ok(bytes),
            Cached::OutOfRange => return Err(ReadError::OutOfRange),
            Cached::Miss => {}
        }
        if self.is_removed() {
            return Err(ReadError::OutOfRange);
        }
        let _under_way = UnderWay::new(self);
        // What is not written yet is in the tail, so nothing behind it is asked of the disk.
        let upto = upto.min(self.written_offset.get());
        let mut ask = Ask {
            offset,
            max_bytes,
            upto,
        };
        loop {
            let found = {
                let state = self.state.borrow();
                segment::find(&state.segments, ask.offset).cloned()
            };
            let Some(segment) = found else {
                return Ok(0);
            };
            let bytes = match self.read_segment(&segment, &ask, out).await {
                Err(_) if segment.is_replaced() => continue,
                Err(_) if segment.is_retired() => return Err(ReadError::OutOfRange),
                Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    let error = segment.shrunk();
                    self.fail(FailedOperation::Damage, &error);
                    return Err(ReadError::Io(error));
                }
                read => read?,
            };
            if bytes > 0 {
                return Ok(bytes);
            }
            // Compaction may have left nothing at or behind the offset in this segment.
            let state = self.state.borrow();
            let after = state
                .segments
                .partition_point(|other| other.base_offset <= segment.base_offset);
            match state.segments.get(after) {
                Some(next) if next.base_offset < upto => ask.offset = next.base_offset,
                _ => return Ok(0),
            }
        }
    }

    /// Reads from one segment; lookups that turn out wrong are made anew once.
    pub async fn read_segment(
        &self,
        segment: &Rc<Segment>,
        ask: &Ask,
        out: &mut Vec<Slice>,
    ) -> Result<usize, ReadError> {
        self.load_lookups(segment).await.map_err(ReadError::Io)?;
        let opened = segment.file(self.logs.disk()).await;
        let file = opened.map_err(ReadError::Io)?;
        let size = segment.written.get();
        let base = segment.base_offset;
        let entry = segment.offsets.borrow().entry_before(base, ask.offset);
        let mut from = 0;
        if let Some((last_offset, position)) = entry {
            let mut window = Window::at(position);
            let header = self.header_at(&file, &mut window, position, size).await?;
            if header.is_some_and(|header| header.last_offset() == last_offset) {
                from = position;
            } else {
                self.rebuild_lookups(segment).await.map_err(ReadError::Io)?;
                from = segment.offsets.borrow().position_of(base, ask.offset);
            }
        }
        self.take_batches(segment, &file, from, ask, out).await
    }

    /// Finds the batch that holds the offset, from position `from` on, then takes batches
    /// until a limit.
    async fn take_batches(
        &self,
        segment: &Segment,
        file: &File,
        from: u64,
        ask: &Ask,
        out: &mut Vec<Slice>,
    ) -> Result<usize, ReadError> {
        let size = segment.written.get();
        let mut window = Window::at(from);
        let mut at = from;
        let mut begin = None;
        let mut taken = 0;
        let mut passed: Option<Place> = None;
        let mut expected = segment.base_offset;
        let mut epoch = LeaderEpoch::MIN;
        while at < size {
            let header = self.header_at(file, &mut window, at, size).await?;
            let whole = header.and_then(|header| {
                let bytes = header.size_bytes()?;
                let fits = header.magic() == 2 && at + bytes as u64 <= size;
                fits.then_some(Place {
                    header,
                    position: at,
                    bytes,
                    expected,
                    epoch,
                })
            });
            let Some(place) = whole else {
                return self.up_to_damage(segment, at, &window, begin, taken, out);
            };
            let (base, last) = (place.header.base_offset(), place.header.last_offset());
            let takes = begin.is_some() || last >= ask.offset;
            if takes {
                // Where the offset lies in no batch, the one before may have lost it.
                let before = passed.take().filter(|_| base > ask.offset);
                if let Some(before) = before
                    && !self.is_sound(&window, &before, Some(&place.header), base)
                {
                    return Err(self.damaged(segment, before.position));
                }
                let end = at + place.bytes as u64;
                let is_more = taken > 0 && taken + place.bytes > ask.max_bytes;
                if is_more || begin.is_some() && last >= ask.upto {
                    break;
                }
                self.extend(file, &mut window, end, size).await?;
                let behind = match end < size {
                    true => self.header_at(file, &mut window, end, size).await?,
                    false => None,
                };
                let limit = behind.map_or(self.end_of(segment), |next| next.base_offset());
                if !self.is_sound(&window, &place, behind.as_ref(), limit) {
                    return self.up_to_damage(segment, at, &window, begin, taken, out);
                }
                if last >= ask.upto {
                    break;
                }
                if begin.is_none() {
                    begin = Some(at);
                    window.forget_before(at);
                }
                taken += place.bytes;
            }
            at += place.bytes as u64;
            expected = last + 1;
            epoch = place.header.leader_epoch();
            passed = Some(place).filter(|_| !takes);
        }
        Ok(begin.map_or(0, |begin| window.share(begin, taken, out)))
    }

    /// Gives out what lies before a damaged place; fails where that is nothing.
    fn up_to_damage(
        &self,
        segment: &Segment,
        position: u64,
        window: &Window,
        begin: Option<u64>,
        taken: usize,
        out: &mut Vec<Slice>,
    ) -> Result<usize, ReadError> {
        match begin {
            Some(begin) if taken > 0 => Ok(window.share(begin, taken, out)),
            _ => Err(self.damaged(segment, position)),
        }
    }

    /// Whether a batch is what was written there: its checksum fits, and so do the two fields
    /// that the checksum leaves out. Its offsets go on where the one before ended, or at least lie
    /// before `limit`; its epoch is the one known for them, or at least lies between those of its
    /// neighbours. (Where a neighbour is the damaged one, the former holds.)
    fn is_sound(
        &self,
        window: &Window,
        place: &Place,
        next: Option<&Header>,
        limit: Offset,
    ) -> bool {
        let header = &place.header;
        let (base, last) = (header.base_offset(), header.last_offset());
        let fits = base == place.expected || base > place.expected && last < limit;
        let epoch = header.leader_epoch();
        let next = next.map(Header::leader_epoch);
        let rises = match place.epoch {
            LeaderEpoch::MIN => next == Some(epoch),
            before => before <= epoch && next.is_some_and(|next| epoch <= next),
        };
        let known = self.state.borrow().epochs.epoch_at(base);
        let epoch_fits = rises || known.is_none_or(|known| known == epoch);
        fits && base <= last && epoch_fits && window.crc(place) == header.crc()
    }

    /// Where `segment` ends: where the next one begins, or the log ends.
    pub fn end_of(&self, segment: &Segment) -> Offset {
        let state = self.state.borrow();
        let segments = &state.segments;
        let after = segments.partition_point(|it| it.base_offset <= segment.base_offset);
        let next = segments.get(after).map(|next| next.base_offset);
        next.unwrap_or(self.end_offset.get())
    }

    /// Notes that a place is damaged; counts it once.
    pub fn damaged(&self, segment: &Segment, position: u64) -> ReadError {
        let place = (segment.base_offset, position);
        let is_news = self.damaged_places.borrow_mut().insert(place);
        if is_news {
            self.logs.probe().damaged_places_count.add(1);
        }
        ReadError::Damaged {
            file: segment.path().display().to_string(),
            position,
            is_news,
        }
    }

    /// The header at `position`, read with what lies around it when it is not in memory.
    async fn header_at(
        &self,
        file: &File,
        window: &mut Window,
        position: u64,
        size: u64,
    ) -> Result<Option<Header>, ReadError> {
        let end = position + super::header::HEADER_BYTES as u64;
        if end > size {
            return Ok(None);
        }
        self.extend(file, window, end, size).await?;
        Ok(window.header(position))
    }

    /// Reads on until the window reaches `to`.
    async fn extend(
        &self,
        file: &File,
        window: &mut Window,
        to: u64,
        size: u64,
    ) -> Result<(), ReadError> {
        while window.end() < to {
            let at = window.end();
            let ahead = self.logs.options().read_ahead_bytes as u64;
            let missing = (to - at).max(ahead).min(ahead.max(1 << 20));
            let len = missing.min(size - at).next_multiple_of(BLOCK_BYTES as u64) as usize;
            let permit = self.logs.read_permit(len).await;
            let piece = file.read(at, len).await.map_err(ReadError::Io)?;
            drop(permit);
            let probe = self.logs.probe();
            probe.disk_reads_count.add(1);
            probe.disk_read_bytes.add(piece.len() as u64);
            if piece.is_empty() || piece.len() < len && at + (piece.len() as u64) < to {
                return Err(ReadError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            window.push(piece);
        }
        Ok(())
    }
}

impl UnderWay {
    /// Begins now, ends when dropped.
    pub fn new(log: &Rc<Inner>) -> UnderWay {
        log.reads.set(log.reads.get() + 1);
        UnderWay(Rc::clone(log))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.reads.set(self.0.reads.get() - 1);
        if self.0.is_removed() {
            self.0.progress.ring();
        }
    }
}

// === impl Window ===

impl Window {
    fn at(position: u64) -> Window {
        Window {
            position: block_down(position),
            pieces: Vec::new(),
            bytes: 0,
        }
    }

    fn end(&self) -> u64 {
        self.position + self.bytes as u64
    }

    fn push(&mut self, piece: Slice) {
        self.bytes += piece.len();
        self.pieces.push(piece);
    }

    /// Gives up pieces that end before `position`.
    fn forget_before(&mut self, position: u64) {
        while let Some(first) = self.pieces.first()
            && self.position + first.len() as u64 <= position
        {
            self.position += first.len() as u64;
            self.bytes -= first.len();
            self.pieces.remove(0);
        }
    }

    fn header(&self, position: u64) -> Option<Header> {
        let mut bytes = [0; super::header::HEADER_BYTES];
        let mut copied = 0;
        self.each(position, bytes.len(), |piece, from, to| {
            bytes[copied..copied + to - from].copy_from_slice(&piece[from..to]);
            copied += to - from;
        });
        (copied == bytes.len())
            .then(|| Header::copy(&bytes))
            .flatten()
    }

    /// Gives out `len` bytes from `position` on; returns `len`.
    fn share(&self, position: u64, len: usize, out: &mut Vec<Slice>) -> usize {
        self.each(position, len, |piece, from, to| {
            out.push(piece.part(from, to))
        });
        len
    }

    /// The checksum over a batch, which is here as a whole.
    fn crc(&self, place: &Place) -> u32 {
        let mut crc = place.header.crc_seed();
        let records = place.position + super::header::HEADER_BYTES as u64;
        let bytes = place.bytes - super::header::HEADER_BYTES;
        self.each(records, bytes, |piece, from, to| {
            crc = crc32c::crc32c_append(crc, &piece[from..to]);
        });
        crc
    }

    /// Calls `take` with the parts of pieces that cover `len` bytes from `position` on.
    fn each(&self, position: u64, len: usize, mut take: impl FnMut(&Slice, usize, usize)) {
        let mut begin = self.position;
        let end = position + len as u64;
        for piece in &self.pieces {
            let piece_end = begin + piece.len() as u64;
            let (from, to) = (position.max(begin), end.min(piece_end));
            if from < to {
                take(piece, (from - begin) as usize, (to - begin) as usize);
            }
            begin = piece_end;
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::OutOfRange => f.write_str("the offset lies outside the log"),
            ReadError::Damaged { file, position, .. } => {
                write!(f, "{file} holds no batch at byte {position}: it is damaged")
            }
            ReadError::Io(error) => write!(f, "a read failed: {error}"),
        }
    }
}

impl std::error::Error for ReadError {}
