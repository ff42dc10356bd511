//! Drives: the batches of a sealed segment one after the other, each one checked.

use std::rc::Rc;

use super::job::CleanError;
use super::pace::Pace;
use crate::io::buffer::{BLOCK_BYTES, block_down};
use crate::io::file::File;
use crate::log::format::{Scanner, Step, Stop};
use crate::log::inner::Inner;
use crate::log::segment::Segment;
use crate::wire::batch::BatchView;

/// A segment while it is being read.
pub struct Source {
    log: Rc<Inner>,
    segment: Rc<Segment>,
    file: File,
    len: u64,
    scanner: Scanner,
    /// Bytes of the file from `begin` on.
    bytes: Vec<u8>,
    begin: u64,
    step_bytes: usize,
    /// The batch that was given out last ends here in `bytes`.
    at: usize,
}

impl Source {
    /// Begins with the first batch of `segment`, in reads of `step_bytes`.
    pub async fn open(
        log: &Rc<Inner>,
        segment: &Rc<Segment>,
        step_bytes: usize,
    ) -> Result<Source, CleanError> {
        if segment.is_retired() {
            return Err(CleanError::Overtaken);
        }
        let file = segment.file(log.logs.disk()).await;
        Ok(Source {
            log: Rc::clone(log),
            segment: Rc::clone(segment),
            file: file.map_err(CleanError::Io)?,
            len: segment.size.get(),
            scanner: Scanner::tolerant(0, segment.base_offset),
            bytes: Vec::new(),
            begin: 0,
            step_bytes,
            at: 0,
        })
    }

    /// The next batch, whose checksum was right; `None` at the end.
    pub async fn next(&mut self, pace: &Pace) -> Result<Option<BatchView<'_>>, CleanError> {
        loop {
            let at = (self.scanner.position - self.begin) as usize;
            let left = self.len - self.scanner.position;
            let window = self.bytes.get(at..).unwrap_or_default();
            match self.scanner.step(window, left) {
                Step::Batch(_, size) => {
                    self.at = at;
                    pace.worked(size).await;
                    let batch = BatchView::parse(&self.bytes[at..at + size]);
                    return batch.map(Some).map_err(|_| self.damaged());
                }
                Step::More(needed) => self.read_on(needed, pace).await?,
                Step::Stop(Stop::End) => return Ok(None),
                Step::Stop(_) => return Err(self.damaged()),
            }
        }
    }

    /// Reads on until `needed` bytes from the scanner's position on are there.
    async fn read_on(&mut self, needed: usize, pace: &Pace) -> Result<(), CleanError> {
        let whole = block_down(self.scanner.position) - self.begin;
        self.bytes.drain(..(whole as usize).min(self.bytes.len()));
        self.begin += whole;
        let needed = (self.scanner.position - self.begin) as usize + needed;
        while self.bytes.len() < needed {
            self.log.check_goes_on()?;
            let len = self.step_bytes.next_multiple_of(BLOCK_BYTES);
            let position = self.begin + self.bytes.len() as u64;
            let permit = self.log.logs.memory().read_permit(len).await;
            let piece = self.file.read(position, len).await;
            drop(permit);
            let piece = piece.map_err(CleanError::Io)?;
            let there = (self.len.saturating_sub(position)).min(piece.len() as u64) as usize;
            if there == 0 {
                return Err(self.damaged());
            }
            self.bytes.extend_from_slice(&piece[..there]);
            pace.read(there).await;
        }
        Ok(())
    }

    fn damaged(&self) -> CleanError {
        CleanError::Damaged {
            file: self.segment.path().display().to_string(),
            position: self.scanner.position,
        }
    }
}
