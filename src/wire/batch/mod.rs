//! Pure: record batches in format v2, as produced, stored and fetched (KIP-98).
//! May use: `base`, `wire::cursor`. Never: copies a batch to look at it.

mod builder;
mod control;
mod header;
mod records;

pub use builder::{BatchBuilder, NewRecord};
pub use control::{ControlKind, EndMarker};
pub use header::{
    Attributes, BatchError, BatchView, Batches, Codec, HEADER_BYTES, LENGTH_PREFIX_BYTES, MAGIC,
    NO_PRODUCER, NO_SEQUENCE, NO_TIMESTAMP, TimestampType, batches, set_log_append_time,
    set_timestamp, stamp, stamp_all,
};
pub use records::{Header, Headers, Record, RecordError, Records};
