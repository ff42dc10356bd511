//! Drives: ids for idempotent producers: a shard has blocks of them from the controller.

use std::cell::RefCell;
use std::ops::Range;

use super::Shard;
use super::mesh::Undecided;
use crate::base::ProducerId;

/// The producer ids that a shard may still give out.
#[derive(Debug, Default)]
pub struct ProducerIds {
    left: RefCell<Range<ProducerId>>,
}

/// Why there is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoProducerId {
    /// All 2^63 have been given out.
    Exhausted,
    /// The controller gave no block of them.
    Undecided(Undecided),
}

/// An id that no producer of the cluster has had.
pub async fn next(shard: &Shard) -> Result<ProducerId, NoProducerId> {
    let ids = &shard.producer_ids;
    if let Some(id) = ids.take() {
        return Ok(id);
    }
    let block = shard.control.allocate_producer_ids(shard.node).await;
    let block = block.map_err(NoProducerId::Undecided)?;
    block
        .and_then(|block| ids.put(block))
        .ok_or(NoProducerId::Exhausted)
}

// === impl ProducerIds ===

impl ProducerIds {
    /// The next id, if there is one.
    fn take(&self) -> Option<ProducerId> {
        self.left.borrow_mut().next()
    }

    /// Takes the first id of a new block and keeps the others, unless another request, made at the
    /// same time, has brought some already: they are many.
    fn put(&self, mut block: Range<ProducerId>) -> Option<ProducerId> {
        let first = block.next();
        let mut left = self.left.borrow_mut();
        if left.is_empty() {
            *left = block;
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_is_given_out_twice() {
        let ids = ProducerIds::default();
        assert_eq!(ids.take(), None);
        // Two asked at the same time.
        assert_eq!(ids.put(0..3), Some(0));
        assert_eq!(ids.put(3..6), Some(3));
        assert_eq!(
            [ids.take(), ids.take(), ids.take()],
            [Some(1), Some(2), None]
        );
        assert_eq!(ids.put(6..9), Some(6));
        assert_eq!(ids.take(), Some(7));
    }
}
