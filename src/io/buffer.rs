//! Drives: aligned memory for direct I/O, pooled, and cheap to share once it is filled.
//!
//! A [`Chunk`] is filled front to back by its one owner; what has been filled never changes
//! again, so [`Slice`]s of it may be read, sent and kept by anyone on the core meanwhile.
#![allow(unsafe_code)]

mod gather;
mod slice;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use glommio::io::DmaBuffer;

use super::budget::Reserved;
pub use gather::Gather;
use gather::GatherPool;
pub use slice::{ReadMemory, Slice};

/// Unit of direct I/O: positions, lengths and memory are multiples of it, in bytes.
pub const BLOCK_BYTES: usize = 4096;

/// Sizes of chunks, in bytes; a log takes larger ones the faster it fills them.
pub const CHUNK_BYTES: [usize; 6] = [4096, 8192, 16_384, 32_768, 65_536, 131_072];

/// The longest single write, in bytes.
pub const WRITE_BYTES_MAX: usize = 1 << 20;

/// Free memory of chunks that a pool keeps for the next taker, in bytes: more than what a few
/// writes of the largest size give back at once. What goes to the allocator and is taken again each
/// time leaves gaps in the heap.
const IDLE_CHUNK_BYTES_MAX: usize = 16 << 20;
/// The same of write buffers, which are as long as their write was.
const IDLE_WRITE_BYTES_MAX: usize = 4 << 20;

/// Where chunks and write buffers come from and return to; one per executor.
#[derive(Clone, Default)]
pub struct Pool(Rc<PoolInner>);

#[derive(Default)]
struct PoolInner {
    chunks: [RefCell<Vec<Rc<Memory>>>; CHUNK_BYTES.len()],
    chunk_bytes_idle: Cell<usize>,
    /// Bytes of chunks handed out and not yet returned.
    chunk_bytes_out: Cell<usize>,
    /// Bytes of all chunks that were ever handed out.
    chunk_bytes_taken: Cell<u64>,
    /// What `chunk_bytes_out` is counted in, where it is.
    chunk_memory: RefCell<Option<Reserved>>,
    writes: RefCell<Vec<Vec<Rc<DmaBuffer>>>>,
    write_bytes_idle: Cell<usize>,
    gathers: GatherPool,
}

/// Aligned memory of a chunk; bytes are written through `base`, never through a reference.
struct Memory {
    buffer: DmaBuffer,
    class: usize,
    pool: Weak<PoolInner>,
}

/// Aligned memory with one owner, which appends to it.
pub struct Chunk {
    memory: Shared,
    /// First byte that was filled by this owner; what lies before is unset until `fill_head`.
    start: usize,
    filled: usize,
}

/// A counted handle; the last one to go brings the memory back to its pool.
struct Shared(Rc<Memory>);

/// Aligned bytes on their way to a file.
pub struct WriteBuffer {
    buffer: Option<Rc<DmaBuffer>>,
    class: Option<usize>,
    pool: Pool,
}

/// `value` rounded down to a whole block.
pub fn block_down(value: u64) -> u64 {
    value & !(BLOCK_BYTES as u64 - 1)
}

/// `value` rounded up to a whole block.
pub fn block_up(value: u64) -> u64 {
    value.next_multiple_of(BLOCK_BYTES as u64)
}

// === impl Pool ===

impl Pool {
    /// A chunk of the smallest size that holds `bytes`, or of the largest size there is. It is
    /// filled from `start` on: what comes before it in its first block lies elsewhere so far.
    pub fn chunk(&self, bytes: usize, start: usize) -> Chunk {
        let class = CHUNK_BYTES
            .iter()
            .position(|size| *size >= bytes)
            .unwrap_or(CHUNK_BYTES.len() - 1);
        let size = CHUNK_BYTES[class];
        assert!(start < BLOCK_BYTES, "a chunk begins within its first block");
        let inner = &self.0;
        let memory = match inner.chunks[class].borrow_mut().pop() {
            Some(memory) => {
                inner
                    .chunk_bytes_idle
                    .set(inner.chunk_bytes_idle.get() - size);
                memory
            }
            None => Rc::new(Memory {
                buffer: glommio::allocate_dma_buffer_global(size),
                class,
                pool: Rc::downgrade(inner),
            }),
        };
        inner.set_chunk_bytes_out(inner.chunk_bytes_out.get() + size);
        let taken = &inner.chunk_bytes_taken;
        taken.set(taken.get() + size as u64);
        Chunk {
            memory: Shared(memory),
            start,
            filled: start,
        }
    }

    /// Bytes of chunks in use, by their owners or by slices of them.
    pub fn chunk_bytes_out(&self) -> usize {
        self.0.chunk_bytes_out.get()
    }

    /// Bytes of all chunks that were ever handed out.
    pub fn chunk_bytes_taken(&self) -> u64 {
        self.0.chunk_bytes_taken.get()
    }

    /// Counts the bytes of chunks in use in `memory` from now on.
    pub fn count_chunks_in(&self, memory: Reserved) {
        *self.0.chunk_memory.borrow_mut() = Some(memory);
        self.0.set_chunk_bytes_out(self.0.chunk_bytes_out.get());
    }

    /// A buffer for a write of at least `bytes`, at most [`WRITE_BYTES_MAX`]; its content is
    /// whatever an earlier write left there. When `exact`, it is no longer than `bytes`
    /// rounded up to a block, at the price of a fresh allocation for odd large sizes.
    pub fn write_buffer(&self, bytes: usize, exact: bool) -> WriteBuffer {
        assert!(bytes > 0 && bytes <= WRITE_BYTES_MAX);
        let (class, size) = write_class(bytes);
        let wanted = bytes.next_multiple_of(BLOCK_BYTES);
        if exact && size != wanted {
            return WriteBuffer {
                buffer: Some(new_write_buffer(wanted)),
                class: None,
                pool: self.clone(),
            };
        }
        let mut lists = self.0.writes.borrow_mut();
        let buffer = match lists.get_mut(class).and_then(Vec::pop) {
            Some(buffer) => {
                let idle = &self.0.write_bytes_idle;
                idle.set(idle.get() - size);
                buffer
            }
            None => new_write_buffer(size),
        };
        WriteBuffer {
            buffer: Some(buffer),
            class: Some(class),
            pool: self.clone(),
        }
    }

    /// Pieces that one write is to take in order; none yet.
    pub fn gather(&self) -> Gather {
        self.0.gathers.gather()
    }

    fn take_back(&self, buffer: Rc<DmaBuffer>, class: usize) {
        let idle = &self.0.write_bytes_idle;
        let size = buffer.len();
        // A buffer that the kernel may still read from must not be written again.
        if Rc::strong_count(&buffer) != 1 || idle.get() + size > IDLE_WRITE_BYTES_MAX {
            return;
        }
        let mut lists = self.0.writes.borrow_mut();
        if lists.len() <= class {
            lists.resize_with(class + 1, Vec::new);
        }
        lists[class].push(buffer);
        idle.set(idle.get() + size);
    }
}

impl PoolInner {
    fn set_chunk_bytes_out(&self, bytes: usize) {
        self.chunk_bytes_out.set(bytes);
        if let Some(memory) = &mut *self.chunk_memory.borrow_mut() {
            memory.resize(bytes);
        }
    }
}

fn new_write_buffer(size: usize) -> Rc<DmaBuffer> {
    let mut buffer = glommio::allocate_dma_buffer_global(size);
    // Fresh memory is not initialised, and a `&mut [u8]` of it is about to be handed out.
    // SAFETY: the pointer is valid for `size` bytes and owned by `buffer`.
    unsafe { buffer.as_mut_ptr().write_bytes(0, size) };
    Rc::new(buffer)
}

/// Class and size of the pooled write buffer for `bytes`: every multiple of a block up to 16
/// blocks, then of 16 KiB up to 256 KiB, then of 64 KiB.
fn write_class(bytes: usize) -> (usize, usize) {
    const KIB: usize = 1024;
    if bytes <= 64 * KIB {
        let size = bytes.next_multiple_of(BLOCK_BYTES);
        (size / BLOCK_BYTES - 1, size)
    } else if bytes <= 256 * KIB {
        let size = bytes.next_multiple_of(16 * KIB);
        (16 + (size - 64 * KIB) / (16 * KIB) - 1, size)
    } else {
        let size = bytes.next_multiple_of(64 * KIB);
        (28 + (size - 256 * KIB) / (64 * KIB) - 1, size)
    }
}

// === impl Shared ===

impl Clone for Shared {
    fn clone(&self) -> Self {
        Shared(Rc::clone(&self.0))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if Rc::strong_count(&self.0) != 1 {
            return;
        }
        let Some(pool) = self.0.pool.upgrade() else {
            return;
        };
        let class = self.0.class;
        let size = CHUNK_BYTES[class];
        pool.set_chunk_bytes_out(pool.chunk_bytes_out.get() - size);
        if pool.chunk_bytes_idle.get() + size <= IDLE_CHUNK_BYTES_MAX {
            pool.chunk_bytes_idle
                .set(pool.chunk_bytes_idle.get() + size);
            pool.chunks[class].borrow_mut().push(Rc::clone(&self.0));
        }
    }
}

// === impl Chunk ===

impl Chunk {
    fn base(&self) -> *mut u8 {
        self.memory.0.buffer.as_ptr().cast_mut()
    }

    /// Size of the chunk in bytes.
    pub fn capacity(&self) -> usize {
        CHUNK_BYTES[self.memory.0.class]
    }

    /// Position behind the last filled byte.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// Position of the first byte that this chunk holds.
    pub fn start(&self) -> usize {
        self.start
    }

    /// Bytes that still fit.
    pub fn room(&self) -> usize {
        self.capacity() - self.filled
    }

    /// Appends as much of `bytes` as fits and says how much that was.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room());
        // SAFETY: the target lies inside the allocation, and no slice covers bytes at or
        // behind `filled`, so what is written here is not read meanwhile. The pointer comes from
        // the allocation itself and not from a shared reference to its bytes.
        unsafe {
            self.base()
                .add(self.filled)
                .copy_from_nonoverlapping(bytes.as_ptr(), count);
        }
        self.filled += count;
        count
    }

    /// Sets the bytes before `start`, which the file held before this chunk was begun.
    pub fn fill_head(&mut self, head: &[u8]) {
        assert_eq!(
            head.len(),
            self.start,
            "the head ends where the chunk began"
        );
        // SAFETY: inside the allocation; slices never cover bytes before `start`.
        unsafe {
            self.base()
                .copy_from_nonoverlapping(head.as_ptr(), head.len());
        }
        self.start = 0;
    }

    /// The filled bytes from `from` to `to`.
    pub fn bytes(&self, from: usize, to: usize) -> &[u8] {
        assert!(self.start <= from && from <= to && to <= self.filled);
        // SAFETY: initialised (filled), inside the allocation, and not written again while
        // filled, which `&self` and the bounds above guarantee.
        unsafe { std::slice::from_raw_parts(self.base().add(from), to - from) }
    }

    /// Shares the filled bytes from `from` to `to`.
    pub fn slice(&self, from: usize, to: usize) -> Slice {
        let bytes = self.bytes(from, to);
        Slice::of_chunk(bytes, self.memory.clone())
    }
}

// === impl WriteBuffer ===

impl WriteBuffer {
    /// The bytes to be written; a multiple of [`BLOCK_BYTES`].
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.buffer
            .as_mut()
            .and_then(Rc::get_mut)
            .expect("a write buffer has one owner until it is written")
            .as_bytes_mut()
    }

    /// The bytes that are to be written.
    #[cfg(any(test, feature = "sim"))]
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.as_ref().map_or(&[], |buffer| buffer.as_bytes())
    }

    /// Length in bytes.
    #[allow(clippy::len_without_is_empty)] // Never empty.
    pub fn len(&self) -> usize {
        self.buffer.as_ref().map_or(0, |buffer| buffer.len())
    }

    pub(super) fn shared(&self) -> Rc<DmaBuffer> {
        Rc::clone(self.buffer.as_ref().expect("present until dropped"))
    }
}

impl Drop for WriteBuffer {
    fn drop(&mut self) {
        if let (Some(buffer), Some(class)) = (self.buffer.take(), self.class) {
            self.pool.take_back(buffer, class);
        }
    }
}

#[cfg(test)]
mod tests;
