//! Drives: a load whose every record and every promise is remembered, and the audit that holds a
//! broker to them: nothing acked is lost, nothing is invented, order is kept, nothing is there
//! twice.

pub mod audit;
pub mod broker;
pub mod entries;
pub mod ledger;
pub mod load;
mod producer;
pub mod record;
pub mod selfcheck;

use std::sync::atomic::{AtomicU64, Ordering};

/// A point in the order of all that happened: sends, acks, and what a disk saw.
pub type Tick = u64;

/// Gives out ticks.
#[derive(Default)]
pub struct Clock(AtomicU64);

impl Clock {
    /// The next tick: larger than every one given out before.
    pub fn tick(&self) -> Tick {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}
