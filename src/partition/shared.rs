//! Drives: what the partitions of a shard share of replication.

use std::cell::RefCell;
use std::time::Duration;

use crate::base::metrics::Counter;
use crate::base::{PartitionIndex, TopicId};
use crate::io::event::Event;

/// What the partitions of a shard share.
#[derive(Default)]
pub struct Shared {
    /// `replica.lag.time.max.ms`
    pub lag_time_max: Duration,
    /// Partitions whose replicas in sync shall change, in the order in which that was found out.
    pub(super) changes: RefCell<Vec<(TopicId, PartitionIndex)>>,
    /// There is one more.
    pub more_changes: Event,
    /// Bytes of batches that came from leaders on other nodes.
    pub bytes_in: Counter,
    /// Bytes of batches that were sent to followers.
    pub bytes_out: Counter,
}

// === impl Shared ===

impl Shared {
    /// What partitions share whose followers may lag for so long.
    pub fn new(lag_time_max: Duration) -> Shared {
        Shared {
            lag_time_max,
            ..Shared::default()
        }
    }

    /// The partitions whose replicas in sync shall change, each once.
    pub fn take_changes(&self) -> Vec<(TopicId, PartitionIndex)> {
        let mut changes = self.changes.take();
        changes.sort_unstable();
        changes.dedup();
        changes
    }
}
