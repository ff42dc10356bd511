//! Drives: what is in memory to the segments' files, in order.

use std::io;
use std::rc::Rc;

use crate::base::Instant;
use crate::io::buffer::{BLOCK_BYTES, WRITE_BYTES_MAX, WriteBuffer, block_down, block_up};
use crate::io::cause::Cause;
use crate::io::file::File;
use crate::log::format::{TRAILER_BYTES, Trailer, extent};
use crate::log::inner::{FailedOperation, Inner, Mark, State};
use crate::log::segment::Segment;

impl Inner {
    /// Has what is queued written to the segments.
    pub fn wake_writer(self: &Rc<Self>) {
        if !self.writer_runs.replace(true) {
            let inner = Rc::clone(self);
            self.logs
                .disk()
                .runtime()
                .spawn(async move { inner.write_on().await });
        }
        self.work.call();
    }

    /// Writes what is queued, in order, until the log is stopped or fails.
    async fn write_on(self: Rc<Self>) {
        loop {
            self.work.wait().await;
            loop {
                let Some(mark) = self.state.borrow_mut().take_mark() else {
                    break;
                };
                if self.has_failed() {
                    return;
                }
                self.note_failed_flushes();
                self.writer_busy.set(true);
                let written = self.write_mark(&mark).await;
                self.writer_busy.set(false);
                if !written {
                    self.progress.ring();
                    return;
                }
                self.after_write(&mark);
            }
            if self.stopped.get() || self.has_failed() {
                return;
            }
        }
    }

    /// Writes one mark; `false` when the log has failed on the way.
    async fn write_mark(self: &Rc<Self>, mark: &Mark) -> bool {
        let segment = &mark.segment;
        let Some(file) = self.prepared_file(segment, extent(mark.to)).await else {
            return false;
        };
        let mut loaded = self.load_head(segment, &file).await;
        while loaded
            .as_ref()
            .is_err_and(|error| Cause::of(error).is_of_the_host())
            && !self.stopped.get()
        {
            loaded = self.load_head(segment, &file).await;
        }
        let written = match loaded {
            Ok(()) => self.write_bytes(segment, &file, mark.to).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &written {
            self.fail(FailedOperation::Write, error);
        }
        written.is_ok()
    }

    /// Reads what a block that is to be rewritten held before this log was opened.
    async fn load_head(&self, segment: &Segment, file: &File) -> io::Result<()> {
        let head = self.state.borrow().tail.missing_head(segment.base_offset);
        if let Some((position, count)) = head {
            let block = file.read(position, BLOCK_BYTES).await?;
            let head = block.get(..count).ok_or(io::ErrorKind::UnexpectedEof)?;
            let mut state = self.state.borrow_mut();
            state.tail.fill_head(segment.base_offset, head);
        }
        Ok(())
    }

    /// Writes from the block where the last write ended up to `to`.
    async fn write_bytes(&self, segment: &Segment, file: &File, to: u64) -> io::Result<()> {
        let end = extent(to);
        let mut position = block_down(segment.written.get());
        while position < end {
            let len = (end - position).min(WRITE_BYTES_MAX as u64) as usize;
            // What is large is written from where it lies.
            let shared = block_down(to.min(position + len as u64)).saturating_sub(position);
            if shared >= self.logs.options().shared_write_bytes_min {
                let behind = position + len as u64;
                self.write_shared(segment, file, (position, position + shared, behind), to)
                    .await?;
            } else {
                let buffer = self.write_buffer(segment, position, len);
                let buffer = self.filled(segment, position, buffer, to);
                let reached = buffer.len() as u64;
                let begun = self.logs.disk().runtime().now();
                file.write(position, buffer).await?;
                self.count_write(reached, begun);
            }
            position += len as u64;
            segment.written.set(position.min(to));
        }
        Ok(())
    }

    /// Writes the blocks of the first two positions from the tail, those up to the third from a
    /// buffer.
    async fn write_shared(
        &self,
        segment: &Segment,
        file: &File,
        (from, shared_to, behind): (u64, u64, u64),
        to: u64,
    ) -> io::Result<()> {
        let pool = self.logs.disk().pool();
        let mut gather = pool.gather();
        let base = segment.base_offset;
        self.state
            .borrow()
            .tail
            .share_blocks(base, from, shared_to, |piece| gather.push(piece));
        assert_eq!(
            gather.len() as u64,
            shared_to - from,
            "the tail keeps what is not written"
        );
        if shared_to < behind {
            let buffer = pool.write_buffer((behind - shared_to) as usize, true);
            gather.push_last(self.filled(segment, shared_to, buffer, to));
        }
        let begun = self.logs.disk().runtime().now();
        file.write_gathered(from, gather).await?;
        self.count_write(behind - from, begun);
        Ok(())
    }

    /// A buffer for `position` with what the tail has for it up to `to`, zeros behind that, and
    /// the trailer if the write ends there.
    fn filled(
        &self,
        segment: &Segment,
        position: u64,
        mut buffer: WriteBuffer,
        to: u64,
    ) -> WriteBuffer {
        let bytes = buffer.bytes_mut();
        let wanted = bytes.len().min(to.saturating_sub(position) as usize);
        let copied =
            self.state
                .borrow()
                .tail
                .copy_out(segment.base_offset, position, &mut bytes[..wanted]);
        assert_eq!(copied, wanted, "the tail keeps what is not written");
        bytes[wanted..].fill(0);
        let end = (extent(to) - position) as usize;
        if end <= bytes.len() {
            let trailer = Trailer {
                flushed_offset: if planted!(TrailerTooLarge) {
                    self.end_offset.get()
                } else {
                    self.flushed_offset.get()
                },
                end: to,
            };
            bytes[end - TRAILER_BYTES..end].copy_from_slice(&trailer.to_bytes());
        }
        buffer
    }

    fn count_write(&self, bytes: u64, begun: Instant) {
        let probe = self.logs.probe();
        let lasted_us = self.logs.disk().runtime().us_since(begun);
        probe.write_latency.record_us(lasted_us);
        probe.writes_count.add(1);
        probe.write_bytes.add(bytes);
    }

    /// A buffer for `len` bytes at `position`; a somewhat longer one where that stays within
    /// what is prepared, since those come from the pool.
    fn write_buffer(&self, segment: &Segment, position: u64, len: usize) -> WriteBuffer {
        let pool = self.logs.disk().pool();
        let buffer = pool.write_buffer(len, false);
        if position + buffer.len() as u64 <= segment.prepared.get() {
            return buffer;
        }
        pool.write_buffer(len, true)
    }

    fn after_write(self: &Rc<Self>, mark: &Mark) {
        let mut state = self.state.borrow_mut();
        state.writing = None;
        state.queued_bytes -= mark.to - mark.from;
        drop(state);
        self.written_offset.set(mark.end_offset);
        self.logs.has_written(self);
        let flush_messages = self.config.borrow().flush_messages;
        if flush_messages > 1 || planted!(AckBeforeFlush) {
            self.ack(mark.end_offset);
        }
        if mark.end_offset - self.flushed_offset.get() >= flush_messages {
            self.flush();
        }
        self.progress.ring();
    }
}

impl State {
    /// Whether a write to `segment` is under way or queued.
    pub fn is_to_write(&self, segment: &Rc<Segment>) -> bool {
        let queued = self.marks.iter().map(|mark| &mark.segment);
        self.writing
            .iter()
            .chain(queued)
            .any(|other| Rc::ptr_eq(other, segment))
    }

    /// The next stretch to write: as many marks of one segment as one write takes.
    fn take_mark(&mut self) -> Option<Mark> {
        let mut taken = self.marks.pop_front()?;
        self.writing = Some(Rc::clone(&taken.segment));
        while let Some(next) = self.marks.front()
            && Rc::ptr_eq(&next.segment, &taken.segment)
            && block_up(next.to) - block_down(taken.from) <= WRITE_BYTES_MAX as u64
        {
            taken.to = next.to;
            taken.end_offset = next.end_offset;
            self.marks.pop_front();
        }
        Some(taken)
    }
}
