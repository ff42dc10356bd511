//! Pure: the partitions of a fetch session in their order, however many.
//!
//! They lie in blocks, each a link of a list that has their order, and a tree finds them by their
//! keys. Nothing of it is ever moved as a whole, as a vector or a table is that grows: the most
//! that a call moves is a partition.

use std::collections::BTreeMap;

use super::key::{Key, Wanted};
use crate::base::Offset;

/// Partitions in a block.
const BLOCK: usize = 256;
/// No link.
const NONE: u32 = u32::MAX;

/// What the client was last sent of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub high_watermark: Offset,
    pub start_offset: Offset,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Partitions {
    places: BTreeMap<Key, u32>,
    /// All but the last are full.
    blocks: Vec<Vec<One>>,
    first: u32,
    last: u32,
}

#[derive(Debug)]
struct One {
    key: Key,
    wanted: Wanted,
    last_sent: Option<Sent>,
    before: u32,
    behind: u32,
}

impl Default for Partitions {
    fn default() -> Partitions {
        Partitions {
            places: BTreeMap::new(),
            blocks: Vec::new(),
            first: NONE,
            last: NONE,
        }
    }
}

impl Partitions {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Where the first one lies.
    pub fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// Where the partition with this key lies.
    pub fn find(&self, key: &Key) -> Option<u32> {
        self.places.get(key).copied()
    }

    /// Notes what is wanted of a partition; whether it is new.
    pub fn set(&mut self, key: Key, wanted: Wanted) -> bool {
        if let Some(place) = self.find(&key) {
            self.at(place).wanted = wanted;
            return false;
        }
        let place = self.len() as u32;
        self.places.insert(key.clone(), place);
        let one = One {
            key,
            wanted,
            last_sent: None,
            before: NONE,
            behind: NONE,
        };
        // The first block of most sessions never gets full.
        let is_first = self.blocks.is_empty();
        match self.blocks.last_mut().filter(|last| last.len() < BLOCK) {
            Some(last) => last.push(one),
            None => {
                let mut block = Vec::with_capacity(if is_first { 1 } else { BLOCK });
                block.push(one);
                self.blocks.push(block);
            }
        }
        self.link_last(place);
        true
    }

    /// Takes a partition out; whether there was one.
    pub fn remove(&mut self, key: &Key) -> bool {
        let Some(place) = self.places.remove(key) else {
            return false;
        };
        self.unlink(place);
        // The last one takes its place.
        let Some(block) = self.blocks.last_mut() else {
            return true;
        };
        let Some(moved) = block.pop() else {
            return true;
        };
        if block.is_empty() {
            self.blocks.pop();
        }
        if self.places.len() as u32 != place {
            if let Some(known) = self.places.get_mut(&moved.key) {
                *known = place;
            }
            self.link(moved.before, moved.behind, place);
            *self.at(place) = moved;
        }
        true
    }

    /// What the client was last sent of the partition at `place`; `None` after an error.
    pub fn last_sent(&mut self, place: u32) -> &mut Option<Sent> {
        &mut self.at(place).last_sent
    }

    /// Moves the partition at `place` behind all others.
    pub fn move_to_end(&mut self, place: u32) {
        if self.last != place {
            self.unlink(place);
            self.link_last(place);
        }
    }

    /// See [`super::FetchSessions::copy`].
    pub fn copy(&self, from: u32, most: usize, to: &mut Vec<(Key, Wanted)>) -> Option<u32> {
        let mut place = from;
        for _ in 0..most {
            // The place may be gone where the session has changed.
            let one = self
                .blocks
                .get(place as usize / BLOCK)?
                .get(place as usize % BLOCK)?;
            if to.len() >= self.len() {
                return None;
            }
            to.push((one.key.clone(), one.wanted));
            place = one.behind;
        }
        (place != NONE).then_some(place)
    }

    /// Drops about `most` partitions of a session that has ended; whether there are more.
    pub fn drop_some(&mut self, most: usize) -> bool {
        for _ in 0..most.div_ceil(BLOCK) {
            self.blocks.pop();
        }
        for _ in 0..most {
            if self.places.pop_first().is_none() {
                break;
            }
        }
        !(self.blocks.is_empty() && self.places.is_empty())
    }

    fn at(&mut self, place: u32) -> &mut One {
        &mut self.blocks[place as usize / BLOCK][place as usize % BLOCK]
    }

    /// Lets those beside `place` know of it.
    fn link(&mut self, before: u32, behind: u32, place: u32) {
        match before {
            NONE => self.first = place,
            before => self.at(before).behind = place,
        }
        match behind {
            NONE => self.last = place,
            behind => self.at(behind).before = place,
        }
    }

    fn link_last(&mut self, place: u32) {
        let last = self.last;
        let one = self.at(place);
        (one.before, one.behind) = (last, NONE);
        self.link(last, NONE, place);
    }

    fn unlink(&mut self, place: u32) {
        let one = self.at(place);
        let (before, behind) = (one.before, one.behind);
        match before {
            NONE => self.first = behind,
            before => self.at(before).behind = behind,
        }
        match behind {
            NONE => self.last = before,
            behind => self.at(behind).before = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;
    use crate::base::TopicId;

    fn key(index: i32) -> Key {
        Key {
            topic: "t".into(),
            topic_id: TopicId::ZERO,
            index,
        }
    }

    fn want(offset: Offset) -> Wanted {
        Wanted {
            offset,
            max_bytes: 1,
            leader_epoch: -1,
            last_fetched_epoch: -1,
            start_offset: -1,
        }
    }

    fn order(partitions: &Partitions, step: usize) -> Vec<(i32, Offset)> {
        let (mut list, mut place) = (Vec::new(), partitions.first());
        while let Some(from) = place {
            place = partitions.copy(from, step, &mut list);
        }
        let seen = list.iter().map(|(key, wanted)| (key.index, wanted.offset));
        seen.collect()
    }

    #[test]
    fn whatever_comes_goes_and_moves_the_order_is_that_of_a_list() {
        let (mut partitions, mut model) = (Partitions::default(), Vec::new());
        let mut random = Rng::with_seed(7);
        for round in 0..20_000i64 {
            let (index, act) = (random.i32(0..700), random.u64(..16));
            let known = model.iter().position(|one: &(i32, Offset)| one.0 == index);
            match (act, known) {
                (0..=7, _) => {
                    assert_eq!(partitions.set(key(index), want(round)), known.is_none());
                    match known {
                        Some(at) => model[at].1 = round,
                        None => model.push((index, round)),
                    }
                }
                (8..=11, Some(at)) => {
                    let place = partitions.find(&key(index)).unwrap();
                    partitions.move_to_end(place);
                    let one = model.remove(at);
                    model.push(one);
                }
                _ => {
                    assert_eq!(partitions.remove(&key(index)), known.is_some());
                    known.map(|at| model.remove(at));
                }
            }
            assert_eq!(partitions.len(), model.len());
            if round % 500 == 0 {
                assert_eq!(order(&partitions, 1 + round as usize % 300), model);
            }
        }
        for at in 0..700 {
            partitions.remove(&key(at));
        }
        assert!(partitions.blocks.is_empty() && partitions.first().is_none());
    }

    #[test]
    fn those_of_a_session_that_has_ended_go_in_steps() {
        let mut partitions = Partitions::default();
        let added = (0..10_000).filter(|at| partitions.set(key(*at), want(0)));
        assert_eq!(added.count(), 10_000);
        let steps = (1..).find(|_| !partitions.drop_some(1_000)).unwrap();
        assert!((8..=11).contains(&steps), "{steps}");
    }
}
