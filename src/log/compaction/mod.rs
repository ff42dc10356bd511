//! Drives: compaction: a log keeps the newest record of each key, as Kafka's `LogCleaner` does it.
//! May use: the rest of `log` and everything to its left. Never: touches the active segment, or
//! waits where an append would wait for it.

mod clean;
mod filter;
mod job;
mod keymap;
mod pace;
mod plan;
mod rewrite;
mod source;
mod swap;
mod target;
pub mod transactions;

pub use filter::{LastRecord, LastRecords};
pub use job::{CleanError, Cleaned, Cleaning};
pub use plan::Dirt;
pub(super) use swap::SWAP_SUFFIX;
pub(super) use target::CLEANED_SUFFIX;

use std::io;

use crate::base::{Offset, WallMs};
use crate::log::Log;

// === impl Log: compaction ===

impl Log {
    /// What a compaction would have to do; `None` where the settings want none. `cleaned` is
    /// what [`Cleaned::end`] said the last time, `stable` the offset of the first record of an
    /// open transaction, or any larger one.
    pub async fn dirt(
        &self,
        cleaned: Option<Offset>,
        stable: Offset,
        now: WallMs,
    ) -> io::Result<Option<Dirt>> {
        self.0.dirt(cleaned, stable, now).await
    }

    /// Compacts the log's sealed segments: of the records of each key only the newest is left.
    /// Runs in small steps beside everything else; readers notice nothing. What was done is on
    /// disk when this returns, also the part that was done before an error.
    pub async fn clean(&self, dirt: &Dirt, job: &Cleaning<'_>) -> Result<Cleaned, CleanError> {
        self.0.clean(dirt, job).await
    }

    /// `min.cleanable.dirty.ratio`, which [`Dirt::is_due`] asks for.
    pub fn min_dirty_ratio(&self) -> f64 {
        self.0.config.borrow().min_dirty_ratio
    }
}
