//! Drives: one partition of a fetch: what is wanted, what was found.

use std::ops::Range;
use std::rc::Rc;

use super::LEADER_FROM;
use crate::base::{ErrorCode, LeaderEpoch, NodeId, Offset};
use crate::io::buffer::Slice;
use crate::partition::Partition;
use crate::partition::fetch::ReadError;
use crate::server::api::errors;
use crate::server::fetch_sessions::{Key, Wanted};
use crate::shard::partitions::LookupError;
use crate::wire::fetch::{Aborted, PartitionAnswer};
use crate::wire::field::CurrentLeader;

/// One partition of the fetch and what was found of it.
pub(super) struct Part {
    pub key: Key,
    pub wanted: Wanted,
    pub partition: Option<Rc<Partition>>,
    pub found: Found,
}

pub(super) struct Found {
    pub error: ErrorCode,
    pub high_watermark: Offset,
    pub start_offset: Offset,
    pub diverging: Option<(LeaderEpoch, Offset)>,
    pub leader: Option<CurrentLeader>,
    pub aborted: Aborted,
    /// Whether waiting longer cannot change it.
    pub is_final: bool,
    pub slices: Range<usize>,
    pub bytes: usize,
}

/// What all partitions of a fetch have in common.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    /// This node.
    pub node: NodeId,
    /// Asks to replicate.
    pub is_follower: bool,
    /// Wants to know of aborted transactions.
    pub is_read_committed: bool,
}

/// Reads one partition: from memory, else from disk.
pub(super) async fn read(
    partition: &Rc<Partition>,
    wanted: &Wanted,
    reader: Reader,
    max_bytes: i64,
    at_least_one: bool,
    slices: &mut Vec<Slice>,
) -> Found {
    if let Err(error) = partition.check_leader_epoch(wanted.leader_epoch) {
        return Found::read_error(&error, partition, reader);
    }
    if reader.is_follower {
        // Nothing is replicated yet, so nobody is a replica who could ask for it.
        let mut found = Found::error(ErrorCode::NOT_LEADER_OR_FOLLOWER, Aborted::Unasked);
        found.leader = Some(reader.leader_of(partition));
        return found;
    }
    // What comes while the disk is read is for the next look.
    let good = Found::good(partition, reader);
    match diverging(partition, wanted) {
        Ok(None) => {}
        Ok(diverging) => {
            return Found {
                diverging,
                is_final: true,
                ..good
            };
        }
        Err(error) => return Found::read_error(&error, partition, reader),
    }
    let from = slices.len();
    let is_behind = (good.start_offset..good.high_watermark).contains(&wanted.offset);
    let Ok(max_bytes) = usize::try_from(max_bytes).or(if is_behind { Err(()) } else { Ok(0) })
    else {
        return Found::error(ErrorCode::UNKNOWN_SERVER_ERROR, Aborted::Unasked);
    };
    let read = match partition.read_cached(wanted.offset, max_bytes, at_least_one, slices) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => {
            partition
                .read(wanted.offset, max_bytes, at_least_one, slices)
                .await
        }
        Err(error) => Err(error),
    };
    match read {
        Ok(bytes) => Found {
            slices: from..slices.len(),
            bytes,
            ..good
        },
        Err(error) => {
            slices.truncate(from);
            Found::read_error(&error, partition, reader)
        }
    }
}

/// Where the client's log parts from ours, if it does.
fn diverging(
    partition: &Partition,
    wanted: &Wanted,
) -> Result<Option<(LeaderEpoch, Offset)>, ReadError> {
    if wanted.last_fetched_epoch < 0 {
        return Ok(None);
    }
    let (epoch, end_offset) = partition.epoch_end(wanted.last_fetched_epoch);
    if epoch < 0 {
        return Err(ReadError::OffsetOutOfRange);
    }
    let parts = epoch < wanted.last_fetched_epoch || end_offset < wanted.offset;
    Ok(parts.then_some((epoch, end_offset)))
}

// === impl Reader ===

impl Reader {
    fn leader_of(self, partition: &Partition) -> CurrentLeader {
        CurrentLeader {
            leader_id: self.node.0,
            leader_epoch: partition.leader_epoch(),
        }
    }
}

// === impl Part ===

impl Part {
    pub(super) fn same_topic(a: &Part, b: &Part) -> bool {
        a.key.topic_id == b.key.topic_id && a.key.topic == b.key.topic
    }

    /// Whether there is more, or less, than when it was read.
    pub(super) fn has_moved(&self) -> bool {
        self.partition.as_ref().is_some_and(|partition| {
            partition.high_watermark() != self.found.high_watermark
                || partition.check_serving().is_err()
        })
    }

    pub(super) fn answer(&self) -> PartitionAnswer {
        let found = &self.found;
        PartitionAnswer {
            index: self.key.index,
            error: found.error,
            high_watermark: found.high_watermark,
            last_stable_offset: found.high_watermark,
            log_start_offset: found.start_offset,
            diverging: found.diverging,
            leader: found.leader,
            aborted: found.aborted,
            records_bytes: found.bytes,
        }
    }
}

// === impl Found ===

impl Found {
    pub(super) fn error(error: ErrorCode, aborted: Aborted) -> Found {
        Found {
            error,
            high_watermark: -1,
            start_offset: -1,
            diverging: None,
            leader: None,
            aborted,
            is_final: true,
            slices: 0..0,
            bytes: 0,
        }
    }

    pub(super) fn lookup(error: LookupError, version: i16) -> Found {
        let code = errors::lookup(error);
        match error {
            // Kafka sorts these out before it reads, so that a fetch waits for the others.
            LookupError::UnknownTopicOrPartition | LookupError::UnknownTopicId => Found {
                is_final: false,
                ..Found::error(code, Aborted::None)
            },
            LookupError::Storage => Found::error(code, Aborted::Unasked),
            LookupError::NotLeader {
                leader: NodeId(leader_id),
                leader_epoch,
            } => Found {
                leader: (version >= LEADER_FROM).then_some(CurrentLeader {
                    leader_id,
                    leader_epoch,
                }),
                ..Found::error(code, Aborted::Unasked)
            },
        }
    }

    fn read_error(error: &ReadError, partition: &Partition, reader: Reader) -> Found {
        if let ReadError::Log(error) = error {
            partition.name().report("cannot read", error);
        }
        let mut found = Found::error(errors::read(error), Aborted::Unasked);
        if let ReadError::FencedLeaderEpoch = error {
            found.leader = Some(reader.leader_of(partition));
        }
        found
    }

    /// What is so before anything is read.
    fn good(partition: &Partition, reader: Reader) -> Found {
        let aborted = match reader.is_read_committed {
            true => Aborted::None,
            false => Aborted::Unasked,
        };
        Found {
            high_watermark: partition.high_watermark(),
            start_offset: partition.start_offset(),
            is_final: false,
            ..Found::error(ErrorCode::NONE, aborted)
        }
    }
}
