//! Pure: what the records of a batch are compressed with: gzip, snappy, lz4, zstd.
//!
//! Decompression streams: it holds one window or block of the codec, whatever the size of what
//! comes out, and stops at a bound that the caller sets, since a megabyte on the wire may stand
//! for gigabytes. What is odd about the bytes (damage, trailing bytes, foreign framing) is taken
//! or refused as the codecs of Kafka's Java clients do it.

mod block;
mod codec;
mod gzip;
mod lz4;
mod snappy;
mod zstd;

use std::io::{self, Read, Write};

pub use codec::Codec;

/// Why compressed bytes could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecompressError {
    /// They are not what the codec writes, or end too early.
    #[error("not valid {} data", .0.name())]
    Corrupt(Codec),
    /// More would come out than the caller allows.
    #[error("more than {max_bytes} bytes when uncompressed")]
    TooLarge {
        /// What the caller allows, in bytes.
        max_bytes: usize,
    },
}

/// Uncompressed bytes, a part at a time.
pub struct Decompressor<'a> {
    codec: Codec,
    source: Source<'a>,
    max_bytes: usize,
    left: usize,
}

enum Source<'a> {
    Plain(&'a [u8]),
    Gzip(gzip::Members<'a>),
    Snappy(snappy::Blocks<'a>),
    Lz4(lz4::Frame<'a>),
    Zstd(zstd::Frames<'a>),
}

impl<'a> Decompressor<'a> {
    /// Begins to read `compressed`, of which no more than `max_bytes` may come.
    pub fn new(
        codec: Codec,
        compressed: &'a [u8],
        max_bytes: usize,
    ) -> Result<Decompressor<'a>, DecompressError> {
        let source = match codec {
            Codec::None => Ok(Source::Plain(compressed)),
            Codec::Gzip => Ok(Source::Gzip(gzip::Members::new(compressed))),
            Codec::Snappy => snappy::Blocks::new(compressed).map(Source::Snappy),
            Codec::Lz4 => lz4::Frame::new(compressed).map(Source::Lz4),
            Codec::Zstd => zstd::Frames::new(compressed).map(Source::Zstd),
        };
        Ok(Decompressor {
            codec,
            source: source.map_err(|_| DecompressError::Corrupt(codec))?,
            max_bytes,
            left: max_bytes,
        })
    }

    /// Fills the front of `part`, which is not empty. The count of bytes there is returned; 0 is
    /// the end.
    pub fn read(&mut self, part: &mut [u8]) -> Result<usize, DecompressError> {
        let count = match &mut self.source {
            Source::Plain(bytes) => bytes.read(part),
            Source::Gzip(members) => members.read(part),
            Source::Snappy(blocks) => blocks.read(part, self.left),
            Source::Lz4(frame) => frame.read(part),
            Source::Zstd(frames) => frames.read(part),
        };
        let count = count.map_err(|error| self.fault(&error))?;
        self.left = self.left.checked_sub(count).ok_or(self.too_large())?;
        Ok(count)
    }

    /// Appends the next bytes to `out`, some kilobytes at the most; `false` at the end.
    pub fn append_to(&mut self, out: &mut Vec<u8>) -> Result<bool, DecompressError> {
        let filled = out.len();
        out.resize(filled + STEP_BYTES, 0);
        let count = self.read(&mut out[filled..]);
        out.truncate(filled + count.unwrap_or(0));
        Ok(count? > 0)
    }

    fn fault(&self, error: &io::Error) -> DecompressError {
        match error.kind() {
            io::ErrorKind::FileTooLarge => self.too_large(),
            _ => DecompressError::Corrupt(self.codec),
        }
    }

    fn too_large(&self) -> DecompressError {
        DecompressError::TooLarge {
            max_bytes: self.max_bytes,
        }
    }
}

/// Appends the uncompressed bytes to `out`, no more than `max_bytes` of them.
pub fn decompress(
    codec: Codec,
    compressed: &[u8],
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), DecompressError> {
    let mut source = Decompressor::new(codec, compressed, max_bytes)?;
    while source.append_to(out)? {}
    Ok(())
}

/// What [`Decompressor::append_to`] appends at the most, in bytes.
pub const STEP_BYTES: usize = 16 * 1024;

/// Appends `bytes`, compressed with the codecs' usual levels.
pub fn compress(codec: Codec, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    compress_at(codec, usual_level(codec), bytes, out)
}

fn usual_level(codec: Codec) -> i32 {
    const LZ4_FAST: i32 = 0;
    match codec {
        Codec::Gzip => GZIP_USUAL,
        Codec::Zstd => ::zstd::DEFAULT_COMPRESSION_LEVEL,
        Codec::None | Codec::Snappy | Codec::Lz4 => LZ4_FAST,
    }
}

/// The level of gzip that leaves it to the library.
const GZIP_USUAL: i32 = -1;

/// Appends `bytes`, compressed at a level of the codec's own: gzip 1 to 9 or -1, lz4 1 to 17,
/// zstd up to 22 (`compression.*.level`, KIP-390); the others have none.
pub fn compress_at(codec: Codec, level: i32, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut compressor = Compressor::new(codec, level, out)?;
    compressor.write(bytes)?;
    compressor.finish().map(drop)
}

/// Compresses what comes in parts; snappy ends a block with each part.
pub struct Compressor<W: Write>(Sink<W>);

enum Sink<W: Write> {
    Plain(W),
    Gzip(flate2::write::GzEncoder<W>),
    Snappy(Box<snappy::Encoder<W>>),
    Lz4(::lz4::Encoder<W>),
    Zstd(::zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Compressor<W> {
    /// Begins to compress into `out` at a level of the codec's own, see [`compress_at`].
    pub fn new(codec: Codec, level: i32, out: W) -> io::Result<Compressor<W>> {
        Ok(Compressor(match codec {
            Codec::None => Sink::Plain(out),
            Codec::Gzip => {
                let level = match u32::try_from(level) {
                    Ok(level) => flate2::Compression::new(level.min(9)),
                    Err(_) => flate2::Compression::default(),
                };
                Sink::Gzip(flate2::write::GzEncoder::new(out, level))
            }
            Codec::Snappy => Sink::Snappy(Box::new(snappy::Encoder::new(out)?)),
            Codec::Lz4 => {
                let mut builder = ::lz4::EncoderBuilder::new();
                builder.block_mode(::lz4::BlockMode::Independent);
                builder.level(level.max(0) as u32);
                Sink::Lz4(builder.build(out)?)
            }
            Codec::Zstd => Sink::Zstd(::zstd::stream::write::Encoder::new(out, level)?),
        }))
    }

    /// Begins at the codec's usual level.
    pub fn usual(codec: Codec, out: W) -> io::Result<Compressor<W>> {
        Compressor::new(codec, usual_level(codec), out)
    }

    /// Takes the next part.
    pub fn write(&mut self, part: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            Sink::Plain(out) => out.write_all(part),
            Sink::Gzip(encoder) => encoder.write_all(part),
            Sink::Snappy(encoder) => encoder.write(part),
            Sink::Lz4(encoder) => encoder.write_all(part),
            Sink::Zstd(encoder) => encoder.write_all(part),
        }
    }

    /// Ends; what was written into is given back.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Sink::Plain(out) => Ok(out),
            Sink::Gzip(encoder) => encoder.finish(),
            Sink::Snappy(encoder) => Ok(encoder.finish()),
            Sink::Lz4(encoder) => {
                let (out, ended) = encoder.finish();
                ended.map(|()| out)
            }
            Sink::Zstd(encoder) => encoder.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODECS: [Codec; 5] = [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ];

    fn text(bytes: usize) -> Vec<u8> {
        let words = ["offset", "leader", "epoch", "shard", "segment", "batch"];
        let mut random = fastrand::Rng::with_seed(7);
        let mut text = Vec::new();
        while text.len() < bytes {
            text.extend_from_slice(words[random.usize(..words.len())].as_bytes());
        }
        text.truncate(bytes);
        text
    }

    #[test]
    fn what_is_compressed_comes_back() {
        for codec in CODECS {
            for size in [0, 1, 1000, 200_000] {
                let bytes = text(size);
                let (mut packed, mut unpacked) = (Vec::new(), vec![9]);
                compress(codec, &bytes, &mut packed).unwrap();
                decompress(codec, &packed, size, &mut unpacked).unwrap();
                assert!(unpacked[1..] == bytes, "{codec:?} {size}");
            }
        }
    }

    #[test]
    fn a_higher_level_takes_less_space() {
        let bytes = text(200_000);
        for (codec, levels) in [
            (Codec::Gzip, [1, 9]),
            (Codec::Lz4, [1, 9]),
            (Codec::Zstd, [-50, 19]),
        ] {
            let sizes = levels.map(|level| {
                let (mut packed, mut unpacked) = (Vec::new(), Vec::new());
                compress_at(codec, level, &bytes, &mut packed).unwrap();
                decompress(codec, &packed, bytes.len(), &mut unpacked).unwrap();
                assert!(unpacked == bytes, "{codec:?} {level}");
                packed.len()
            });
            assert!(sizes[1] < sizes[0], "{codec:?} {sizes:?}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_bound() {
        let zeros = vec![0; 50 << 20];
        for codec in CODECS {
            let mut packed = Vec::new();
            compress(codec, &zeros, &mut packed).unwrap();
            let mut out = Vec::new();
            let max_bytes = 100_000;
            let outcome = decompress(codec, &packed, max_bytes, &mut out);
            assert_eq!(outcome, Err(DecompressError::TooLarge { max_bytes }));
            assert!(out.capacity() < 300_000, "{codec:?} {}", out.capacity());
        }
    }

    #[test]
    fn snappy_comes_framed_or_raw() {
        let bytes = text(100_000);
        let raw = snap::raw::Encoder::new().compress_vec(&bytes).unwrap();
        let mut out = Vec::new();
        decompress(Codec::Snappy, &raw, 100_000, &mut out).unwrap();
        assert!(out == bytes);
        // A raw block that claims four gigabytes.
        let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0];
        let outcome = decompress(Codec::Snappy, &claim, usize::MAX, &mut out);
        assert_eq!(outcome, Err(DecompressError::Corrupt(Codec::Snappy)));
        let mut twice = Vec::new();
        compress(Codec::Snappy, b"one", &mut twice).unwrap();
        compress(Codec::Snappy, b"two", &mut twice).unwrap();
        out.clear();
        decompress(Codec::Snappy, &twice, 100, &mut out).unwrap();
        assert_eq!(out, b"onetwo");
    }

    #[test]
    fn what_stands_behind_a_stream_is_taken_as_java_takes_it() {
        let unpack = |codec, packed: &[u8]| {
            let mut out = Vec::new();
            decompress(codec, packed, 100, &mut out).map(|()| out)
        };
        for codec in &CODECS[1..] {
            let mut packed = Vec::new();
            compress(*codec, b"one", &mut packed).unwrap();
            let mut twice = packed.clone();
            twice.extend_from_slice(&packed);
            packed.extend_from_slice(b"zz");
            let corrupt = Err(DecompressError::Corrupt(*codec));
            let one = Ok(b"one".to_vec());
            let behind = if *codec == Codec::Zstd {
                &corrupt
            } else {
                &one
            };
            assert_eq!(&unpack(*codec, &packed), behind, "{codec:?}");
            let glued = if *codec == Codec::Lz4 {
                &b"one"[..]
            } else {
                b"oneone"
            };
            assert_eq!(unpack(*codec, &twice).unwrap(), glued, "{codec:?}");
            let empty = if *codec == Codec::Zstd {
                Ok(vec![])
            } else {
                corrupt
            };
            assert_eq!(unpack(*codec, &[]), empty, "{codec:?}");
        }
        let mut builder = ::lz4::EncoderBuilder::new();
        builder.block_mode(::lz4::BlockMode::Linked);
        builder.block_size(::lz4::BlockSize::Max64KB);
        let mut encoder = builder.build(Vec::new()).unwrap();
        encoder.write_all(&text(200_000)).unwrap();
        let (linked, _) = encoder.finish();
        let corrupt = DecompressError::Corrupt(Codec::Lz4);
        assert_eq!(unpack(Codec::Lz4, &linked), Err(corrupt));
    }

    #[test]
    fn truncated_and_damaged_bytes_are_refused_without_panic() {
        let bytes = text(3000);
        for codec in &CODECS[1..] {
            let mut packed = Vec::new();
            compress(*codec, &bytes, &mut packed).unwrap();
            for end in 0..packed.len() {
                let mut out = Vec::new();
                let outcome = decompress(*codec, &packed[..end], 3000, &mut out);
                // Framed snappy may end between blocks, zstd may be nothing at all.
                let between = match codec {
                    Codec::Snappy => (16..20).contains(&end),
                    Codec::Zstd => end == 0,
                    _ => false,
                };
                assert_eq!(outcome.is_ok(), between, "{codec:?} {end}");
            }
            for at in 0..packed.len() {
                let mut broken = packed.clone();
                broken[at] ^= 0x10;
                let mut out = Vec::new();
                // Whatever comes of it, it is bounded and no panic.
                let _ = decompress(*codec, &broken, 10_000, &mut out);
                assert!(out.len() <= 10_000 + STEP_BYTES);
            }
            // What is kept from batch to batch has not suffered.
            let mut out = Vec::new();
            decompress(*codec, &packed, 3000, &mut out).unwrap();
            assert!(out == bytes, "{codec:?}");
        }
    }
}
