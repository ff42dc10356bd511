//! Pure: the newest bytes of a log in memory: what is still to be written, and a cache.

use std::collections::VecDeque;

use crate::base::Offset;
use crate::io::buffer::{BLOCK_BYTES, CHUNK_BYTES, Chunk, Pool, Slice, block_down};
use crate::wire::batch::{BatchSpan, SPAN_BYTES};

/// A log that fills one part in so many of all chunks, or more, gets larger ones each time; with
/// less than a quarter of that it gets smaller ones.
const LOGS_OF_LARGE_CHUNKS: u64 = 128;

/// Chunks in the order of the log; the last one is being filled.
#[derive(Default)]
pub struct Tail {
    chunks: VecDeque<TailChunk>,
}

struct TailChunk {
    chunk: Chunk,
    /// Base offset of the segment it belongs to.
    segment: Offset,
    /// Position in the segment of the chunk's first byte, a whole block.
    position: u64,
    /// Of the first batch that begins here: the offset at which the log ended before it, and its
    /// place in the chunk.
    first_batch: Option<(Offset, usize)>,
    /// Bytes of chunks, of all logs, that were taken before it.
    taken_before: u64,
}

/// Where a batch begins: chunk and byte in it.
#[derive(Clone, Copy)]
struct Place {
    chunk: usize,
    at: usize,
}

/// What a read found here: where it lies, and how many bytes it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InTail {
    /// Base offset of the segment.
    pub segment: Offset,
    /// Position in it.
    pub position: u64,
    /// Bytes, all of that segment.
    pub bytes: usize,
    /// Bytes of chunks, of all logs, that were taken while the chunk where it begins was the newest
    /// of this log, and before; `u64::MAX` where it is the newest.
    pub taken_before: u64,
}

/// Why a read could not be answered from the tail: the offset is older than what is kept.
#[derive(Debug, PartialEq, Eq)]
pub struct Miss;

impl Tail {
    /// Appends a batch in two parts, header and records. `position` is where it begins in
    /// `segment`; the log ended at `end_before`, and between that and its first record offsets may
    /// be missing. Returns how many chunks were taken for it.
    pub fn append(
        &mut self,
        pool: &Pool,
        segment: Offset,
        position: u64,
        end_before: Offset,
        parts: [&[u8]; 2],
    ) -> usize {
        let mut taken = 0;
        let mut position = position;
        let mut begun = false;
        let mut left = parts[0].len() + parts[1].len();
        for mut part in parts {
            while !part.is_empty() {
                if !self.has_room(segment) {
                    self.push_chunk(pool, segment, position, left);
                    taken += 1;
                }
                let Some(last) = self.chunks.back_mut() else {
                    unreachable!("a chunk was pushed above");
                };
                if !begun {
                    begun = true;
                    if last.first_batch.is_none() {
                        last.first_batch = Some((end_before, last.chunk.filled()));
                    }
                }
                let count = last.chunk.append(part);
                part = &part[count..];
                position += count as u64;
                left -= count;
            }
        }
        taken
    }

    fn has_room(&self, segment: Offset) -> bool {
        self.chunks
            .back()
            .is_some_and(|last| last.segment == segment && last.chunk.room() > 0)
    }

    fn push_chunk(&mut self, pool: &Pool, segment: Offset, position: u64, bytes: usize) {
        let start = (position % BLOCK_BYTES as u64) as usize;
        let taken_before = pool.chunk_bytes_taken();
        let size = self.next_chunk_bytes(taken_before);
        self.chunks.push_back(TailChunk {
            chunk: pool.chunk(size.max(start + bytes), start),
            segment,
            position: block_down(position),
            first_batch: None,
            taken_before,
        });
    }

    /// The size of the next chunk, by the log's part of what all logs took since it took the last
    /// one: a log that is one of few comes to the largest size, one of many keeps little.
    fn next_chunk_bytes(&self, taken: u64) -> usize {
        let Some(last) = self.chunks.back() else {
            return CHUNK_BYTES[1];
        };
        let bytes = last.chunk.capacity();
        let share = bytes as u64 * LOGS_OF_LARGE_CHUNKS;
        match taken - last.taken_before {
            meanwhile if meanwhile <= share => bytes * 2,
            meanwhile if meanwhile > share * 4 => (bytes / 2).max(CHUNK_BYTES[1]),
            _ => bytes.max(CHUNK_BYTES[1]),
        }
    }

    /// Copies the bytes of `segment` from `from` on into `out`, as many as there are; returns
    /// how many that were.
    pub fn copy_out(&self, segment: Offset, from: u64, out: &mut [u8]) -> usize {
        let mut copied = 0;
        for kept in self.chunks.iter().filter(|kept| kept.segment == segment) {
            let at = from + copied as u64;
            let end = kept.position + kept.chunk.filled() as u64;
            if at < kept.position || at >= end {
                continue;
            }
            let begin = (at - kept.position) as usize;
            let count = (kept.chunk.filled() - begin).min(out.len() - copied);
            out[copied..copied + count].copy_from_slice(kept.chunk.bytes(begin, begin + count));
            copied += count;
        }
        copied
    }

    /// Shares the whole blocks of `segment` from `from` to `to`, piece by piece.
    pub fn share_blocks(&self, segment: Offset, from: u64, to: u64, mut with: impl FnMut(Slice)) {
        for kept in self.chunks.iter().filter(|kept| kept.segment == segment) {
            let end = kept.position + kept.chunk.filled() as u64;
            let (from, to) = (from.max(kept.position), to.min(end));
            if from < to {
                let at = |position| (position - kept.position) as usize;
                with(kept.chunk.slice(at(from), at(to)));
            }
        }
    }

    /// Position of the block of `segment` whose first bytes are on disk and not here, with
    /// their count.
    pub fn missing_head(&self, segment: Offset) -> Option<(u64, usize)> {
        self.chunks
            .iter()
            .find(|kept| kept.segment == segment && kept.chunk.start() > 0)
            .map(|kept| (kept.position, kept.chunk.start()))
    }

    /// Hands in the bytes that [`Tail::missing_head`] asked for.
    pub fn fill_head(&mut self, segment: Offset, head: &[u8]) {
        let found = self
            .chunks
            .iter_mut()
            .find(|kept| kept.segment == segment && kept.chunk.start() > 0);
        if let Some(kept) = found {
            kept.chunk.fill_head(head);
        }
    }

    /// Shares whole batches from the one that holds `offset` on: as many as lie wholly before
    /// `upto` and in one segment and fit into `max_bytes`, but at least one; `None` where there
    /// is none before `upto`.
    pub fn read(
        &self,
        offset: Offset,
        max_bytes: usize,
        upto: Offset,
        out: &mut Vec<Slice>,
    ) -> Result<Option<InTail>, Miss> {
        let Some(mut place) = self.place_before(offset) else {
            return Err(Miss);
        };
        let first = loop {
            let Some(seen) = self.see(place) else {
                return Ok(None);
            };
            if seen.last_offset >= offset {
                break seen;
            }
            place = self.step(place, seen.size_bytes);
        };
        if first.last_offset >= upto {
            return Ok(None);
        }
        let begin = place;
        let mut bytes = first.size_bytes;
        place = self.step(place, first.size_bytes);
        let segment = self.chunks[begin.chunk].segment;
        while self
            .chunks
            .get(place.chunk)
            .is_some_and(|it| it.segment == segment)
            && let Some((next, size)) = self.advance(place, max_bytes.saturating_sub(bytes), upto)
        {
            bytes += size;
            place = next;
        }
        self.share(begin, place, out);
        let kept = &self.chunks[begin.chunk];
        let next = self.chunks.get(begin.chunk + 1);
        Ok(Some(InTail {
            segment: kept.segment,
            position: kept.position + begin.at as u64,
            bytes,
            taken_before: next.map_or(u64::MAX, |it| it.taken_before),
        }))
    }

    /// The next batch boundary behind `place`, when what lies between is before `upto` and no
    /// more than `room` bytes; whole chunks are passed over at once.
    fn advance(&self, place: Place, room: usize, upto: Offset) -> Option<(Place, usize)> {
        let here = self.chunks.get(place.chunk)?;
        if let Some((end_before, at)) = self
            .chunks
            .get(place.chunk + 1)
            .filter(|next| next.segment == here.segment)
            .and_then(|next| next.first_batch)
        {
            let size = here.chunk.filled() - place.at + at;
            if end_before <= upto && size <= room && size > 0 {
                let chunk = place.chunk + 1;
                return Some((Place { chunk, at }, size));
            }
        }
        let seen = self.see(place)?;
        (seen.last_offset < upto && seen.size_bytes <= room)
            .then(|| (self.step(place, seen.size_bytes), seen.size_bytes))
    }

    fn place_before(&self, offset: Offset) -> Option<Place> {
        self.chunks
            .iter()
            .enumerate()
            .rev()
            .find_map(|(chunk, kept)| {
                kept.first_batch
                    .filter(|(end_before, _)| *end_before <= offset)
                    .map(|(_, at)| Place { chunk, at })
            })
    }

    fn see(&self, place: Place) -> Option<BatchSpan> {
        let mut bytes = [0; SPAN_BYTES];
        self.peek(place, &mut bytes)?;
        Some(BatchSpan::of(&bytes))
    }

    /// Copies bytes from `place` on, over the ends of chunks; `None` when fewer are there.
    fn peek(&self, mut place: Place, out: &mut [u8]) -> Option<()> {
        let mut copied = 0;
        while copied < out.len() {
            let chunk = &self.chunks.get(place.chunk)?.chunk;
            let count = (chunk.filled() - place.at).min(out.len() - copied);
            out[copied..copied + count].copy_from_slice(chunk.bytes(place.at, place.at + count));
            copied += count;
            place = Place {
                chunk: place.chunk + 1,
                at: 0,
            };
        }
        Some(())
    }

    fn step(&self, place: Place, size: usize) -> Place {
        let mut chunk = place.chunk;
        let mut at = place.at + size;
        while let Some(kept) = self.chunks.get(chunk)
            && at >= kept.chunk.filled()
        {
            at -= kept.chunk.filled();
            chunk += 1;
        }
        Place { chunk, at }
    }

    fn share(&self, begin: Place, end: Place, out: &mut Vec<Slice>) {
        for (index, kept) in self.chunks.iter().enumerate().skip(begin.chunk) {
            let from = if index == begin.chunk { begin.at } else { 0 };
            let to = match index.cmp(&end.chunk) {
                std::cmp::Ordering::Less => kept.chunk.filled(),
                std::cmp::Ordering::Equal => end.at,
                std::cmp::Ordering::Greater => break,
            };
            if from < to {
                out.push(kept.chunk.slice(from, to));
            }
        }
    }

    /// Gives up the oldest memory when all of it is on disk as far as `written` of `segment`:
    /// a whole chunk, or of the last one all but the block that is still being filled.
    /// Returns whether memory was given up.
    pub fn evict(&mut self, pool: &Pool, segment: Offset, written: u64) -> bool {
        let Some(oldest) = self.chunks.front() else {
            return false;
        };
        let end = oldest.position + oldest.chunk.filled() as u64;
        let on_disk = oldest.segment < segment || oldest.segment == segment && end <= written;
        if !on_disk {
            return false;
        }
        if self.chunks.len() > 1 {
            // The block that the next write begins with must stay.
            if oldest.segment == segment && block_down(written) < end {
                return false;
            }
            self.chunks.pop_front();
            return true;
        }
        if oldest.chunk.capacity() == BLOCK_BYTES || oldest.chunk.start() > 0 {
            return false;
        }
        let kept = block_down(end);
        let mut chunk = pool.chunk(BLOCK_BYTES, 0);
        let from = (kept - oldest.position) as usize;
        chunk.append(oldest.chunk.bytes(from, oldest.chunk.filled()));
        let (segment, taken_before) = (oldest.segment, oldest.taken_before);
        self.chunks.clear();
        self.chunks.push_back(TailChunk {
            chunk,
            segment,
            position: kept,
            first_batch: None,
            taken_before,
        });
        true
    }

    /// Forgets the segments up to the one at `last`, which are on disk.
    pub fn forget_segments(&mut self, last: Offset) {
        while self.chunks.front().is_some_and(|it| it.segment <= last) {
            self.chunks.pop_front();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.chunks.clear();
    }

    /// Memory held, in bytes.
    pub fn bytes(&self) -> usize {
        self.chunks.iter().map(|kept| kept.chunk.capacity()).sum()
    }
}

#[cfg(test)]
mod tests;
