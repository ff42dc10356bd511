//! Pure: writing batches of our own: internal topics, control records, tests.

use crate::compress::Codec;
use crate::cursor::{Sink, varint_len, varlong_len};
use crate::{LeaderEpoch, Offset, ProducerId, WallMs};

use super::attributes::{Attributes, TimestampType};
use super::header::{HEADER_BYTES, NO_PRODUCER, NO_SEQUENCE, NO_TIMESTAMP};
use super::stamp::HeaderFields;

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// Creation time, or -1.
    pub timestamp: WallMs,
    /// The key, if there is one.
    pub key: Option<&'a [u8]>,
    /// The value, if there is one.
    pub value: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: &'a [(&'a [u8], Option<&'a [u8]>)],
}

impl<'a> NewRecord<'a> {
    /// A record without headers.
    pub fn new(timestamp: WallMs, key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Self {
        NewRecord {
            timestamp,
            key,
            value,
            headers: &[],
        }
    }

    /// The same record with `headers`.
    #[must_use]
    pub fn headers(mut self, headers: &'a [(&'a [u8], Option<&'a [u8]>)]) -> Self {
        self.headers = headers;
        self
    }
}

/// Collects records and writes them as one uncompressed batch of format v2.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    fields: HeaderFields,
    bytes: Vec<u8>,
}

impl Default for BatchBuilder {
    fn default() -> BatchBuilder {
        BatchBuilder::new()
    }
}

impl BatchBuilder {
    /// An empty batch at offset 0, without producer, whose leader epoch is not yet known (-1).
    pub fn new() -> BatchBuilder {
        BatchBuilder {
            fields: HeaderFields {
                base_offset: 0,
                leader_epoch: -1,
                attributes: Attributes::default(),
                last_offset_delta: -1,
                base_timestamp: NO_TIMESTAMP,
                max_timestamp: NO_TIMESTAMP,
                producer_id: NO_PRODUCER,
                producer_epoch: -1,
                base_sequence: NO_SEQUENCE,
                count: 0,
            },
            bytes: vec![0; HEADER_BYTES],
        }
    }

    /// Sets the offset of the first record.
    #[must_use]
    pub fn base_offset(mut self, offset: Offset) -> BatchBuilder {
        self.fields.base_offset = offset;
        self
    }

    /// Sets the leader epoch.
    #[must_use]
    pub fn leader_epoch(mut self, epoch: LeaderEpoch) -> BatchBuilder {
        self.fields.leader_epoch = epoch;
        self
    }

    /// Sets producer id, its epoch and the sequence number of the first record (-1 for control
    /// batches).
    #[must_use]
    pub fn producer(mut self, id: ProducerId, epoch: i16, base_sequence: i32) -> BatchBuilder {
        self.fields.producer_id = id;
        self.fields.producer_epoch = epoch;
        self.fields.base_sequence = base_sequence;
        self
    }

    /// Marks the batch as part of a transaction.
    #[must_use]
    pub fn transactional(mut self) -> BatchBuilder {
        self.fields.attributes = self.fields.attributes.with_transactional(true);
        self
    }

    /// Marks the batch as one of control records (transaction markers, KRaft's own).
    #[must_use]
    pub fn control(mut self) -> BatchBuilder {
        self.fields.attributes = self.fields.attributes.with_control(true);
        self
    }

    /// Marks the timestamps as the broker's; the max timestamp stands for all records then.
    #[must_use]
    pub fn log_append_time(mut self) -> BatchBuilder {
        let kind = TimestampType::LogAppendTime;
        self.fields.attributes = self.fields.attributes.with_timestamp_type(kind);
        self
    }

    /// Appends a record at the offset after the last one.
    pub fn push(&mut self, record: NewRecord<'_>) {
        self.push_at(self.fields.last_offset_delta + 1, record);
    }

    /// Appends a record `offset_delta` after the batch's base offset, as compaction leaves
    /// them: deltas rise, with gaps.
    pub fn push_at(&mut self, offset_delta: i32, record: NewRecord<'_>) {
        let fields = &mut self.fields;
        if fields.count == 0 {
            fields.base_timestamp = record.timestamp;
        }
        fields.count += 1;
        fields.last_offset_delta = offset_delta;
        fields.max_timestamp = fields.max_timestamp.max(record.timestamp);
        let timestamp_delta = record.timestamp - fields.base_timestamp;
        put_record(&mut self.bytes, timestamp_delta, offset_delta, &record);
    }

    /// Count of records so far.
    pub fn count(&self) -> i32 {
        self.fields.count
    }

    /// Size in bytes of the batch as it stands, header included.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The finished batch.
    pub fn build(mut self) -> Vec<u8> {
        self.fields.write(&mut self.bytes);
        self.bytes
    }

    /// The finished batch with its records replaced by what `compress` makes of them.
    pub fn build_compressed(
        mut self,
        codec: Codec,
        compress: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> Vec<u8> {
        let compressed = compress(&self.bytes[HEADER_BYTES..]);
        self.fields.attributes = self.fields.attributes.with_codec(codec);
        self.bytes.truncate(HEADER_BYTES);
        self.bytes.extend_from_slice(&compressed);
        self.build()
    }
}

fn put_record(out: &mut Vec<u8>, timestamp_delta: i64, offset_delta: i32, record: &NewRecord<'_>) {
    let headers_len: usize = record
        .headers
        .iter()
        .map(|(key, value)| nullable_len(Some(key)) + nullable_len(*value))
        .sum();
    let size = 1
        + varlong_len(timestamp_delta)
        + varint_len(offset_delta)
        + nullable_len(record.key)
        + nullable_len(record.value)
        + varint_len(record.headers.len() as i32)
        + headers_len;
    out.reserve(size + 5);
    out.put_varint(size as i32);
    out.put(&[0]);
    out.put_varlong(timestamp_delta);
    out.put_varint(offset_delta);
    put_nullable(out, record.key);
    put_nullable(out, record.value);
    out.put_varint(record.headers.len() as i32);
    for (key, value) in record.headers {
        put_nullable(out, Some(key));
        put_nullable(out, *value);
    }
}

pub(super) fn nullable_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint_len(bytes.len() as i32) + bytes.len())
}

pub(super) fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => out.put_varint(-1),
        Some(bytes) => {
            out.put_varint(bytes.len() as i32);
            out.put(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BatchView, Records};
    use super::*;

    #[test]
    fn a_built_batch_says_what_was_put_in() {
        let mut builder = BatchBuilder::new()
            .base_offset(100)
            .leader_epoch(4)
            .producer(77, 2, 9)
            .transactional();
        builder.push(NewRecord::new(50, Some(b"k"), Some(b"v")));
        builder.push_at(6, NewRecord::new(20, None, Some(b"w")));
        assert_eq!(builder.count(), 2);
        let size = builder.size_bytes();
        let bytes = builder.build();
        let batch = BatchView::parse(&bytes).unwrap();
        assert_eq!(batch.verify_crc(), Ok(()));
        assert_eq!(batch.size_bytes(), size);
        assert_eq!((batch.base_offset(), batch.last_offset()), (100, 106));
        assert_eq!((batch.base_timestamp(), batch.max_timestamp()), (50, 50));
        assert_eq!((batch.producer_id(), batch.producer_epoch()), (77, 2));
        assert!(batch.attributes().is_transactional());
        assert!(!batch.attributes().is_control());
        let offsets: Vec<_> = Records::of(&batch)
            .map(|record| record.unwrap().offset(&batch))
            .collect();
        assert_eq!(offsets, [100, 106]);
    }

    #[test]
    fn the_codec_wraps_the_records_only() {
        let mut builder = BatchBuilder::new();
        builder.push(NewRecord::new(1, None, Some(b"v")));
        let bytes = builder.build_compressed(Codec::Zstd, |records| {
            records.iter().map(|byte| byte ^ 0x55).collect()
        });
        let batch = BatchView::parse(&bytes).unwrap();
        assert_eq!(batch.verify_crc(), Ok(()));
        assert_eq!(batch.attributes().codec(), Ok(Codec::Zstd));
        assert_eq!(batch.record_count(), 1);
    }
}
