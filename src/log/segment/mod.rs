//! Drives: the segments of a log: a data file each, its lookups, and the files beside it.
//! May use: `log/format` and the log's state. Never: begins a segment, or removes one, by itself.

mod claim;
mod data;
mod files;
mod lookups;

pub use data::{NEXT_SUFFIX, Segment, base_offset_in, file_name, find};
pub use files::{ABORTED_SUFFIX, PARTITION_METADATA, partition_metadata, topic_id_in};
pub use lookups::Check;
