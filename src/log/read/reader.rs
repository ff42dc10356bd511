//! Drives: reads by offset: from the tail at once, or from disk by way of the lookups.

use std::io;
use std::rc::Rc;

use super::check::Place;
use super::error::ReadError;
use super::pieces::UnderWay;
use super::stretch::Stretch;
use super::window::Window;
use crate::base::{LeaderEpoch, Offset};
use crate::io::buffer::{ReadMemory, Slice};
use crate::io::file::File;
use crate::log::append::InTail;
use crate::log::inner::{FailedOperation, Inner};
use crate::log::segment::{self, Segment};
use crate::wire::batch::{BatchHeader, MAGIC};

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
    pub begin: Option<u64>,
    /// Bytes of batches that are in memory.
    pub bytes: usize,
    /// Position behind them.
    pub at: u64,
    /// What is known of the batch there: see [`Place`].
    pub expected: Offset,
    /// See `expected`.
    pub epoch: LeaderEpoch,
    /// Bytes of that batch where it, or the rest of what was asked for, is too much to have in
    /// memory; 0 where there is no more to have.
    pub next_bytes: usize,
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
            drop(state);
            self.logs.memory().was_missed(self, offset);
            return Cached::Miss;
        };
        self.logs.probe().cached_reads_count.add(1);
        if let Some(found) = &found {
            self.logs.memory().was_found(found.taken_before);
        }
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

    /// Reads from disk what `ask` says, from the first segment that has any of it; what is read
    /// first counts in `memory`.
    pub(super) async fn read_disk(
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
