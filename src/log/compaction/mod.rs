//! Drives: compaction: a log keeps the newest record of each key, as Kafka's `LogCleaner` does it.
//! May use: the rest of `log` and everything to its left. Never: touches the active segment, or
//! waits where an append would wait for it.

mod clean;
mod filter;
mod keymap;
mod pace;
mod plan;
mod source;
mod swap;
mod target;
pub mod transactions;

pub use clean::{CleanError, Cleaned, Cleaning};
pub use filter::{LastRecord, LastRecords};
pub use plan::Dirt;
pub(super) use swap::SWAP_SUFFIX;
pub(super) use target::CLEANED_SUFFIX;
