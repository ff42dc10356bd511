//! Drives: several pieces of memory on their way to a file as one write, without copying them.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use glommio::io::GatheredBuffers;

use super::{BLOCK_BYTES, Slice, WriteBuffer};

/// Sets of pieces whose memory is kept for the next ones.
const SPARE_MAX: usize = 16;

/// Where the memory for pieces comes from and returns to; one per executor.
#[derive(Clone, Default)]
pub struct GatherPool(Rc<RefCell<Vec<Rc<Pieces>>>>);

/// Whole blocks in several pieces, the last of them perhaps in a buffer of its own.
pub struct Gather {
    pieces: Option<Rc<Pieces>>,
    pool: GatherPool,
}

#[derive(Default)]
struct Pieces {
    slices: Vec<Slice>,
    last: Option<WriteBuffer>,
    iovecs: Vec<libc::iovec>,
}

// SAFETY: `iovecs` are those of `slices` and of `last`, which live as long as this does: it is
// changed only through `Rc::get_mut`, when it is not shared. A slice's bytes are never written to.
unsafe impl GatheredBuffers for Pieces {
    fn iovecs(&self) -> &[libc::iovec] {
        &self.iovecs
    }
}

// === impl GatherPool ===

impl GatherPool {
    /// No pieces yet.
    pub fn gather(&self) -> Gather {
        Gather {
            pieces: Some(self.0.borrow_mut().pop().unwrap_or_default()),
            pool: self.clone(),
        }
    }
}

// === impl Gather ===

impl Gather {
    fn pieces(&self) -> &Rc<Pieces> {
        self.pieces.as_ref().expect("present until dropped")
    }

    fn pieces_mut(&mut self) -> &mut Pieces {
        let pieces = self.pieces.as_mut().and_then(Rc::get_mut);
        pieces.expect("pieces have one owner until they are written")
    }

    /// Adds a piece: whole blocks that begin at a block of memory.
    pub fn push(&mut self, slice: Slice) {
        assert!(slice.len().is_multiple_of(BLOCK_BYTES));
        assert!(slice.as_ptr().addr().is_multiple_of(BLOCK_BYTES));
        let pieces = self.pieces_mut();
        assert!(pieces.last.is_none(), "nothing comes behind the last piece");
        pieces.iovecs.push(libc::iovec {
            iov_base: slice.as_ptr().cast_mut().cast(),
            iov_len: slice.len(),
        });
        pieces.slices.push(slice);
    }

    /// Adds the last piece.
    pub fn push_last(&mut self, mut buffer: WriteBuffer) {
        let pieces = self.pieces_mut();
        assert!(pieces.last.is_none(), "there is one last piece");
        let bytes = buffer.bytes_mut();
        pieces.iovecs.push(libc::iovec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: bytes.len(),
        });
        pieces.last = Some(buffer);
    }

    /// Length in bytes.
    #[allow(clippy::len_without_is_empty)] // A write is never empty.
    pub fn len(&self) -> usize {
        self.pieces().iovecs.iter().map(|it| it.iov_len).sum()
    }

    /// The bytes that are to be written.
    #[cfg(any(test, feature = "sim"))]
    pub(in crate::io) fn to_vec(&self) -> Vec<u8> {
        let pieces = self.pieces();
        let slices = pieces.slices.iter().map(|slice| &slice[..]);
        let last = pieces.last.iter().map(WriteBuffer::bytes);
        slices.chain(last).flatten().copied().collect()
    }

    pub(in crate::io) fn shared(&self) -> Rc<dyn GatheredBuffers> {
        Rc::clone(self.pieces()) as _
    }
}

impl Drop for Gather {
    fn drop(&mut self) {
        let Some(mut pieces) = self.pieces.take() else {
            return;
        };
        // What the kernel may still read from goes when it is done with it.
        if let Some(free) = Rc::get_mut(&mut pieces) {
            free.iovecs.clear();
            free.slices.clear();
            free.last = None;
            let mut spare = self.pool.0.borrow_mut();
            if spare.len() < SPARE_MAX {
                spare.push(pieces);
            }
        }
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pieces({})", self.iovecs.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::buffer::Pool;

    #[test]
    fn pieces_keep_their_chunks_and_leave_their_list() {
        let pool = Pool::default();
        let mut chunk = pool.chunk(3 * BLOCK_BYTES, 0);
        chunk.append(&[1; BLOCK_BYTES]);
        chunk.append(&[2; BLOCK_BYTES]);
        let mut gather = pool.gather();
        gather.push(chunk.slice(BLOCK_BYTES, 2 * BLOCK_BYTES));
        gather.push(chunk.slice(0, BLOCK_BYTES));
        drop(chunk);
        let mut last = pool.write_buffer(BLOCK_BYTES, true);
        last.bytes_mut().fill(3);
        gather.push_last(last);
        let expected = [[2; BLOCK_BYTES], [1; BLOCK_BYTES], [3; BLOCK_BYTES]].concat();
        assert!(gather.to_vec() == expected && gather.len() == expected.len());
        let shared = gather.shared();
        drop(gather);
        // SAFETY: `shared` keeps the memory that its vectors name, and it is not written to.
        let read = |it: &libc::iovec| unsafe {
            std::slice::from_raw_parts(it.iov_base.cast::<u8>(), it.iov_len)
        };
        let kept: Vec<u8> = shared.iovecs().iter().flat_map(read).copied().collect();
        assert!(kept == expected);
        drop(shared);
        assert_eq!(pool.chunk_bytes_out(), 0);
        drop(pool.gather());
        let again = pool.gather();
        assert_eq!(again.len(), 0);
    }

    #[test]
    #[should_panic(expected = "is_multiple_of")]
    fn parts_of_blocks_are_no_pieces() {
        let pool = Pool::default();
        let mut chunk = pool.chunk(BLOCK_BYTES, 0);
        chunk.append(&[1; 100]);
        pool.gather().push(chunk.slice(0, 100));
    }
}
