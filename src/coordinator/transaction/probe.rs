//! Pure: what the transactions of a shard count.

use std::collections::BTreeMap;

use crate::base::metrics::{Counter, SampleValue, Snapshot};

/// How many transactional ids are in each state, by the state's name.
pub type StateCounts = BTreeMap<&'static str, usize>;

/// What the transactions of a shard count.
#[derive(Default, Debug)]
pub struct Probe {
    /// Transactions that were committed.
    pub committed: Counter,
    /// Transactions that were aborted.
    pub aborted: Counter,
    /// Of these, transactions that took too long.
    pub timeouts: Counter,
    /// Transactional ids that were forgotten.
    pub expired_ids: Counter,
    /// Tries to write markers that did not reach every partition.
    pub marker_retries: Counter,
}

impl Probe {
    /// Adds all counts, and how many transactional ids there are, to a snapshot.
    pub fn export(&self, ids: &StateCounts, to: &mut Snapshot) {
        for (state, count) in ids {
            to.push(
                "corelane_transactional_ids",
                "Transactional ids whose coordinator this shard is, by state.",
                vec![("state", (*state).to_owned())],
                SampleValue::Gauge(*count as f64),
            );
        }
        to.counter(
            "corelane_transactions_committed_total",
            "Transactions that were committed, markers included.",
            self.committed.get(),
        );
        to.counter(
            "corelane_transactions_aborted_total",
            "Transactions that were aborted, markers included.",
            self.aborted.get(),
        );
        to.counter(
            "corelane_transactions_timed_out_total",
            "Transactions that took longer than transaction.timeout.ms and so are aborted.",
            self.timeouts.get(),
        );
        to.counter(
            "corelane_transactional_ids_expired_total",
            "Transactional ids that were forgotten after transactional.id.expiration.ms.",
            self.expired_ids.get(),
        );
        to.counter(
            "corelane_transaction_marker_retries_total",
            "Tries to write the markers of a transaction that did not reach every partition.",
            self.marker_retries.get(),
        );
    }
}
