//! Drives: compaction on this core: one log at a time, the dirtiest first.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use super::Shard;
use super::log_dirs::LogDir;
use super::setbacks::{Pause, Setbacks};
use crate::base::metrics::{Counter, Snapshot};
use crate::base::{PartitionIndex, TopicId, WallMs};
use crate::log::{CleanError, Cleaned, Dirt};
use crate::partition::Partition;

/// Partitions looked at before others get their turn.
const LOOKS_AT_ONCE: usize = 64;

/// A partition whose compaction failed is tried again after this at the latest, where the disk
/// failed or is full: that may end at any time.
const DISK_PAUSE_MAX: Duration = Duration::from_secs(60);
/// The same where its content is the reason, which ends only when an operator repairs it: each
/// attempt reads the log up to there.
const CONTENT_PAUSE_MAX: Duration = Duration::from_secs(3600);

/// What compaction counts, and which partitions it could not compact.
#[derive(Default)]
pub struct Compaction {
    setbacks: RefCell<Setbacks<(TopicId, PartitionIndex)>>,
    /// How many batches of a partition could not be looked into, where there are some.
    unreadable: RefCell<HashMap<(TopicId, PartitionIndex), u64>>,
    /// The largest share of dirty bytes that was found in the last look at all partitions.
    max_dirty_ratio: Cell<f64>,
    millis: Counter,
    counts: Counts,
}

crate::counters! {
    /// What compactions that came to their end have done.
    pub struct Counts {
        runs: "corelane_compactions_total",
            "Compactions of a log that came to their end.";
        bytes_read: "corelane_compaction_read_bytes_total",
            "Bytes that compaction read.";
        bytes_written: "corelane_compaction_written_bytes_total",
            "Bytes that compaction wrote.";
        bytes_removed: "corelane_compaction_removed_bytes_total",
            "Bytes by which compaction made logs smaller.";
        records_read: "corelane_compaction_records_total",
            "Records that compaction looked at.";
        records_removed: "corelane_compaction_removed_records_total",
            "Records that compaction removed.";
    }
}

/// Compacts the dirtiest log for which it is time; whether there was one.
pub async fn clean_dirtiest(shard: &Shard, now: WallMs) -> bool {
    let Some((partition, dirt)) = dirtiest(shard, now).await else {
        return false;
    };
    let Some(dir) = dir_of(shard, &partition) else {
        return false;
    };
    let name = partition.name();
    let (topic, index) = (name.topic.clone(), name.index);
    let config = shard.config();
    let begun = shard.runtime().now();
    let result = partition.compact(&dirt, &config.compaction, now).await;
    let millis = shard.runtime().us_since(begun) / 1_000;
    let noted = match &result {
        Ok(cleaned) if !partition.is_closed() => {
            dir.folder.set_cleaned(&topic, index, cleaned.end).await
        }
        _ => Ok(()),
    };
    let state = &shard.compaction;
    state.millis.add(millis);
    match (result, noted) {
        (Ok(cleaned), Ok(())) => {
            state.recovered(&partition);
            state.note_unreadable(&partition, &cleaned);
            state.count(&cleaned);
            tell(&partition, &dirt, &cleaned, millis);
        }
        (Err(CleanError::Overtaken), _) => {}
        (Ok(_), Err(error)) => state.failed(shard, &partition, &CleanError::Io(error)),
        (Err(error), _) => state.failed(shard, &partition, &error),
    }
    true
}

fn dir_of(shard: &Shard, partition: &Partition) -> Option<Rc<LogDir>> {
    let mut dirs = shard.dirs.working();
    dirs.find(|dir| dir.holds(partition)).cloned()
}

/// The log with the largest share of dirty bytes among those for which it is time.
async fn dirtiest(shard: &Shard, now: WallMs) -> Option<(Rc<Partition>, Dirt)> {
    let state = &shard.compaction;
    let begun = shard.runtime().now();
    let mut found: Option<(Rc<Partition>, Dirt)> = None;
    let mut max_ratio = 0.0f64;
    for (looked, partition) in shard.partitions.local().into_iter().enumerate() {
        if looked % LOOKS_AT_ONCE == LOOKS_AT_ONCE - 1 {
            shard.runtime().yield_now().await;
        }
        let name = partition.name();
        let Some(dir) = dir_of(shard, &partition) else {
            continue;
        };
        let key = (name.topic_id, name.index);
        let rests = state.setbacks.borrow().rests(&key, begun);
        if rests || !partition.config().cleanup_policy.compact {
            continue;
        }
        let cleaned = dir.folder.cleaned(&name.topic, name.index);
        let dirt = match partition.dirt(cleaned, now).await {
            Ok(Some(dirt)) => dirt,
            Ok(None) => continue,
            Err(error) => {
                state.failed(shard, &partition, &CleanError::Io(error));
                continue;
            }
        };
        max_ratio = max_ratio.max(dirt.ratio());
        let dirtier = found
            .as_ref()
            .is_none_or(|(_, it)| dirt.ratio() > it.ratio());
        if dirtier && partition.is_due(&dirt) {
            found = Some((partition, dirt));
        }
    }
    state.max_dirty_ratio.set(max_ratio);
    found
}

fn tell(partition: &Partition, dirt: &Dirt, cleaned: &Cleaned, millis: u64) {
    let (topic, partition) = (&partition.name().topic, partition.name().index);
    let ((segments, fewer), (bytes, less)) = (cleaned.segments, cleaned.bytes);
    let (records, left) = cleaned.records;
    let seconds = millis as f64 / 1000.0;
    let size = format!("{} -> {}", in_words(bytes), in_words(less));
    let upto = cleaned.end;
    let dirty = format!("{:.0} %", dirt.ratio() * 100.0);
    tracing::info!(%topic, partition, upto, dirty, size, segments = format!("{segments} -> {fewer}"),
        records = format!("{records} -> {left}"), keys = cleaned.keys_count, seconds, "compacted");
}

/// A size as people say it.
fn in_words(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

// === impl Compaction ===

impl Compaction {
    /// Leaves a partition alone for a while, and says why unless that is known.
    fn failed(&self, shard: &Shard, partition: &Partition, error: &CleanError) {
        if partition.is_closed() {
            return;
        }
        let name = partition.name();
        let backoff_ms = shard.config().compaction.backoff_ms.max(10);
        let first = Duration::from_millis(backoff_ms);
        let most = match error {
            CleanError::Io(_) | CleanError::Overtaken => DISK_PAUSE_MAX,
            CleanError::Damaged { .. } | CleanError::TooLarge => CONTENT_PAUSE_MAX,
        };
        let pause = Pause {
            first,
            most: most.max(first),
        };
        let key = (name.topic_id, name.index);
        let now = shard.runtime().now();
        let mut setbacks = self.setbacks.borrow_mut();
        if setbacks.failed(key, error.to_string(), pause, now) {
            name.report("cannot compact the log now: tried again later", error);
        }
    }

    /// Notes batches that cannot be looked into, and says so once for each partition.
    fn note_unreadable(&self, partition: &Partition, cleaned: &Cleaned) {
        let name = partition.name();
        let key = (name.topic_id, name.index);
        let Some((offset, error)) = cleaned.unreadable else {
            self.unreadable.borrow_mut().remove(&key);
            return;
        };
        let batches = cleaned.unreadable_count;
        if self.unreadable.borrow_mut().insert(key, batches).is_none() {
            tracing::warn!(topic = %name.topic, partition = name.index, batches, offset, %error,
                "batches cannot be looked into: compaction keeps them as they are, and all \
                 tombstones behind them");
        }
    }

    fn recovered(&self, partition: &Partition) {
        let name = partition.name();
        if self
            .setbacks
            .borrow_mut()
            .clear(&(name.topic_id, name.index))
        {
            tracing::info!(topic = %name.topic, partition = name.index, "the log is compacted again");
        }
    }

    fn count(&self, cleaned: &Cleaned) {
        let counts = &self.counts;
        counts.runs.add(1);
        counts.bytes_read.add(cleaned.moved_bytes.0);
        counts.bytes_written.add(cleaned.moved_bytes.1);
        counts
            .bytes_removed
            .add(cleaned.bytes.0.saturating_sub(cleaned.bytes.1));
        counts.records_read.add(cleaned.records.0);
        counts
            .records_removed
            .add(cleaned.records.0.saturating_sub(cleaned.records.1));
    }

    /// Forgets a partition that is gone.
    pub fn forget(&self, topic: TopicId, index: PartitionIndex) {
        self.setbacks.borrow_mut().clear(&(topic, index));
        self.unreadable.borrow_mut().remove(&(topic, index));
    }

    /// Adds the counts to a snapshot.
    pub fn export(&self, to: &mut Snapshot) {
        Counts::export_counts(&[&self.counts], to);
        to.seconds(
            "corelane_compaction_seconds_total",
            "Time that compaction took, pauses included.",
            self.millis.get() as f64 / 1e3,
        );
        to.gauge(
            "corelane_compaction_max_dirty_ratio",
            "Share of bytes not compacted yet of the log that has the largest. \
             Kafka: kafka.log:type=LogCleanerManager,name=max-dirty-percent",
            self.max_dirty_ratio.get(),
        );
        to.gauge(
            "corelane_compaction_uncleanable_partitions",
            "Partitions that could not be compacted when that was last tried; it is tried again. \
             Kafka: kafka.log:type=LogCleanerManager,name=uncleanable-partitions-count",
            self.setbacks.borrow().count() as f64,
        );
        to.gauge(
            "corelane_compaction_unreadable_batches",
            "Batches that compaction cannot look into and keeps as they are.",
            self.unreadable.borrow().values().sum::<u64>() as f64,
        );
    }
}
