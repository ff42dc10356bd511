//! A load whose every record and every promise is remembered, and the audit that holds a broker
//! to them: nothing acked is lost, nothing is invented, order is kept, nothing is there twice.

#![allow(dead_code)] // Each program uses a part of it.

pub mod audit;
pub mod broker;
pub mod ledger;
pub mod load;
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

/// Numbers that look random and come again with the same seed (splitmix64).
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.bits() % limit
    }
}
