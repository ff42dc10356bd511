//! Pure: record batches in format v2, as produced, stored and fetched (KIP-98).
//! May use: `base`, `wire::cursor`. Never: copies a batch to look at it.

mod attributes;
mod builder;
mod control;
#[cfg(test)]
mod golden;
mod header;
mod outline;
pub mod pieces;
mod records;
mod stamp;
mod view;

pub use super::compress::Codec;
pub use attributes::{Attributes, TimestampType};
pub use builder::{BatchBuilder, NewRecord};
pub use control::{ControlKind, EndMarker, marker_batch};
pub use header::{
    BatchHeader, BatchSpan, HEADER_BYTES, LENGTH_PREFIX_BYTES, MAGIC, MAGIC_AT, NO_PRODUCER,
    NO_SEQUENCE, NO_TIMESTAMP, SPAN_BYTES,
};
pub use outline::{Outline, OutlineError, Outlines};
pub use records::{Header, Headers, Record, RecordError, Records};
pub use stamp::{Remains, reseal, seal_remains, set_timestamp, stamp};
pub use view::{BatchError, BatchView, Batches, batches};
