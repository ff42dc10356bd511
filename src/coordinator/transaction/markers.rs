//! Pure: transactions that are decided, whose markers are to be written.

use std::rc::Rc;

use crate::base::ProducerId;
use crate::coordinator::record::transaction::TransactionState;

use super::state::bumps_epoch;
use super::{
    Markers, MarkersWanted, Now, Outcome, Producer, Reply, Token, TopicPartition,
    TransactionMachine,
};

/// Transactions whose markers are handed out at a time.
const AT_ONCE: usize = 64;

impl TransactionMachine {
    /// The task that has markers written asks for the next transactions; `spare_id` is a producer
    /// id that nothing uses, if it was asked for.
    pub(super) fn ask_for_markers(
        &mut self,
        token: Token,
        spare_id: Option<ProducerId>,
        out: &mut Outcome,
    ) {
        self.spare_id = spare_id.or(self.spare_id);
        if let Some(older) = self.marker_asker.replace(token) {
            let none = Reply::Markers(MarkersWanted::default());
            out.replies.push((older, none));
        }
        self.answer_asker(out);
    }

    /// A transaction is decided: its markers may be written once that is durable, which the reply
    /// that hands them out waits for, as any other.
    pub(super) fn hand_out(&mut self, id: &Rc<str>, out: &mut Outcome) {
        self.decided.push_back(id.clone());
        self.answer_asker(out);
    }

    /// A transaction cannot time out without a producer id: it is asked for beside the markers.
    pub(super) fn want_spare_id(&mut self, out: &mut Outcome) {
        if let Some(token) = self.marker_asker.take() {
            let wanted = MarkersWanted {
                needs_producer_id: true,
                ..MarkersWanted::default()
            };
            out.replies.push((token, Reply::Markers(wanted)));
        }
    }

    fn answer_asker(&mut self, out: &mut Outcome) {
        if self.decided.is_empty() {
            return;
        }
        let Some(token) = self.marker_asker.take() else {
            return;
        };
        let count = self.decided.len().min(AT_ONCE);
        let ids: Vec<_> = self.decided.drain(..count).collect();
        let transactions = ids.iter().filter_map(|id| self.markers_of(id)).collect();
        let wanted = MarkersWanted {
            transactions,
            needs_producer_id: false,
        };
        out.replies.push((token, Reply::Markers(wanted)));
    }

    fn markers_of(&self, id: &Rc<str>) -> Option<Markers> {
        let transaction = self.transactions.get(id)?;
        let durable = &transaction.durable;
        durable.is_prepared().then(|| Markers {
            id: id.clone(),
            producer: durable.producer,
            committed: durable.state == TransactionState::PrepareCommit,
            has_epochs: bumps_epoch(durable.client_version),
            partitions: transaction.unmarked.iter().collect(),
        })
    }

    /// After a load: hands out what is decided, and completes what has no partitions.
    pub(super) fn take_up_decided(&mut self, now: Now, out: &mut Outcome) {
        let prepared = self.transactions.iter();
        let prepared = prepared.filter(|(_, it)| it.durable.is_prepared());
        let prepared: Vec<_> = prepared
            .map(|(id, it)| (id.clone(), it.unmarked.is_empty()))
            .collect();
        for (id, is_empty) in prepared {
            match is_empty {
                true => self.complete(&id, now, out),
                false => self.hand_out(&id, out),
            }
        }
    }

    /// These partitions have their marker, or are gone; `producer` is the one that was handed out.
    /// True if other partitions of the transaction still lack their marker.
    pub fn marked(
        &mut self,
        id: &Rc<str>,
        producer: Producer,
        done: &[TopicPartition],
        now: Now,
        out: &mut Outcome,
    ) -> bool {
        let is_it =
            |it: &super::Transaction| it.durable.is_prepared() && it.durable.producer == producer;
        if !self.transactions.get(id).is_some_and(is_it) {
            return false;
        }
        self.change(id, |transaction| {
            for partition in done {
                transaction.unmarked.remove(partition);
            }
        });
        let is_complete = |it: &super::Transaction| it.unmarked.is_empty();
        if self.transactions.get(id).is_some_and(is_complete) {
            self.complete(id, now, out);
            return false;
        }
        true
    }
}
