//! Pure: what every write leaves in the blank space behind the last batch: how far the log was
//! flushed before it.
//!
//! After a crash the end of the valid batches has one of two causes: the last writes were torn
//! before any of them was acked, or flushed batches were damaged later. A trailer found
//! behind the end tells them apart: nothing below its flushed offset may be missing. It lies in
//! the last bytes of the last block of a write, so that the next write, which begins with that
//! block, replaces it; a sealed segment has none. Layout, big-endian: magic (u32), flushed
//! offset (i64), position of the end of that write (u64), CRC-32C of the twenty bytes before (u32).

use crate::base::Offset;
use crate::io::buffer::{BLOCK_BYTES, block_up};

/// Size of a trailer, in bytes.
pub const TRAILER_BYTES: usize = 24;

/// Blank bytes between the last batch and a trailer: a length of zero for a reader that goes on.
const BLANK_BYTES: usize = 12;

const MAGIC: u32 = 0xC09E_7A11;

/// A statement about the log, true for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// Everything before this offset had been flushed when the write began.
    pub flushed_offset: Offset,
    /// Where in the segment the write's last batch ended.
    pub end: u64,
}

/// Where the last block of a write ends whose last batch ends at `end`.
pub fn extent(end: u64) -> u64 {
    block_up(end + (BLANK_BYTES + TRAILER_BYTES) as u64)
}

impl Trailer {
    /// The bytes of this trailer.
    pub fn to_bytes(self) -> [u8; TRAILER_BYTES] {
        let mut bytes = [0; TRAILER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.flushed_offset.to_be_bytes());
        bytes[12..20].copy_from_slice(&self.end.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[..20]);
        bytes[20..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// The trailer in the last bytes of `block`, if there is one.
    pub fn in_block(block: &[u8]) -> Option<Trailer> {
        let bytes: &[u8; TRAILER_BYTES] = block.last_chunk()?;
        let (head, crc) = bytes.split_at(20);
        let valid = head[..4] == MAGIC.to_be_bytes() && crc32c::crc32c(head).to_be_bytes() == crc;
        valid.then(|| Trailer {
            flushed_offset: i64::from_be_bytes(head[4..12].try_into().unwrap_or_default()),
            end: u64::from_be_bytes(head[12..20].try_into().unwrap_or_default()),
        })
    }

    /// The largest flushed offset of the trailers in `bytes`, which begin with a block.
    pub fn newest_in(bytes: &[u8]) -> Option<Offset> {
        bytes
            .chunks_exact(BLOCK_BYTES)
            .filter_map(Trailer::in_block)
            .map(|trailer| trailer.flushed_offset)
            .max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_is_found_at_the_end_of_its_block_and_only_whole() {
        let trailer = Trailer {
            flushed_offset: 77,
            end: 4000,
        };
        let mut blocks = vec![0; 3 * BLOCK_BYTES];
        blocks[2 * BLOCK_BYTES - TRAILER_BYTES..2 * BLOCK_BYTES]
            .copy_from_slice(&trailer.to_bytes());
        assert_eq!(
            Trailer::in_block(&blocks[BLOCK_BYTES..2 * BLOCK_BYTES]),
            Some(trailer)
        );
        assert_eq!(Trailer::newest_in(&blocks), Some(77));
        for bit in 0..TRAILER_BYTES * 8 {
            let mut block = blocks[BLOCK_BYTES..2 * BLOCK_BYTES].to_vec();
            block[BLOCK_BYTES - TRAILER_BYTES + bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Trailer::in_block(&block), None);
        }
    }

    #[test]
    fn the_extent_leaves_room_for_a_blank_length_and_the_trailer() {
        assert_eq!(extent(0), 4096);
        assert_eq!(extent(4060), 4096);
        assert_eq!(extent(4061), 8192);
        assert_eq!(extent(4096), 8192);
    }
}
