//! Pure: what was sent and promised, and whether what is found keeps the promises.

use std::collections::HashMap;

use super::entries::{Commits, Found, Lane, Place, Reading, Rule, Sent, Topic};
use super::record::{is_tombstone, key_of};
use super::{Clock, Tick};

/// All that is known.
pub struct Ledger {
    pub clock: std::sync::Arc<Clock>,
    pub places: Vec<Place>,
    pub lanes: Vec<Lane>,
    /// By group number; each has one place.
    pub commits: Vec<(usize, Commits)>,
    pub topics: HashMap<String, Topic>,
    /// Producer ids handed out.
    pub producer_ids: Vec<i64>,
    /// Answers that were errors.
    pub refusals: Vec<String>,
    /// Acks that producers got.
    pub acks: u64,
    /// Counts for the report.
    pub found_unacked: u64,
    pub missing_unacked: u64,
    pub audited_records: u64,
    /// Times a log started earlier than it did before: what is deleted may come back until the
    /// next checkpoint, as in Kafka.
    pub starts_gone_back: u64,
}

impl Ledger {
    /// The batches of a lane that are still to be acked.
    pub fn pending(&self, lane: usize) -> Vec<Sent> {
        let batches = self.lanes[lane].batches.iter();
        batches
            .filter(|batch| !batch.acked && !batch.dead)
            .cloned()
            .collect()
    }

    /// Notes that a batch was acked, or that a consumer was given it.
    pub fn promise(
        &mut self,
        lane: usize,
        first: u64,
        base: i64,
        by_ack: bool,
    ) -> Result<(), String> {
        let tick = self.clock.tick();
        let batches = &mut self.lanes[lane].batches;
        let at = batches.partition_point(|batch| batch.first < first);
        let batch = batches.get_mut(at).filter(|batch| batch.first == first);
        let Some(batch) = batch else {
            return Err(format!("lane {lane}: record {first} was never sent"));
        };
        batch.acked |= by_ack;
        self.acks += u64::from(by_ack);
        match batch.promised {
            Some((_, before)) if before != base => Err(format!(
                "lane {lane}: record {first} was at offset {before} and is now at {base}"
            )),
            Some(_) => Ok(()),
            None => {
                batch.promised = Some((tick, base));
                Ok(())
            }
        }
    }

    /// Whether a batch was found in the log by an audit; then it counts as acked from now on.
    pub fn is_known(&mut self, lane: usize, first: u64) -> bool {
        let batches = &mut self.lanes[lane].batches;
        let found = batches.iter_mut().find(|batch| batch.first == first);
        let known = found.filter(|batch| batch.promised.is_some());
        known.map(|batch| batch.acked = true).is_some()
    }

    /// Records promised so far.
    pub fn promised_count(&self) -> u64 {
        let batches = self.lanes.iter().flat_map(|lane| &lane.batches);
        let promised = batches.filter(|batch| batch.promised.is_some());
        promised.map(|batch| u64::from(batch.count)).sum()
    }

    /// Holds what is found in `place` against everything that was sent and promised before
    /// `cut`.
    pub fn check(&self, place: usize, reading: &Reading, cut: Tick) -> Result<(), String> {
        let rule = self.places[place].rule;
        self.check_range(place, reading, cut)?;
        let dense = rule != Rule::Compact;
        let mut expected = reading.from;
        let mut by_lane: HashMap<u32, Vec<Found>> = HashMap::new();
        for found in &reading.found {
            if found.offset < expected || dense && found.offset != expected {
                return Err(format!("offset {} follows {}", found.offset, expected - 1));
            }
            expected = found.offset + 1;
            by_lane.entry(found.lane).or_default().push(*found);
        }
        if dense && expected != reading.end {
            return Err(format!(
                "the log ends at {}, its records at {expected}",
                reading.end
            ));
        }
        for (number, lane) in self.lanes.iter().enumerate() {
            if lane.place != place {
                continue;
            }
            let found = by_lane.remove(&(number as u32)).unwrap_or_default();
            let checked = match rule {
                Rule::Compact => check_keys(lane, &found, cut),
                _ => check_lane(lane, &found, reading, cut),
            };
            checked.map_err(|error| format!("lane {number}: {error}"))?;
        }
        match by_lane.keys().next() {
            Some(lane) => Err(format!("lane {lane} never wrote here")),
            None => Ok(()),
        }
    }

    fn check_range(&self, place: usize, reading: &Reading, cut: Tick) -> Result<(), String> {
        let Place { rule, deletes, .. } = &self.places[place];
        let asked = deletes.iter().filter(|(tick, _)| *tick < cut);
        let most = asked.map(|(_, offset)| *offset).max().unwrap_or(0);
        let start = reading.start;
        match rule {
            Rule::Delete if start > most => Err(format!(
                "the log starts at {start}, no request deletes beyond {most}"
            )),
            Rule::Retain(bytes) if start > 0 && reading.from <= start && reading.bytes < *bytes => {
                Err(format!(
                    "the log starts at {start} and has only {} bytes",
                    reading.bytes
                ))
            }
            Rule::Compact if start > 0 => Err(format!("the log starts at {start}")),
            _ => Ok(()),
        }
    }

    /// Takes all that a check found good as promised from now on, and gives up what was never
    /// promised and is not there.
    pub fn adopt(&mut self, place: usize, reading: &Reading) {
        let tick = self.clock.tick();
        let compact = self.places[place].rule == Rule::Compact;
        let mut bases: HashMap<(u32, u64), i64> = HashMap::new();
        for found in &reading.found {
            bases.insert((found.lane, found.number), found.offset);
        }
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            if lane.place != place {
                continue;
            }
            for batch in &mut lane.batches {
                if batch.promised.is_some() || batch.dead {
                    continue;
                }
                let numbers = batch.first..batch.first + u64::from(batch.count);
                let base = numbers
                    .zip(0i64..)
                    .find_map(|(n, at)| bases.get(&(number as u32, n)).map(|offset| offset - at));
                match base {
                    Some(base) => {
                        self.found_unacked += u64::from(batch.count);
                        batch.promised = Some((tick, base));
                    }
                    None => {
                        self.missing_unacked += u64::from(batch.count);
                        batch.dead = !lane.idempotent && !compact;
                    }
                }
            }
        }
        self.audited_records += reading.found.len() as u64;
        let at = &mut self.places[place];
        at.audited = reading.end;
        self.starts_gone_back += u64::from(reading.start < at.start);
        at.start = reading.start;
    }

    /// Holds a committed offset against the commits sent and acked before `cut`.
    pub fn check_commit(&self, group: usize, found: i64, cut: Tick) -> Result<(), String> {
        let commits = &self.commits[group].1;
        let last = |list: &[(Tick, i64)]| {
            let known = list.iter().filter(|(tick, _)| *tick < cut);
            known.map(|(_, offset)| *offset).max().unwrap_or(-1)
        };
        let (acked, sent) = (last(&commits.acked), last(&commits.sent));
        let was_sent = found == -1 || commits.sent.iter().any(|(_, offset)| *offset == found);
        if found < acked || found > sent || !was_sent {
            return Err(format!(
                "group {group} is at {found}; acked {acked}, sent up to {sent}"
            ));
        }
        Ok(())
    }

    /// Holds the list of topics against those created and deleted before `cut`.
    pub fn check_topics(&self, found: &[String], cut: Tick) -> Result<(), String> {
        let before = |tick: Option<Tick>| tick.is_some_and(|tick| tick < cut);
        for (name, topic) in &self.topics {
            let is_there = found.contains(name);
            if is_there && (before(topic.deleted) || topic.create_sent >= cut) {
                return Err(format!("topic {name} is there: {topic:?}"));
            }
            if !is_there && before(topic.created) && !before(topic.delete_sent) {
                return Err(format!("topic {name} is gone: {topic:?}"));
            }
        }
        Ok(())
    }
}

/// Every batch found is the next one sent or a later one; what is passed over was not promised.
fn check_lane(lane: &Lane, found: &[Found], reading: &Reading, cut: Tick) -> Result<(), String> {
    let mut rest = found;
    // The session in which a batch is missing, and that batch.
    let mut hole = None;
    for batch in &lane.batches {
        let promised = batch.promised.filter(|(tick, _)| *tick < cut);
        if let Some((_, base)) = promised
            && base < reading.from
        {
            // Read before, or deleted; the rest of a batch cut in two is not looked at.
            let end = base + i64::from(batch.count);
            let behind = rest.iter().take_while(|found| found.offset < end);
            rest = &rest[behind.count()..];
            continue;
        }
        let here = rest
            .first()
            .is_some_and(|found| found.number == batch.first);
        if !here {
            if let Some((_, base)) = promised {
                return Err(format!("LOST: {batch:?}, acked at offset {base}"));
            }
            hole = hole.or(Some((batch.session, batch.first)));
            continue;
        }
        let count = batch.count as usize;
        let base = rest[0].offset;
        let whole = rest.get(..count).is_some_and(|records| {
            let expected = (batch.first..).zip(base..);
            let pairs = records.iter().map(|found| (found.number, found.offset));
            pairs.eq(expected.take(count))
        });
        if !whole {
            return Err(format!("torn: {batch:?} at offset {base}"));
        }
        if promised.is_some_and(|(_, promised)| promised != base) {
            return Err(format!("moved: {batch:?} is at offset {base}"));
        }
        if batch.sent >= cut || batch.dead {
            return Err(format!("INVENTED: {batch:?} at offset {base}"));
        }
        if let Some((session, first)) = hole
            && (lane.idempotent || session == batch.session)
        {
            return Err(format!(
                "hole: {batch:?} is there, record {first} sent before it is not"
            ));
        }
        rest = &rest[count..];
    }
    match rest.first() {
        Some(found) => Err(format!("twice, out of order, or never sent: {found:?}")),
        None => Ok(()),
    }
}

/// Of every key the youngest promised record is there, or a younger one; what is there was
/// sent, in order.
fn check_keys(lane: &Lane, found: &[Found], cut: Tick) -> Result<(), String> {
    let mut last: HashMap<u64, u64> = HashMap::new();
    let mut newest = None;
    for record in found {
        if newest.is_some_and(|newest| record.number <= newest) {
            return Err(format!("twice or out of order: {record:?}"));
        }
        newest = Some(record.number);
        let at = lane
            .batches
            .partition_point(|sent| sent.first <= record.number);
        let batch = at.checked_sub(1).map(|at| &lane.batches[at]);
        let Some(batch) =
            batch.filter(|it| it.sent < cut && record.number < it.first + u64::from(it.count))
        else {
            return Err(format!("INVENTED: {record:?}"));
        };
        let base = record.offset - (record.number - batch.first) as i64;
        if batch.promised.is_some_and(|(_, promised)| promised != base) {
            return Err(format!("moved: {record:?} of {batch:?}"));
        }
        last.insert(key_of(record.number), record.number);
    }
    let mut wanted: HashMap<u64, u64> = HashMap::new();
    let mut may_be_gone: HashMap<u64, bool> = HashMap::new();
    for batch in lane.batches.iter().filter(|batch| batch.sent < cut) {
        let promised = batch.promised.is_some_and(|(tick, _)| tick < cut);
        for number in batch.first..batch.first + u64::from(batch.count) {
            let key = key_of(number);
            if promised {
                wanted.insert(key, number);
                may_be_gone.insert(key, is_tombstone(number));
            } else if is_tombstone(number) {
                may_be_gone.insert(key, true);
            }
        }
    }
    for (key, number) in wanted {
        let found = last.get(&key).copied();
        let gone_lawfully = found.is_none() && may_be_gone.get(&key) == Some(&true);
        if !gone_lawfully && found.is_none_or(|found| found < number) {
            return Err(format!(
                "LOST: key {key} ends with record {found:?}, {number} was acked"
            ));
        }
    }
    Ok(())
}
