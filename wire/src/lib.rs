//! Pure: what the broker and loadgen share: identifiers, error codes, times as values, and Kafka
//! bytes to values and back. The broker's rooms know it as `wire`, and its first part as `base`.
//! May use: nothing of the broker. Never: waits, performs I/O, trusts a length that it has not
//! compared with the bytes at hand.
//!
//! Beside that stands what programs of this workspace show of themselves: their `version` and, with
//! the feature `pages`, completions and manual pages.

#![cfg_attr(not(test), deny(clippy::disallowed_macros, clippy::disallowed_methods))]

mod api_keys;
pub mod batch;
pub mod codec;
pub mod compress;
pub mod cursor;
pub mod error_code;
pub mod fetch;
pub mod field;
pub mod frame;
pub mod hash;
pub mod header;
pub mod ids;
pub mod newer;
pub mod otlp;
#[cfg(feature = "pages")]
pub mod pages;
pub mod primitive;
pub mod principal;
pub mod produce;
pub mod shape;
pub mod time;
pub mod unpack;
pub mod version;

pub use error_code::ErrorCode;
pub use ids::{LeaderEpoch, NodeId, Offset, PartitionIndex, ProducerId, TopicId};
pub use time::{Instant, TimestampType, WallMs};
