//! Pure: what a shard counts about itself.

use crate::base::metrics::Counter;

/// What a shard counts about itself.
#[derive(Default)]
pub struct Probe {
    /// Bytes of records that were handed to another core. Nothing can do that: no message of
    /// the mesh holds records. The count is exported so that nobody has to take our word.
    pub mesh_record_bytes: Counter,
}
