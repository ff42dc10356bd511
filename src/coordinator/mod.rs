//! Drives: state machines on internal topics: consumer groups and their committed offsets.
//! May use: `base`, `wire`, `io` and `partition` (`io` and `partition` only where it drives).
//! Never: knows a client connection, or that there is more than one core.

pub mod group;
mod groups;
mod probe;
pub mod record;
pub mod runtime;

pub use group::{CommittedOfGroup, CommittedOffsets};
pub use groups::GroupCoordinator;
pub use probe::Probe;
