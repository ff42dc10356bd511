//! Drives: room on the device, made before writes need it, and what to do without it.
//! May use: `log/format`, `log/segment`, and the log's state. Never: moves an offset of the log, or
//! waits where an append would wait for it.
//!
//! `step` says how much room is asked for ahead, `plan` what is to be done next, `upkeep` does it.

mod plan;
mod room;
mod step;
mod upkeep;

pub use room::Room;
pub use upkeep::Upkeep;
