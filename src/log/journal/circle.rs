//! Pure: which bytes of a journal's file the next entry gets, and which are free again.

use super::entry::{FRONT_BYTES, Position};
use crate::io::buffer::block_up;

/// Bytes that only cuts may take, in a circle that is large enough: so retention can make room
/// while a log that finds its disk full holds the circle up.
const CUTS_BYTES: u64 = 256 << 10;

/// A circle of whole blocks behind the front blocks of the file. No entry goes over its end: where
/// the rest is too short for one, it is left out, and the entry begins at the circle's first byte.
#[derive(Clone, Copy, Debug)]
pub struct Circle {
    capacity: u64,
    /// Everything before this may be overwritten.
    freed: Position,
    /// Where the newest entry ends.
    end: Position,
}

impl Circle {
    /// An empty circle that begins at `begin`.
    pub fn new(capacity: u64, begin: Position) -> Circle {
        assert_eq!(capacity, block_up(capacity), "whole blocks");
        assert_eq!(begin, block_up(begin), "a whole block");
        Circle {
            capacity,
            freed: begin,
            end: begin,
        }
    }

    /// Where an entry of `len` bytes, whole blocks, would begin; `None` while that is not free, or
    /// would leave less than `reserve` bytes free.
    pub fn place_for(&self, len: u64, reserve: u64) -> Option<Position> {
        let at = begin_of(self.end, len, self.capacity);
        (at + len + reserve <= self.freed + self.capacity).then_some(at)
    }

    /// Bytes of the circle.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Where in the file `position` lies.
    pub fn in_file(&self, position: Position) -> u64 {
        in_file(position, self.capacity)
    }

    /// Takes the place that [`Circle::place_for`] named for an entry of `len` bytes.
    pub fn take(&mut self, at: Position, len: u64) {
        assert_eq!(Some(at), self.place_for(len, 0), "the place asked for");
        self.end = at + len;
    }

    /// Gives back everything before `position`.
    pub fn free(&mut self, position: Position) {
        assert!(position <= self.end, "only what was taken is given back");
        self.freed = self.freed.max(position);
    }

    /// Where the newest entry ends.
    pub fn end(&self) -> Position {
        self.end
    }

    /// Everything before this may be overwritten.
    pub fn freed(&self) -> Position {
        self.freed
    }

    /// Whether half of it is taken.
    pub fn is_half_full(&self) -> bool {
        self.end - self.freed >= self.capacity / 2
    }

    /// Bytes that only entries without data may take, those that hold nothing but cuts.
    pub fn cuts_bytes(&self) -> u64 {
        CUTS_BYTES.min(self.capacity / 4)
    }

    /// Bytes that an entry may have at the most.
    pub fn entry_bytes_max(&self) -> u64 {
        self.capacity / 4
    }
}

/// Where an entry of `len` bytes begins that comes behind `end`.
pub fn begin_of(end: Position, len: u64, capacity: u64) -> Position {
    let left = capacity - end % capacity;
    if len <= left { end } else { end + left }
}

/// Where in the file `position` lies.
pub fn in_file(position: Position, capacity: u64) -> u64 {
    FRONT_BYTES + position % capacity
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::sim::Random;

    #[test]
    fn entries_never_overlap_what_is_not_free_nor_go_over_the_end() {
        let mut random = Random::new(5);
        for _ in 0..50 {
            let capacity = 4096 * (8 + random.below(20) as u64);
            let mut circle = Circle::new(capacity, 4096 * random.below(100) as u64);
            let mut kept: Vec<(Position, u64)> = Vec::new();
            for _ in 0..500 {
                let len = 1 + random.below(circle.entry_bytes_max() as usize) as u64;
                let len = block_up(len);
                match circle.place_for(len, 0) {
                    Some(at) => {
                        circle.take(at, len);
                        let from = circle.in_file(at);
                        assert!(from >= FRONT_BYTES && from + len <= FRONT_BYTES + capacity);
                        for (other, other_len) in &kept {
                            let other = circle.in_file(*other);
                            assert!(from + len <= other || other + other_len <= from);
                        }
                        kept.push((at, len));
                    }
                    None => {
                        assert!(!kept.is_empty(), "an empty circle takes any entry");
                        let count = 1 + random.below(kept.len());
                        kept.drain(..count);
                        circle.free(kept.first().map_or(circle.end(), |it| it.0));
                    }
                }
            }
        }
    }
}
