//! Drives: batches on their way to a reader: read in pieces as they are sent, checked, forgotten.
//!
//! How many bytes there will be is said before the first is read, so damage that shows on the way
//! ends the stream with an error: what was promised cannot be kept.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::ahead::{Ahead, Reader};
use super::check::{Check, Place};
use super::error::ReadError;
use super::stretch::Stretch;
use crate::base::Offset;
use crate::io::buffer::{ReadMemory, Slice, block_down, block_up};
use crate::io::file::File;
use crate::log::inner::Inner;
use crate::log::segment::Segment;
use crate::wire::batch::{BatchHeader, HEADER_BYTES};

/// The most pieces that one stream has read, or has the device read, ahead of its reader. Readers
/// were slower with eight, and took more CPU.
const PIECES_AHEAD_MAX: u64 = 4;

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
    /// How much a reader that went on once is likely to ask for behind the end.
    likely_bytes: u64,
    /// What is there for it then.
    ahead: Option<Rc<Ahead>>,
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
    /// How much was asked for: more than there is at the end of a file.
    len: usize,
    fresh_to: u64,
    bytes: Slice,
}

enum ReadState {
    UnderWay(Pin<Box<dyn Future<Output = Result<Slice, ReadError>>>>),
    Done(Result<Slice, ReadError>),
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
            likely_bytes: 0,
            ahead: None,
        }
    }

    /// Leaves out the first `sent` bytes: the reader has them.
    pub fn skip(&mut self, sent: usize) {
        self.skip = sent;
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

    /// A reader is likely to ask for so many bytes behind the end, at a pace known from before.
    pub fn expect(&mut self, bytes: u64, pieces_ahead: u64) {
        self.likely_bytes = bytes;
        self.pieces_ahead = pieces_ahead;
    }

    /// Hands over what was looked up for the reader who goes on.
    pub fn take_ahead(&mut self) -> Option<Rc<Ahead>> {
        self.ahead.take()
    }

    /// Goes on to `to`, where a batch ends, for a reader that asked for this much.
    pub fn go_on_to(&mut self, to: u64, max_bytes: usize, upto: Offset) {
        self.from = self.to;
        self.to = to;
        self.likely_bytes = (max_bytes as u64).max(to - self.from);
        let reader = Reader {
            segment: Rc::clone(&self.segment),
            file: self.file.clone(),
            at: to,
            max_bytes,
            upto,
            pieces_ahead: self.pieces_ahead,
        };
        self.ahead = Some(Ahead::begin(&self.log, reader));
        self.forget_stale();
    }

    /// Gives up what had not been written yet when it was read: it is not what is there now. What
    /// lies behind it goes too, since there are no gaps between reads, and so does what lies behind
    /// a read that was given out to where the file ended then.
    fn forget_stale(&mut self) {
        let wanted = (self.to + HEADER_BYTES as u64).min(self.segment.written.get());
        let mut upto = self.check.position();
        let mut goes_on = |read: &Reading| {
            let is_next = read.at <= upto;
            upto = read.at + read.len as u64;
            is_next && !read.is_stale(wanted)
        };
        let good = self.reads.iter().take_while(|read| goes_on(read)).count();
        self.reads.truncate(good);
        self.asked = match self.reads.back() {
            Some(last) => last.at + last.len as u64,
            None => block_down(self.check.position()),
        };
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
            if self.read_ahead() {
                // They go to the device before this piece takes the core's time: a client that
                // takes all at once would have it idle meanwhile.
                self.begin_reads().await;
                self.log.logs.disk().runtime().next_round().await;
            }
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
        self.ahead = None;
    }

    /// Begins to read what comes behind its end, for a reader that is likely to go on.
    pub async fn prepare_next(&mut self) {
        if self.likely_bytes == 0 {
            return self.forget_reads();
        }
        self.read_ahead();
        self.begin_reads().await;
    }

    /// Where reading may go to: a header behind the end, and behind that once more as much as
    /// the reader asked for, if it asks again.
    fn limit(&self) -> u64 {
        let behind = self.likely_bytes + HEADER_BYTES as u64;
        block_up(
            self.to
                .saturating_add(behind)
                .min(self.segment.written.get()),
        )
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

    /// Has more read, as far ahead as memory and the reader's pace suggest. Whether that is any.
    fn read_ahead(&mut self) -> bool {
        let before = self.asked;
        let piece = self.log.logs.options().read_ahead_bytes as u64;
        let most = self.check.position() + self.pieces_ahead * piece;
        while self.asked < self.limit().min(most) {
            let len = self.next_len();
            let Some(memory) = self.log.logs.memory().for_read_ahead(len) else {
                break;
            };
            self.ask(len, memory);
        }
        self.asked > before
    }

    /// Gives the reads that were asked for to the ring.
    async fn begin_reads(&mut self) {
        poll_fn(|cx| {
            self.poll_reads(cx);
            Poll::Ready(())
        })
        .await;
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
                len,
                fresh_to,
                state: ReadState::Done(read),
                ..
            }) => Poll::Ready(read.and_then(|bytes| self.whole(at, len, fresh_to, bytes))),
            Some(under_way) => {
                self.reads.push_front(under_way);
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }

    /// What was read, which is as long as the file must be.
    fn whole(&self, at: u64, len: usize, fresh_to: u64, bytes: Slice) -> Result<Piece, ReadError> {
        match at + (bytes.len() as u64) < fresh_to {
            true => Err(self.log.shrunk(&self.segment)),
            false => Ok(Piece {
                at,
                len,
                fresh_to,
                bytes,
            }),
        }
    }

    /// Checks the next piece, and cuts it to what is wanted.
    async fn take(&mut self, read: Piece) -> Result<Slice, ReadError> {
        let Piece {
            at,
            len,
            fresh_to,
            bytes,
        } = read;
        let from = self.check.position();
        let to = fresh_to.min(self.to);
        let piece = bytes.part((from - at) as usize, (to - at) as usize);
        self.before = self.check.clone();
        let (log, segment) = (Rc::clone(&self.log), Rc::clone(&self.segment));
        let judge = |place: &Place, next: Option<&BatchHeader>, limit| log.fits(place, next, limit);
        let damaged = |position| log.damaged(&segment, position);
        self.check.feed(&piece, self.to, &judge).map_err(damaged)?;
        if to == self.to {
            let header_end = to + HEADER_BYTES as u64;
            let next = match header_end <= fresh_to {
                true => BatchHeader::copy(&bytes[(to - at) as usize..]),
                false => {
                    let size = segment.written.get();
                    log.read_header(&self.file, to, size).await?
                }
            };
            let limit = log.end_within(&segment, next.as_ref());
            let finished = self.check.finish(next.as_ref(), limit, &judge);
            finished.map_err(damaged)?;
            if fresh_to > to {
                // The next stretch begins in this piece.
                self.reads.push_front(Reading {
                    at,
                    len,
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
