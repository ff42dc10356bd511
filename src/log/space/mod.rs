//! Drives: space on the device, made ready before appends need it, and what to do without it.
//! May use: `log/format`, `log/segment`, and the log's state. Never: moves an offset of the log, or
//! waits where an append would wait for it.

mod room;
mod upkeep;

pub use room::Room;
pub use upkeep::{NEXT_SUFFIX, Upkeep};
