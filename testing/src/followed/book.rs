//! Pure: what was sent, acked and seen, and whether that goes together.

use std::collections::HashMap;

use crate::checked::entries::Found;

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is sent until it is acked.
    Pending,
    /// It was acked: its first record is at this offset.
    Acked(i64),
    /// It was given up without an answer that tells: it may be there once, or not.
    Doubtful,
}

/// A batch that was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub first: u64,
    pub count: u32,
    pub state: State,
}

/// One producer on one partition.
pub struct Lane {
    pub partition: usize,
    /// In the order of sending.
    pub batches: Vec<Sent>,
}

/// All that is known of a topic. Lanes are numbered from `base` on, so that those of two topics
/// differ.
pub struct Book {
    base: u32,
    lanes: Vec<Lane>,
    /// What readers saw of each partition: lane and number of the record at each offset.
    seen: Vec<Vec<(u32, u64)>>,
}

impl Book {
    /// So many partitions, each with so many producers.
    pub fn new(base: u32, partitions: usize, lanes_of_each: usize) -> Book {
        let lanes = (0..partitions * lanes_of_each).map(|number| Lane {
            partition: number % partitions,
            batches: Vec::new(),
        });
        Book {
            base,
            lanes: lanes.collect(),
            seen: vec![Vec::new(); partitions],
        }
    }

    /// How many lanes there are.
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// How many partitions there are.
    pub fn partitions(&self) -> usize {
        self.seen.len()
    }

    /// The partition of a lane.
    pub fn partition_of(&self, lane: usize) -> usize {
        self.lanes[lane].partition
    }

    /// The number that the records of a lane carry.
    pub fn name_of(&self, lane: usize) -> u32 {
        self.base + lane as u32
    }

    /// The number of the next record of a lane.
    pub fn next_of(&self, lane: usize) -> u64 {
        let last = self.lanes[lane].batches.last();
        last.map_or(0, |last| last.first + u64::from(last.count))
    }

    /// Notes a batch that will be sent.
    pub fn sends(&mut self, lane: usize, first: u64, count: u32) {
        assert_eq!(first, self.next_of(lane));
        self.lanes[lane].batches.push(Sent {
            first,
            count,
            state: State::Pending,
        });
    }

    /// The batches of a lane that must be sent again, in order.
    pub fn pending(&self, lane: usize) -> Vec<Sent> {
        let batches = self.lanes[lane].batches.iter();
        let pending = batches.filter(|it| it.state == State::Pending);
        pending.copied().collect()
    }

    /// Gives up what a lane has pending: it will not be sent again.
    pub fn give_up(&mut self, lane: usize) {
        for batch in &mut self.lanes[lane].batches {
            if batch.state == State::Pending {
                batch.state = State::Doubtful;
            }
        }
    }

    /// Notes an ack; the error says what it contradicts.
    pub fn acked(&mut self, lane: usize, first: u64, base: i64) -> Result<(), String> {
        let name = self.name_of(lane);
        let Lane { partition, batches } = &mut self.lanes[lane];
        let at = batches.partition_point(|batch| batch.first < first);
        let batch = &mut batches[at];
        batch.state = State::Acked(base);
        let seen = &self.seen[*partition];
        let numbers = first..first + u64::from(batch.count);
        for (number, offset) in numbers.zip(base..) {
            let there = usize::try_from(offset).map(|offset| seen.get(offset));
            let there = there.map_err(|_| format!("{batch:?} of lane {name}: acked nowhere"))?;
            if there.is_some_and(|there| *there != (name, number)) {
                return Err(format!(
                    "record {number} of lane {name} was acked at offset {offset} of partition \
                     {partition}, where a reader saw {there:?}"
                ));
            }
        }
        Ok(())
    }

    /// How far readers have seen a partition.
    pub fn seen_to(&self, partition: usize) -> i64 {
        self.seen[partition].len() as i64
    }

    /// Notes what a reader was given; the error says what it contradicts.
    pub fn sees(&mut self, partition: usize, found: &[Found]) -> Result<(), String> {
        let seen = &mut self.seen[partition];
        for Found {
            offset,
            lane,
            number,
        } in found.iter().copied()
        {
            let record = (lane, number);
            match seen.get(offset as usize) {
                Some(before) if *before != record => {
                    return Err(format!(
                        "offset {offset} of partition {partition} was {before:?} and is {record:?}"
                    ));
                }
                Some(_) => {}
                None if offset as usize == seen.len() => seen.push(record),
                None => {
                    return Err(format!(
                        "offset {offset} of partition {partition} follows {}",
                        seen.len() as i64 - 1
                    ));
                }
            }
        }
        Ok(())
    }

    /// Batches that were acked, and records in them.
    pub fn count_acked(&self) -> (u64, u64) {
        let batches = self.lanes.iter().flat_map(|lane| &lane.batches);
        let acked = batches.filter(|it| matches!(it.state, State::Acked(_)));
        acked.fold((0, 0), |(batches, records), it| {
            (batches + 1, records + u64::from(it.count))
        })
    }

    /// Batches of which it is not known whether they are there.
    pub fn count_doubtful(&self) -> usize {
        let batches = self.lanes.iter().flat_map(|lane| &lane.batches);
        batches.filter(|it| it.state == State::Doubtful).count()
    }

    /// Holds all that is in a partition, once nothing is pending, against what was acked and seen.
    pub fn check(&mut self, partition: usize, all: &[Found]) -> Result<(), String> {
        for (found, expected) in all.iter().zip(0..) {
            if found.offset != expected {
                return Err(format!("offset {expected} is missing: {found:?}"));
            }
        }
        let seen = self.seen_to(partition);
        if (all.len() as i64) < seen {
            let last = all.len();
            return Err(format!("LOST: it ends at {last}, readers saw up to {seen}"));
        }
        self.sees(partition, all)?;
        let mut by_lane: HashMap<u32, Vec<Found>> = HashMap::new();
        for found in all {
            by_lane.entry(found.lane).or_default().push(*found);
        }
        for number in 0..self.lanes.len() {
            if self.lanes[number].partition != partition {
                continue;
            }
            let name = self.name_of(number);
            let found = by_lane.remove(&name).unwrap_or_default();
            let checked = check_lane(&self.lanes[number].batches, &found);
            checked.map_err(|error| format!("lane {name}: {error}"))?;
        }
        match by_lane.keys().next() {
            Some(lane) => Err(format!("lane {lane} never wrote to it")),
            None => Ok(()),
        }
    }
}

/// Every acked batch is there once, whole, where it was acked and in order; a doubtful one at most
/// once; nothing else.
fn check_lane(batches: &[Sent], found: &[Found]) -> Result<(), String> {
    let mut offsets: HashMap<u64, i64> = HashMap::new();
    for record in found {
        if let Some(before) = offsets.insert(record.number, record.offset) {
            let Found { number, offset, .. } = record;
            return Err(format!("TWICE: record {number} at {before} and {offset}"));
        }
    }
    let mut last = -1;
    for batch in batches {
        let numbers = batch.first..batch.first + u64::from(batch.count);
        let there: Vec<Option<i64>> = numbers.map(|number| offsets.remove(&number)).collect();
        let base = there[0];
        let is_whole = match base {
            Some(base) => there.iter().zip(base..).all(|(it, at)| *it == Some(at)),
            None => there.iter().all(Option::is_none),
        };
        if !is_whole {
            return Err(format!("torn: {batch:?} at {there:?}"));
        }
        match (batch.state, base) {
            (State::Pending, _) => return Err(format!("still pending: {batch:?}")),
            (State::Doubtful, _) => continue,
            (State::Acked(_), None) => return Err(format!("LOST: {batch:?}")),
            (State::Acked(at), Some(base)) if at != base => {
                return Err(format!("moved: {batch:?} is at {base}"));
            }
            (State::Acked(_), Some(base)) if base <= last => {
                return Err(format!(
                    "out of order: {batch:?} is at {base}, behind {last}"
                ));
            }
            (State::Acked(_), Some(base)) => last = base,
        }
    }
    match offsets.iter().next() {
        Some((number, offset)) => Err(format!("never sent: record {number} at {offset}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two batches of two records acked at 0 and 2, one of a record given up.
    fn book() -> Book {
        let mut book = Book::new(7, 1, 1);
        for (first, count) in [(0, 2), (2, 2)] {
            book.sends(0, first, count);
            book.acked(0, first, first as i64).unwrap();
        }
        book.sends(0, 4, 1);
        assert_eq!(book.pending(0).len(), 1);
        book.give_up(0);
        assert_eq!((book.count_acked(), book.count_doubtful()), ((2, 4), 1));
        book
    }

    fn found(records: &[(i64, u64)]) -> Vec<Found> {
        let found = records.iter().map(|(offset, number)| Found {
            offset: *offset,
            lane: 7,
            number: *number,
        });
        found.collect()
    }

    const ALL: [(i64, u64); 5] = [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)];

    #[test]
    fn what_was_acked_is_there_once_and_in_its_place() {
        let check = |records: &[(i64, u64)]| book().check(0, &found(records));
        assert_eq!(check(&ALL), Ok(()));
        assert_eq!(check(&ALL[..4]), Ok(()));
        let twice: Vec<_> = ALL.iter().copied().chain([(5, 1)]).collect();
        let foreign: Vec<_> = ALL.iter().copied().chain([(5, 9)]).collect();
        for (records, words) in [
            (&ALL[..2], "LOST"),
            (&ALL[..3], "torn"),
            (&twice[..], "TWICE"),
            (&foreign[..], "never sent"),
            (&ALL[1..], "offset 0 is missing"),
            (&[(0, 2), (1, 3), (2, 0), (3, 1)], "moved"),
        ] {
            let error = check(records).unwrap_err();
            assert!(error.contains(words), "{words}: {error}");
        }
        let mut other = found(&ALL);
        other[4].lane = 8;
        assert!(book().check(0, &other).unwrap_err().contains("never wrote"));
        let mut pending = book();
        pending.sends(0, 5, 1);
        let error = pending.check(0, &found(&ALL)).unwrap_err();
        assert!(error.contains("still pending"), "{error}");
    }

    #[test]
    fn an_offset_has_one_value() {
        let mut book = book();
        book.sees(0, &found(&ALL)).unwrap();
        book.sees(0, &found(&ALL[1..3])).unwrap();
        assert!(book.sees(0, &found(&[(4, 5)])).is_err());
        assert!(book.sees(0, &found(&[(6, 5)])).is_err());
        // An ack where readers saw another record, and a log that no longer has what they saw.
        book.sends(0, 5, 1);
        assert!(book.acked(0, 5, 4).is_err());
        book.acked(0, 5, 5).unwrap();
        let mut seen_and_gone = self::book();
        seen_and_gone.sees(0, &found(&ALL)).unwrap();
        let error = seen_and_gone.check(0, &found(&ALL[..4])).unwrap_err();
        assert!(error.contains("readers saw up to 5"), "{error}");
    }
}
