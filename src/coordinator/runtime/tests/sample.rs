//! Pure: a small machine to test the runtime with: numbers by key, and requests that wait for a
//! key to appear.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::timers::Deadlines;
use crate::base::{Instant, ProducerId};
use crate::coordinator::record::{Encoded, Part, RecordError};
use crate::coordinator::runtime::machine::{Factory, Machine, Now, Origin, Outcome, Token};

/// Numbers by key. Its records are a key as text and a value of eight bytes.
#[derive(Default)]
pub struct Sample {
    /// What it keeps.
    pub kept: BTreeMap<Rc<str>, i64>,
    open: Vec<(ProducerId, Rc<str>, i64)>,
    waiting: BTreeMap<Token, Rc<str>>,
    timers: Deadlines<Token>,
    /// Steps of work that are left: each makes a record of [`STEP_BYTES`].
    pub steps_left: usize,
}

/// Bytes of the record that a step of work makes.
pub const STEP_BYTES: usize = 100_000;

/// A request that waits until a key is there.
#[derive(Clone, Debug)]
pub struct Wait {
    key: Rc<str>,
    ms_max: i64,
}

/// Makes samples.
pub struct Samples;

impl Wait {
    /// Waits for `key` for at most `ms_max` milliseconds.
    pub fn of(key: &str, ms_max: i64) -> Wait {
        Wait {
            key: key.into(),
            ms_max,
        }
    }
}

/// So many milliseconds after the start, on both clocks.
pub fn now(ms: u64) -> Now {
    Now {
        instant: Instant(ms * 1_000_000),
        wall_ms: ms as i64,
    }
}

/// The record of a key and its value, or of its removal.
pub fn record(key: &str, value: Option<i64>) -> Encoded {
    Encoded {
        key: key.as_bytes().to_vec(),
        value: value.map(|value| value.to_be_bytes().to_vec()),
    }
}

impl Sample {
    /// Keeps a value, and answers the requests that wait for it.
    pub fn put(&mut self, key: &str, value: i64, out: &mut Outcome<Option<i64>>) {
        self.replay(&(key.into(), Some(value)), Origin::NEW);
        out.records.push(record(key, Some(value)));
        let waiting = self.waiting.iter().filter(|(_, wanted)| &***wanted == key);
        for token in waiting.map(|(token, _)| *token).collect::<Vec<_>>() {
            self.waiting.remove(&token);
            self.timers.cancel(&token);
            out.replies.push((token, Some(value)));
        }
    }
}

impl Machine for Sample {
    const NAME: &'static str = "samples";
    type Record = (Rc<str>, Option<i64>);
    type Request = Wait;
    type Reply = Option<i64>;
    /// A key that is to be removed.
    type Change = Rc<str>;

    fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self::Record, RecordError> {
        let key = std::str::from_utf8(key.ok_or(RecordError::NoKey)?).unwrap();
        let malformed = |_| RecordError::Malformed {
            kind: 0,
            part: Part::Value,
        };
        let value = value.map(|value| value.try_into().map_err(malformed));
        Ok((key.into(), value.transpose()?.map(i64::from_be_bytes)))
    }

    fn replay(&mut self, (key, value): &Self::Record, origin: Origin) {
        match (value, origin.transaction) {
            (None, _) => drop(self.kept.remove(key)),
            (Some(value), None) => drop(self.kept.insert(key.clone(), *value)),
            (Some(value), Some(producer)) => self.open.push((producer, key.clone(), *value)),
        }
    }

    fn replay_marker(&mut self, producer: ProducerId, committed: bool) {
        for (by, key, value) in std::mem::take(&mut self.open) {
            if by != producer {
                self.open.push((by, key, value));
            } else if committed {
                self.kept.insert(key, value);
            }
        }
    }

    fn loaded(&mut self, _: Now, _: &mut Outcome<Option<i64>>) {}

    fn handle(&mut self, token: Token, wait: Wait, now: Now, out: &mut Outcome<Option<i64>>) {
        if let Some(value) = self.kept.get(&wait.key) {
            return out.replies.push((token, Some(*value)));
        }
        self.timers.set(token, now.instant.after_ms(wait.ms_max));
        self.waiting.insert(token, wait.key);
    }

    fn follow(&mut self, removed: &Rc<str>, _: Now, out: &mut Outcome<Option<i64>>) {
        self.replay(&(removed.clone(), None), Origin::NEW);
        out.records.push(record(removed, None));
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    fn expire(&mut self, now: Now, out: &mut Outcome<Option<i64>>) {
        while let Some(token) = self.timers.pop_due(now.instant) {
            self.waiting.remove(&token);
            out.replies.push((token, None));
        }
    }

    fn has_work(&self) -> bool {
        self.steps_left > 0
    }

    fn work(&mut self, _: Now, out: &mut Outcome<Option<i64>>) {
        self.steps_left -= 1;
        self.put(&"w".repeat(STEP_BYTES), 0, out);
    }

    fn count(&self) -> usize {
        self.kept.len()
    }
}

impl Factory for Samples {
    type Machine = Sample;

    fn make(&self, _: usize) -> Sample {
        Sample::default()
    }
}
