//! Drives: reads all that a broker has and holds it against the ledger.

use std::io::{Error, Result};

use super::Tick;
use super::broker::Connection;
use super::entries::{Reading, Rule};
use super::load::Load;

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What came since the last audit.
    New,
    /// Everything.
    Whole,
}

impl Load {
    /// Checks everything against what was sent and promised before `cut`. With `adopt` what is
    /// found counts as promised from now on.
    pub fn audit(&self, depth: Depth, cut: Tick, adopt: bool) -> Result<()> {
        let places = self.ledger.lock().unwrap().places.len();
        for place in 0..places {
            let reading = self.read(place, depth)?;
            let mut ledger = self.ledger.lock().unwrap();
            let checked = ledger.check(place, &reading, cut);
            let at = &ledger.places[place];
            checked.map_err(|error| {
                let Reading {
                    start, end, from, ..
                } = reading;
                Error::other(format!(
                    "{}-{} from {from} ({start} to {end}): {error}",
                    at.topic, at.index
                ))
            })?;
            if adopt {
                ledger.adopt(place, &reading);
            }
        }
        let mut broker = Connection::open(self.port)?;
        let topics: Vec<String> = broker.topics()?.into_iter().map(|(name, _)| name).collect();
        let checked = self.ledger.lock().unwrap().check_topics(&topics, cut);
        checked.map_err(Error::other)?;
        self.audit_commits(&mut broker, cut)
    }

    fn audit_commits(&self, broker: &mut Connection, cut: Tick) -> Result<()> {
        let groups = self.ledger.lock().unwrap().commits.len();
        for group in 0..groups {
            let (topic, index) = {
                let ledger = self.ledger.lock().unwrap();
                let place = &ledger.places[ledger.commits[group].0];
                (place.topic, place.index)
            };
            let name = format!("group-{group}");
            let coordinator = broker.coordinator(&name)?;
            let found = self.node(coordinator)?.committed(&name, topic, index)?;
            let checked = self.ledger.lock().unwrap().check_commit(group, found, cut);
            checked.map_err(Error::other)?;
        }
        Ok(())
    }

    fn read(&self, place: usize, depth: Depth) -> Result<Reading> {
        let (topic, index, rule, shape, audited) = {
            let ledger = self.ledger.lock().unwrap();
            let it = &ledger.places[place];
            (it.topic, it.index, it.rule, it.shape, it.audited)
        };
        let mut broker = self.leader(place)?;
        let mut attempts = 0;
        'again: loop {
            let start = broker.offset(topic, index, -2)?;
            let end = broker.offset(topic, index, -1)?;
            let from = match depth {
                Depth::New if rule != Rule::Compact => audited.max(start),
                _ => start,
            };
            let mut reading = Reading {
                start,
                end,
                from,
                found: Vec::new(),
                bytes: 0,
            };
            let mut next = from;
            while next < end {
                let fetched = broker.fetch(topic, index, next, shape)?;
                if fetched.error == 1 && attempts < 10 {
                    // Retention was faster.
                    attempts += 1;
                    continue 'again;
                }
                if fetched.error != 0 || fetched.next == next {
                    let code = fetched.error;
                    let error = format!("Fetch of {topic}-{index} at {next}: error {code}");
                    return Err(Error::other(error));
                }
                reading.found.extend(fetched.records);
                reading.bytes += fetched.bytes;
                next = fetched.next;
            }
            return Ok(reading);
        }
    }
}
