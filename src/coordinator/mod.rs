//! Pure rooms and one driver: consumer groups and their committed offsets.
//! May use: `base`, `wire`, `io` and `partition` (both in the driver only). Never: knows a
//! client connection, or that there is more than one core.

mod batches;
mod driver;
pub mod group;
mod home;
mod probe;
pub mod record;

pub use batches::LoadError;
pub use driver::GroupCoordinator;
pub use group::{CommittedOfGroup, CommittedOffsets};
pub use probe::Probe;
