//! Pure: what is shown of transactional ids: DescribeTransactions, ListTransactions, counts.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::rc::Rc;

use crate::base::{ProducerId, WallMs};
use crate::coordinator::record::transaction::TransactionState;

use super::state::Durable;
use super::{Described, Listed, StateCounts, TransactionMachine};

/// Which transactional ids are listed.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those in one of these states; `None` for all.
    pub states: Option<BTreeSet<TransactionState>>,
    /// Only those of these producer ids; empty for all.
    pub producer_ids: BTreeSet<ProducerId>,
    /// Only those whose transaction began longer ago than so many milliseconds (KIP-994).
    pub longer_than_ms: Option<i64>,
}

impl TransactionMachine {
    /// How a transactional id stands, if there is one of that name.
    pub fn describe(&self, id: &str) -> Option<Described> {
        let found = self.transactions.get(id)?;
        let durable = &found.durable;
        let partitions = match durable.is_prepared() {
            true => &found.unmarked,
            false => &durable.partitions,
        };
        Some(Described {
            producer: durable.producer,
            state: durable.state,
            timeout_ms: durable.timeout_ms,
            started_ms: durable.started_ms,
            topics: partitions.by_topic(),
        })
    }

    /// Some of the transactional ids that `filter` lets pass: `most` are looked at behind `behind`.
    /// Also says where to go on, if there are more.
    pub fn list_some(
        &self,
        filter: &Filter,
        behind: Option<&str>,
        most: usize,
        now: WallMs,
    ) -> (Vec<Listed>, Option<Rc<str>>) {
        let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
        let mut left = self.transactions.range::<str, _>((from, Bound::Unbounded));
        let mut listed = Vec::new();
        let mut last = None;
        for (id, found) in left.by_ref().take(most) {
            last = Some(id.clone());
            if filter.takes(&found.durable, now) {
                listed.push(Listed {
                    id: id.clone(),
                    producer_id: found.durable.producer.id,
                    state: found.durable.state,
                });
            }
        }
        let has_more = left.next().is_some();
        (listed, last.filter(|_| has_more))
    }

    /// Counts its transactional ids by state.
    pub fn count_states(&self, counts: &mut StateCounts) {
        for transaction in self.transactions.values() {
            *counts.entry(transaction.durable.state.name()).or_default() += 1;
        }
    }
}

// === impl Filter ===

impl Filter {
    fn takes(&self, durable: &Durable, now: WallMs) -> bool {
        let ids = &self.producer_ids;
        let states = self.states.as_ref();
        let age_ms = now.saturating_sub(durable.started_ms);
        (ids.is_empty() || ids.contains(&durable.producer.id))
            && states.is_none_or(|states| states.contains(&durable.state))
            && self.longer_than_ms.is_none_or(|least_ms| age_ms > least_ms)
    }
}
