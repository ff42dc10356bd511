//! Pure: facts and limits everything else is built on.
//! May use: nothing of this crate. Never: performs I/O, reads a clock.

pub mod config;
pub mod descriptors;
pub mod error_code;
pub mod faults;
pub mod hash;
pub mod host;
pub mod ids;
pub mod life;
pub mod limits;
pub mod lines;
pub mod loggers;
pub mod metrics;
pub mod seldom;
pub mod time;
pub mod timers;
pub mod version;

pub use error_code::ErrorCode;
pub use ids::{LeaderEpoch, NodeId, Offset, PartitionIndex, ProducerId, TopicId};
pub use time::{Instant, WallMs};
