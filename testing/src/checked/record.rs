//! Pure: what a record looks like: all of it follows from who sent it and its number.

use corelane::wire::batch::{BatchBuilder, NewRecord};
use fastrand::Rng;

/// How large the records of a lane are, and whether they have keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A few hundred bytes, now and then several blocks.
    Small,
    /// Up to 100 KB, so that segments fill.
    Large,
    /// Some 90 KB each.
    Huge,
    /// Small, with one of a few keys; now and then without a value.
    Keyed,
}

/// Keys that one lane uses.
pub const KEYS: u64 = 23;
/// The name of the header that says who sent the record, and its number.
const HEADER: &[u8] = b"n";

/// Everything but the timestamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub id: [u8; 12],
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

/// The key that a keyed record has.
pub fn key_of(number: u64) -> u64 {
    number.wrapping_mul(7) % KEYS
}

/// Whether a keyed record deletes its key.
pub fn is_tombstone(number: u64) -> bool {
    number % 11 == 10
}

/// How many records the batch that begins with `number` has.
pub fn batch_count(lane: u32, number: u64) -> u32 {
    let mut random = seed(lane, number);
    1 + random.u32(..5)
}

fn seed(lane: u32, number: u64) -> Rng {
    Rng::with_seed(u64::from(lane) << 40 ^ number)
}

/// The record `number` of `lane`.
pub fn content(lane: u32, number: u64, shape: Shape) -> Content {
    let mut random = seed(lane, number);
    random.u64(..);
    let most = match (shape, random.u64(..16)) {
        (Shape::Small | Shape::Keyed, 0) => 20_000,
        (Shape::Small | Shape::Keyed, _) => 900,
        (Shape::Large, 0..4) => 100_000,
        (Shape::Large, _) => 9_000,
        (Shape::Huge, _) => 10_000,
    };
    let least = [0, 85_000][usize::from(shape == Shape::Huge)];
    let len = least + random.usize(..most);
    let mut value = Vec::with_capacity(len + 8);
    while value.len() < len {
        value.extend_from_slice(&random.u64(..).to_le_bytes());
    }
    value.truncate(len);
    let mut id = [0; 12];
    id[..4].copy_from_slice(&lane.to_be_bytes());
    id[4..].copy_from_slice(&number.to_be_bytes());
    let keyed = shape == Shape::Keyed;
    Content {
        id,
        key: keyed.then(|| format!("{lane}/{}", key_of(number)).into_bytes()),
        value: (!keyed || !is_tombstone(number)).then_some(value),
    }
}

/// Lane and number, as the header says them.
pub fn id_of(headers: corelane::wire::batch::Headers<'_>) -> Option<(u32, u64)> {
    let header = headers.into_iter().next()?;
    let id: &[u8; 12] = header.value?.try_into().ok()?;
    let (lane, number) = id.split_at(4);
    (header.key == HEADER).then(|| {
        (
            u32::from_be_bytes(lane.try_into().unwrap_or_default()),
            u64::from_be_bytes(number.try_into().unwrap_or_default()),
        )
    })
}

/// The batch of `count` records from `first` on; with a producer id it carries their numbers
/// as sequence numbers.
pub fn batch(
    lane: u32,
    first: u64,
    count: u32,
    shape: Shape,
    producer: Option<i64>,
    now_ms: i64,
) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    if let Some(id) = producer {
        builder = builder.producer(id, 0, first as i32);
    }
    for number in first..first + u64::from(count) {
        let content = content(lane, number, shape);
        let headers: [(&[u8], Option<&[u8]>); 1] = [(HEADER, Some(&content.id))];
        let (key, value) = (content.key.as_deref(), content.value.as_deref());
        builder.push(NewRecord::new(now_ms, key, value).headers(&headers));
    }
    builder.build()
}
