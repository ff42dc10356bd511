//! Drives: batches into memory at once, from there to the device in order, and the acks.
//! May use: `log/format`, `log/segment`, and the log's state. Never: waits where a batch is taken,
//! or acks what is not as durable as the settings ask.

mod appender;
mod flusher;
mod logs;
mod replicated;
mod tail;
mod write_out;

pub use appender::{AppendError, Appended};
pub use flusher::Flushing;
pub use logs::{Logs, LogsOptions};
pub use replicated::REACH;
pub use tail::{InTail, Tail};
