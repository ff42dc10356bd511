//! Pure: what a batch must be like before it is appended, as Kafka's `ProduceRequest`,
//! `UnifiedLog` and `LogValidator` have it, and what becomes of one that a topic's settings do
//! not let stand as it came. Where this is stricter than Kafka: `docs/formats/batch.md`.

mod invalid;
mod rewrite;
mod walk;

use crate::base::config::{self, TopicConfig};
use crate::base::limits::{UNPACKED_BYTES_MAX, UNPACKED_BYTES_MIN, UNPACKED_GROWTH_MAX};
use crate::base::{ProducerId, WallMs};
use crate::wire::batch::{
    BatchError, BatchView, Codec, LENGTH_PREFIX_BYTES, Outlines, Records, TimestampType,
};
use crate::wire::cursor::Cursor;

pub use invalid::{Invalid, Problem, RecordProblem, Rejected};
use rewrite::rewrite;
use walk::Walk;

/// Bytes that [`validate_at_once`] uncompresses at most: some milliseconds.
pub const AT_ONCE_BYTES: usize = 1 << 20;
/// Compressing a byte takes so many times longer than uncompressing it.
const REWRITE_COST: usize = 8;
/// From this version on a produce request may carry zstd (KIP-110).
const FIRST_VERSION_WITH_ZSTD: i16 = 7;

/// Where an append comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A client, which may send anything.
    Client,
    /// Kafka's own admin client: a client that may write to internal topics.
    Admin,
    /// A coordinator of this broker: it may write control batches.
    Coordinator,
}

/// The settings of a topic that decide about its batches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// The largest batch taken, in bytes (`max.message.bytes`).
    pub max_message_bytes: usize,
    /// Whose clock stamps the records (`message.timestamp.type`).
    pub timestamp_type: TimestampType,
    /// How far a producer's timestamp may lie behind the clock, in milliseconds.
    pub timestamp_before_max_ms: i64,
    /// How far a producer's timestamp may lie ahead of the clock, in milliseconds.
    pub timestamp_after_max_ms: i64,
    /// Whether every record needs a key (`cleanup.policy` has `compact`).
    pub compacted: bool,
    /// The codec of stored batches; `None`: the producer's (`compression.type`).
    pub compression: Option<Codec>,
    /// The level of that codec (`compression.gzip.level` and so on).
    pub compression_level: i32,
}

impl From<&TopicConfig> for Rules {
    fn from(config: &TopicConfig) -> Rules {
        use config::Compression;
        Rules {
            max_message_bytes: config.max_message_bytes,
            timestamp_type: config.message_timestamp_type,
            timestamp_before_max_ms: config.message_timestamp_before_max_ms,
            timestamp_after_max_ms: config.message_timestamp_after_max_ms,
            compacted: config.cleanup_policy.compact,
            compression_level: config.compression_level,
            compression: match config.compression_type {
                Compression::Producer => None,
                Compression::Uncompressed => Some(Codec::None),
                Compression::Gzip => Some(Codec::Gzip),
                Compression::Snappy => Some(Codec::Snappy),
                Compression::Lz4 => Some(Codec::Lz4),
                Compression::Zstd => Some(Codec::Zstd),
            },
        }
    }
}

impl Rules {
    fn uncompressed_bytes_max(&self) -> usize {
        let grown = self.max_message_bytes.saturating_mul(UNPACKED_GROWTH_MAX);
        grown.clamp(UNPACKED_BYTES_MIN, UNPACKED_BYTES_MAX)
    }
}

/// A batch that may be appended.
#[derive(Clone, Copy, Debug)]
pub struct Validated<'a> {
    /// The batch to append: what came, without bytes that followed it, or what became of it.
    pub batch: BatchView<'a>,
    /// What the timestamps are to be replaced with at append, if they are.
    pub log_append_time: Option<WallMs>,
}

/// Whether a produce request of `version` may carry these records at all; to be asked before
/// [`validate`] for requests older than 7.
pub fn check_version(records: &[u8], version: i16) -> Result<(), Invalid> {
    if version >= FIRST_VERSION_WITH_ZSTD {
        return Ok(());
    }
    match first_batch(records)?.attributes().codec() {
        Ok(Codec::Zstd) => Err(Invalid::ZstdTooOld),
        Ok(_) => Ok(()),
        Err(id) => Err(Invalid::Codec(id)),
    }
}

/// Checks the records of one partition in a produce request, which must be one batch. If it
/// cannot be stored as it came, what is to be stored is put into `rewritten`, which stays
/// empty else; no memory is taken for an uncompressed batch that is stored as it came.
pub fn validate<'a>(
    records: &'a [u8],
    rules: &Rules,
    origin: Origin,
    now_ms: WallMs,
    rewritten: &'a mut Vec<u8>,
) -> Result<Validated<'a>, Invalid> {
    let valid = validate_within(usize::MAX, records, rules, origin, now_ms, rewritten)?;
    Ok(valid.expect("nothing takes longer than there is time"))
}

/// As [`validate`], for a caller that must not hold up its core: `None` where more than
/// [`AT_ONCE_BYTES`] would have to be uncompressed or compressed.
pub fn validate_at_once<'a>(
    records: &'a [u8],
    rules: &Rules,
    origin: Origin,
    now_ms: WallMs,
    rewritten: &'a mut Vec<u8>,
) -> Result<Option<Validated<'a>>, Invalid> {
    validate_within(AT_ONCE_BYTES, records, rules, origin, now_ms, rewritten)
}

/// The result of validating records on another thread than the one that appends them.
#[derive(Clone, Debug)]
pub struct Checked {
    rules: Rules,
    outcome: Result<Kept, Invalid>,
}

/// What is to be stored of valid records.
#[derive(Clone, Debug)]
struct Kept {
    /// Where it is not what came.
    rewritten: Option<Vec<u8>>,
    log_append_time: Option<WallMs>,
}

impl Checked {
    /// Validates records of a client, however long that takes.
    pub fn new(records: &[u8], rules: &Rules, now_ms: WallMs) -> Checked {
        let mut rewritten = Vec::new();
        let valid = validate(records, rules, Origin::Client, now_ms, &mut rewritten);
        let log_append_time = valid.map(|valid| valid.log_append_time);
        Checked {
            rules: *rules,
            outcome: log_append_time.map(|log_append_time| Kept {
                rewritten: Some(rewritten).filter(|bytes| !bytes.is_empty()),
                log_append_time,
            }),
        }
    }

    /// The verdict, for the records that it is about; `None` where the rules have changed since.
    pub fn validated<'a>(
        &'a self,
        records: &'a [u8],
        rules: &Rules,
    ) -> Option<Result<Validated<'a>, Invalid>> {
        if self.rules != *rules {
            return None;
        }
        let kept = match &self.outcome {
            Ok(kept) => kept,
            Err(invalid) => return Some(Err(invalid.clone())),
        };
        let batch = match &kept.rewritten {
            Some(bytes) => first_batch(bytes),
            None => only_batch(records),
        };
        Some(batch.map(|batch| Validated {
            batch,
            log_append_time: kept.log_append_time,
        }))
    }
}

fn validate_within<'a>(
    bytes_at_once: usize,
    records: &'a [u8],
    rules: &Rules,
    origin: Origin,
    now_ms: WallMs,
    rewritten: &'a mut Vec<u8>,
) -> Result<Option<Validated<'a>>, Invalid> {
    let batch = only_batch(records)?;
    let codec = check_bytes(&batch, rules, origin)?;
    if origin != Origin::Coordinator {
        check_header(&batch)?;
    }
    let mut walk = Walk::new(&batch, rules, now_ms);
    if codec == Codec::None {
        for record in Records::of(&batch) {
            let record = record.map_err(Invalid::Record)?;
            let has_key = record.key.is_some();
            walk.record(record.timestamp_delta, record.offset_delta, has_key);
        }
    } else {
        let (count, max_bytes) = (batch.record_count(), rules.uncompressed_bytes_max());
        let at_once = max_bytes.min(bytes_at_once);
        let is_long =
            |invalid: &Invalid| matches!(invalid, Invalid::Bomb { max } if *max < max_bytes);
        let outlines = Outlines::new(codec, count, batch.records_bytes(), at_once);
        let outlines = match outlines.map_err(Invalid::from) {
            Err(invalid) if is_long(&invalid) => return Ok(None),
            outlines => outlines?,
        };
        for outline in outlines {
            let outline = match outline.map_err(Invalid::from) {
                Err(invalid) if is_long(&invalid) => return Ok(None),
                outline => outline?,
            };
            walk.record(
                outline.timestamp_delta,
                outline.offset_delta,
                outline.has_key,
            );
        }
    }
    let walk = walk.finish()?;
    let log_append_time = match rules.timestamp_type {
        TimestampType::LogAppendTime => Some(now_ms),
        TimestampType::CreateTime => None,
    };
    let batch = match walk.rewrite(&batch, codec)? {
        None => batch,
        Some(_) if batch.size_bytes() > bytes_at_once / REWRITE_COST => return Ok(None),
        Some(how) => rewrite(&batch, codec, &how, rewritten)?,
    };
    Ok(Some(Validated {
        batch,
        log_append_time,
    }))
}

/// What the first batch of a produce request's partition says of the whole request, whatever
/// else is wrong with it: whether it is transactional, or why it can be no batch at all.
pub fn first_look(records: &[u8]) -> Result<bool, &'static str> {
    match first_batch(records) {
        Ok(batch) => Ok(batch.attributes().is_transactional()),
        Err(Invalid::Malformed) => first_malformed(records),
        Err(_) => Ok(false),
    }
}

/// Producer id, epoch and first sequence of the first batch of a produce request's partition, if it
/// is part of a transaction.
pub fn in_transaction(records: &[u8]) -> Option<(ProducerId, i16, i32)> {
    let batch = first_batch(records).ok()?;
    let is_part = batch.attributes().is_transactional() && batch.has_producer_id();
    is_part.then(|| {
        let (id, epoch) = (batch.producer_id(), batch.producer_epoch());
        (id, epoch, batch.base_sequence())
    })
}

/// Tells bytes that no format could have from those that only the current format cannot have.
#[cold]
fn first_malformed(records: &[u8]) -> Result<bool, &'static str> {
    let field = records.get(LENGTH_PREFIX_BYTES - 4..LENGTH_PREFIX_BYTES);
    let length = field.and_then(|field| Cursor::new(field).i32().ok());
    if length.is_some_and(|length| length < LENGTH_MIN) {
        return Err("a batch's length is below that of any format");
    }
    match BatchView::parse(records) {
        Err(BatchError::Magic(_)) => Err("a batch's format version is none there is"),
        _ => Ok(false),
    }
}

fn only_batch(records: &[u8]) -> Result<BatchView<'_>, Invalid> {
    let batch = first_batch(records)?;
    // Bytes behind it that are too few for what they claim are cut off, as in Kafka.
    match first_batch(&records[batch.size_bytes()..]) {
        Err(Invalid::NoBatch) => Ok(batch),
        Err(Invalid::Malformed) => Err(Invalid::Malformed),
        _ => Err(Invalid::SecondBatch),
    }
}

/// Smallest length field that a batch of any format version could have.
const LENGTH_MIN: i32 = 14;

fn first_batch(bytes: &[u8]) -> Result<BatchView<'_>, Invalid> {
    let length = bytes.get(LENGTH_PREFIX_BYTES - 4..LENGTH_PREFIX_BYTES);
    let Some(Ok(length)) = length.map(|field| Cursor::new(field).i32()) else {
        return Err(Invalid::NoBatch);
    };
    if length < LENGTH_MIN {
        return Err(Invalid::Malformed);
    }
    let is_whole = bytes.len() - LENGTH_PREFIX_BYTES >= length as usize;
    match BatchView::parse(bytes) {
        Ok(batch) => Ok(batch),
        Err(BatchError::Magic(0 | 1)) if !is_whole => Err(Invalid::NoBatch),
        Err(BatchError::Magic(magic @ (0 | 1))) => Err(Invalid::OldFormat(magic)),
        Err(BatchError::Magic(_) | BatchError::Length(_)) => Err(Invalid::Malformed),
        Err(BatchError::Truncated { .. }) if is_whole => Err(Invalid::Malformed),
        Err(BatchError::Truncated { .. }) => Err(Invalid::NoBatch),
        Err(BatchError::Crc { stored, computed }) => Err(Invalid::Crc { stored, computed }),
    }
}

fn check_bytes(batch: &BatchView<'_>, rules: &Rules, origin: Origin) -> Result<Codec, Invalid> {
    if origin != Origin::Coordinator && batch.base_offset() != 0 {
        return Err(Invalid::BaseOffset(batch.base_offset()));
    }
    check_size(batch.size_bytes(), rules)?;
    match batch.verify_crc() {
        Ok(()) => batch.attributes().codec().map_err(Invalid::Codec),
        Err(BatchError::Crc { stored, computed }) => Err(Invalid::Crc { stored, computed }),
        Err(_) => Err(Invalid::Malformed),
    }
}

fn check_size(size: usize, rules: &Rules) -> Result<(), Invalid> {
    let max = rules.max_message_bytes;
    match size > max {
        true => Err(Invalid::TooLarge { size, max }),
        false => Ok(()),
    }
}

fn check_header(batch: &BatchView<'_>) -> Result<(), Invalid> {
    let count = batch.record_count();
    let offsets = i64::from(batch.last_offset_delta()) + 1;
    if count <= 0 || offsets != i64::from(count) {
        return Err(Invalid::Count { count, offsets });
    }
    if batch.attributes().is_control() {
        return Err(Invalid::Control);
    }
    if batch.has_producer_id() && batch.base_sequence() < 0 {
        return Err(Invalid::Sequence(batch.base_sequence()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod verdicts;
#[cfg(test)]
mod clients;
