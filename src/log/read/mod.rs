//! Drives: batches to readers, by offset or by timestamp: from memory, else from disk.
//! May use: `log/format`, `log/segment`, the newest bytes in `log/append`, and the log's state.
//! Never: moves an offset of the log, or makes an append wait.

mod ahead;
mod check;
mod demand;
mod error;
mod memory;
mod pieces;
mod plan;
mod reader;
mod sound;
mod stream;
mod stretch;
mod times;
mod window;

pub use error::ReadError;
pub use memory::LogMemory;
pub use pieces::UnderWay;
pub use plan::{MemoryWait, Planned};
pub use reader::Cached;
pub use stream::BatchStream;
pub use stretch::Stretch;
pub use times::{Found, Readable};

use crate::base::{Offset, WallMs};
use crate::io::buffer::Slice;
use crate::log::{Log, Logs};

// === impl Log: reading ===

impl Log {
    /// Shares batches from memory: from the one that holds `offset` on, only those wholly
    /// before `upto`, no more than `max_bytes` but at least one, and of one segment only.
    pub fn read_cached(
        &self,
        offset: Offset,
        max_bytes: usize,
        upto: Offset,
        out: &mut Vec<Slice>,
    ) -> Cached {
        self.0.read_cached(offset, max_bytes, upto, out)
    }

    /// Reads batches as [`Log::read_cached`] does, from memory or else from disk; returns
    /// their bytes. Never goes over the end of a segment in one call when reading from disk.
    pub async fn read(
        &self,
        offset: Offset,
        max_bytes: usize,
        upto: Offset,
        out: &mut Vec<Slice>,
    ) -> Result<usize, ReadError> {
        self.0.read(offset, max_bytes, upto, out).await
    }

    /// Finds batches as [`Log::read`] does, but has only the first of them in memory, and says
    /// where the others end, so that they can be read while they are sent. `None` where there
    /// are none, or no memory is to be had without waiting for it.
    pub async fn plan(
        &self,
        offset: Offset,
        max_bytes: usize,
        upto: Offset,
        wait: MemoryWait,
        out: &mut Vec<Slice>,
    ) -> Result<Option<Planned>, ReadError> {
        self.0.plan(offset, max_bytes, upto, wait, out).await
    }

    /// Keeps a stream that has come to its end, and begins to read what lies behind it where
    /// its reader went on before.
    pub async fn keep_stream(&self, mut stream: Box<BatchStream>) {
        if stream.is_at_end() && !self.0.is_removed() {
            stream.prepare_next().await;
            self.0.logs.memory().park(stream);
        }
    }

    /// What it shares with other logs has so little memory left that readers are not to sit on
    /// what they do not send.
    pub fn is_tight(&self) -> bool {
        self.0.logs.memory().is_tight()
    }

    /// The first record, in offset order, that is no older than `timestamp`; what is appended
    /// and not yet acked counts.
    pub async fn offset_for_time(&self, timestamp: WallMs) -> Result<Option<Found>, ReadError> {
        self.0.offset_for_time(timestamp).await
    }

    /// The first record that has the largest timestamp of all (ListOffsets' MAX_TIMESTAMP).
    pub async fn youngest(&self) -> Result<Option<Found>, ReadError> {
        self.0.youngest().await
    }
}

// === impl Logs: reading ===

impl Logs {
    /// Gives up the newest records that no reader has needed for some time, step by step. To be
    /// called each second.
    pub async fn give_up_unneeded(&self) {
        let memory = self.memory();
        memory.second_passed();
        while memory.give_up_unneeded() {
            self.disk().runtime().yield_now().await;
        }
    }
}
