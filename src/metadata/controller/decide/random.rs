//! Pure: numbers that look random, the same from the same seed.

use crate::base::TopicId;
use crate::base::ids::Uuid;

/// A source of numbers (xoshiro256++ of Blackman and Vigna). Good for ids and for choosing
/// places; nothing secret may come of it.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The numbers of this seed.
    pub fn new(seed: [u8; 32]) -> Random {
        let mut state = [0; 4];
        for (word, bytes) in state.iter_mut().zip(seed.chunks_exact(8)) {
            *word = bytes
                .iter()
                .fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        // All zeros would stay zeros.
        state[0] |= u64::from(state == [0; 4]);
        Random { state }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let number = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        number
    }

    /// A random UUID (version 4) that Kafka would hand out, too: none of the reserved ones, and
    /// none whose text begins with a dash, which command lines would take for an option.
    pub fn uuid(&mut self) -> Uuid {
        loop {
            let bytes = u128::from(self.number()) << 64 | u128::from(self.number());
            let uuid = uuid::Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid();
            if uuid.as_bytes()[0] >> 2 != DASH {
                return uuid;
            }
        }
    }

    /// A topic id.
    pub fn topic_id(&mut self) -> TopicId {
        TopicId(self.uuid())
    }
}

/// The six bits that print as a dash.
const DASH: u8 = 62;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids_and_none_begins_with_a_dash() {
        let (mut a, mut b) = (Random::new([3; 32]), Random::new([3; 32]));
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let id = a.topic_id();
            assert_eq!(id, b.topic_id());
            assert!(!id.to_string().starts_with('-'));
            assert_eq!(id.0.get_version_num(), 4);
            assert!(seen.insert(id));
        }
        assert_ne!(
            Random::new([4; 32]).topic_id(),
            Random::new([3; 32]).topic_id()
        );
        // A seed of nothing must not give nothing for ever.
        let mut zero = Random::new([0; 32]);
        assert!((0..10).any(|_| zero.number() != 0));
    }
}
