//! Pure: holds a broker to what clients of a history were told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::cycles;
use super::history::{Ending, History, Place, Transaction, Value};

/// What a broker must not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A value of a committed transaction is not there.
    Lost(Place, Value),
    /// A value is there twice.
    Twice(Place, Value),
    /// A value is there that no client appended there.
    Invented(Place, Value),
    /// A value of an aborted transaction was read.
    AbortedRead(Place, Value),
    /// Of a transaction whose end is not known one value is there and the other is not.
    Torn { there: Value, missing: Value },
    /// A value is not at the offset that its client, or a reader, was told.
    Moved(Place, Value),
    /// Of two values the one that was appended later comes first.
    Reordered(Place, Value, Value),
    /// A reader passed over a value, or saw one that is not there in the end.
    ReadGap(Place, i64),
    /// A part of a partition was consumed by two transactions that are committed, or by none: an
    /// offset that a transaction committed was lost.
    OffsetLost(Place, i64),
    /// These transactions are each before the next, and the last before the first.
    Cycle(Vec<usize>),
}

/// What was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    pub committed: usize,
    pub aborted: usize,
    /// Those of which clients do not know, and how many of them are committed.
    pub unknown: usize,
    pub unknown_committed: usize,
    pub values: usize,
    pub reads: usize,
    /// Groups of transactions at one time that stand in different orders in partitions.
    pub interleaved: usize,
}

struct Checker<'a> {
    history: &'a History,
    /// The transaction of each value, and the partition that it was meant for.
    writers: BTreeMap<Value, usize>,
    places: BTreeMap<Value, Place>,
    /// Where each value is in the end.
    held: BTreeMap<Value, (Place, i64)>,
    checked: Checked,
}

/// Checks a history; the first fault that is found.
pub fn check(history: &History) -> Result<Checked, Fault> {
    let mut checker = Checker::new(history);
    checker.look_at_what_is_held()?;
    for (number, transaction) in history.transactions.iter().enumerate() {
        checker.look_at(number, transaction)?;
    }
    checker.look_at_reads()?;
    checker.look_at_offsets()?;
    let order = cycles::order(history, &checker.writers);
    checker.checked.interleaved = order.interleaved;
    match order.cycle {
        Some(cycle) => Err(Fault::Cycle(cycle)),
        None => Ok(checker.checked),
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} transactions committed, {} aborted, {} of unknown end ({} of them committed); {} \
             values, {} reads; {} times transactions interleaved",
            self.committed,
            self.aborted,
            self.unknown,
            self.unknown_committed,
            self.values,
            self.reads,
            self.interleaved
        )
    }
}

impl Checker<'_> {
    fn new(history: &History) -> Checker<'_> {
        let (mut writers, mut places) = (BTreeMap::new(), BTreeMap::new());
        for (number, transaction) in history.transactions.iter().enumerate() {
            for (place, value, _) in &transaction.appended {
                let known = writers.insert(*value, number);
                assert_eq!(known, None, "clients append each value once");
                places.insert(*value, *place);
            }
        }
        Checker {
            history,
            writers,
            places,
            held: BTreeMap::new(),
            checked: Checked::default(),
        }
    }

    fn ending_of(&self, value: Value) -> Ending {
        self.history.transactions[self.writers[&value]].ending
    }

    /// A value that a reader of committed records was given may be there.
    fn may_be_read(&self, place: Place, value: Value) -> Result<(), Fault> {
        if self.places.get(&value) != Some(&place) {
            return Err(Fault::Invented(place, value));
        }
        match self.ending_of(value) {
            Ending::Aborted => Err(Fault::AbortedRead(place, value)),
            Ending::Committed | Ending::Unknown => Ok(()),
        }
    }

    fn look_at_what_is_held(&mut self) -> Result<(), Fault> {
        for (place, records) in &self.history.held {
            let mut last = -1;
            for (offset, value) in records {
                self.may_be_read(*place, *value)?;
                if self.held.insert(*value, (*place, *offset)).is_some() {
                    return Err(Fault::Twice(*place, *value));
                }
                if *offset <= last {
                    return Err(Fault::Moved(*place, *value));
                }
                last = *offset;
                self.checked.values += 1;
            }
        }
        Ok(())
    }

    fn look_at(&mut self, number: usize, transaction: &Transaction) -> Result<(), Fault> {
        let is_there = |it: &&(Place, Value, Option<i64>)| self.held.contains_key(&it.1);
        let there = transaction.appended.iter().find(is_there);
        let mut appended = transaction.appended.iter();
        let missing = appended.find(|it| !is_there(it));
        match (transaction.ending, there, missing) {
            (Ending::Committed, _, Some((place, value, _))) => {
                return Err(Fault::Lost(*place, *value));
            }
            (Ending::Unknown, Some((_, there, _)), Some((_, missing, _))) => {
                let (there, missing) = (*there, *missing);
                return Err(Fault::Torn { there, missing });
            }
            (Ending::Committed, ..) => self.checked.committed += 1,
            (Ending::Aborted, ..) => self.checked.aborted += 1,
            (Ending::Unknown, ..) => {
                self.checked.unknown += 1;
                self.checked.unknown_committed += usize::from(self.is_committed(number));
            }
        }
        let mut last: BTreeMap<Place, (i64, Value)> = BTreeMap::new();
        for (place, value, acked) in &transaction.appended {
            let Some((_, offset)) = self.held.get(value) else {
                continue;
            };
            if acked.is_some_and(|acked| acked != *offset) {
                return Err(Fault::Moved(*place, *value));
            }
            if let Some((before, other)) = last.insert(*place, (*offset, *value))
                && before > *offset
            {
                return Err(Fault::Reordered(*place, other, *value));
            }
        }
        Ok(())
    }

    /// What readers were given is what is there, without gaps.
    fn look_at_reads(&mut self) -> Result<(), Fault> {
        for read in &self.history.reads {
            self.checked.reads += 1;
            let nothing = Vec::new();
            let held = self.history.held.get(&read.place).unwrap_or(&nothing);
            let Some((first, _)) = read.records.first() else {
                continue;
            };
            let from = held.partition_point(|(offset, _)| offset < first);
            for (at, (offset, value)) in read.records.iter().enumerate() {
                self.may_be_read(read.place, *value)?;
                match held.get(from + at) {
                    Some(is) if is == &(*offset, *value) => {}
                    Some((_, is)) if is == value => return Err(Fault::Moved(read.place, *value)),
                    _ => return Err(Fault::ReadGap(read.place, *offset)),
                }
            }
        }
        Ok(())
    }

    /// Whether a transaction is committed: where its client does not know, by what is there.
    fn is_committed(&self, number: usize) -> bool {
        let transaction = &self.history.transactions[number];
        match transaction.ending {
            Ending::Committed => true,
            Ending::Aborted => false,
            Ending::Unknown => {
                let mut appended = transaction.appended.iter();
                appended.any(|(_, value, _)| self.held.contains_key(value))
            }
        }
    }

    /// What committed transactions have consumed follows each other without gaps, up to the
    /// group's offset.
    fn look_at_offsets(&self) -> Result<(), Fault> {
        let all = self.history.transactions.iter().enumerate();
        let committed = all.filter(|(number, _)| self.is_committed(*number));
        let mut parts: BTreeMap<Place, BTreeSet<(i64, i64)>> = BTreeMap::new();
        for part in committed.flat_map(|(_, transaction)| &transaction.consumed) {
            let of = parts.entry(part.place).or_default();
            if part.from < part.to && !of.insert((part.from, part.to)) {
                return Err(Fault::OffsetLost(part.place, part.from));
            }
        }
        for (place, parts) in &parts {
            let mut next = 0;
            for (from, to) in parts {
                if *from != next {
                    return Err(Fault::OffsetLost(*place, *from));
                }
                next = *to;
            }
            let kept = self.history.offsets.get(place).copied();
            if kept.unwrap_or(0) != next {
                return Err(Fault::OffsetLost(*place, next));
            }
        }
        Ok(())
    }
}
