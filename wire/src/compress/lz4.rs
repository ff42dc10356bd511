//! Pure: one lz4 frame (the lz4 frame format, version 1.6), of the kind that Kafka's Java
//! clients read: blocks that do not depend on each other, no dictionary. The checksum over the
//! whole content is not looked at, as there; the batch has one of its own.

use std::io;

use super::block::Block;
use crate::cursor::Cursor;

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Flags: two bits of version, which are 01, independent blocks, block checksums, content size,
/// content checksum, a bit that is 0, dictionary.
const FIXED_FLAGS: u8 = 0b1110_0011;
const FIXED_VALUES: u8 = 0b0110_0000;
const BLOCK_CHECKSUMS: u8 = 0b0001_0000;
const CONTENT_SIZE: u8 = 0b0000_1000;
const CONTENT_CHECKSUM: u8 = 0b0000_0100;
/// In a block's length: the block is stored as it is.
const STORED: u32 = 1 << 31;

pub(super) struct Frame<'a> {
    input: Cursor<'a>,
    flags: u8,
    block_bytes_max: usize,
    block: Block,
    ended: bool,
}

impl<'a> Frame<'a> {
    pub fn new(input: &'a [u8]) -> io::Result<Frame<'a>> {
        let descriptor = input.strip_prefix(&MAGIC).ok_or_else(corrupt)?;
        let [flags, sizes, rest @ ..] = descriptor else {
            return Err(corrupt());
        };
        let length = if flags & CONTENT_SIZE == 0 { 2 } else { 10 };
        let block_size = sizes >> 4 & 7;
        if flags & FIXED_FLAGS != FIXED_VALUES || sizes & 0x8f != 0 || block_size < 4 {
            return Err(corrupt());
        }
        let mut input = Cursor::new(rest);
        input.take(length - 2).map_err(|_| corrupt())?;
        let checksum = input.u8().map_err(|_| corrupt())?;
        if checksum != (xxh32(&descriptor[..length]) >> 8) as u8 {
            return Err(corrupt());
        }
        Ok(Frame {
            input,
            flags: *flags,
            // 64 KiB, 256 KiB, 1 MiB or 4 MiB.
            block_bytes_max: 1 << (8 + 2 * block_size),
            block: Block::new(),
            ended: false,
        })
    }

    pub fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
        while self.block.is_used_up() && !self.ended {
            self.next_block()?;
        }
        Ok(self.block.give(part))
    }

    fn next_block(&mut self) -> io::Result<()> {
        let length = self.u32()?;
        let size = (length & !STORED) as usize;
        self.ended = size == 0;
        if self.ended {
            if self.flags & CONTENT_CHECKSUM != 0 {
                self.u32()?;
            }
            return Ok(());
        }
        let bytes = self.input.take(size).map_err(|_| corrupt())?;
        let max = self.block_bytes_max;
        if size > max {
            return Err(corrupt());
        }
        if self.flags & BLOCK_CHECKSUMS != 0 && self.u32()? != xxh32(bytes) {
            return Err(corrupt());
        }
        if length & STORED != 0 {
            return self.block.fill(size, |block| {
                block.copy_from_slice(bytes);
                Ok(size)
            });
        }
        let max_size = Some(max as i32);
        self.block.fill(max, |block| {
            ::lz4::block::decompress_to_buffer(bytes, max_size, block)
        })
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.input.u32().map(u32::swap_bytes).map_err(|_| corrupt())
    }
}

fn corrupt() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

const PRIMES: [u32; 5] = [
    0x9e37_79b1,
    0x85eb_ca77,
    0xc2b2_ae3d,
    0x27d4_eb2f,
    0x1656_67b1,
];

/// The 32-bit xxHash with seed 0.
fn xxh32(bytes: &[u8]) -> u32 {
    let [p1, p2, p3, p4, p5] = PRIMES;
    let (stripes, rest) = bytes.as_chunks::<16>();
    let mut lanes = [p1.wrapping_add(p2), p2, 0, 0u32.wrapping_sub(p1)];
    for stripe in stripes {
        let (words, _) = stripe.as_chunks::<4>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            let mixed = u32::from_le_bytes(*word).wrapping_mul(p2);
            *lane = lane.wrapping_add(mixed).rotate_left(13).wrapping_mul(p1);
        }
    }
    let [one, two, three, four] = lanes;
    let mut hash = match stripes.len() {
        0 => p5,
        _ => one
            .rotate_left(1)
            .wrapping_add(two.rotate_left(7))
            .wrapping_add(three.rotate_left(12))
            .wrapping_add(four.rotate_left(18)),
    };
    hash = hash.wrapping_add(bytes.len() as u32);
    let (words, rest) = rest.as_chunks::<4>();
    for word in words {
        hash = hash.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(p3));
        hash = hash.rotate_left(17).wrapping_mul(p4);
    }
    for byte in rest {
        hash = hash.wrapping_add(u32::from(*byte).wrapping_mul(p5));
        hash = hash.rotate_left(11).wrapping_mul(p1);
    }
    hash = (hash ^ hash >> 15).wrapping_mul(p2);
    hash = (hash ^ hash >> 13).wrapping_mul(p3);
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn unpack(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut frame = Frame::new(packed)?;
        let (mut out, mut part) = (Vec::new(), [0; 1000]);
        loop {
            match frame.read(&mut part)? {
                0 => return Ok(out),
                count => out.extend_from_slice(&part[..count]),
            }
        }
    }

    #[test]
    fn every_kind_of_frame_that_the_library_writes_is_read() {
        let text: Vec<u8> = (0..700_000u64).map(|i| ((i * i) >> 13) as u8).collect();
        for size in [
            ::lz4::BlockSize::Max64KB,
            ::lz4::BlockSize::Max256KB,
            ::lz4::BlockSize::Max1MB,
            ::lz4::BlockSize::Max4MB,
        ] {
            for (content, blocks) in [(false, false), (true, false), (true, true)] {
                let mut builder = ::lz4::EncoderBuilder::new();
                builder.block_mode(::lz4::BlockMode::Independent);
                builder.block_size(size.clone());
                if !content {
                    builder.checksum(::lz4::ContentChecksum::NoChecksum);
                }
                if blocks {
                    builder.block_checksum(::lz4::liblz4::BlockChecksum::BlockChecksumEnabled);
                    builder.content_size(text.len() as u64);
                }
                let mut encoder = builder.build(Vec::new()).unwrap();
                encoder.write_all(&text).unwrap();
                let (mut packed, done) = encoder.finish();
                done.unwrap();
                assert!(unpack(&packed).unwrap() == text);
                let at = packed.len() / 2;
                packed[at] ^= 1;
                assert!(!blocks || unpack(&packed).is_err());
            }
        }
    }

    #[test]
    fn a_stored_block_and_a_wrong_header_checksum() {
        let frame = |checksum: u8| {
            let mut frame = MAGIC.to_vec();
            frame.extend([0x60, 0x40, checksum, 3, 0, 0, 0x80, b'a', b'b', b'c']);
            frame.extend([0; 4]);
            frame
        };
        assert_eq!(unpack(&frame(0x82)).unwrap(), b"abc");
        assert!(unpack(&frame(0x83)).is_err());
        // The hash of nothing and of a longer text, as published with the algorithm.
        assert_eq!(xxh32(b""), 0x02cc_5d05);
        assert_eq!(
            xxh32(b"Nobody inspects the spammish repetition"),
            0xe229_3b2f
        );
    }
}
