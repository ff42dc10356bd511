//! Pure: the end of the metadata log as an observer knows it: what is committed, and batches that
//! are fetched and not committed yet, which another leader may still take back.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::base::{LeaderEpoch, Offset};
use crate::wire::batch::{BatchError, BatchView, batches};

/// Bytes of batches that are kept while they are not committed. A leader that appends more without
/// committing it has lost its followers, and will not lead for long.
const HELD_BYTES_MAX: usize = 64 << 20;

/// The end of the log.
#[derive(Debug)]
pub struct Tail {
    /// Offset after the last committed batch that was handed out, and the term of that batch.
    committed: (Offset, LeaderEpoch),
    /// What the leader said is committed; -1 before it said anything.
    high_watermark: Offset,
    held: VecDeque<Held>,
    held_bytes: usize,
}

/// A batch that is not known to be committed.
#[derive(Debug)]
struct Held {
    bytes: Bytes,
    end: Offset,
    epoch: LeaderEpoch,
}

/// What cannot be in a leader's answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TailError {
    /// A batch cannot be read.
    #[error("a batch of the metadata log cannot be read: {0}")]
    Batch(BatchError),
    /// A batch does not follow the one before it.
    #[error("a batch of the metadata log begins at offset {found}, and {expected} was asked for")]
    Gap {
        /// The offset asked for.
        expected: Offset,
        /// The batch's own.
        found: Offset,
    },
    /// A batch has a term that cannot be.
    #[error("a batch of the metadata log is of epoch {0}, which it cannot be")]
    Epoch(LeaderEpoch),
    /// The logs differ, and yet nothing is to be taken back.
    #[error("the logs differ at an end that both have")]
    NoDifference,
    /// Committed batches are to be taken back.
    #[error(
        "the metadata log was cut to offset {to}, although all before {committed} was committed"
    )]
    Uncommitted {
        /// Where the quorum's log ends.
        to: Offset,
        /// What this process has acted on.
        committed: Offset,
    },
}

impl Default for Tail {
    fn default() -> Tail {
        Tail::after(0, 0)
    }
}

// === impl Tail ===

impl Tail {
    /// The end of a log of which everything before `end` is committed, the last of it in `epoch`.
    pub fn after(end: Offset, epoch: LeaderEpoch) -> Tail {
        Tail {
            committed: (end, epoch),
            high_watermark: -1,
            held: VecDeque::new(),
            held_bytes: 0,
        }
    }

    /// Where fetching goes on, and the term of the batch before.
    pub fn end(&self) -> (Offset, LeaderEpoch) {
        let last = self.held.back().map(|held| (held.end, held.epoch));
        last.unwrap_or(self.committed)
    }

    /// Offset after what is committed and handed out.
    pub fn committed_end(&self) -> Offset {
        self.committed.0
    }

    /// What the leader said is committed; -1 before it said anything.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Takes in fetched batches, of a leader in `epoch`; one that is not whole may come last. On
    /// an error those before the one at fault are kept.
    pub fn append(&mut self, records: &[u8], epoch: LeaderEpoch) -> Result<(), TailError> {
        for batch in batches(records) {
            let batch = match batch {
                Ok(batch) => batch,
                // A leader cuts its answer at a size.
                Err(BatchError::Truncated { .. }) => return Ok(()),
                Err(error) => return Err(TailError::Batch(error)),
            };
            self.push(&batch, epoch)?;
        }
        Ok(())
    }

    fn push(&mut self, batch: &BatchView<'_>, epoch: LeaderEpoch) -> Result<(), TailError> {
        batch.verify_crc().map_err(TailError::Batch)?;
        let (expected, last_epoch) = self.end();
        let (found, end) = (batch.base_offset(), batch.next_offset());
        if found != expected || end <= found {
            return Err(TailError::Gap { expected, found });
        }
        if !(last_epoch..=epoch).contains(&batch.leader_epoch()) {
            return Err(TailError::Epoch(batch.leader_epoch()));
        }
        // A copy: a slice would keep the memory of the whole answer.
        let bytes = Bytes::copy_from_slice(batch.bytes());
        self.held_bytes += bytes.len();
        self.held.push_back(Held {
            bytes,
            end,
            epoch: batch.leader_epoch(),
        });
        Ok(())
    }

    /// Takes note of what the leader says is committed. The batches that are now, in order.
    pub fn advance(&mut self, high_watermark: Offset) -> Vec<Bytes> {
        self.high_watermark = self.high_watermark.max(high_watermark);
        let mut committed = Vec::new();
        while let Some(held) = self.held.front()
            && held.end <= self.high_watermark
        {
            self.committed = (held.end, held.epoch);
            self.held_bytes -= held.bytes.len();
            committed.extend(self.held.pop_front().map(|held| held.bytes));
        }
        if self.held_bytes > HELD_BYTES_MAX {
            // They are fetched again.
            self.held.clear();
            self.held_bytes = 0;
        }
        committed
    }

    /// Takes back what the leader does not have, whose log of up to `epoch` ends at `end`.
    pub fn truncate(&mut self, epoch: LeaderEpoch, end: Offset) -> Result<(), TailError> {
        let (before, _) = self.end();
        let (committed, committed_epoch) = self.committed;
        let of_epoch = |held: &&Held| held.epoch <= epoch;
        let own = self.held.iter().rev().find(of_epoch).map(|held| held.end);
        let own = own.unwrap_or(committed);
        let to = end.min(own);
        if to < committed || epoch < committed_epoch {
            return Err(TailError::Uncommitted { to, committed });
        }
        while let Some(held) = self.held.back()
            && held.end > to
        {
            self.held_bytes -= held.bytes.len();
            self.held.pop_back();
        }
        match self.end().0 < before {
            true => Ok(()),
            false => Err(TailError::NoDifference),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::record::{NoOp, encode_batch};
    use crate::wire::batch::stamp;

    /// A batch of `count` records.
    fn batch(base: Offset, count: usize, epoch: LeaderEpoch) -> Vec<u8> {
        let mut bytes = encode_batch(&vec![NoOp {}.into(); count], epoch, 0);
        stamp(&mut bytes, base, epoch);
        bytes
    }

    fn bases(committed: &[Bytes]) -> Vec<Offset> {
        let base = |bytes: &Bytes| BatchView::parse(bytes).unwrap().base_offset();
        committed.iter().map(base).collect()
    }

    #[test]
    fn only_what_is_committed_is_handed_out_and_only_once() {
        let mut tail = Tail::default();
        let log = [batch(0, 2, 1), batch(2, 3, 1), batch(5, 1, 2)].concat();
        tail.append(&log[..log.len() - 3], 2).unwrap();
        assert_eq!(tail.end(), (5, 1));
        assert!(tail.advance(1).is_empty());
        assert_eq!(bases(&tail.advance(4)), [0]);
        assert_eq!(tail.committed_end(), 2);
        tail.append(&batch(5, 1, 2), 2).unwrap();
        // A new leader may know of less.
        assert!(tail.advance(0).is_empty());
        assert_eq!(bases(&tail.advance(100)), [2, 5]);
        assert_eq!((tail.end(), tail.high_watermark()), ((6, 2), 100));
    }

    #[test]
    fn what_the_leader_does_not_have_is_taken_back() {
        let mut tail = Tail::default();
        let log = [batch(0, 2, 1), batch(2, 2, 1), batch(4, 2, 3)].concat();
        tail.append(&log, 3).unwrap();
        tail.advance(2);
        // The leader has nothing of epoch 3, and of epoch 2 up to 9.
        tail.truncate(2, 9).unwrap();
        assert_eq!(tail.end(), (4, 1));
        assert_eq!(tail.truncate(1, 4), Err(TailError::NoDifference));
        tail.truncate(1, 3).unwrap();
        assert_eq!(tail.end(), (2, 1));
        let (to, committed) = (1, 2);
        let error = TailError::Uncommitted { to, committed };
        assert_eq!(tail.truncate(1, 1), Err(error));
        let error = TailError::Uncommitted { to: 2, committed };
        assert_eq!(tail.truncate(0, 2), Err(error));
    }

    #[test]
    fn batches_that_cannot_follow_are_refused() {
        let mut tail = Tail::after(10, 4);
        let (expected, found) = (10, 9);
        let gap = Err(TailError::Gap { expected, found });
        assert_eq!(tail.append(&batch(9, 1, 4), 4), gap);
        assert_eq!(
            tail.append(&batch(10, 1, 3), 4),
            Err(TailError::Epoch(3)),
            "older than the one before"
        );
        let newer = tail.append(&batch(10, 1, 5), 4);
        assert_eq!(newer, Err(TailError::Epoch(5)), "newer than its leader");
        let mut damaged = batch(10, 1, 4);
        *damaged.last_mut().unwrap() ^= 1;
        let error = tail.append(&damaged, 4).unwrap_err();
        assert!(matches!(error, TailError::Batch(BatchError::Crc { .. })));
        assert_eq!(tail.end(), (10, 4));
    }

    #[test]
    fn what_is_never_committed_is_let_go_and_fetched_again() {
        let mut tail = Tail::default();
        let batch = |base| batch(base, 100_000, 1);
        let mut base = 0;
        while tail.end().0 == base && base < 1 << 30 {
            tail.append(&batch(base), 1).unwrap();
            tail.advance(0);
            base += 100_000;
        }
        assert_eq!(tail.end(), (0, 0));
        assert!(tail.held.is_empty() && tail.held_bytes == 0);
    }
}
