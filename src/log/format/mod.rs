//! Drives: what the bytes of a log's files mean, and reading a data file from front to back.
//! May use: `base`, `wire`, `io`. Never: knows a log or a segment; what follows from what it finds
//! is decided elsewhere.

pub mod aborted;
pub mod checksums;
pub mod epochs;
mod index;
mod scan;
mod trailer;
mod walk;

pub use aborted::{AbortedTransaction, AbortedTransactions};
pub use checksums::Checksums;
pub use epochs::Epochs;
pub use index::{OffsetIndex, TimeIndex};
pub use scan::{Scanner, Step, Stop};
pub use trailer::{TRAILER_BYTES, Trailer, extent};
pub use walk::{newest_trailer, read_on, walk};
