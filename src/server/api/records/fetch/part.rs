//! Drives: one partition of a fetch: what is wanted, what was found.

use std::ops::Range;
use std::rc::Rc;

use super::LEADER_FROM;
use crate::base::{ErrorCode, LeaderEpoch, NodeId, Offset};
use crate::io::buffer::Slice;
use crate::log::{BatchStream, Stretch};
use crate::partition::Partition;
use crate::partition::read::{Fetched, ReadError, ReadRequest, Reader};
use crate::server::api::errors;
use crate::server::state::fetch_sessions::{Key, Wanted};
use crate::shard::partitions::LookupError;
use crate::wire::fetch::{Aborted, AbortedTransaction, PartitionAnswer};
use crate::wire::field::CurrentLeader;

/// One partition of the fetch and what was found of it.
pub(super) struct Part {
    pub key: Key,
    pub wanted: Wanted,
    pub partition: Option<Rc<Partition>>,
    /// Whether a follower asks: it waits until records are appended, not until they are committed.
    pub follows: bool,
    pub found: Found,
}

pub(super) struct Found {
    pub error: ErrorCode,
    pub high_watermark: Offset,
    pub last_stable_offset: Offset,
    pub start_offset: Offset,
    pub end_offset: Offset,
    pub diverging: Option<(LeaderEpoch, Offset)>,
    pub leader: Option<CurrentLeader>,
    /// The node to read from instead; -1 for none.
    pub preferred_replica: i32,
    /// Where in the list of aborted transactions those among its records stand; `None` where
    /// the reader did not ask.
    pub aborted: Option<Range<usize>>,
    /// Whether waiting longer cannot change it.
    pub is_final: bool,
    /// What of its records is in memory, from the first one on.
    pub slices: Range<usize>,
    /// Gives out the others.
    pub stream: Option<Box<BatchStream>>,
    /// Where all of them lie.
    pub stretch: Option<Stretch>,
    /// Bytes of all of them.
    pub bytes: usize,
}

/// The client did not ask for aborted transactions.
pub(super) const UNASKED: Option<Range<usize>> = None;
/// There are no aborted transactions to tell of.
pub(super) const NONE: Option<Range<usize>> = Some(0..0);

/// What all partitions of a fetch have in common.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    /// This node.
    pub node: NodeId,
    /// Who asks.
    pub reader: Reader,
}

/// Reads one partition.
pub(super) async fn read(
    partition: &Rc<Partition>,
    wanted: &Wanted,
    asker: Asker,
    max_bytes: i64,
    at_least_one: bool,
    slices: &mut Vec<Slice>,
    aborted: &mut Vec<AbortedTransaction>,
) -> Found {
    let request = ReadRequest {
        reader: asker.reader,
        offset: wanted.offset,
        leader_epoch: wanted.leader_epoch,
        last_fetched_epoch: wanted.last_fetched_epoch,
        start_offset: wanted.start_offset,
        max_bytes,
        at_least_one,
    };
    let from = slices.len();
    match partition.fetch(&request, slices, aborted).await {
        Ok(fetched) => Found::fetched(fetched, from..slices.len()),
        Err(error) => Found::read_error(&error, partition, asker),
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
            let has_more = match self.follows {
                true => partition.end_offset() != self.found.end_offset,
                false => partition.high_watermark() != self.found.high_watermark,
            };
            has_more
                || self.follows && partition.is_follower()
                || partition.check_serving().is_err()
        })
    }

    pub(super) fn answer<'a>(&self, aborted: &'a [AbortedTransaction]) -> PartitionAnswer<'a> {
        let found = &self.found;
        PartitionAnswer {
            index: self.key.index,
            error: found.error,
            high_watermark: found.high_watermark,
            last_stable_offset: found.last_stable_offset,
            log_start_offset: found.start_offset,
            diverging: found.diverging,
            leader: found.leader,
            preferred_replica: found.preferred_replica,
            aborted: match &found.aborted {
                Some(these) => Aborted::These(&aborted[these.clone()]),
                None => Aborted::Unasked,
            },
            records_bytes: found.bytes,
        }
    }
}

// === impl Found ===

impl Found {
    pub(super) fn error(error: ErrorCode, aborted: Option<Range<usize>>) -> Found {
        Found {
            error,
            high_watermark: -1,
            last_stable_offset: -1,
            start_offset: -1,
            end_offset: -1,
            diverging: None,
            leader: None,
            preferred_replica: -1,
            aborted,
            is_final: true,
            slices: 0..0,
            stream: None,
            stretch: None,
            bytes: 0,
        }
    }

    pub(super) fn lookup(error: LookupError, version: i16) -> Found {
        let code = errors::lookup(error);
        match error {
            // Kafka sorts these out before it reads, so that a fetch waits for the others.
            LookupError::UnknownTopicOrPartition | LookupError::UnknownTopicId => Found {
                is_final: false,
                ..Found::error(code, NONE)
            },
            LookupError::Storage => Found::error(code, UNASKED),
            LookupError::NotLeader {
                leader: NodeId(leader_id),
                leader_epoch,
            } => Found {
                leader: (version >= LEADER_FROM).then_some(CurrentLeader {
                    leader_id,
                    leader_epoch,
                }),
                ..Found::error(code, UNASKED)
            },
        }
    }

    fn read_error(error: &ReadError, partition: &Partition, asker: Asker) -> Found {
        let mut found = Found::error(errors::read(error), UNASKED);
        if let ReadError::FencedLeaderEpoch | ReadError::OldReplica = error {
            found.leader = Some(CurrentLeader {
                leader_id: asker.node.0,
                leader_epoch: partition.leader_epoch(),
            });
        }
        found
    }

    /// The reader is sent to another replica, with the offsets as they are known here.
    pub(super) fn elsewhere(node: NodeId, fetched: Fetched) -> Found {
        Found {
            preferred_replica: node.0,
            is_final: true,
            ..Found::fetched(fetched, 0..0)
        }
    }

    fn fetched(fetched: Fetched, slices: Range<usize>) -> Found {
        Found {
            high_watermark: fetched.high_watermark,
            last_stable_offset: fetched.last_stable_offset,
            start_offset: fetched.start_offset,
            end_offset: fetched.end_offset,
            is_final: fetched.diverging.is_some(),
            diverging: fetched.diverging,
            slices,
            bytes: fetched.batches.bytes(),
            stretch: fetched.batches.stretch,
            stream: fetched.batches.stream,
            ..Found::error(ErrorCode::NONE, fetched.aborted)
        }
    }
}
