//! Drives: the journal of a folder of logs: what is appended to many logs goes to the device in one
//! write, and is acked with it; the logs' own files get the same bytes later.
//! May use: the log's own state and `io`. Never: knows of a batch more than its base offset.
//!
//! A log is *away from home* while something of it is in the journal and not yet durable in its
//! segments. `entry` says which bytes stand in the file, `circle` where the next entry goes, `file`
//! writes it, `side` is what a log keeps for the journal, `writer` makes entries of `parts` and
//! acks them, `home` has logs write the same to their segments and lets the circle be overwritten,
//! `full` has those with much write it before,
//! `void` says what of it counts no more, `replay` puts the rest, as `reader` finds it, in place at
//! a start, `lost` is what that fails with, `kept` is for logs that fail before they are home.
//! Bytes, order and bounds: docs/formats/journal.md.

mod circle;
mod entry;
mod file;
mod full;
mod home;
mod kept;
mod lost;
mod parts;
mod reader;
mod replay;
mod side;
mod stage;
#[cfg(test)]
mod tests;
mod void;
mod writer;

pub use entry::Front;
pub use replay::{Replayed, put_kept_in_place, remove_unused, take_over};
pub use side::Side;
pub use writer::Journal;
