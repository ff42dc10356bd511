//! Pure: what clients did and were told, with the order in time.

use std::collections::BTreeMap;

use crate::checked::Tick;

/// A partition: its topic and number.
pub type Place = (&'static str, i32);

/// What is appended: each value once in a history.
pub type Value = u64;

/// How a transaction ended, as far as its client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The broker has said that it is committed.
    Committed,
    /// Its client never asked for a commit.
    Aborted,
    /// Its client has asked for a commit, and got no answer.
    Unknown,
}

/// A part of a partition that a transaction has consumed, whose end it commits for its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumed {
    pub place: Place,
    /// Its offsets: from this one to before that one.
    pub from: i64,
    pub to: i64,
    /// The values found there.
    pub values: Vec<Value>,
}

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Before its first request was sent.
    pub begun: Tick,
    /// When the answer to its last request had come, or was given up.
    pub ended: Tick,
    pub ending: Ending,
    /// What it has consumed, and was to commit.
    pub consumed: Vec<Consumed>,
    /// What it has appended, in its order, each with its offset if that was acked.
    pub appended: Vec<(Place, Value, Option<i64>)>,
}

/// Records that a reader of committed ones was given: all from the first offset to the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub place: Place,
    pub records: Vec<(i64, Value)>,
}

/// All that happened.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub transactions: Vec<Transaction>,
    /// What was read while the others went on.
    pub reads: Vec<Read>,
    /// What each partition holds in the end, for readers of committed records.
    pub held: BTreeMap<Place, Vec<(i64, Value)>>,
    /// The group's offsets in the end.
    pub offsets: BTreeMap<Place, i64>,
}
