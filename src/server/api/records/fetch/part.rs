//! Drives: one partition of a fetch: what is wanted, what was found.

use std::ops::Range;
use std::rc::Rc;

use super::LEADER_FROM;
use crate::base::{ErrorCode, LeaderEpoch, NodeId, Offset};
use crate::io::buffer::Slice;
use crate::log::{self, BatchStream, Stretch};
use crate::partition::Partition;
use crate::partition::fetch::ReadError;
use crate::server::api::errors;
use crate::server::state::fetch_sessions::{Key, Wanted};
use crate::shard::partitions::LookupError;
use crate::wire::batch::LENGTH_PREFIX_BYTES;
use crate::wire::cursor::Cursor;
use crate::wire::fetch::{Aborted, AbortedTransaction, PartitionAnswer};
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

/// Nobody asked for aborted transactions.
pub(super) const UNASKED: Option<Range<usize>> = None;
/// There are no aborted transactions to tell of.
pub(super) const NONE: Option<Range<usize>> = Some(0..0);

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
    aborted: &mut Vec<AbortedTransaction>,
) -> Found {
    if let Err(error) = partition.check_leader_epoch(wanted.leader_epoch) {
        return Found::read_error(&error, partition, reader);
    }
    if reader.is_follower {
        // Nothing is replicated yet, so nobody is a replica who could ask for it.
        let mut found = Found::error(ErrorCode::NOT_LEADER_OR_FOLLOWER, UNASKED);
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
        return Found::error(ErrorCode::UNKNOWN_SERVER_ERROR, UNASKED);
    };
    let batches = match partition.read_cached(wanted.offset, max_bytes, at_least_one, slices) {
        Ok(None) => {
            partition
                .plan(wanted.offset, max_bytes, at_least_one, slices)
                .await
        }
        Ok(Some(batches)) => Ok(batches),
        Err(error) => Err(error),
    };
    match batches {
        Ok(batches) => {
            let upto = || match batches.stream {
                Some(_) => batches.end_offset,
                None => end_offset(&slices[from..]),
            };
            Found {
                aborted: reader
                    .is_read_committed
                    .then(|| find_aborted(partition, wanted.offset, upto, aborted)),
                slices: from..slices.len(),
                bytes: batches.bytes(),
                stretch: batches.stretch,
                stream: batches.stream,
                ..good
            }
        }
        Err(error) => {
            slices.truncate(from);
            Found::read_error(&error, partition, reader)
        }
    }
}

/// Lists the aborted transactions that have records from `offset` to before `upto`.
fn find_aborted(
    partition: &Partition,
    offset: Offset,
    upto: impl FnOnce() -> Offset,
    list: &mut Vec<AbortedTransaction>,
) -> Range<usize> {
    let from = list.len();
    if partition.log().has_aborted(offset) {
        let add = |one: &log::AbortedTransaction| list.push((one.producer_id, one.first_offset));
        partition.log().aborted(offset, upto(), add);
    }
    from..list.len()
}

/// The offset behind the last of the batches that stand back to back in `slices`.
fn end_offset(slices: &[Slice]) -> Offset {
    let mut end = 0;
    walk(slices, |_, last| end = last + 1);
    end
}

/// Where the last of the batches in `slices` begins that does so at byte `at` or before.
pub(super) fn boundary_before(slices: &[Slice], at: usize) -> usize {
    let mut boundary = 0;
    walk(slices, |begin, _| {
        if begin <= at {
            boundary = begin;
        }
    });
    boundary
}

/// Shows where each batch in `slices` begins, and its last offset.
fn walk(slices: &[Slice], mut show: impl FnMut(usize, Offset)) {
    // Up to the last offset's delta.
    const HEAD_BYTES: usize = 27;
    let mut head = [0; HEAD_BYTES];
    let (mut have, mut skip, mut at) = (0, 0, 0);
    for slice in slices {
        let mut bytes: &[u8] = slice;
        loop {
            let skipped = bytes.len().min(skip);
            skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = bytes.len().min(HEAD_BYTES - have);
            if taken == 0 {
                break;
            }
            head[have..have + taken].copy_from_slice(&bytes[..taken]);
            have += taken;
            bytes = &bytes[taken..];
            if have == HEAD_BYTES {
                let mut cursor = Cursor::new(&head);
                let base = cursor.i64().unwrap_or_default();
                let size = LENGTH_PREFIX_BYTES + cursor.i32().unwrap_or_default().max(0) as usize;
                let delta = Cursor::new(&head[23..]).i32().unwrap_or_default();
                show(at, base + i64::from(delta));
                at += size;
                (have, skip) = (0, size.saturating_sub(HEAD_BYTES));
            }
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

    pub(super) fn answer<'a>(&self, aborted: &'a [AbortedTransaction]) -> PartitionAnswer<'a> {
        let found = &self.found;
        PartitionAnswer {
            index: self.key.index,
            error: found.error,
            high_watermark: found.high_watermark,
            last_stable_offset: found.high_watermark,
            log_start_offset: found.start_offset,
            diverging: found.diverging,
            leader: found.leader,
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
            start_offset: -1,
            diverging: None,
            leader: None,
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

    fn read_error(error: &ReadError, partition: &Partition, reader: Reader) -> Found {
        if let ReadError::Log(cause) = error
            && !error.is_known()
        {
            partition.name().report("cannot read", cause);
        }
        let mut found = Found::error(errors::read(error), UNASKED);
        if let ReadError::FencedLeaderEpoch = error {
            found.leader = Some(reader.leader_of(partition));
        }
        found
    }

    /// What is so before anything is read.
    fn good(partition: &Partition, reader: Reader) -> Found {
        let aborted = match reader.is_read_committed {
            true => NONE,
            false => UNASKED,
        };
        Found {
            high_watermark: partition.high_watermark(),
            start_offset: partition.start_offset(),
            is_final: false,
            ..Found::error(ErrorCode::NONE, aborted)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::batch::{BatchBuilder, NewRecord, stamp};

    #[test]
    fn batches_are_found_however_they_are_cut() {
        let (mut bytes, mut begins) = (Vec::new(), Vec::new());
        for (base, count) in [(100, 3), (110, 1), (200, 50)] {
            let mut builder = BatchBuilder::new();
            (0..count).for_each(|_| builder.push(NewRecord::new(1, None, Some(b"value"))));
            let mut batch = builder.build();
            stamp(&mut batch, base, 0);
            begins.push(bytes.len());
            bytes.extend(batch);
        }
        for step in 1..bytes.len() {
            let slices: Vec<Slice> = bytes.chunks(step).map(|cut| cut.to_vec().into()).collect();
            assert_eq!(end_offset(&slices), 250);
            let at = step * 7 % bytes.len();
            let begin = begins.iter().rfind(|begin| **begin <= at);
            assert_eq!(Some(&boundary_before(&slices, at)), begin, "{at}");
        }
        assert_eq!(end_offset(&[]), 0);
    }
}
