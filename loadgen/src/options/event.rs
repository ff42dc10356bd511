//! Pure: what shall happen at a second of a run.

use serde::{Deserialize, Serialize};

/// What a run marks or does at one second of it.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Event {
    /// Seconds of the measured part.
    pub at_s: f64,
    /// What to mark or to do.
    pub what: String,
}
