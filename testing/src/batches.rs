//! Pure: record batches as producers send them.

use bytes::Bytes;
use corelane::wire::batch::{BatchBuilder, Codec, NewRecord};
use corelane::wire::compress::compress;

/// The time that records carry where a test needs none in particular, in milliseconds since 1970.
pub const TIME_MS: i64 = 1_700_000_000_000;

/// One batch of these values, without keys.
pub fn batch(values: &[&[u8]]) -> Bytes {
    let mut builder = BatchBuilder::new();
    for value in values {
        builder.push(NewRecord::new(TIME_MS, None, Some(value)));
    }
    builder.build().into()
}

/// One batch of one record with time, key and value.
pub fn record(time_ms: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.push(NewRecord::new(time_ms, key, value));
    builder.build().into()
}

/// One batch of one record of the year 1970, with this value.
pub fn one(value: &[u8]) -> Vec<u8> {
    record(0, None, Some(value)).into()
}

/// The same with a value of so many bytes.
pub fn filled(bytes: usize) -> Vec<u8> {
    one(&vec![b'x'; bytes])
}

/// The batch of `builder` with its records compressed.
pub fn compressed(builder: BatchBuilder, codec: Codec) -> Vec<u8> {
    builder.build_compressed(codec, |records| {
        let mut packed = Vec::new();
        compress(codec, records, &mut packed).unwrap();
        packed
    })
}
