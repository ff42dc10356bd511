//! Pure: whether what was acked came back: once, in order, whole.

use serde::{Deserialize, Serialize};

use crate::load::stamp::Stamp;

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

    /// How many there are from `number` on.
    pub fn count_from(&self, number: u64) -> u64 {
        let (word, bit) = ((number / 64) as usize, number % 64);
        let rest = self.0.iter().enumerate().skip(word);
        let part = rest.map(|(at, bits)| if at == word { bits >> bit } else { *bits });
        part.map(|bits| u64::from(bits.count_ones())).sum()
    }

    /// Adds those of `other`; says how many were there already.
    pub fn merge(&mut self, other: &Numbers) -> u64 {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        let pairs = self.0.iter_mut().zip(&other.0);
        let both = pairs.map(|(own, other)| {
            let both = *own & other;
            *own |= other;
            u64::from(both.count_ones())
        });
        both.sum()
    }

    /// How many of these are not in `other`.
    pub fn count_missing_in(&self, other: &Numbers) -> u64 {
        let others = other.0.iter().chain(std::iter::repeat(&0));
        let missing = self.0.iter().zip(others).map(|(own, other)| own & !other);
        missing.map(|word| u64::from(word.count_ones())).sum()
    }
}

/// Everything that a consumer, or a group of them, saw.
#[derive(Clone, Default, Debug)]
pub struct Ledger {
    seen: Vec<Numbers>,
    /// One more than the highest sequence number seen, by partition and producer.
    highest: Vec<Vec<u64>>,
    /// Different records of this run.
    pub unique: u64,
    /// Records that came more than once.
    pub duplicates: u64,
    /// Records that came after a later one of the same producer and partition.
    pub disordered: u64,
    /// Records with this run's mark that no producer of it can have sent.
    pub strange: u64,
    /// Records whose checksum is wrong.
    pub damaged: u64,
}

/// What the comparison of acks and the ledger came to.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
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
    /// Seen and never sent, or not as they were sent.
    pub strange: u64,
}

impl Findings {
    /// Whether nothing is wrong.
    pub fn clean(&self) -> bool {
        self.lost + self.duplicates + self.disordered + self.strange == 0
    }

    /// Both together.
    pub fn plus(self, other: Findings) -> Findings {
        Findings {
            promised: self.promised + other.promised,
            seen: self.seen + other.seen,
            lost: self.lost + other.lost,
            duplicates: self.duplicates + other.duplicates,
            disordered: self.disordered + other.disordered,
            strange: self.strange + other.strange,
        }
    }
}

/// No producer sends more; a damaged record cannot make the ledger grow without bound.
const SEQUENCE_MAX: u64 = 1 << 36;

impl Ledger {
    /// A ledger for so many producers.
    pub fn new(producers: usize) -> Ledger {
        Ledger {
            seen: vec![Numbers::default(); producers],
            ..Ledger::default()
        }
    }

    /// Notes a record of this run that came out of home number `home` (see
    /// [`crate::measure::cluster::Home`]).
    pub fn note(&mut self, home: usize, stamp: &Stamp) {
        let producer = stamp.producer as usize;
        let seen = self.seen.get_mut(producer);
        let Some(seen) = seen.filter(|_| stamp.sequence < SEQUENCE_MAX) else {
            self.strange += 1;
            return;
        };
        if !seen.insert(stamp.sequence) {
            self.duplicates += 1;
            return;
        }
        self.unique += 1;
        if home >= self.highest.len() {
            self.highest.resize(home + 1, Vec::new());
        }
        let own = &mut self.highest[home];
        if own.is_empty() {
            own.resize(self.seen.len(), 0);
        }
        if stamp.sequence < own[producer] {
            self.disordered += 1;
        }
        own[producer] = own[producer].max(stamp.sequence + 1);
    }

    /// Adds what another consumer of the same group saw, in other partitions.
    pub fn merge(&mut self, other: &Ledger) {
        let pairs = self.seen.iter_mut().zip(&other.seen);
        let both: u64 = pairs.map(|(own, other)| own.merge(other)).sum();
        self.unique += other.unique - both;
        self.duplicates += other.duplicates + both;
        self.disordered += other.disordered;
        self.strange += other.strange;
        self.damaged += other.damaged;
    }

    /// Compares with what each producer sent, and which of it was promised.
    pub fn conclude<'a>(&self, sent: impl Iterator<Item = (u64, &'a Numbers)>) -> Findings {
        let mut found = Findings {
            seen: self.unique,
            duplicates: self.duplicates,
            disordered: self.disordered,
            strange: self.strange + self.damaged,
            ..Findings::default()
        };
        for ((sent, promised), seen) in sent.zip(&self.seen) {
            found.promised += promised.count();
            found.lost += promised.count_missing_in(seen);
            found.strange += seen.count_from(sent);
        }
        found
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
        order.for_each(|sequence| ledger.note(0, &stamp(0, sequence)));
        ledger.note(1, &stamp(1, 5));
        ledger.note(1, &stamp(1, 6));
        let found = ledger.conclude([(200, &acked[0]), (7, &acked[1])].into_iter());
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
        // Had it sent no more than 5, number 6 would have come from nowhere.
        let found = ledger.conclude([(200, &acked[0]), (6, &acked[1])].into_iter());
        assert_eq!(found.strange, 1);
    }

    #[test]
    fn partitions_have_orders_of_their_own_and_strangers_are_counted() {
        let mut ledger = Ledger::new(1);
        ledger.note(0, &stamp(0, 9));
        ledger.note(1, &stamp(0, 3));
        assert_eq!((ledger.unique, ledger.disordered), (2, 0));
        ledger.note(0, &stamp(0, u64::MAX));
        ledger.note(0, &stamp(1, 0));
        assert_eq!(ledger.strange, 2);
    }

    #[test]
    fn consumers_of_a_group_are_seen_as_one() {
        let (mut one, mut two) = (Ledger::new(1), Ledger::new(1));
        (0..100).for_each(|sequence| one.note(0, &stamp(0, sequence)));
        (99..300).for_each(|sequence| two.note(1, &stamp(0, sequence)));
        one.merge(&two);
        assert_eq!((one.unique, one.duplicates, one.disordered), (300, 1, 0));
    }
}
