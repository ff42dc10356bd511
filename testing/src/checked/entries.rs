//! Pure: the entries of the ledger: who writes where, what was sent, what a read has found.

use super::Tick;
use super::record::Shape;

/// What may lawfully go from a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// What DeleteRecords was asked for.
    Delete,
    /// Old segments, as long as so many bytes stay.
    Retain(u64),
    /// Records with a younger one of the same key.
    Compact,
}

/// A partition and who writes to it.
pub struct Place {
    pub topic: &'static str,
    pub index: i32,
    pub rule: Rule,
    pub shape: Shape,
    /// The largest offset DeleteRecords was asked to delete up to, by time of asking.
    pub deletes: Vec<(Tick, i64)>,
    /// Everything before this offset was found as it should be, and is promised from then on.
    pub audited: i64,
    /// Where the log was found to start.
    pub start: i64,
}

/// One producer on one partition.
pub struct Lane {
    pub place: usize,
    /// The producer id of an idempotent one, once it has it.
    pub producer: Option<i64>,
    pub idempotent: bool,
    /// In the order of sending.
    pub batches: Vec<Sent>,
    /// Times it has connected.
    pub session: u32,
}

/// A batch that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub first: u64,
    pub count: u32,
    pub session: u32,
    pub sent: Tick,
    /// Since when it must stay, and the offset of its first record: it was acked, or was read.
    pub promised: Option<(Tick, i64)>,
    /// Its producer has the ack.
    pub acked: bool,
    /// Found missing after a crash, and not sent again: it must not turn up later.
    pub dead: bool,
}

/// A consumer group's offset for one place.
#[derive(Default)]
pub struct Commits {
    pub sent: Vec<(Tick, i64)>,
    pub acked: Vec<(Tick, i64)>,
}

/// A topic that came and went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Topic {
    pub create_sent: Tick,
    pub created: Option<Tick>,
    pub delete_sent: Option<Tick>,
    pub deleted: Option<Tick>,
}

/// A record as a read found it.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub offset: i64,
    pub lane: u32,
    pub number: u64,
}

/// What was read of a partition.
pub struct Reading {
    /// Where the log starts and ends.
    pub start: i64,
    pub end: i64,
    /// Where the reading began.
    pub from: i64,
    pub found: Vec<Found>,
    /// Bytes of the batches from `from` to the end.
    pub bytes: u64,
}
