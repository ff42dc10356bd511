//! Pure: what compaction leaves of one batch (Kafka's `MemoryRecords.filterTo` and the filter
//! that its `Cleaner` hands in).

use std::collections::HashMap;
use std::fmt;

use super::keymap::KeyMap;
use crate::base::{Offset, ProducerId, WallMs};
use crate::wire::batch::{
    BatchView, Codec, HEADER_BYTES, Record, RecordError, Remains, seal_remains,
};
use crate::wire::compress::{Compressor, DecompressError};
use crate::wire::unpack::{UnpackError, Unpacking};

/// The last thing that an active producer wrote; what follows it is judged by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastRecord {
    /// Offset of its last record, where it is known.
    pub data_offset: Option<Offset>,
    /// Its epoch.
    pub epoch: i16,
}

/// The last records of the producers that a log still remembers.
pub type LastRecords = HashMap<ProducerId, LastRecord>;

/// What holds for all batches of one cleaning.
pub struct Rules<'a> {
    /// The newest offset of each key.
    pub keys: &'a KeyMap,
    /// The map knows the keys of all records before this offset and of none behind.
    pub mapped: Offset,
    /// The time.
    pub now: WallMs,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
    /// Tombstones stay, however long they have waited: before them there is a batch that cannot be
    /// looked into, and what it may hold of their keys is not to come back.
    pub keeps_tombstones: bool,
}

/// What is known of a batch before its records are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// Its records go: it was aborted, or is a marker that is no longer needed.
    pub discard: bool,
    /// It is a marker whose transaction is gone: it may go itself after a while.
    pub needless_marker: bool,
    /// Something depends on its header: it stays, if need be without records.
    pub stays: bool,
}

/// What is left of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// All of it.
    Whole,
    /// Some of it, or another header: what was written into `out`.
    Part,
    /// Nothing.
    Nothing,
}

/// What is to be done about a batch.
pub enum Judged {
    /// Nothing more.
    Left(Left),
    /// Some records are left, to be compressed.
    Pack(Box<Packing>),
}

/// What is left of a batch while it is compressed.
pub struct Packing {
    remains: Remains,
    compressor: Compressor<Vec<u8>>,
    done: usize,
}

/// Compressed in one step, in bytes: a whole number of snappy's blocks.
pub const PACK_BYTES: usize = 32 << 10;

/// Why a batch cannot be looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Its records cannot be decompressed, or not be compressed again.
    Compression(UnpackError),
    /// It holds no records where its header says so.
    Record(RecordError),
}

/// Room that is used again from batch to batch.
#[derive(Default)]
pub struct Filter {
    plain: Vec<u8>,
    records: Vec<u8>,
    /// What is left of a batch, where that is not all of it.
    pub out: Vec<u8>,
    /// Records looked at.
    pub records_read: u64,
    /// Records left.
    pub records_kept: u64,
}

// === impl Rules ===

impl Rules<'_> {
    /// Whether compaction keeps a record of a data batch that was not discarded.
    fn keeps(&self, record: &Record<'_>, offset: Offset, horizon: Option<WallMs>) -> bool {
        if offset >= self.mapped {
            return true;
        }
        let Some(key) = record.key else {
            return false;
        };
        let newest = self.keys.get(key).is_none_or(|newest| offset >= newest);
        let waits = horizon.is_none_or(|horizon| self.now < horizon);
        let tombstone_stays = waits || self.keeps_tombstones;
        newest && (record.value.is_some() || tombstone_stays)
    }
}

// === impl Filter ===

impl Filter {
    /// Begins with a batch: its records are uncompressed in steps, if it is not discarded.
    pub fn unpacking<'a>(
        &mut self,
        batch: &BatchView<'a>,
        fate: Fate,
    ) -> Result<Option<Unpacking<'a>>, Unreadable> {
        if fate.discard {
            return Ok(None);
        }
        let begun = Unpacking::new(batch, &mut self.plain);
        begun.map(Some).map_err(Unreadable::Compression)
    }

    /// Goes on for some kilobytes; `false` at the end.
    pub fn unpack(&mut self, unpacking: &mut Unpacking<'_>) -> Result<bool, Unreadable> {
        let more = unpacking.step(&mut self.plain);
        more.map_err(Unreadable::Compression)
    }

    /// Decides what is left of `batch`, whose records are unpacked; of one that was discarded
    /// nothing is.
    pub fn judge(
        &mut self,
        batch: &BatchView<'_>,
        fate: Fate,
        rules: &Rules<'_>,
        unpacked: Option<&Unpacking<'_>>,
    ) -> Result<Judged, Unreadable> {
        let count = batch.record_count().max(0) as u64;
        self.records_read += count;
        let is_control = batch.attributes().is_control();
        let horizon = delete_horizon(batch);
        let mut kept = Vec::new();
        let mut has_tombstone = false;
        if let Some(unpacked) = unpacked {
            for record in unpacked.records(&self.plain) {
                let record = record.map_err(Unreadable::Record)?;
                if is_control || rules.keeps(&record, record.offset(batch), horizon) {
                    has_tombstone |= record.value.is_none();
                    kept.push(record);
                }
            }
        }
        self.records_kept += kept.len() as u64;
        if kept.is_empty() {
            return Ok(Judged::Left(self.emptied(batch, fate.stays)));
        }
        let begins_to_wait = horizon.is_none() && (has_tombstone || fate.needless_marker);
        if kept.len() as u64 == count && !begins_to_wait {
            return Ok(Judged::Left(Left::Whole));
        }
        let horizon = if begins_to_wait {
            Some(rules.now.saturating_add(rules.delete_retention_ms))
        } else {
            horizon
        };
        self.records.clear();
        let base_timestamp = horizon.unwrap_or_else(|| kept[0].timestamp(batch));
        let mut max_timestamp = WallMs::MIN;
        for record in &kept {
            let timestamp = record.timestamp(batch);
            max_timestamp = max_timestamp.max(timestamp);
            record.write(timestamp.wrapping_sub(base_timestamp), &mut self.records);
        }
        let codec = batch.attributes().codec();
        let codec = codec.map_err(|id| Unreadable::Compression(UnpackError::Codec(id)))?;
        let remains = Remains {
            codec,
            count: kept.len() as i32,
            base_timestamp,
            max_timestamp,
            delete_horizon: horizon.is_some(),
        };
        self.out.clear();
        self.out.extend_from_slice(&batch.bytes()[..HEADER_BYTES]);
        let out = std::mem::take(&mut self.out);
        let compressor = Compressor::usual(codec, out).map_err(|_| cannot_compress(codec))?;
        Ok(Judged::Pack(Box::new(Packing {
            remains,
            compressor,
            done: 0,
        })))
    }

    /// Compresses what is left of the batch, some kilobytes of it; `false` at the end.
    pub fn pack(&mut self, packing: &mut Packing) -> Result<bool, Unreadable> {
        let rest = &self.records[packing.done..];
        let part = &rest[..rest.len().min(PACK_BYTES)];
        let written = packing.compressor.write(part);
        written.map_err(|_| cannot_compress(packing.remains.codec))?;
        packing.done += part.len();
        Ok(packing.done < self.records.len())
    }

    /// Makes a batch of what was packed.
    pub fn seal(&mut self, packing: Packing) -> Result<Left, Unreadable> {
        let codec = packing.remains.codec;
        let packed = packing.compressor.finish();
        self.out = packed.map_err(|_| cannot_compress(codec))?;
        seal_remains(&mut self.out, &packing.remains);
        Ok(Left::Part)
    }

    /// A batch without records: only its header is left, if that.
    fn emptied(&mut self, batch: &BatchView<'_>, stays: bool) -> Left {
        if !stays {
            return Left::Nothing;
        }
        let remains = Remains {
            codec: Codec::None,
            count: 0,
            base_timestamp: -1,
            max_timestamp: batch.max_timestamp(),
            delete_horizon: false,
        };
        self.out.clear();
        self.out.extend_from_slice(&batch.bytes()[..HEADER_BYTES]);
        seal_remains(&mut self.out, &remains);
        Left::Part
    }
}

fn cannot_compress(codec: Codec) -> Unreadable {
    Unreadable::Compression(UnpackError::Compression(DecompressError::Corrupt(codec)))
}

/// The moment from which on tombstones in this batch may go, once it was set.
pub fn delete_horizon(batch: &BatchView<'_>) -> Option<WallMs> {
    batch
        .attributes()
        .has_delete_horizon()
        .then(|| batch.base_timestamp())
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Compression(error) => error.fmt(f),
            Unreadable::Record(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
