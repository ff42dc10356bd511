//! Pure: the uncompressed block that a codec is handing out, in memory kept between batches.

use std::cell::Cell;
use std::io;

/// A block's memory is kept for the next batch up to this size.
const KEPT_BYTES_MAX: usize = 256 * 1024;

thread_local! {
    static KEPT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A block and how much of it has been handed out.
pub(super) struct Block {
    bytes: Vec<u8>,
    end: usize,
    taken: usize,
}

impl Block {
    /// An empty block, in the memory of an earlier one if that is free.
    pub fn new() -> Block {
        Block {
            bytes: KEPT.take(),
            end: 0,
            taken: 0,
        }
    }

    /// Whether all has been handed out.
    pub fn is_used_up(&self) -> bool {
        self.taken == self.end
    }

    /// Hands out what fits into `part`.
    pub fn give(&mut self, part: &mut [u8]) -> usize {
        let rest = &self.bytes[self.taken..self.end];
        let count = rest.len().min(part.len());
        part[..count].copy_from_slice(&rest[..count]);
        self.taken += count;
        count
    }

    /// Replaces the block by what `write` puts into the `size_max` bytes that it is given.
    pub fn fill(
        &mut self,
        size_max: usize,
        write: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        self.taken = 0;
        self.end = 0;
        if self.bytes.len() < size_max {
            self.bytes.resize(size_max, 0);
        }
        self.end = write(&mut self.bytes[..size_max])?.min(size_max);
        Ok(())
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.bytes.len() <= KEPT_BYTES_MAX {
            KEPT.set(std::mem::take(&mut self.bytes));
        }
    }
}
