//! Drives: batches to readers, by offset or by timestamp: from memory, else from disk.
//! May use: `log/format`, `log/segment`, the newest bytes in `log/append`, and the log's state.
//! Never: moves an offset of the log, or makes an append wait.

mod ahead;
mod check;
mod memory;
mod reader;
mod sound;
mod stream;
mod stretch;
mod times;
mod window;

pub use memory::LogMemory;
pub use reader::{Cached, MemoryWait, Planned, ReadError, UnderWay};
pub use stream::BatchStream;
pub use stretch::Stretch;
pub use times::{Found, Readable};
