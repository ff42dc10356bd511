//! Pure: which batches belong to aborted transactions, and which markers are no longer needed
//! (Kafka's `CleanedTransactionMetadata`).

use std::collections::{HashMap, HashSet, VecDeque};

use crate::base::{Offset, ProducerId};
use crate::log::AbortedTransaction;
use crate::wire::batch::{BatchView, ControlKind, Records};

/// An aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted {
    producer_id: ProducerId,
    /// Offset of its first batch that is still there.
    first: Offset,
    /// Offset of its marker.
    marker: Offset,
    /// The first offset that is not stable after it.
    stable: Offset,
}

/// Finds the aborted transactions in a first walk over a log.
#[derive(Default)]
pub struct Survey {
    open: HashMap<ProducerId, Offset>,
    aborted: Vec<Aborted>,
}

/// What a second walk over the same batches knows about the transactions they belong to.
#[derive(Default)]
pub struct Transactions {
    /// Aborted ones that begin further on, in order.
    coming: VecDeque<Aborted>,
    /// Producers in an aborted transaction, and whether a batch of it was seen.
    aborted: HashMap<ProducerId, bool>,
    /// Producers in a committed transaction of which a batch was seen.
    committed: HashSet<ProducerId>,
}

/// What a control batch says; `None` when it was emptied before.
pub fn marker(batch: &BatchView<'_>) -> Option<ControlKind> {
    const UNREADABLE: ControlKind = ControlKind::Other(-1);
    let Ok(record) = Records::of(batch).next()? else {
        return Some(UNREADABLE);
    };
    let kind = ControlKind::parse_key(record.key.unwrap_or_default());
    Some(kind.unwrap_or(UNREADABLE))
}

// === impl Survey ===

impl Survey {
    /// Looks at the next batch.
    pub fn look(&mut self, batch: &BatchView<'_>) {
        let attributes = batch.attributes();
        let producer_id = batch.producer_id();
        if !attributes.is_control() {
            if attributes.is_transactional() {
                let first = batch.base_offset();
                self.open.entry(producer_id).or_insert(first);
            }
            return;
        }
        let kind = marker(batch);
        if !matches!(kind, Some(ControlKind::Abort | ControlKind::Commit)) {
            return;
        }
        if let Some(first) = self.open.remove(&producer_id)
            && kind == Some(ControlKind::Abort)
        {
            self.aborted.push(Aborted {
                producer_id,
                first,
                marker: batch.base_offset(),
                stable: self
                    .open
                    .values()
                    .min()
                    .copied()
                    .unwrap_or(batch.last_offset() + 1),
            });
        }
    }

    /// The same as an index has it: in the order of the markers.
    pub fn into_index(self) -> Vec<AbortedTransaction> {
        let entry = |one: Aborted| AbortedTransaction {
            producer_id: one.producer_id,
            first_offset: one.first,
            last_offset: one.marker,
            stable: one.stable,
        };
        self.aborted.into_iter().map(entry).collect()
    }

    /// What there is to know for the second walk.
    pub fn finish(mut self) -> Vec<Aborted> {
        self.aborted.sort_by_key(|one| one.first);
        self.aborted
    }
}

// === impl Transactions ===

impl Transactions {
    /// Nothing walked over yet.
    pub fn new(aborted: &[Aborted]) -> Transactions {
        Transactions {
            coming: aborted.iter().copied().collect(),
            ..Transactions::default()
        }
    }

    /// Looks at the next batch, which is no control batch: whether it was aborted.
    pub fn on_data(&mut self, batch: &BatchView<'_>) -> bool {
        self.come_to(batch);
        if !batch.attributes().is_transactional() {
            return false;
        }
        let producer_id = batch.producer_id();
        match self.aborted.get_mut(&producer_id) {
            Some(seen) => {
                *seen = true;
                true
            }
            None => {
                self.committed.insert(producer_id);
                false
            }
        }
    }

    /// Looks at the next batch, which is a control batch: whether nothing of what it decides
    /// about is left.
    pub fn on_marker(&mut self, batch: &BatchView<'_>) -> bool {
        self.come_to(batch);
        let producer_id = batch.producer_id();
        match marker(batch) {
            Some(ControlKind::Abort) => self.aborted.remove(&producer_id) != Some(true),
            Some(ControlKind::Commit) => !self.committed.remove(&producer_id),
            Some(_) => false,
            None => true,
        }
    }

    fn come_to(&mut self, batch: &BatchView<'_>) {
        while let Some(next) = self.coming.front()
            && next.first <= batch.last_offset()
        {
            // The walk may begin behind the end of some.
            if next.marker >= batch.base_offset() {
                self.aborted.entry(next.producer_id).or_insert(false);
            }
            self.coming.pop_front();
        }
    }
}

/// Whether deciding about it takes knowing which transactions were aborted.
pub fn is_part_of_transaction(batch: &BatchView<'_>) -> bool {
    batch.attributes().is_transactional() || batch.attributes().is_control()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::batch::{BatchBuilder, EndMarker, NewRecord};

    fn data(offset: Offset, producer: ProducerId) -> Vec<u8> {
        let mut builder = BatchBuilder::new()
            .base_offset(offset)
            .producer(producer, 0, 0)
            .transactional();
        builder.push(NewRecord::new(1, Some(b"k"), Some(b"v")));
        builder.build()
    }

    fn end(offset: Offset, producer: ProducerId, kind: ControlKind) -> Vec<u8> {
        let mut value = Vec::new();
        let coordinator_epoch = 0;
        EndMarker { coordinator_epoch }.write(&mut value);
        let mut builder = BatchBuilder::new()
            .base_offset(offset)
            .producer(producer, 0, -1)
            .transactional()
            .control();
        builder.push(NewRecord::new(1, Some(&kind.key()), Some(&value)));
        builder.build()
    }

    fn views(log: &[Vec<u8>]) -> Vec<BatchView<'_>> {
        log.iter().map(|it| BatchView::parse(it).unwrap()).collect()
    }

    /// For each batch whether it is aborted, or its marker needless.
    fn walk(log: &[Vec<u8>]) -> Vec<bool> {
        let views = views(log);
        let mut survey = Survey::default();
        views.iter().for_each(|view| survey.look(view));
        let mut known = Transactions::new(&survey.finish());
        let each = views.iter().map(|view| {
            if view.attributes().is_control() {
                known.on_marker(view)
            } else {
                known.on_data(view)
            }
        });
        each.collect()
    }

    #[test]
    fn aborted_batches_are_told_from_committed_ones_of_the_same_producer() {
        use ControlKind::{Abort, Commit};
        let log = [
            data(0, 1),
            data(1, 2),
            data(2, 1),
            end(3, 1, Abort),
            data(4, 1),
            end(5, 2, Commit),
            end(6, 1, Commit),
            data(7, 2),
        ];
        let found = walk(&log);
        let expected = [true, false, true, false, false, false, false, false];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_walk_may_begin_in_the_middle() {
        let log = [data(0, 1), end(1, 1, ControlKind::Abort), data(2, 1)];
        let views = views(&log);
        let mut survey = Survey::default();
        views.iter().for_each(|view| survey.look(view));
        let mut known = Transactions::new(&survey.finish());
        assert!(!known.on_data(&views[2]), "of the next transaction");
    }

    #[test]
    fn a_marker_whose_batches_are_gone_is_needless() {
        use ControlKind::{Abort, Commit, LeaderChange};
        let log = [
            end(0, 1, Abort),
            end(1, 1, Commit),
            end(2, 1, LeaderChange),
            data(3, 1),
            end(4, 1, Commit),
        ];
        assert_eq!(walk(&log), [true, true, false, false, false]);
    }
}
