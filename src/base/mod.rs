//! Pure: facts and limits everything else is built on.
//! May use: `corelane-wire`, of which it shows identifiers, error codes and times as its own.
//! Never: performs I/O, reads a clock.

pub mod config;
pub mod descriptors;
pub mod faults;
pub mod life;
pub mod limits;
pub mod lines;
pub mod loggers;
pub mod metrics;
#[cfg(test)]
pub(crate) mod planting;
pub mod seldom;
pub mod timers;

pub use corelane_wire::{error_code, hash, ids, time, version};
pub use error_code::ErrorCode;
pub use ids::{LeaderEpoch, NodeId, Offset, PartitionIndex, ProducerId, TopicId};
pub use time::{Instant, TimestampType, WallMs};
