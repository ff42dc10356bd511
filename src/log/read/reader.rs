//! Drives: reads by offset: from the tail at once, or from disk by way of the lookups.

use std::fmt;
use std::io;
use std::rc::Rc;

use super::check::{Check, Place};
use super::stream::BatchStream;
use super::stretch::Stretch;
use super::window::Window;
use crate::base::{LeaderEpoch, Offset};
use crate::io::buffer::{BLOCK_BYTES, ReadMemory, Slice, block_down, block_up};
use crate::io::file::File;
use crate::log::append::InTail;
use crate::log::inner::{FailedOperation, Inner};
use crate::log::segment::{self, Segment};
use crate::wire::batch::{BatchHeader, HEADER_BYTES, MAGIC};

/// Most bytes of one read from a log of which some place is known to be damaged.
const DAMAGED_READ_BYTES: usize = 1 << 20;

/// What a reader does while there is no memory for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryWait {
    /// It waits, and holds nothing that others wait for.
    Waits,
    /// It has something already, and is content with that.
    TakesWhatThereIs,
}

/// What a read from memory gave.
#[derive(Debug)]
pub enum Cached {
    /// Whole batches, and where they lie; none when nothing lies between the two offsets.
    Hit(Option<Stretch>),
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
    /// The most bytes to have in memory; a batch larger than that is left to be streamed.
    pub memory_bytes: usize,
}

/// What was read into memory, and what lies behind it.
pub struct Taken {
    /// Position of the first batch taken, if any is.
    begin: Option<u64>,
    /// Bytes of batches that are in memory.
    bytes: usize,
    /// Position behind them.
    at: u64,
    /// What is known of the batch there: see [`Place`].
    expected: Offset,
    epoch: LeaderEpoch,
    /// Bytes of that batch where it, or the rest of what was asked for, is too much to have in
    /// memory; 0 where there is no more to have.
    next_bytes: usize,
}

/// Batches that were found for a reader: the first of them are in memory, and the rest is read
/// while it is sent.
pub struct Planned {
    /// All of them.
    pub stretch: Stretch,
    /// Bytes in memory, which were appended to the list of slices.
    pub bytes_in_memory: usize,
    /// Gives out the rest, if there is any.
    pub stream: Box<BatchStream>,
    /// No record behind this offset is among them.
    pub end_offset: Offset,
}

impl Inner {
    /// See [`crate::log::Log::read_cached`].
    pub fn read_cached(
        self: &Rc<Self>,
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
            return Cached::Hit(None);
        }
        let state = self.state.borrow();
        let Ok(found) = state.tail.read(offset, max_bytes, upto, out) else {
            return Cached::Miss;
        };
        self.logs.probe().cached_reads_count.add(1);
        let at = |found: &InTail| {
            let segment = segment::find(&state.segments, found.segment)?;
            let to = found.position + found.bytes as u64;
            Some(Stretch::new(self, segment, found.position, to))
        };
        Cached::Hit(found.as_ref().and_then(at))
    }

    /// See [`crate::log::Log::read`].
    pub async fn read(
        self: &Rc<Self>,
        offset: Offset,
        max_bytes: usize,
        upto: Offset,
        out: &mut Vec<Slice>,
    ) -> Result<usize, ReadError> {
        match self.read_cached(offset, max_bytes, upto, out) {
            Cached::Hit(stretch) => return Ok(stretch.map_or(0, |it| it.bytes())),
            Cached::OutOfRange => return Err(ReadError::OutOfRange),
            Cached::Miss => {}
        }
        let ask = Ask {
            offset,
            max_bytes,
            upto,
            memory_bytes: usize::MAX,
        };
        let memory = self.logs.memory();
        let memory = memory.for_read(self.logs.options().read_ahead_bytes).await;
        let found = self.read_disk(ask, memory, out).await?;
        Ok(found.map_or(0, |(_, _, taken)| taken.bytes))
    }

    /// See [`crate::log::Log::plan`].
    pub async fn plan(
        self: &Rc<Self>,
        offset: Offset,
        max_bytes: usize,
        upto: Offset,
        wait: MemoryWait,
        out: &mut Vec<Slice>,
    ) -> Result<Option<Planned>, ReadError> {
        let upto = upto.min(self.written_offset.get());
        let memory = self.logs.memory();
        if let Some(stream) = memory.unpark(self, offset)
            && let Some(planned) = self.go_on(stream, offset, max_bytes, upto).await?
        {
            return Ok(Some(planned));
        }
        let piece_bytes = self.logs.options().read_ahead_bytes;
        let memory = match wait {
            MemoryWait::Waits => memory.for_read(piece_bytes).await,
            MemoryWait::TakesWhatThereIs => match memory.for_read_now(piece_bytes) {
                Some(memory) => memory,
                None => return Ok(None),
            },
        };
        let mut ask = Ask {
            offset,
            max_bytes,
            upto,
            memory_bytes: piece_bytes,
        };
        if !self.damaged_places.borrow().is_empty() {
            // What is damaged is to be found before anything is promised.
            ask.memory_bytes = usize::MAX;
            ask.max_bytes = max_bytes.min(DAMAGED_READ_BYTES);
        }
        let Some((segment, file, taken)) = self.read_disk(ask, memory, out).await? else {
            return Ok(None);
        };
        let Some(begin) = taken.begin else {
            return Ok(None);
        };
        let (mut to, mut end_offset) = (taken.at, taken.expected);
        if taken.next_bytes > 0 {
            let limit = begin.saturating_add(max_bytes as u64);
            match self
                .boundary(&segment, &file, taken.at, limit, upto)
                .await?
            {
                Some(boundary) => (to, end_offset) = boundary,
                // Of the first one nothing is in memory yet.
                None if taken.bytes == 0 => {
                    to = taken.at + taken.next_bytes as u64;
                    end_offset = upto;
                }
                None => {}
            }
        }
        let stretch = Stretch::new(self, &segment, begin, to);
        let check = Check::new(taken.at, taken.expected, taken.epoch);
        let stream = BatchStream::behind(&stretch, file, check);
        Ok(Some(Planned {
            bytes_in_memory: taken.bytes,
            stream: Box::new(stream),
            end_offset,
            stretch,
        }))
    }

    /// Goes on with a stream that ended where a reader begins, as far as a batch is known to end;
    /// `None` where that is nowhere near.
    async fn go_on(
        self: &Rc<Self>,
        mut stream: Box<BatchStream>,
        offset: Offset,
        max_bytes: usize,
        upto: Offset,
    ) -> Result<Option<Planned>, ReadError> {
        let mut next = match stream.take_ahead() {
            Some(ahead) => ahead.take().await,
            None => None,
        };
        if let Some(successor) = next.as_mut().and_then(|next| next.stream.take()) {
            stream = successor;
        }
        let (segment, file, at) = stream.place();
        let goes_on = stream.goes_on(self, offset) && !segment.is_retired();
        if !goes_on || !self.damaged_places.borrow().is_empty() {
            return Ok(None);
        }
        let limit = at.saturating_add(max_bytes as u64);
        let known = next.filter(|next| next.limit == limit && next.end_offset <= upto);
        let boundary = match known {
            Some(next) => Some((next.to, next.end_offset)),
            None => {
                let _under_way = UnderWay::new(self);
                self.load_lookups(&segment).await.map_err(ReadError::Io)?;
                self.boundary(&segment, &file, at, limit, upto).await?
            }
        };
        Ok(boundary.map(|(to, end_offset)| {
            stream.go_on_to(to, max_bytes, upto);
            Planned {
                stretch: Stretch::new(self, &segment, at, to),
                bytes_in_memory: 0,
                stream,
                end_offset,
            }
        }))
    }

    /// The last place behind `at` and not behind `limit` where a batch ends, as far as the
    /// lookups tell, with the offset there, which is not behind `upto`.
    pub async fn boundary(
        &self,
        segment: &Rc<Segment>,
        file: &File,
        at: u64,
        limit: u64,
        upto: Offset,
    ) -> Result<Option<(u64, Offset)>, ReadError> {
        let (base, size) = (segment.base_offset, segment.written.get());
        let is_active = self.active().is_some_and(|it| Rc::ptr_eq(&it, segment));
        let end = self.end_of(segment);
        if !is_active && limit >= size && end <= upto {
            return Ok((size > at).then_some((size, end)));
        }
        let entry = segment.offsets.borrow().entry_within(base, limit, upto);
        let Some((last_offset, position)) = entry.filter(|entry| entry.1 > at) else {
            return Ok(None);
        };
        let header = self.read_header(file, position, size).await?;
        match header.filter(|it| it.last_offset() == last_offset && it.base_offset() <= upto) {
            Some(header) => Ok(Some((position, header.base_offset()))),
            None => {
                self.rebuild_lookups(segment).await.map_err(ReadError::Io)?;
                Ok(None)
            }
        }
    }

    /// Reads from disk what `ask` says, from the first segment that has any of it; what is read
    /// first counts in `memory`.
    async fn read_disk(
        self: &Rc<Self>,
        mut ask: Ask,
        memory: ReadMemory,
        out: &mut Vec<Slice>,
    ) -> Result<Option<(Rc<Segment>, File, Taken)>, ReadError> {
        if self.is_removed() {
            return Err(ReadError::OutOfRange);
        }
        let _under_way = UnderWay::new(self);
        // What is not written yet is in the tail, so nothing behind it is asked of the disk.
        ask.upto = ask.upto.min(self.written_offset.get());
        let mut memory = Some(memory);
        loop {
            let found = {
                let state = self.state.borrow();
                segment::find(&state.segments, ask.offset).cloned()
            };
            let Some(segment) = found else {
                return Ok(None);
            };
            let read = self.read_segment(&segment, &ask, memory.take(), out);
            let (file, taken) = match read.await {
                Err(_) if segment.is_replaced() => continue,
                Err(_) if segment.is_retired() => return Err(ReadError::OutOfRange),
                Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(self.shrunk(&segment));
                }
                read => read?,
            };
            if taken.begin.is_some() {
                return Ok(Some((segment, file, taken)));
            }
            // Compaction may have left nothing at or behind the offset in this segment.
            let state = self.state.borrow();
            let after = state
                .segments
                .partition_point(|other| other.base_offset <= segment.base_offset);
            match state.segments.get(after) {
                Some(next) if next.base_offset < ask.upto => ask.offset = next.base_offset,
                _ => return Ok(None),
            }
        }
    }

    /// Fails the log since a data file is shorter than it was made.
    pub fn shrunk(&self, segment: &Segment) -> ReadError {
        let error = segment.shrunk();
        self.fail(FailedOperation::Damage, &error);
        ReadError::Io(error)
    }

    /// Reads from one segment.
    pub async fn read_segment(
        &self,
        segment: &Rc<Segment>,
        ask: &Ask,
        memory: Option<ReadMemory>,
        out: &mut Vec<Slice>,
    ) -> Result<(File, Taken), ReadError> {
        self.load_lookups(segment).await.map_err(ReadError::Io)?;
        let opened = segment.file(self.logs.disk()).await;
        let file = opened.map_err(ReadError::Io)?;
        let mut window = Window::at(0, memory);
        let from = self.begin(segment, &file, &mut window, ask.offset).await?;
        let taken = self.take_batches(segment, &file, from, window, ask, out);
        Ok((file.clone(), taken.await?))
    }

    /// Where to begin to look for `offset`: at a batch that ends where the offset index says, so
    /// that it is known where the next one begins; else at the first of the segment. Lookups that
    /// turn out wrong are made anew once. What leads to another batch even then leads to a damaged
    /// one, and is taken out.
    async fn begin(
        &self,
        segment: &Rc<Segment>,
        file: &File,
        window: &mut Window,
        offset: Offset,
    ) -> Result<u64, ReadError> {
        let (base, size) = (segment.base_offset, segment.written.get());
        let mut are_anew = false;
        loop {
            let entry = segment.offsets.borrow().entry_before(base, offset);
            let (last_offset, position) = entry.unwrap_or((base, 0));
            window.move_to(position);
            if entry.is_none() || position >= size {
                return Ok(position);
            }
            let header = self.header_at(file, window, position, size).await?;
            if header.is_some_and(|header| header.last_offset() == last_offset) {
                return Ok(position);
            }
            match are_anew {
                true => segment.offsets.borrow_mut().remove(position),
                false => self.rebuild_lookups(segment).await.map_err(ReadError::Io)?,
            }
            are_anew = true;
        }
    }

    /// Finds the batch that holds the offset, from position `from` on, then takes batches
    /// until a limit.
    async fn take_batches(
        &self,
        segment: &Segment,
        file: &File,
        from: u64,
        mut window: Window,
        ask: &Ask,
        out: &mut Vec<Slice>,
    ) -> Result<Taken, ReadError> {
        let size = segment.written.get();
        let mut taken = Taken::nothing(from, segment.base_offset);
        let mut passed: Option<Place> = None;
        while taken.at < size {
            let at = taken.at;
            let header = self.header_at(file, &mut window, at, size).await?;
            let Some(place) = taken.place(header, size) else {
                return self.up_to_damage(segment, &window, taken, out);
            };
            let (base, last) = (place.header.base_offset(), place.header.last_offset());
            let takes = taken.begin.is_some() || last >= ask.offset;
            if takes {
                // Where the offset lies in no batch, the one before may have lost it.
                if let Some(before) = passed.take().filter(|_| base > ask.offset) {
                    let next = Some(&place.header);
                    self.look_back(segment, file, &mut window, &before, next)
                        .await?;
                }
                let is_more = taken.bytes > 0 && taken.bytes + place.bytes > ask.max_bytes;
                if is_more || taken.begin.is_some() && last >= ask.upto {
                    break;
                }
                if taken.bytes + place.bytes > ask.memory_bytes {
                    if last < ask.upto {
                        taken.begin.get_or_insert(at);
                        taken.next_bytes = place.bytes;
                    } else {
                        self.look_ahead(segment, file, &mut window, &place, size)
                            .await?;
                    }
                    break;
                }
                self.extend(file, &mut window, place.end(), size).await?;
                let next = self.next_header(file, &mut window, &place, size).await?;
                if !self.is_sound(segment, &window, &place, next.as_ref()) {
                    return self.up_to_damage(segment, &window, taken, out);
                }
                if last >= ask.upto {
                    break;
                }
                if taken.begin.is_none() {
                    taken.begin = Some(at);
                    window.forget_before(at);
                }
                taken.bytes += place.bytes;
            }
            taken.at += place.bytes as u64;
            taken.expected = last + 1;
            taken.epoch = place.header.leader_epoch();
            passed = Some(place).filter(|_| !takes);
        }
        // Where no batch is left, the last one may have lost the offset.
        if let Some(last) = passed.filter(|_| ask.offset < ask.upto.min(self.end_of(segment))) {
            self.look_back(segment, file, &mut window, &last, None)
                .await?;
        }
        taken.share(&window, out);
        Ok(taken)
    }

    /// Gives out what lies before a damaged place; fails where that is nothing.
    fn up_to_damage(
        &self,
        segment: &Segment,
        window: &Window,
        taken: Taken,
        out: &mut Vec<Slice>,
    ) -> Result<Taken, ReadError> {
        if taken.bytes == 0 {
            return Err(self.damaged(segment, taken.at));
        }
        taken.share(window, out);
        Ok(taken)
    }

    /// Fails where a batch that a reader has no use for is damaged: the offset that is asked for,
    /// which lies in none, may have been in it. `next` is the one behind it, if the segment does
    /// not end there.
    async fn look_back(
        &self,
        segment: &Segment,
        file: &File,
        mut window: &mut Window,
        before: &Place,
        next: Option<&BatchHeader>,
    ) -> Result<(), ReadError> {
        let mut fresh = Window::at(before.position, None);
        if before.position < window.begin() {
            window = &mut fresh;
        }
        let size = segment.written.get();
        self.extend(file, window, before.end(), size).await?;
        match self.is_sound(segment, window, before, next) {
            true => Ok(()),
            false => Err(self.damaged(segment, before.position)),
        }
    }

    /// Fails where a batch that is too large to be looked at, and of which a reader gets nothing
    /// since it ends too late, says that it ends behind the beginning of the next one.
    async fn look_ahead(
        &self,
        segment: &Segment,
        file: &File,
        window: &mut Window,
        place: &Place,
        size: u64,
    ) -> Result<(), ReadError> {
        let next = self.next_header(file, window, place, size).await?;
        match place.header.last_offset() < self.end_within(segment, next.as_ref()) {
            true => Ok(()),
            false => Err(self.damaged(segment, place.position)),
        }
    }

    /// The header behind a batch, if one was written there.
    async fn next_header(
        &self,
        file: &File,
        window: &mut Window,
        place: &Place,
        size: u64,
    ) -> Result<Option<BatchHeader>, ReadError> {
        match place.end() < size {
            true => self.header_at(file, window, place.end(), size).await,
            false => Ok(None),
        }
    }

    /// The header at `position`, read with what lies around it when it is not in memory.
    async fn header_at(
        &self,
        file: &File,
        window: &mut Window,
        position: u64,
        size: u64,
    ) -> Result<Option<BatchHeader>, ReadError> {
        let end = position + HEADER_BYTES as u64;
        if end > size {
            return Ok(None);
        }
        if position >= window.end() + self.logs.options().read_ahead_bytes as u64 {
            // What is passed over need not be read.
            window.move_to(position);
        }
        self.extend(file, window, end, size).await?;
        Ok(window.header(position))
    }

    /// The header at `position`, read by itself.
    pub async fn read_header(
        &self,
        file: &File,
        position: u64,
        size: u64,
    ) -> Result<Option<BatchHeader>, ReadError> {
        let end = position + HEADER_BYTES as u64;
        if end > size {
            return Ok(None);
        }
        let at = block_down(position);
        let mut window = Window::at(at, None);
        window.push(
            self.read_piece(file, at, (block_up(end) - at) as usize)
                .await?,
        );
        match window.header(position) {
            None => Err(ReadError::Io(io::ErrorKind::UnexpectedEof.into())),
            header => Ok(header),
        }
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
            let memory = match window.take_memory() {
                Some((mut memory, last)) => {
                    memory.resize(len);
                    (memory, last)
                }
                None => self.logs.memory().for_read_on(len),
            };
            let piece = self.read_piece(file, at, len).await?;
            if piece.is_empty() || piece.len() < len && at + (piece.len() as u64) < to {
                return Err(ReadError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            window.push(piece.counted(memory));
        }
        Ok(())
    }

    /// One read from the device.
    pub async fn read_piece(&self, file: &File, at: u64, len: usize) -> Result<Slice, ReadError> {
        let _permit = self.logs.memory().read_permit(len).await;
        let piece = file.read(at, len).await.map_err(ReadError::Io)?;
        let probe = self.logs.probe();
        probe.disk_reads_count.add(1);
        probe.disk_read_bytes.add(piece.len() as u64);
        Ok(piece)
    }
}

impl Taken {
    /// Nothing yet, of a segment that begins at offset `base`, from position `from` on.
    fn nothing(from: u64, base: Offset) -> Taken {
        Taken {
            begin: None,
            bytes: 0,
            at: from,
            expected: base,
            epoch: LeaderEpoch::MIN,
            next_bytes: 0,
        }
    }

    /// The batch whose header stands at its end, if that can be one.
    fn place(&self, header: Option<BatchHeader>, size: u64) -> Option<Place> {
        let header = header?;
        let bytes = header.claimed_bytes()?;
        let fits = header.magic() == MAGIC && self.at + bytes as u64 <= size;
        fits.then_some(Place {
            header,
            position: self.at,
            bytes,
            expected: self.expected,
            epoch: self.epoch,
        })
    }

    fn share(&self, window: &Window, out: &mut Vec<Slice>) {
        if let Some(begin) = self.begin {
            window.share(begin, self.bytes, out);
        }
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
