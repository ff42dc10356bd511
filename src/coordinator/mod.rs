//! Drives: state machines on internal topics: consumer groups and their committed offsets, and
//! transactions.
//! May use: `base`, `wire`, `metadata::image`, `io` and `partition` (the last two only where it
//! drives).
//! Never: knows a client connection, or that there is more than one core.

pub mod group;
mod groups;
mod probe;
pub mod record;
pub mod runtime;
mod share;
pub mod transaction;
mod transactions;

pub use group::{CommittedOfGroup, CommittedOffsets};
pub use groups::GroupCoordinator;
pub use probe::Probe;
pub use transactions::{Transactions, Verdicts, WITH_EPOCHS};
