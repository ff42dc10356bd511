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

pub use attributes::{Attributes, Codec, TimestampType};
pub use builder::{BatchBuilder, NewRecord};
pub use control::{ControlKind, EndMarker};
pub use header::{
    BatchError, BatchView, Batches, HEADER_BYTES, LENGTH_PREFIX_BYTES, MAGIC, NO_PRODUCER,
    NO_SEQUENCE, NO_TIMESTAMP, batches,
};
pub use outline::{Outline, OutlineError, Outlines};
pub use records::{Header, Headers, Record, RecordError, Records};
pub use stamp::{
    Remains, reseal, seal_remains, set_log_append_time, set_timestamp, stamp, stamp_all,
};
