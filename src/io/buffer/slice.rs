//! Drives: bytes that are shared without copying, whatever memory they lie in.

use std::ops::Deref;
use std::ptr::NonNull;
use std::rc::Rc;

use glommio::io::ReadResult;

use super::Shared;
use crate::io::budget::Reserved;

/// Immutable bytes, shared without copying.
#[derive(Clone)]
pub struct Slice {
    bytes: NonNull<u8>,
    len: usize,
    // Keeps the memory that `bytes` points into.
    _owner: Owner,
}

#[derive(Clone)]
#[allow(dead_code)] // The fields are held for their lifetimes only.
enum Owner {
    Chunk(Shared),
    Read(ReadResult),
    Heap(Rc<[u8]>),
    Counted(Rc<Counted>),
    None,
}

/// Bytes that count in a budget until the last slice of them is gone.
struct Counted {
    _bytes: Slice,
    _memory: ReadMemory,
}

/// What a budget, or two, have granted for one read.
pub type ReadMemory = (Reserved, Option<Reserved>);

// === impl Slice ===

impl Slice {
    /// Bytes that lie in the memory of a chunk.
    pub(super) fn of_chunk(bytes: &[u8], memory: Shared) -> Slice {
        Slice {
            bytes: NonNull::from(bytes).cast(),
            len: bytes.len(),
            _owner: Owner::Chunk(memory),
        }
    }

    /// Bytes that a direct read brought.
    pub(in crate::io) fn from_read(read: ReadResult) -> Slice {
        Slice {
            bytes: NonNull::from(&*read).cast(),
            len: read.len(),
            _owner: Owner::Read(read),
        }
    }

    /// These bytes, which count in `memory` until the last slice of them is gone.
    pub fn counted(self, memory: ReadMemory) -> Slice {
        Slice {
            bytes: self.bytes,
            len: self.len,
            _owner: Owner::Counted(Rc::new(Counted {
                _bytes: self,
                _memory: memory,
            })),
        }
    }

    /// The part of this slice from `from` to `to`, sharing the same memory.
    #[must_use]
    pub fn part(&self, from: usize, to: usize) -> Slice {
        let bytes = &self[from..to];
        Slice {
            bytes: NonNull::from(bytes).cast(),
            len: bytes.len(),
            _owner: self._owner.clone(),
        }
    }
}

impl Default for Slice {
    /// No bytes.
    fn default() -> Slice {
        Slice {
            bytes: NonNull::dangling(),
            len: 0,
            _owner: Owner::None,
        }
    }
}

impl From<Rc<[u8]>> for Slice {
    fn from(heap: Rc<[u8]>) -> Slice {
        Slice {
            bytes: NonNull::from(&*heap).cast(),
            len: heap.len(),
            _owner: Owner::Heap(heap),
        }
    }
}

impl From<Vec<u8>> for Slice {
    fn from(heap: Vec<u8>) -> Slice {
        Rc::<[u8]>::from(heap).into()
    }
}

impl Deref for Slice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `bytes` and `len` were taken from a live slice of memory that `_owner` keeps
        // where it is, and which is not written to for as long as it is shared.
        unsafe { std::slice::from_raw_parts(self.bytes.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl std::fmt::Debug for Slice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slice({} bytes)", self.len)
    }
}
