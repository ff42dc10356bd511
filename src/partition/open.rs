//! Drives: from a folder to a partition in service.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;

use super::leaving::Leaving;
use super::producers::Producers;
use super::replicas::{Replicas, Term};
use super::shared::Shared;
use super::state::ReplicaState;
use super::traffic::Traffic;
use super::transactions::aborted_by;
use super::validate::Rules;
use super::{Name, Partition};
use crate::base::config::TopicConfig;
use crate::base::{NodeId, Offset, WallMs};
use crate::io::cause::Cause;
use crate::log::{Log, LogConfig, Logs, OpenError, Opening, Replay};
use crate::metadata::image::is_internal;
use crate::wire::batch::BatchView;

/// All that a partition is opened with.
pub struct PartitionOptions<'a> {
    /// Which partition it is.
    pub name: Name,
    /// Its folder.
    pub dir: &'a Path,
    /// What the checkpoints say of its log.
    pub opening: Opening,
    /// The node whose replica it is.
    pub node: NodeId,
    /// The current leadership term.
    pub term: Term,
    /// What all partitions of the shard share.
    pub shared: Rc<Shared>,
    /// The topic's settings.
    pub config: TopicConfig,
    /// `producer.id.expiration.ms`.
    pub producer_expiration_ms: i64,
}

impl Partition {
    /// Opens the log and rebuilds what is known of producers from it.
    pub async fn open(
        logs: &Logs,
        options: PartitionOptions<'_>,
        now: WallMs,
    ) -> Result<Rc<Partition>, OpenError> {
        let PartitionOptions {
            name,
            dir,
            opening,
            node,
            term,
            shared,
            config,
            ..
        } = options;
        // Of a partition with other replicas this is as much as is known to be committed.
        let committed = opening.flushed_offset;
        let mut producers = Producers::new(options.producer_expiration_ms);
        let mut replay = |seen: Replay<'_>| match seen {
            Replay::Snapshot(_, bytes, refused) => {
                // One that cannot be read is as good as none: an older one follows.
                if let Err(error) = producers.load_snapshot(bytes, now) {
                    tracing::warn!(topic = %name.topic, partition = name.index, %error,
                        "ignoring a damaged producer snapshot");
                    refused.set(true);
                }
            }
            Replay::Batch(bytes, aborted) => {
                if let Ok(batch) = BatchView::parse(bytes) {
                    let ended = producers.replay(&batch);
                    aborted.set(ended.as_ref().and_then(aborted_by));
                }
            }
        };
        let opened = Log::open(logs, dir, log_config(&config), opening, now, &mut replay).await;
        let (log, recovered) = opened?;
        report(&name, &recovered);
        let (start, end) = (log.start_offset(), log.end_offset());
        assert_eq!(
            log.acked_offset(),
            end,
            "what a log is opened with is acked"
        );
        let mut state = ReplicaState::opened(start, committed, end);
        state.stabilize(producers.first_unstable(state.high_watermark()));
        let partition = Rc::new(Partition {
            internal: is_internal(&name.topic),
            name,
            log,
            state: RefCell::new(state),
            leader: Cell::new(NodeId(-1)),
            replicas: RefCell::new(Replicas::new(node, config.min_in_sync)),
            shared,
            rules: RefCell::new(rules(&config)),
            config: RefCell::new(Rc::new(config)),
            producers: RefCell::new(producers),
            waiters: RefCell::default(),
            traffic: Traffic::default(),
            leaving: Leaving::default(),
            told_of_full_disk: Cell::new(false),
        });
        partition.listen_to_log();
        partition.take_term(&term);
        Ok(partition)
    }

    /// Follows the log: takes over its offsets and wakes waiting tasks in the turn in which it
    /// moves or fails, and hands it a snapshot of the producers where it begins a segment.
    fn listen_to_log(self: &Rc<Self>) {
        let me = Rc::downgrade(self);
        self.log.on_acked(Rc::new(move |upto| {
            if let Some(me) = me.upgrade() {
                me.log_moved(upto);
            }
        }));
        let me = Rc::downgrade(self);
        self.log.on_start(Rc::new(move |start| {
            if let Some(me) = me.upgrade() {
                me.state.borrow_mut().start_moved(start);
            }
        }));
        let me = Rc::downgrade(self);
        self.log.on_roll(Rc::new(move |_| {
            me.upgrade()
                .map(|me| me.producers.borrow().to_snapshot())
                .unwrap_or_default()
        }));
    }

    /// The log has stored everything before `upto`, has failed, or its disk became full or has
    /// space again.
    fn log_moved(&self, upto: Offset) {
        self.state.borrow_mut().stored(upto);
        let failure = self.log.failure();
        if let Some(failure) = &failure
            && !failure.operation.is_told_elsewhere()
        {
            self.name.report("the log takes no more writes", failure);
        }
        let is_full = self.tell_of_space();
        if failure.is_some() || is_full {
            self.waiters.borrow_mut().wake_all();
        }
        self.advance();
    }

    /// Says in the broker's log when the disk becomes full and when it has space again. Whether it
    /// is full.
    fn tell_of_space(&self) -> bool {
        let lack = self.log.lack_of_room();
        let is_full = lack.is_some();
        if self.told_of_full_disk.replace(is_full) == is_full {
            return is_full;
        }
        match lack {
            Some(lack) if lack.cause == Cause::NoRoom => {
                self.name.report("no room for more records", &lack);
            }
            Some(lack) => self.name.report("no more records for now", &lack),
            None => {
                let (topic, partition) = (&self.name.topic, self.name.index);
                tracing::info!(%topic, partition, "there is room again: records are taken");
            }
        }
        is_full
    }
}

fn report(name: &Name, recovered: &crate::log::Recovered) {
    let (topic, partition) = (&name.topic, name.index);
    if let Some(cut) = &recovered.cut {
        tracing::info!(%topic, partition, file = cut.file, position = cut.position,
            reason = %cut.reason, "cut a torn end: no ack had been given for it");
    }
    if recovered.epochs_damaged {
        tracing::error!(%topic, partition,
            "leader-epoch-checkpoint is not what was written: made anew from the batches");
    }
    if let Some(damage) = &recovered.damage {
        tracing::error!(%topic, partition, file = damage.file, position = damage.position,
            offset = damage.offset, reason = %damage.reason,
            "the log is damaged in its middle: kept as it is, taking no writes");
    }
}

/// What the log must know of a topic's settings.
pub(super) fn log_config(config: &TopicConfig) -> LogConfig {
    LogConfig {
        segment_bytes: config.segment_bytes,
        // A segment can be compacted once the next one has begun.
        segment_ms: if config.cleanup_policy.compact {
            config.segment_ms.min(config.max_compaction_lag_ms)
        } else {
            config.segment_ms
        },
        segment_jitter_ms: config.segment_jitter_ms,
        retention_ms: config.retention_ms.unwrap_or(-1),
        retention_bytes: config.retention_bytes.map_or(-1, |bytes| bytes as i64),
        delete_old: config.cleanup_policy.delete,
        compact: config.cleanup_policy.compact,
        min_dirty_ratio: config.min_dirty_ratio,
        min_compaction_lag_ms: config.min_compaction_lag_ms,
        max_compaction_lag_ms: config.max_compaction_lag_ms,
        delete_retention_ms: config.delete_retention_ms,
        flush_messages: i64::try_from(config.flush_messages).unwrap_or(i64::MAX),
        flush_ms: config.flush_ms,
        index_interval_bytes: config.index_interval_bytes,
        segment_index_bytes: config.segment_index_bytes,
    }
}

/// What validation must know of a topic's settings.
pub(super) fn rules(config: &TopicConfig) -> Rules {
    Rules::from(config)
}
