//! Drives: what a reader gets beyond the batches that are in memory: how far they reach, before
//! they are read.

use std::rc::Rc;

use super::check::Check;
use super::error::ReadError;
use super::pieces::UnderWay;
use super::reader::Ask;
use super::stream::BatchStream;
use super::stretch::Stretch;
use crate::base::Offset;
use crate::io::buffer::Slice;
use crate::io::file::File;
use crate::log::inner::Inner;
use crate::log::segment::Segment;

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
}
