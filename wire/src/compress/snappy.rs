//! Pure: snappy, in the framing of the library for Java or, as librdkafka writes it, as one
//! block without any.

use std::io::{self, Write};

use super::block::Block;
use crate::cursor::Cursor;

/// How the framing begins: these eight bytes and two versions. Blocks with a four-byte length
/// each follow.
const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
const BLOCK_BYTES: usize = 32 * 1024;
/// No block grows by more than this: three bytes copy at most sixty-four.
const GROWTH_MAX: usize = 22;

pub(super) struct Blocks<'a> {
    framed: bool,
    input: Cursor<'a>,
    block: Block,
}

impl<'a> Blocks<'a> {
    pub fn new(input: &'a [u8]) -> io::Result<Blocks<'a>> {
        if input.is_empty() {
            return Err(corrupt());
        }
        Ok(Blocks {
            framed: input.starts_with(&MAGIC),
            input: Cursor::new(input),
            block: Block::new(),
        })
    }

    /// Fills the front of `part`; a block of more than `left` bytes is refused.
    pub fn read(&mut self, part: &mut [u8], left: usize) -> io::Result<usize> {
        while self.block.is_used_up() {
            if self.input.remaining() == 0 {
                return Ok(0);
            }
            self.next_block(left)?;
        }
        Ok(self.block.give(part))
    }

    fn next_block(&mut self, left: usize) -> io::Result<()> {
        let compressed = if self.framed {
            // Streams that were glued together have a header each.
            while self.input.rest().starts_with(&MAGIC) {
                self.input.take(16).map_err(|_| corrupt())?;
            }
            if self.input.remaining() < 4 {
                self.input = Cursor::EMPTY;
                return Ok(());
            }
            let length = self.input.u32().map_err(|_| corrupt())?;
            self.input.take(length as usize)
        } else {
            self.input.take(self.input.remaining())
        };
        let compressed = compressed.map_err(|_| corrupt())?;
        let length = snap::raw::decompress_len(compressed).map_err(|_| corrupt())?;
        if length > left {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if length / GROWTH_MAX > compressed.len() {
            return Err(corrupt());
        }
        self.block.fill(length, |block| {
            let mut decoder = snap::raw::Decoder::new();
            decoder.decompress(compressed, block).map_err(|_| corrupt())
        })
    }
}

fn corrupt() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// Writes blocks, framed.
pub(super) struct Encoder<W> {
    encoder: snap::raw::Encoder,
    out: W,
}

impl<W: Write> Encoder<W> {
    pub fn new(mut out: W) -> io::Result<Encoder<W>> {
        out.write_all(&MAGIC)?;
        out.write_all(&VERSIONS)?;
        let encoder = snap::raw::Encoder::new();
        Ok(Encoder { encoder, out })
    }

    /// Each call ends a block.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        for block in bytes.chunks(BLOCK_BYTES) {
            let compressed = self.encoder.compress_vec(block);
            let compressed = compressed.map_err(io::Error::other)?;
            self.out
                .write_all(&(compressed.len() as u32).to_be_bytes())?;
            self.out.write_all(&compressed)?;
        }
        Ok(())
    }

    pub fn finish(self) -> W {
        self.out
    }
}
