//! Pure: compression as clients do it, with other code than the broker's.

use std::io::{Read, Result, Write};

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// What stands before snappy's blocks, each of which follows its length in four bytes.
const SNAPPY: &[u8] = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01";

/// Plain bytes, compressed with the codec of a batch's attributes.
pub fn packed(codec: i16, plain: &[u8]) -> Result<Vec<u8>> {
    match codec {
        1 => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(plain)?;
            encoder.finish()
        }
        2 => {
            let mut out = SNAPPY.to_vec();
            for block in plain.chunks(32 << 10) {
                let block = snap::raw::Encoder::new().compress_vec(block)?;
                out.extend_from_slice(&(block.len() as u32).to_be_bytes());
                out.extend_from_slice(&block);
            }
            Ok(out)
        }
        3 => {
            let mut encoder = lz4::EncoderBuilder::new()
                .level(4)
                .block_mode(lz4::BlockMode::Independent)
                .build(Vec::new())?;
            encoder.write_all(plain)?;
            let (out, result) = encoder.finish();
            result.map(|()| out)
        }
        4 => zstd::encode_all(plain, 3),
        _ => Ok(plain.to_vec()),
    }
}

/// The opposite. Snappy may come without what stands before its blocks, as one of them.
pub fn unpacked(codec: i16, packed: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    match codec {
        1 => drop(GzDecoder::new(packed).read_to_end(&mut out)?),
        2 => {
            let Some(mut rest) = packed.strip_prefix(SNAPPY) else {
                return Ok(snap::raw::Decoder::new().decompress_vec(packed)?);
            };
            while !rest.is_empty() {
                let mut length = [0; 4];
                rest.read_exact(&mut length)?;
                let mut block = vec![0; u32::from_be_bytes(length) as usize];
                rest.read_exact(&mut block)?;
                out.extend(snap::raw::Decoder::new().decompress_vec(&block)?);
            }
        }
        3 => drop(lz4::Decoder::new(packed)?.read_to_end(&mut out)?),
        4 => out = zstd::decode_all(packed)?,
        _ => out.extend_from_slice(packed),
    }
    Ok(out)
}
