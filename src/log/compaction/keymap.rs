//! Pure: the newest offset of each key, in a bounded table that knows keys by their hash.
//!
//! Kafka's `SkimpyOffsetMap` takes 16 bytes of MD5 for a key. Two halves of SipHash under random
//! keys take as many, cost less, and a client that writes records cannot aim at a collision.

use std::hash::{BuildHasher, RandomState};

use crate::base::Offset;

/// Memory of one entry, in bytes; as in Kafka.
pub const ENTRY_BYTES: usize = 24;
/// Slots that get their memory together, 192 KiB: giving and taking it back never takes long.
const CHUNK_SLOTS: usize = 1 << 13;

/// Two halves of a hash, and one more than the offset, so that fresh memory is empty slots.
type Slot = [u64; 3];

/// A hash table with open addressing.
pub struct KeyMap {
    /// Empty where nothing was put yet.
    chunks: Vec<Vec<Slot>>,
    slots: usize,
    count: usize,
    max_count: usize,
    hashers: [RandomState; 2],
}

/// Every entry that fits is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl KeyMap {
    /// A map for at most `keys` keys in at most `max_bytes` of memory, of which the share
    /// `load_factor` gets used. It always has room for some.
    pub fn new(max_bytes: usize, load_factor: f64, keys: u64) -> KeyMap {
        const SLOTS_MIN: usize = 16;
        let most = (max_bytes / ENTRY_BYTES).max(SLOTS_MIN);
        let load_factor = load_factor.clamp(0.1, 0.95);
        let wanted = (keys as f64 / load_factor).ceil() as usize;
        let slots = wanted.saturating_add(1).clamp(SLOTS_MIN, most);
        KeyMap {
            chunks: vec![Vec::new(); slots.div_ceil(CHUNK_SLOTS)],
            slots,
            count: 0,
            max_count: ((slots as f64 * load_factor) as usize).max(1),
            hashers: [RandomState::new(), RandomState::new()],
        }
    }

    /// Notes that `key` was written at `offset`, which is larger than all before.
    pub fn put(&mut self, key: &[u8], offset: Offset) -> Result<(), Full> {
        let hash = self.hash(key);
        let at = self.find(hash);
        if self.slot(at)[2] == 0 {
            if self.count == self.max_count {
                return Err(Full);
            }
            self.count += 1;
        }
        let chunk = &mut self.chunks[at / CHUNK_SLOTS];
        if chunk.is_empty() {
            // Zeroed by the kernel, page by page as they are touched.
            *chunk = vec![[0; 3]; CHUNK_SLOTS.min(self.slots)];
        }
        chunk[at % CHUNK_SLOTS] = [hash[0], hash[1], offset as u64 + 1];
        Ok(())
    }

    /// The newest offset of `key`, if it was put.
    pub fn get(&self, key: &[u8]) -> Option<Offset> {
        let slot = self.slot(self.find(self.hash(key)));
        slot[2].checked_sub(1).map(|offset| offset as Offset)
    }

    /// Count of keys.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Memory taken, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let slots: usize = self.chunks.iter().map(Vec::len).sum();
        slots * ENTRY_BYTES
    }

    /// Forgets everything and gives a part of the memory back; `false` when there is none left.
    pub fn shed(&mut self) -> bool {
        self.count = 0;
        self.max_count = 0;
        self.chunks.pop().is_some()
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        [self.hashers[0].hash_one(key), self.hashers[1].hash_one(key)]
    }

    fn slot(&self, at: usize) -> Slot {
        let chunk = self.chunks.get(at / CHUNK_SLOTS);
        let slot = chunk.and_then(|chunk| chunk.get(at % CHUNK_SLOTS));
        slot.copied().unwrap_or_default()
    }

    /// The slot of a hash, or the empty one where it belongs. There is always an empty one.
    fn find(&self, hash: [u64; 2]) -> usize {
        let mut at = ((u128::from(hash[0]) * self.slots as u128) >> 64) as usize;
        loop {
            let slot = self.slot(at);
            if slot[2] == 0 || slot[..2] == hash {
                return at;
            }
            at = if at + 1 == self.slots { 0 } else { at + 1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn it_knows_what_a_plain_map_knows() {
        let mut map = KeyMap::new(1 << 20, 0.9, 3000);
        let mut model: HashMap<Vec<u8>, Offset> = HashMap::new();
        for offset in 0..20_000 {
            let key = format!("key {}", (offset * 7919) % 2999).into_bytes();
            map.put(&key, offset).expect("room for all");
            model.insert(key, offset);
        }
        assert_eq!(map.count(), model.len());
        for (key, offset) in &model {
            assert_eq!(map.get(key), Some(*offset));
        }
        assert_eq!(map.get(b"another"), None);
        assert_eq!(map.get(b""), None);
        map.put(b"", 20_000).expect("room");
        assert_eq!(map.get(b""), Some(20_000));
    }

    #[test]
    fn it_is_as_small_as_the_keys_and_never_larger_than_its_bound() {
        let filled = |max_bytes, keys| {
            let mut map = KeyMap::new(max_bytes, 0.9, keys);
            assert_eq!(map.memory_bytes(), 0, "none before it is used");
            let mut fit = 0u64;
            while fit < 2_000_000 && map.put(&fit.to_be_bytes(), 1).is_ok() {
                fit += 1;
            }
            let bytes = map.memory_bytes();
            while map.shed() {}
            assert_eq!((map.get(b"x"), map.memory_bytes()), (None, 0));
            (fit, bytes)
        };
        assert_eq!(filled(1 << 30, 10), (14, 16 * 24));
        assert_eq!(filled(10_000, u64::MAX), (374, 416 * 24));
        assert_eq!(filled(0, 0), (14, 16 * 24));
        let (fit, bytes) = filled(1 << 20, u64::MAX);
        assert_eq!(fit, 39_321);
        assert!(bytes <= (1 << 20) + CHUNK_SLOTS * ENTRY_BYTES);
    }

    #[test]
    fn a_full_map_refuses_new_keys_and_takes_known_ones() {
        let mut map = KeyMap::new(0, 0.9, 1000);
        let mut fit = 0;
        while map.put(&[fit], i64::from(fit)).is_ok() {
            fit += 1;
        }
        assert_eq!((fit, map.count()), (14, 14));
        assert_eq!(map.put(&[3], 99), Ok(()));
        assert_eq!((map.get(&[3]), map.get(&[14])), (Some(99), None));
    }
}
