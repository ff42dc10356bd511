//! Pure: sparse lookups of one segment, in memory and in Kafka's file formats.
//! May use: `base`. Never: decides when they are written; that is the log's business.

mod offset;
mod time;

pub use offset::OffsetIndex;
pub use time::TimeIndex;
