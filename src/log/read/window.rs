//! Pure: a stretch of a data file in memory, in pieces as they were read.

use super::check::Place;
use crate::io::buffer::{ReadMemory, Slice, block_down};
use crate::wire::batch::{BatchHeader, HEADER_BYTES};

/// A stretch of a data file in memory.
pub struct Window {
    position: u64,
    pieces: Vec<Slice>,
    bytes: usize,
    /// What the first read may use.
    memory: Option<ReadMemory>,
}

impl Window {
    /// Nothing yet, from the block of `position` on; what is read first counts in `memory`.
    pub fn at(position: u64, memory: Option<ReadMemory>) -> Window {
        Window {
            position: block_down(position),
            pieces: Vec::new(),
            bytes: 0,
            memory,
        }
    }

    /// Position of the first byte that is here.
    pub fn begin(&self) -> u64 {
        self.position
    }

    /// Position behind the last byte that is here.
    pub fn end(&self) -> u64 {
        self.position + self.bytes as u64
    }

    /// Hands over the memory for the first read.
    pub fn take_memory(&mut self) -> Option<ReadMemory> {
        self.memory.take()
    }

    /// Adds what was read behind the rest.
    pub fn push(&mut self, piece: Slice) {
        self.bytes += piece.len();
        self.pieces.push(piece);
    }

    /// Goes on at the block of `position` with nothing.
    pub fn move_to(&mut self, position: u64) {
        self.pieces.clear();
        self.bytes = 0;
        self.position = block_down(position);
    }

    /// Gives up pieces that end before `position`.
    pub fn forget_before(&mut self, position: u64) {
        while let Some(first) = self.pieces.first()
            && self.position + first.len() as u64 <= position
        {
            self.position += first.len() as u64;
            self.bytes -= first.len();
            self.pieces.remove(0);
        }
    }

    /// The header at `position`, if all of it is here.
    pub fn header(&self, position: u64) -> Option<BatchHeader> {
        let mut bytes = [0; HEADER_BYTES];
        let mut copied = 0;
        self.each(position, bytes.len(), |piece, from, to| {
            bytes[copied..copied + to - from].copy_from_slice(&piece[from..to]);
            copied += to - from;
        });
        (copied == bytes.len())
            .then(|| BatchHeader::copy(&bytes))
            .flatten()
    }

    /// Gives out `len` bytes from `position` on; returns `len`.
    pub fn share(&self, position: u64, len: usize, out: &mut Vec<Slice>) -> usize {
        self.each(position, len, |piece, from, to| {
            out.push(piece.part(from, to))
        });
        len
    }

    /// The checksum over a batch, which is here as a whole.
    pub fn crc(&self, place: &Place) -> u32 {
        let mut crc = place.header.crc_seed();
        let records = place.position + HEADER_BYTES as u64;
        let bytes = place.bytes - HEADER_BYTES;
        self.each(records, bytes, |piece, from, to| {
            crc = crc32c::crc32c_append(crc, &piece[from..to]);
        });
        crc
    }

    /// Calls `take` with the parts of pieces that cover `len` bytes from `position` on.
    fn each(&self, position: u64, len: usize, mut take: impl FnMut(&Slice, usize, usize)) {
        let mut begin = self.position;
        let end = position + len as u64;
        for piece in &self.pieces {
            let piece_end = begin + piece.len() as u64;
            let (from, to) = (position.max(begin), end.min(piece_end));
            if from < to {
                take(piece, (from - begin) as usize, (to - begin) as usize);
            }
            begin = piece_end;
        }
    }
}
