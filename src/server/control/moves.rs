//! Drives: which partitions are to go to other shards, and when each is tried next. They go one
//! at a time: each makes its producers wait.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::base::{Instant, PartitionIndex, TopicId};
use crate::io::runtime::Runtime;
use crate::server::move_numbers::MoveNumbers;

/// How long a partition waits that could not go.
const AGAIN: Duration = Duration::from_secs(5);

/// Partitions that are to go to other shards.
pub struct Moves {
    /// When each is tried next, by the executor's clock.
    planned: BTreeMap<(TopicId, PartitionIndex), Instant>,
    numbers: Rc<MoveNumbers>,
    /// Whether all shards have opened their logs. One that has not would take the folder of a
    /// partition that comes to it for a stray, and set it aside.
    may_go: bool,
}

impl Moves {
    /// No partition is to go anywhere.
    pub fn new(numbers: Rc<MoveNumbers>) -> Moves {
        Moves {
            planned: BTreeMap::new(),
            numbers,
            may_go: false,
        }
    }

    /// All shards have opened their logs: partitions may go from here on.
    pub fn begin(&mut self) {
        self.may_go = true;
    }

    /// Has these tried at once. One that is to go nowhere any more does no harm: that is looked at
    /// when its turn comes.
    pub fn plan(&mut self, partitions: impl IntoIterator<Item = (TopicId, PartitionIndex)>) {
        let due = |one| (one, Instant::default());
        self.planned.extend(partitions.into_iter().map(due));
        self.numbers.are_planned(self.planned.len());
    }

    /// Has no partition go any more: the broker stops.
    pub fn stop(&mut self) {
        self.planned.clear();
        self.numbers.are_planned(0);
    }

    /// Waits until a partition may go, and takes it off the plan; for ever where there is none, or
    /// the shards are not open. It
    /// counts as one that is being handed over, until the numbers are told how that went.
    pub async fn due(&mut self, runtime: &Runtime) -> (TopicId, PartitionIndex) {
        let next = self.planned.iter().filter(|_| self.may_go);
        let next = next.min_by_key(|(_, time)| **time);
        let Some((one, time)) = next.map(|(one, time)| (*one, *time)) else {
            return std::future::pending().await;
        };
        runtime.sleep(time.since(runtime.now())).await;
        self.planned.remove(&one);
        self.numbers.are_planned(self.planned.len());
        self.numbers.begins();
        one
    }

    /// Has a partition that could not go, for this reason, tried again later.
    pub fn put_off(
        &mut self,
        runtime: &Runtime,
        (topic_id, index): (TopicId, PartitionIndex),
        reason: &str,
    ) {
        tracing::warn!(%topic_id, partition = index, reason,
            "cannot hand the partition over to another shard now: it is tried again");
        let time = runtime.now().after(AGAIN);
        self.planned.insert((topic_id, index), time);
        self.numbers.are_planned(self.planned.len());
        self.numbers.is_put_off();
    }
}
