//! Drives: the segment that a cleaning makes, before it has its place in the log.

use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use super::job::CleanError;
use super::pace::Pace;
use crate::base::Offset;
use crate::io::buffer::{BLOCK_BYTES, WRITE_BYTES_MAX};
use crate::io::durable::Durable;
use crate::io::file::File;
use crate::log::inner::Inner;
use crate::log::segment::{Segment, file_name};
use crate::wire::batch::BatchHeader;

/// What the names of a segment's files end with while it is made (Kafka's suffix).
pub const CLEANED_SUFFIX: &str = ".cleaned";
/// Room is asked for in pieces of this many bytes.
const RESERVE_BYTES: u64 = 4 << 20;
/// The format's positions are four bytes with a sign.
const SIZE_MAX: u64 = i32::MAX as u64;

/// A segment that is being written.
pub struct Target {
    log: Rc<Inner>,
    segment: Segment,
    file: File,
    step_bytes: usize,
    /// Bytes that were appended and not written; they begin with a block.
    pending: Vec<u8>,
    written: u64,
    reserved: u64,
}

impl Target {
    /// Begins the file that is to take the place of the segment at `base`; `last` is the last of
    /// those it is made of, and says how old it is (Kafka's `Cleaner.cleanSegments`).
    pub async fn create(
        log: &Rc<Inner>,
        base: Offset,
        last: &Segment,
        step_bytes: usize,
    ) -> Result<Target, CleanError> {
        remove_files(log, base).await.map_err(CleanError::Io)?;
        let path = path(log, base, ".log");
        let segment = Segment::new(&log.dir, base, last.created_ms.get());
        segment.modified_ms.set(last.modified_ms.get());
        let file = log.logs.disk().create(&path).await;
        segment.set_path(path);
        Ok(Target {
            log: Rc::clone(log),
            segment,
            file: file.map_err(CleanError::Io)?,
            step_bytes: step_bytes
                .next_multiple_of(BLOCK_BYTES)
                .min(WRITE_BYTES_MAX),
            pending: Vec::new(),
            written: 0,
            reserved: 0,
        })
    }

    /// Appends a whole batch.
    pub async fn append(&mut self, batch: &[u8], pace: &Pace) -> Result<(), CleanError> {
        let Some(header) = BatchHeader::copy(batch) else {
            return Ok(());
        };
        if self.segment.size.get() + batch.len() as u64 > SIZE_MAX {
            return Err(CleanError::TooLarge);
        }
        let interval = self.log.config.borrow().index_interval_bytes;
        self.segment.note(&header, batch.len(), interval);
        self.pending.extend_from_slice(batch);
        while self.pending.len() >= self.step_bytes {
            self.write(self.step_bytes, pace).await?;
        }
        Ok(())
    }

    /// Writes the next `len` pending bytes, filled up to a whole block.
    async fn write(&mut self, len: usize, pace: &Pace) -> Result<(), CleanError> {
        let blocks = len.next_multiple_of(BLOCK_BYTES);
        let end = self.written + blocks as u64;
        if end > self.reserved {
            let to = end.next_multiple_of(RESERVE_BYTES);
            let reserved = self.file.reserve(self.reserved, to).await;
            reserved.map_err(CleanError::Io)?;
            self.reserved = to;
        }
        let mut buffer = self.log.logs.disk().pool().write_buffer(blocks, true);
        let bytes = buffer.bytes_mut();
        bytes[..len].copy_from_slice(&self.pending[..len]);
        bytes[len..].fill(0);
        let written = self.file.write(self.written, buffer).await;
        written.map_err(CleanError::Io)?;
        self.written = end;
        self.pending.drain(..len);
        pace.wrote(blocks).await;
        self.log.check_goes_on()
    }

    /// Writes what is left and makes all of it durable, lookups included, under names that a
    /// start takes for leftovers. Where that fails nothing is left of it.
    pub async fn finish(mut self, pace: &Pace) -> Result<Segment, CleanError> {
        if let Err(error) = self.write_all(pace).await {
            return Err(self.give_up(error).await);
        }
        let segment = self.segment;
        let size = segment.size.get();
        segment.set_file(self.file);
        segment.prepared.set(size);
        segment.written.set(size);
        segment.on_disk.set(true);
        segment.settled.set(true);
        segment.used.set(true);
        Ok(segment)
    }

    async fn write_all(&mut self, pace: &Pace) -> Result<(), CleanError> {
        while !self.pending.is_empty() {
            let len = self.pending.len().min(self.step_bytes);
            self.write(len, pace).await?;
        }
        self.make_durable().await.map_err(CleanError::Io)
    }

    async fn make_durable(&self) -> io::Result<()> {
        let (disk, segment) = (self.log.logs.disk(), &self.segment);
        if !planted!(SwapBeforeFlush) {
            self.file.flush().await?;
        }
        let modified_ms = segment.modified_ms.get();
        let size = segment.size.get();
        self.file.truncate(size, modified_ms, Durable::Now).await?;
        segment.note_time();
        let offsets = segment.offsets.borrow().to_bytes();
        let times = segment.times.borrow().to_bytes();
        let base = segment.base_offset;
        disk.write(&path(&self.log, base, ".index"), offsets)
            .await?;
        disk.write(&path(&self.log, base, ".timeindex"), times)
            .await
    }

    /// Removes what there is of the segment, which is not needed.
    pub async fn abandon(self) -> io::Result<()> {
        let base = self.segment.base_offset;
        drop(self.file);
        remove_files(&self.log, base).await
    }

    /// Removes what there is of the segment because of `error`, which is returned: what is left
    /// on a full disk would keep it full.
    pub async fn give_up(self, error: CleanError) -> CleanError {
        // If that fails too, the next attempt removes it, or the next start.
        let _ = self.abandon().await;
        error
    }
}

/// Removes what there is of a segment being made.
pub async fn remove_files(log: &Inner, base: Offset) -> io::Result<()> {
    for suffix in [".log", ".index", ".timeindex"] {
        log.logs.disk().remove(&path(log, base, suffix)).await?;
    }
    Ok(())
}

/// The name of one of its files.
pub fn path(log: &Inner, base: Offset, suffix: &str) -> PathBuf {
    let suffix = format!("{suffix}{CLEANED_SUFFIX}");
    log.dir.join(file_name(base, &suffix))
}
