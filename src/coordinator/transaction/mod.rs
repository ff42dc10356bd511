//! Pure: all transactional ids of one partition of `__transaction_state`, their producers and their
//! transactions (KIP-98, KIP-360, KIP-588, KIP-890; `TransactionCoordinator` of Kafka).
//!
//! A step takes a request and the time, applies what it decides through [`Machine::replay`] and
//! answers with an [`Outcome`]: records to append, and parked requests to answer once these are
//! durable. What runs it is [`crate::coordinator::runtime`].
//!
//! A transaction that is to end goes first to a state that says how (*prepared*). Once this is
//! durable its markers are handed out ([`Request::NextMarkers`]), and when every partition has its
//! own ([`TransactionMachine::marked`]) the transaction is complete. Requests that come in between
//! wait for that, for a while. What is prepared in the log is handed out again after a load.

mod add;
mod config;
mod end;
mod init;
mod markers;
mod memory;
mod probe;
mod request;
mod scan;
mod show;
mod state;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::base::timers::Deadlines;
use crate::base::{Instant, ProducerId};
use crate::coordinator::group::{Memory, Unbounded};
use crate::coordinator::record::RecordError;
use crate::coordinator::record::transaction::{TransactionRecord, encode};

use scan::Scans;
use state::{Durable, Transaction};
use waiting::Waiting;

pub use super::runtime::{Machine, Now, Origin, Token};
pub use config::TransactionConfig;
pub use probe::{Probe, StateCounts};
pub use request::*;
pub use show::Filter;

/// The transactional ids of one partition of `__transaction_state`.
pub struct TransactionMachine {
    config: TransactionConfig,
    /// The level of `transaction.version` in the cluster.
    version: i16,
    transactions: BTreeMap<Rc<str>, Transaction>,
    /// Ids of decided transactions whose markers were not handed out yet, oldest first.
    decided: VecDeque<Rc<str>>,
    /// The request of the marker writer that waits for the next of them.
    marker_asker: Option<Token>,
    /// A producer id that nothing uses, for a transaction that times out with its last epoch.
    spare_id: Option<ProducerId>,
    /// Requests that wait for the end of a transaction.
    waiting: Waiting,
    timers: Deadlines<Timer>,
    scans: Scans,
    probe: Rc<Probe>,
    memory: Box<dyn Memory>,
    /// What all transactional ids take.
    bytes: usize,
}

/// What a deadline is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Timer {
    /// A request has waited long enough for the end of a transaction.
    Waiting(Rc<str>, Token),
    /// Transactions that take too long are looked for.
    Timeouts,
    /// Transactional ids that have expired are looked for.
    Expiration,
}

// === impl TransactionMachine ===

impl TransactionMachine {
    /// A machine without transactional ids, to be loaded.
    pub fn new(config: TransactionConfig, version: i16) -> TransactionMachine {
        TransactionMachine {
            config,
            version,
            transactions: BTreeMap::new(),
            decided: VecDeque::new(),
            marker_asker: None,
            spare_id: None,
            waiting: Waiting::default(),
            timers: Deadlines::default(),
            scans: Scans::default(),
            probe: Rc::default(),
            memory: Box::new(Unbounded),
            bytes: 0,
        }
    }

    /// The same machine, taking its memory from `memory`.
    #[must_use]
    pub fn within(mut self, memory: Box<dyn Memory>) -> TransactionMachine {
        self.memory = memory;
        self
    }

    /// The same machine, counting into `probe`.
    #[must_use]
    pub fn counting_into(mut self, probe: Rc<Probe>) -> TransactionMachine {
        self.probe = probe;
        self
    }

    /// Lets `act` change a transactional id, and counts what it takes then.
    fn change<T>(&mut self, id: &str, act: impl FnOnce(&mut Transaction) -> T) -> Option<T> {
        let transaction = self.transactions.get_mut(id)?;
        let before = transaction.bytes(id);
        let value = act(transaction);
        let after = transaction.bytes(id);
        self.bytes = self.bytes + after - before;
        self.memory.count(self.bytes);
        Some(value)
    }

    /// Writes how a transactional id stands from now on. What no record of this version has room
    /// for is kept in memory all the same, as by Kafka.
    fn write(&mut self, id: &Rc<str>, next: Durable, last_epoch: i16, out: &mut Outcome) {
        let value = next.value();
        out.records
            .push(encode(id, Some(&value), self.is_flexible()));
        self.replay(
            &TransactionRecord::State(id.clone(), Some(value)),
            Origin::NEW,
        );
        if let Some(transaction) = self.transactions.get_mut(id) {
            transaction.last_epoch = last_epoch;
        }
    }

    /// Removes a transactional id.
    fn remove(&mut self, id: &Rc<str>, out: &mut Outcome) {
        out.records.push(encode(id, None, self.is_flexible()));
        self.replay(&TransactionRecord::State(id.clone(), None), Origin::NEW);
    }

    /// Whether records have room for all that is known of a transactional id.
    fn is_flexible(&self) -> bool {
        self.version >= 1
    }

    /// Whether the log takes a record of how a transactional id stands.
    fn fits(&self, id: &str, next: &Durable) -> bool {
        // More bytes than the fields take that have no text.
        const FIELDS_BYTES: usize = 128;
        let bytes = FIELDS_BYTES + id.len() + next.partitions.record_bytes();
        bytes <= self.config.record_bytes_max
    }

    fn forget(&mut self, id: &str) {
        if let Some(gone) = self.transactions.remove(id) {
            self.bytes -= gone.bytes(id);
        }
    }
}

impl Machine for TransactionMachine {
    const NAME: &'static str = "transactional ids";
    type Record = TransactionRecord;
    type Request = Request;
    type Reply = Reply;
    /// The level of `transaction.version` from now on.
    type Change = i16;

    fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<TransactionRecord, RecordError> {
        TransactionRecord::decode(key, value)
    }

    fn replay(&mut self, record: &TransactionRecord, _: Origin) {
        match record {
            TransactionRecord::State(id, Some(value)) => {
                self.forget(id);
                let durable = Durable::of(value);
                let transaction = Transaction {
                    unmarked: durable.to_be_marked(),
                    durable,
                    last_epoch: -1,
                };
                self.bytes += transaction.bytes(id);
                self.transactions.insert(id.clone(), transaction);
            }
            TransactionRecord::State(id, None) => self.forget(id),
            TransactionRecord::Other(_) => {}
        }
        self.memory.count(self.bytes);
    }

    /// No transaction writes to this topic.
    fn replay_marker(&mut self, _: ProducerId, _: bool) {}

    fn loaded(&mut self, now: Now, out: &mut Outcome) {
        self.begin_scans(now);
        self.take_up_decided(now, out);
    }

    fn handle(&mut self, token: Token, request: Request, now: Now, out: &mut Outcome) {
        match request {
            Request::NextMarkers(spare_id) => self.ask_for_markers(token, spare_id, out),
            request => self.attempt(token, request, now, out),
        }
    }

    fn follow(&mut self, version: &i16, _: Now, _: &mut Outcome) {
        self.version = *version;
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    fn expire(&mut self, now: Now, out: &mut Outcome) {
        while let Some(timer) = self.timers.pop_due(now.instant) {
            match timer {
                Timer::Waiting(id, token) => self.give_up_waiting(&id, token, out),
                Timer::Timeouts => self.scans.begin_timeouts(),
                Timer::Expiration => self.scans.begin_expiration(),
            }
        }
    }

    fn has_work(&self) -> bool {
        self.scans.are_under_way()
    }

    fn work(&mut self, now: Now, out: &mut Outcome) {
        self.scan_some(now, out);
    }

    fn count(&self) -> usize {
        self.transactions.len()
    }
}
