//! Drives: pieces of a data file from the device, headers among them.

use std::io;
use std::rc::Rc;

use super::error::ReadError;
use super::window::Window;
use crate::io::buffer::{BLOCK_BYTES, Slice, block_down, block_up};
use crate::io::file::File;
use crate::log::inner::Inner;
use crate::wire::batch::{BatchHeader, HEADER_BYTES};

/// Counts a read from disk for as long as it lasts.
pub struct UnderWay(Rc<Inner>);

impl Inner {
    /// The header at `position`, read with what lies around it when it is not in memory.
    pub(super) async fn header_at(
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
    pub(super) async fn extend(
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
