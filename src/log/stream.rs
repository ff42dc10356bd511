//! Drives: batches on their way to a reader: read in pieces as they are sent, checked, forgotten.
//!
//! How many bytes there will be is said before the first is read, so damage that shows on the way
//! ends the stream with an error: what was promised cannot be kept.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::check::{Check, Place};
use super::header::{HEADER_BYTES, Header};
use super::inner::Inner;
use super::reader::ReadError;
use super::segment::Segment;
use crate::base::{LeaderEpoch, Offset};
use crate::io::buffer::{ReadMemory, Slice, block_down, block_up};
use crate::io::file::File;

/// The most pieces that one stream has read, or has the device read, ahead of its reader.
const PIECES_AHEAD_MAX: u64 = 8;

/// Where whole batches of one segment lie.
#[derive(Clone)]
pub struct Stretch {
    log: Rc<Inner>,
    segment: Rc<Segment>,
    from: u64,
    to: u64,
}

/// Gives out the batches of a stretch piece by piece.
pub struct BatchStream {
    log: Rc<Inner>,
    segment: Rc<Segment>,
    file: File,
    /// Where the first batch begins, and where the last one ends.
    from: u64,
    to: u64,
    check: Check,
    /// As `check` was before the piece that was given out last.
    before: Check,
    /// Bytes of the next piece that the reader has already.
    skip: usize,
    /// Bytes of the piece given out last that it had already.
    skipped: usize,
    /// In the order of the file, without gaps.
    reads: VecDeque<Reading>,
    /// Position behind the last of them.
    asked: u64,
    /// How many pieces to have read ahead: doubles while the reader takes them.
    pieces_ahead: u64,
    /// Whether the reader went on where an earlier stretch ended: it is likely to do so again.
    is_sequential: bool,
}

struct Reading {
    at: u64,
    len: usize,
    /// Up to here all had been written when it was asked for.
    fresh_to: u64,
    state: ReadState,
}

/// What a read brought.
struct Piece {
    at: u64,
    fresh_to: u64,
    bytes: Slice,
}

enum ReadState {
    UnderWay(Pin<Box<dyn Future<Output = Result<Slice, ReadError>>>>),
    Done(Result<Slice, ReadError>),
}

// === impl Stretch ===

impl Stretch {
    /// From position to position in `segment`.
    pub fn new(log: &Rc<Inner>, segment: &Rc<Segment>, from: u64, to: u64) -> Stretch {
        Stretch {
            log: Rc::clone(log),
            segment: Rc::clone(segment),
            from,
            to,
        }
    }

    /// Bytes of its batches.
    pub fn bytes(&self) -> usize {
        (self.to - self.from) as usize
    }

    /// A stream of what lies behind its first `skip` bytes, which are whole batches, but for the
    /// first `sent` bytes of that.
    pub async fn stream(&self, skip: usize, sent: usize) -> io::Result<BatchStream> {
        let file = self.segment.file(self.log.logs.disk()).await?;
        let from = self.from + skip as u64;
        let check = Check::new(from, self.segment.base_offset, LeaderEpoch::MIN);
        let mut stream = BatchStream::behind(self, file, check);
        stream.skip = sent;
        Ok(stream)
    }
}

impl fmt::Debug for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.segment.path();
        write!(f, "{} from {} to {}", path.display(), self.from, self.to)
    }
}

impl PartialEq for Stretch {
    fn eq(&self, other: &Stretch) -> bool {
        Rc::ptr_eq(&self.segment, &other.segment) && (self.from, self.to) == (other.from, other.to)
    }
}

// === impl BatchStream ===

impl BatchStream {
    /// Of the batches of `stretch` from where `check` stands.
    pub fn behind(stretch: &Stretch, file: File, check: Check) -> BatchStream {
        BatchStream {
            log: Rc::clone(&stretch.log),
            segment: Rc::clone(&stretch.segment),
            file,
            from: stretch.from,
            to: stretch.to,
            before: check.clone(),
            skip: 0,
            skipped: 0,
            reads: VecDeque::new(),
            asked: block_down(check.position()),
            check,
            pieces_ahead: 1,
            is_sequential: false,
        }
    }

    /// Where it stands.
    pub fn place(&self) -> (Rc<Segment>, File, u64) {
        let (segment, file) = (Rc::clone(&self.segment), self.file.clone());
        (segment, file, self.check.position())
    }

    /// Whether it has come to its end and is of this log, and `offset` is what comes next.
    pub fn goes_on(&self, log: &Inner, offset: Offset) -> bool {
        self.is_of(log) && self.check.next_offset() == offset && self.is_at_end()
    }

    /// Whether it is of this log.
    pub fn is_of(&self, log: &Inner) -> bool {
        std::ptr::eq(Rc::as_ptr(&self.log), log)
    }

    /// Whether all has been given out.
    pub fn is_at_end(&self) -> bool {
        self.check.position() == self.to
    }

    /// Goes on to `to`, where a batch ends.
    pub fn go_on_to(&mut self, to: u64) {
        self.from = self.to;
        self.to = to;
        self.is_sequential = true;
        // What had not been written yet when it was read is not what is there now.
        let wanted = (to + HEADER_BYTES as u64).min(self.segment.written.get());
        while self.reads.back().is_some_and(|last| last.is_stale(wanted)) {
            if let Some(last) = self.reads.pop_back() {
                self.asked = last.at.max(block_down(self.check.position()));
            }
        }
    }

    /// The next bytes, of batches that are what was written; `None` at the end. Waits for memory
    /// while it holds none.
    pub async fn next(&mut self) -> Result<Option<Slice>, ReadError> {
        while !self.is_at_end() {
            if self.reads.is_empty() {
                let len = self.next_len();
                let memory = self.log.logs.memory().for_read(len).await;
                self.ask(len, memory);
            }
            self.read_ahead();
            let read = poll_fn(|cx| self.poll_first(cx)).await?;
            let piece = self.take(read).await?;
            if piece.len() > self.skip {
                self.skipped = std::mem::take(&mut self.skip);
                return Ok(Some(piece.part(self.skipped, piece.len())));
            }
            self.skip -= piece.len();
        }
        Ok(None)
    }

    /// Goes back to the piece given out last, of which only `sent` bytes have been used: the
    /// others come again. Holds no memory until they are asked for.
    pub fn rewind(&mut self, sent: usize) {
        self.check = self.before.clone();
        self.skip = self.skipped + sent;
        self.forget_reads();
    }

    /// Gives up what was read ahead.
    pub fn forget_reads(&mut self) {
        self.reads.clear();
        self.asked = block_down(self.check.position());
        self.pieces_ahead = 1;
    }

    /// Begins to read what comes behind its end, for a reader that is likely to go on.
    pub async fn prepare_next(&mut self) {
        if !self.is_sequential {
            return self.forget_reads();
        }
        self.read_ahead();
        poll_fn(|cx| {
            self.poll_reads(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Where reading may go to: a header behind the end, and behind that once more as much as
    /// the reader asked for, if it asks again.
    fn limit(&self) -> u64 {
        let next = match self.is_sequential {
            true => self.to - self.from,
            false => 0,
        };
        block_up((self.to + next + HEADER_BYTES as u64).min(self.segment.written.get()))
    }

    /// Length of the next read.
    fn next_len(&self) -> usize {
        let piece = self.log.logs.options().read_ahead_bytes as u64;
        let end = block_up((self.to + HEADER_BYTES as u64).min(self.segment.written.get()));
        let left = end.max(self.limit()).saturating_sub(self.asked);
        left.min(piece) as usize
    }

    fn ask(&mut self, len: usize, memory: ReadMemory) {
        let (log, file, at) = (Rc::clone(&self.log), self.file.clone(), self.asked);
        let read = async move {
            let piece = log.read_piece(&file, at, len).await?;
            Ok(piece.counted(memory))
        };
        self.reads.push_back(Reading {
            at,
            len,
            fresh_to: self.segment.written.get().min(at + len as u64),
            state: ReadState::UnderWay(Box::pin(read)),
        });
        self.asked += len as u64;
    }

    /// Has more read, as far ahead as memory and the reader's pace suggest.
    fn read_ahead(&mut self) {
        let piece = self.log.logs.options().read_ahead_bytes as u64;
        let most = self.check.position() + self.pieces_ahead * piece;
        while self.asked < self.limit().min(most) {
            let len = self.next_len();
            let Some(memory) = self.log.logs.memory().for_read_ahead(len) else {
                return;
            };
            self.ask(len, memory);
        }
    }

    fn poll_reads(&mut self, cx: &mut Context<'_>) {
        for read in &mut self.reads {
            if let ReadState::UnderWay(future) = &mut read.state
                && let Poll::Ready(done) = future.as_mut().poll(cx)
            {
                read.state = ReadState::Done(done);
            }
        }
    }

    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, ReadError>> {
        self.poll_reads(cx);
        match self.reads.pop_front() {
            Some(Reading {
                at,
                fresh_to,
                state: ReadState::Done(read),
                ..
            }) => Poll::Ready(read.and_then(|bytes| self.whole(at, fresh_to, bytes))),
            Some(under_way) => {
                self.reads.push_front(under_way);
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }

    /// What was read, which is as long as the file must be.
    fn whole(&self, at: u64, fresh_to: u64, bytes: Slice) -> Result<Piece, ReadError> {
        match at + (bytes.len() as u64) < fresh_to {
            true => Err(self.log.shrunk(&self.segment)),
            false => Ok(Piece {
                at,
                fresh_to,
                bytes,
            }),
        }
    }

    /// Checks the next piece, and cuts it to what is wanted.
    async fn take(&mut self, read: Piece) -> Result<Slice, ReadError> {
        let Piece {
            at,
            fresh_to,
            bytes,
        } = read;
        let from = self.check.position();
        let to = fresh_to.min(self.to);
        let piece = bytes.part((from - at) as usize, (to - at) as usize);
        self.before = self.check.clone();
        let (log, segment) = (Rc::clone(&self.log), Rc::clone(&self.segment));
        let judge = |place: &Place, next: Option<&Header>, limit| log.fits(place, next, limit);
        let damaged = |position| log.damaged(&segment, position);
        self.check.feed(&piece, self.to, &judge).map_err(damaged)?;
        if to == self.to {
            let header_end = to + HEADER_BYTES as u64;
            let next = match header_end <= fresh_to {
                true => Header::copy(&bytes[(to - at) as usize..]),
                false => {
                    let size = segment.written.get();
                    log.read_header(&self.file, to, size).await?
                }
            };
            let limit = next.map_or_else(|| log.end_of(&segment), |next| next.base_offset());
            let finished = self.check.finish(next.as_ref(), limit, &judge);
            finished.map_err(damaged)?;
            if fresh_to > to {
                // The next stretch begins in this piece.
                self.reads.push_front(Reading {
                    at,
                    len: bytes.len(),
                    fresh_to,
                    state: ReadState::Done(Ok(bytes)),
                });
            }
        }
        self.pieces_ahead = (self.pieces_ahead * 2).min(PIECES_AHEAD_MAX);
        Ok(piece)
    }
}

impl Reading {
    /// Whether it ends before `wanted` though the file does not.
    fn is_stale(&self, wanted: u64) -> bool {
        self.fresh_to < wanted && self.fresh_to < self.at + self.len as u64
    }
}

impl fmt::Debug for BatchStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, at) = (self.segment.path(), self.check.position());
        write!(f, "{} at {at} on the way to {}", path.display(), self.to)
    }
}
