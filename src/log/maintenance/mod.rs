//! Drives: periodic work on an open log: late flushes, deletion of what is old, checks of what
//! is not read.
//! May use: `log/format`, `log/segment`, `log/read`, and the log's state. Never: runs by itself;
//! its callers say when.

mod maintain;
mod reshaping;
mod retention;
mod scrub;

pub use maintain::{DeleteError, Rounds};
pub use scrub::{Scrub, Scrubbed};
