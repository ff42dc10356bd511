//! Pure: whether what was acked came back: once, in order, whole.

use std::collections::HashMap;

/// Bytes of a record's value that loadgen needs for itself.
pub const STAMP_BYTES: usize = 28;

/// What a record's value begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Tells this run's records from those of others in the same topic.
    pub run: u64,
    /// Who sent it.
    pub producer: u32,
    /// Which of the producer's records it is, from 0.
    pub sequence: u64,
    /// When it was to be sent, in nanoseconds of the run's clock.
    pub intended_ns: u64,
}

impl Stamp {
    /// Writes the stamp over the beginning of `value`, which has [`STAMP_BYTES`] at least.
    pub fn write(&self, value: &mut [u8]) {
        value[0..8].copy_from_slice(&self.run.to_be_bytes());
        value[8..12].copy_from_slice(&self.producer.to_be_bytes());
        value[12..20].copy_from_slice(&self.sequence.to_be_bytes());
        value[20..28].copy_from_slice(&self.intended_ns.to_be_bytes());
    }

    /// The stamp at the beginning of `value`; `None` if there is no room for one.
    pub fn read(value: &[u8]) -> Option<Stamp> {
        let u64_at = |at: usize| Some(u64::from_be_bytes(value.get(at..at + 8)?.try_into().ok()?));
        Some(Stamp {
            run: u64_at(0)?,
            producer: u32::from_be_bytes(value.get(8..12)?.try_into().ok()?),
            sequence: u64_at(12)?,
            intended_ns: u64_at(20)?,
        })
    }
}

/// A set of sequence numbers.
#[derive(Clone, Default, Debug)]
pub struct Numbers(Vec<u64>);

impl Numbers {
    /// Adds `number`; false if it was there already.
    pub fn insert(&mut self, number: u64) -> bool {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// How many of these are not in `other`.
    pub fn count_missing_in(&self, other: &Numbers) -> u64 {
        let others = other.0.iter().chain(std::iter::repeat(&0));
        let missing = self.0.iter().zip(others).map(|(own, other)| own & !other);
        missing.map(|word| u64::from(word.count_ones())).sum()
    }
}

/// Everything the consumer saw.
#[derive(Default, Debug)]
pub struct Ledger {
    seen: Vec<Numbers>,
    /// The highest sequence number seen of a producer in a partition.
    highest: HashMap<(i32, u32), u64>,
    /// Different records of this run.
    pub unique: u64,
    /// Records that came more than once.
    pub duplicates: u64,
    /// Records that came after a later one of the same producer and partition.
    pub disordered: u64,
    /// Records of this run that nobody of it can have sent.
    pub strange: u64,
}

/// What the comparison of acks and the ledger came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Findings {
    /// Records whose ack came (with acks=0: that were sent).
    pub promised: u64,
    /// Different records that came back.
    pub seen: u64,
    /// Promised and not seen.
    pub lost: u64,
    /// Seen again.
    pub duplicates: u64,
    /// Seen behind a later one.
    pub disordered: u64,
    /// Seen and never sent.
    pub strange: u64,
}

impl Findings {
    /// Whether nothing is wrong.
    pub fn clean(&self) -> bool {
        self.lost + self.duplicates + self.disordered + self.strange == 0
    }
}

impl Ledger {
    /// A ledger for so many producers.
    pub fn new(producers: usize) -> Ledger {
        Ledger {
            seen: vec![Numbers::default(); producers],
            ..Ledger::default()
        }
    }

    /// Notes a record of this run that came out of `partition`. `sent_max` bounds the sequence
    /// numbers that can exist.
    pub fn note(&mut self, partition: i32, stamp: &Stamp, sent_max: u64) {
        let seen = self.seen.get_mut(stamp.producer as usize);
        let Some(seen) = seen.filter(|_| stamp.sequence < sent_max) else {
            self.strange += 1;
            return;
        };
        if !seen.insert(stamp.sequence) {
            self.duplicates += 1;
            return;
        }
        self.unique += 1;
        let key = (partition, stamp.producer);
        let highest = self.highest.entry(key).or_insert(stamp.sequence);
        if stamp.sequence < *highest {
            self.disordered += 1;
        }
        *highest = stamp.sequence.max(*highest);
    }

    /// Compares with what each producer was promised.
    pub fn conclude<'a>(&self, promised: impl Iterator<Item = &'a Numbers> + Clone) -> Findings {
        let lost = promised
            .clone()
            .zip(&self.seen)
            .map(|(own, seen)| own.count_missing_in(seen));
        Findings {
            promised: promised.clone().map(Numbers::count).sum(),
            seen: self.unique,
            lost: lost.sum(),
            duplicates: self.duplicates,
            disordered: self.disordered,
            strange: self.strange,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(producer: u32, sequence: u64) -> Stamp {
        Stamp {
            run: 7,
            producer,
            sequence,
            intended_ns: 9,
        }
    }

    #[test]
    fn a_stamp_is_read_as_written_and_needs_room() {
        let mut value = [0; 40];
        stamp(3, 1 << 40).write(&mut value);
        assert_eq!(Stamp::read(&value), Some(stamp(3, 1 << 40)));
        assert_eq!(Stamp::read(&value[..STAMP_BYTES - 1]), None);
    }

    #[test]
    fn loss_repeats_and_order_are_found() {
        let mut acked = [Numbers::default(), Numbers::default()];
        for sequence in 0..200 {
            acked[0].insert(sequence);
        }
        acked[1].insert(5);
        let mut ledger = Ledger::new(2);
        // Producer 0: 100 never comes, 150 comes twice, 60 after 61. Producer 1: all is well,
        // and one record that was not acked is there, which is allowed.
        let order = (0..60)
            .chain([61, 60])
            .chain(62..100)
            .chain(101..200)
            .chain([150]);
        order.for_each(|sequence| ledger.note(0, &stamp(0, sequence), 1_000));
        ledger.note(1, &stamp(1, 5), 1_000);
        ledger.note(1, &stamp(1, 6), 1_000);
        let found = ledger.conclude(acked.iter());
        let expected = Findings {
            promised: 201,
            seen: 201,
            lost: 1,
            duplicates: 1,
            disordered: 1,
            strange: 0,
        };
        assert_eq!(found, expected);
        assert!(!found.clean());
    }

    #[test]
    fn partitions_have_orders_of_their_own_and_strangers_are_counted() {
        let mut ledger = Ledger::new(1);
        ledger.note(0, &stamp(0, 9), 10);
        ledger.note(1, &stamp(0, 3), 10);
        assert_eq!((ledger.unique, ledger.disordered), (2, 0));
        ledger.note(0, &stamp(0, 10), 10);
        ledger.note(0, &stamp(1, 0), 10);
        assert_eq!(ledger.strange, 2);
    }
}
