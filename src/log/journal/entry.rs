//! Pure: what stands in the file of a journal: two front blocks, which say where a start begins to
//! read, and entries. See docs/formats/journal.md.

use crate::base::ids::Uuid;
use crate::base::{Offset, TopicId};
use crate::io::buffer::{BLOCK_BYTES, block_up};

/// Bytes in front of the circle: the two front blocks, written by turns.
pub const FRONT_BYTES: u64 = 2 * BLOCK_BYTES as u64;
/// Bytes in front of an entry's pieces.
pub const HEAD_BYTES: usize = 48;
/// Bytes of a piece without its name and its data.
const PIECE_BYTES: usize = 35;

const FRONT_MAGIC: u32 = 0xC09E_F207;
const ENTRY_MAGIC: u32 = 0xC09E_E274;
const DATA: u8 = 0;
const CUT: u8 = 1;

/// A place in the circle: how many of its bytes were taken or left out before, since the broker's
/// start. Never falls.
pub type Position = u64;

/// Where a start begins to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Front {
    /// Rises with each one written: the higher of two counts.
    pub turn: u64,
    /// A random number for each run of the broker: entries with another one are of an earlier run.
    pub generation: u64,
    /// Bytes of the circle.
    pub capacity: u64,
    /// Where the oldest entry begins that is still needed.
    pub begin: Position,
}

/// What stands in front of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// That of the front.
    pub generation: u64,
    /// Where this entry begins.
    pub at: Position,
    /// Where the entry before it ends.
    pub previous_end: Position,
    /// Everything before this was flushed when the entry was written.
    pub durable: Position,
    /// Bytes of the entry, this head included.
    pub len: u32,
    /// Bytes that it takes in the circle: whole blocks.
    pub space: u32,
    /// CRC-32C of the entry's bytes behind this field, up to `len`.
    pub crc: u32,
}

/// Which log a piece is of: the name of its folder, and the id of its topic where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    /// `<topic>-<partition>`.
    pub folder: &'a str,
    /// Tells apart topics that had one name after another.
    pub topic_id: Option<TopicId>,
}

/// A part of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes that belong into a segment.
    Data {
        /// Whose.
        owner: Owner<'a>,
        /// The base offset of the segment.
        segment: Offset,
        /// Where in the segment.
        position: u32,
        /// What.
        bytes: &'a [u8],
    },
    /// Pieces of a log in this entry and earlier ones are void in segments that begin before an
    /// offset: the files of these are about to be removed or replaced.
    Cut {
        /// Whose.
        owner: Owner<'a>,
        /// The base offset of the first segment that is left alone.
        below: Offset,
    },
}

/// The bytes behind an entry's head are no pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnEntry;

impl Front {
    /// As it stands in its block.
    pub fn to_block(self) -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        block[..4].copy_from_slice(&FRONT_MAGIC.to_be_bytes());
        let fields = [self.turn, self.generation, self.capacity, self.begin];
        for (field, at) in fields.iter().zip((8..).step_by(8)) {
            block[at..at + 8].copy_from_slice(&field.to_be_bytes());
        }
        let crc = crc32c::crc32c(&block[8..40]);
        block[4..8].copy_from_slice(&crc.to_be_bytes());
        block
    }

    /// The front in a block, if it is whole.
    pub fn in_block(block: &[u8]) -> Option<Front> {
        let head = block.get(..40)?;
        let is_whole =
            u32_at(head, 0) == FRONT_MAGIC && u32_at(head, 4) == crc32c::crc32c(&head[8..40]);
        is_whole.then(|| Front {
            turn: u64_at(head, 8),
            generation: u64_at(head, 16),
            capacity: u64_at(head, 24),
            begin: u64_at(head, 32),
        })
    }

    /// The next one, which says that the oldest entry that is needed begins at `begin`.
    pub fn next(self, begin: Position) -> Front {
        Front {
            turn: self.turn + 1,
            begin,
            ..self
        }
    }

    /// Which of the two blocks it is written to.
    pub fn place(self) -> u64 {
        self.turn % 2 * BLOCK_BYTES as u64
    }
}

impl Head {
    /// The head at the beginning of `bytes`, if they begin with the magic; nothing else is checked.
    pub fn of(bytes: &[u8]) -> Option<Head> {
        let head = bytes.get(..HEAD_BYTES)?;
        (u32_at(head, 0) == ENTRY_MAGIC).then(|| Head {
            crc: u32_at(head, 4),
            generation: u64_at(head, 8),
            at: u64_at(head, 16),
            previous_end: u64_at(head, 24),
            durable: u64_at(head, 32),
            len: u32_at(head, 40),
            space: u32_at(head, 44),
        })
    }

    /// Where the next entry may begin.
    pub fn end(&self) -> Position {
        self.at + u64::from(self.space)
    }

    /// Writes the head in front of an entry whose pieces stand in `entry` already, and the checksum
    /// over all of it.
    pub fn seal(&self, entry: &mut [u8]) {
        entry[..4].copy_from_slice(&ENTRY_MAGIC.to_be_bytes());
        let fields = [self.generation, self.at, self.previous_end, self.durable];
        for (field, at) in fields.iter().zip((8..).step_by(8)) {
            entry[at..at + 8].copy_from_slice(&field.to_be_bytes());
        }
        entry[40..44].copy_from_slice(&self.len.to_be_bytes());
        entry[44..HEAD_BYTES].copy_from_slice(&self.space.to_be_bytes());
        let crc = crc32c::crc32c(&entry[8..self.len as usize]);
        entry[4..8].copy_from_slice(&crc.to_be_bytes());
    }

    /// Whether its lengths can be those of an entry in a circle of `capacity` bytes.
    pub fn is_possible(&self, capacity: u64) -> bool {
        let (len, space) = (u64::from(self.len), u64::from(self.space));
        len >= HEAD_BYTES as u64
            && len <= space
            && space == block_up(space)
            && self.at == block_up(self.at)
            && self.at % capacity + space <= capacity
    }

    /// Whether `entry`, which begins with this head, is whole.
    pub fn fits(&self, entry: &[u8]) -> bool {
        let bytes = entry.get(8..self.len as usize);
        bytes.is_some_and(|bytes| crc32c::crc32c(bytes) == self.crc)
    }
}

impl Owner<'_> {
    /// Bytes of a piece in front of its data.
    pub fn piece_bytes(&self) -> usize {
        PIECE_BYTES + self.folder.len()
    }

    /// Writes what stands in front of the data of a piece; returns how many bytes that are.
    fn put(&self, out: &mut [u8], kind: u8, offset: Offset, position: u32, len: u32) -> usize {
        let name = self.folder.as_bytes();
        let id = self.topic_id.map_or([0; 16], |id| *id.0.as_bytes());
        out[0] = kind;
        out[1..3].copy_from_slice(&(name.len() as u16).to_be_bytes());
        out[3..19].copy_from_slice(&id);
        out[19..27].copy_from_slice(&offset.to_be_bytes());
        out[27..31].copy_from_slice(&position.to_be_bytes());
        out[31..PIECE_BYTES].copy_from_slice(&len.to_be_bytes());
        out[PIECE_BYTES..PIECE_BYTES + name.len()].copy_from_slice(name);
        PIECE_BYTES + name.len()
    }

    /// Writes the front of a piece of data, which the caller puts behind it.
    pub fn put_data(&self, out: &mut [u8], segment: Offset, position: u32, len: u32) -> usize {
        self.put(out, DATA, segment, position, len)
    }

    /// Writes a cut.
    pub fn put_cut(&self, out: &mut [u8], below: Offset) -> usize {
        self.put(out, CUT, below, 0, 0)
    }
}

/// The pieces of an entry that is whole.
pub fn pieces(entry: &[u8]) -> impl Iterator<Item = Result<Piece<'_>, NotAnEntry>> {
    let mut left = entry.get(HEAD_BYTES..).unwrap_or_default();
    std::iter::from_fn(move || {
        if left.is_empty() {
            return None;
        }
        match take_piece(left) {
            Some((piece, rest)) => {
                left = rest;
                Some(Ok(piece))
            }
            None => {
                left = &[];
                Some(Err(NotAnEntry))
            }
        }
    })
}

fn take_piece(bytes: &[u8]) -> Option<(Piece<'_>, &[u8])> {
    let (head, rest) = bytes.split_at_checked(PIECE_BYTES)?;
    let name_len = u16::from_be_bytes([head[1], head[2]]);
    let (name, rest) = rest.split_at_checked(usize::from(name_len))?;
    let id: [u8; 16] = head[3..19].try_into().ok()?;
    let owner = Owner {
        folder: std::str::from_utf8(name).ok()?,
        topic_id: (id != [0; 16]).then(|| TopicId(Uuid::from_bytes(id))),
    };
    let offset = u64_at(head, 19) as Offset;
    let (position, len) = (u32_at(head, 27), u32_at(head, 31));
    let (bytes, rest) = rest.split_at_checked(len as usize)?;
    let piece = match head[0] {
        DATA => Piece::Data {
            owner,
            segment: offset,
            position,
            bytes,
        },
        CUT if len == 0 => Piece::Cut {
            owner,
            below: offset,
        },
        _ => return None,
    };
    Some((piece, rest))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .fold(0, |value, byte| value << 8 | u32::from(*byte))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) << 32 | u64::from(u32_at(bytes, at + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONT: Front = Front {
        turn: 7,
        generation: 3,
        capacity: 1 << 20,
        begin: 81_920,
    };

    #[test]
    fn a_front_is_found_only_whole() {
        let block = FRONT.to_block();
        assert_eq!(Front::in_block(&block), Some(FRONT));
        assert_eq!(FRONT.place(), 4096);
        for bit in 0..40 * 8 {
            let mut block = block;
            block[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Front::in_block(&block), None, "bit {bit}");
        }
        assert_eq!(Front::in_block(&[0; 4096]), None);
    }

    fn entry() -> Vec<u8> {
        let id = TopicId(Uuid::from_bytes([9; 16]));
        let with_id = Owner {
            folder: "orders-3",
            topic_id: Some(id),
        };
        let without = Owner {
            folder: "x-0",
            topic_id: None,
        };
        let mut entry = vec![0; 400];
        let mut at = HEAD_BYTES;
        at += with_id.put_data(&mut entry[at..], 42, 4096, 5);
        entry[at..at + 5].copy_from_slice(b"bytes");
        at += 5;
        at += without.put_cut(&mut entry[at..], 77);
        entry.truncate(at);
        let head = Head {
            generation: 3,
            at: 8192,
            previous_end: 4096,
            durable: 4096,
            len: at as u32,
            space: 4096,
            crc: 0,
        };
        head.seal(&mut entry);
        entry
    }

    #[test]
    fn pieces_are_read_as_they_were_written() {
        let entry = entry();
        let head = Head::of(&entry).expect("a head");
        assert!(head.fits(&entry) && head.at == 8192 && head.end() == 12_288);
        let found: Vec<_> = pieces(&entry).map(|it| it.expect("a piece")).collect();
        let [
            Piece::Data {
                owner,
                segment: 42,
                position: 4096,
                bytes: b"bytes",
            },
            Piece::Cut {
                owner: other,
                below: 77,
            },
        ] = found[..]
        else {
            panic!("{found:?}");
        };
        assert_eq!((owner.folder, other.folder), ("orders-3", "x-0"));
        assert!(owner.topic_id.is_some() && other.topic_id.is_none());
    }

    #[test]
    fn no_changed_bit_of_an_entry_is_taken() {
        let good = entry();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let taken = Head::of(&bad).is_some_and(|head| head.fits(&bad));
            assert!(!taken, "bit {bit}");
        }
        for len in 0..good.len() {
            let taken = Head::of(&good[..len]).is_some_and(|head| head.fits(&good[..len]));
            assert!(!taken, "{len} bytes");
        }
    }

    #[test]
    fn pieces_that_claim_too_much_are_refused() {
        for at in HEAD_BYTES..entry().len() {
            let mut bad = entry();
            bad[at] = 0xFF;
            // Whatever is found: no panic, and an end.
            assert!(pieces(&bad).count() <= 4);
        }
    }
}
