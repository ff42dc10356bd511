//! Pure: record batches, made with any mistake that a story wants, and read for golden text.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::records::{IEEE, Record, RecordBatchDecoder};

use crate::codecs::{packed, unpacked};
use crate::value::{Value, parse};

/// The time that the records of the stories carry, in milliseconds since 1970: in 2023.
pub const TIME: i64 = 1_700_000_000_000;

/// The bytes of a batch before its records.
const HEADER: usize = 61;

/// A batch of format 2 to be; the defaults make a good one of one record.
#[derive(Clone)]
pub struct Batch {
    pub base_offset: i64,
    pub leader_epoch: i32,
    pub magic: i8,
    pub attributes: i16,
    pub base_timestamp: i64,
    /// `None`: the latest of the records'.
    pub max_timestamp: Option<i64>,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    /// Key, value, and milliseconds after `base_timestamp`.
    pub records: Vec<(Option<Bytes>, Option<Bytes>, i64)>,
    /// `None`: one less than the number of the records.
    pub last_offset_delta: Option<i32>,
    /// `None`: the number of the records.
    pub count: Option<i32>,
    /// What is added to the length field.
    pub length_error: i32,
    /// What the CRC is changed by.
    pub crc_error: u32,
    /// The first record's offset delta, the others counting from there.
    pub first_delta: i64,
    /// `None`: the records as they are; else these bytes in their place.
    pub body: Option<Bytes>,
}

/// A batch of these values, without keys, a millisecond apart.
pub fn batch(values: &[&str]) -> Batch {
    let record = |(i, value): (usize, &&str)| {
        (
            None,
            Some(Bytes::copy_from_slice(value.as_bytes())),
            i as i64,
        )
    };
    Batch {
        base_offset: 0,
        leader_epoch: -1,
        magic: 2,
        attributes: 0,
        base_timestamp: TIME,
        max_timestamp: None,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        records: values.iter().enumerate().map(record).collect(),
        last_offset_delta: None,
        count: None,
        length_error: 0,
        crc_error: 0,
        first_delta: 0,
        body: None,
    }
}

// === impl Batch ===

impl Batch {
    /// Applies a change, so that a step can say it in a line.
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The same from an idempotent producer.
    pub fn by(self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Self {
        Self {
            producer_id,
            producer_epoch,
            base_sequence,
            ..self
        }
    }

    /// The batch as a producer sends it.
    pub fn bytes(&self) -> Bytes {
        let latest = self
            .records
            .iter()
            .map(|(_, _, delta)| *delta)
            .max()
            .unwrap_or(0);
        let count = self.records.len() as i32;
        let mut crced = BytesMut::new();
        crced.put_i16(self.attributes);
        crced.put_i32(self.last_offset_delta.unwrap_or((count - 1).max(0)));
        crced.put_i64(self.base_timestamp);
        crced.put_i64(self.max_timestamp.unwrap_or(self.base_timestamp + latest));
        crced.put_i64(self.producer_id);
        crced.put_i16(self.producer_epoch);
        crced.put_i32(self.base_sequence);
        crced.put_i32(self.count.unwrap_or(count));
        crced.extend_from_slice(&self.body.clone().unwrap_or_else(|| self.compressed()));
        let mut out = BytesMut::new();
        out.put_i64(self.base_offset);
        out.put_i32(crced.len() as i32 + 9 + self.length_error);
        out.put_i32(self.leader_epoch);
        out.put_i8(self.magic);
        out.put_u32(crc32c::crc32c(&crced) ^ self.crc_error);
        out.extend_from_slice(&crced);
        out.freeze()
    }

    /// The records as the attributes say that they are compressed.
    fn compressed(&self) -> Bytes {
        let packed = packed(self.attributes & 7, &self.plain());
        packed.expect("compression").into()
    }

    /// The records in their own format.
    pub fn plain(&self) -> Bytes {
        let mut out = BytesMut::new();
        for (i, (key, value, delta)) in self.records.iter().enumerate() {
            let mut record = BytesMut::new();
            record.put_i8(0);
            put_varint(&mut record, *delta);
            put_varint(&mut record, self.first_delta + i as i64);
            for bytes in [key, value] {
                put_varint(
                    &mut record,
                    bytes.as_ref().map_or(-1, |bytes| bytes.len() as i64),
                );
                record.extend_from_slice(bytes.as_deref().unwrap_or_default());
            }
            put_varint(&mut record, 0);
            put_varint(&mut out, record.len() as i64);
            out.extend_from_slice(&record);
        }
        out.freeze()
    }
}

fn put_varint(out: &mut BytesMut, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest > 127 {
        out.put_u8(rest as u8 | 128);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

/// Several batches in one field.
pub fn joined(batches: &[Batch]) -> Bytes {
    batches.iter().flat_map(Batch::bytes).collect()
}

/// A message set of the old formats 0 and 1, gzipped or not.
pub fn old_set(magic: i8, gzip: bool, values: &[&str]) -> Bytes {
    let mut set = BytesMut::new();
    for (offset, value) in (0..).zip(values) {
        set.extend_from_slice(&old_message(magic, 0, offset, value.as_bytes()));
    }
    if !gzip {
        return set.freeze();
    }
    let packed = packed(1, &set).expect("gzip");
    old_message(magic, 1, values.len() as i64 - 1, &packed)
}

fn old_message(magic: i8, attributes: i8, offset: i64, value: &[u8]) -> Bytes {
    let mut crced = BytesMut::new();
    crced.put_i8(magic);
    crced.put_i8(attributes);
    if magic == 1 {
        crced.put_i64(TIME);
    }
    crced.put_i32(-1);
    crced.put_i32(value.len() as i32);
    crced.put_slice(value);
    let mut out = BytesMut::new();
    out.put_i64(offset);
    out.put_i32(crced.len() as i32 + 4);
    out.put_u32(IEEE.checksum(&crced));
    out.put_slice(&crced);
    out.freeze()
}

// === reading ===

/// The batches in the `records` field of an answer.
pub fn read(bytes: &[u8]) -> Value {
    let mut rest = Bytes::copy_from_slice(bytes);
    let mut all = Vec::new();
    while rest.len() >= 12 {
        let length = 12 + (&rest[8..12]).get_u32() as usize;
        if length > rest.len() {
            break;
        }
        all.push(read_batch(rest.split_to(length)));
    }
    Value::List(all)
}

fn read_batch(bytes: Bytes) -> Value {
    let magic = bytes[16] as i8;
    if magic != 2 || bytes.len() < HEADER {
        return Value::Struct(vec![
            ("magic".into(), Value::atom(magic)),
            ("bytes".into(), Value::Bytes(bytes.to_vec())),
        ]);
    }
    let (mut head, crced) = (&bytes[..], &bytes[21..]);
    let base_offset = head.get_i64();
    head.advance(4);
    let leader_epoch = head.get_i32();
    head.advance(1);
    let crc = if head.get_u32() == crc32c::crc32c(crced) {
        "good"
    } else {
        "BAD"
    };
    let mut fields = vec![
        ("base_offset", base_offset.to_string()),
        ("leader_epoch", leader_epoch.to_string()),
        ("crc", crc.to_owned()),
        ("attributes", head.get_i16().to_string()),
        ("last_offset_delta", head.get_i32().to_string()),
        ("base_timestamp", head.get_i64().to_string()),
        ("max_timestamp", head.get_i64().to_string()),
        ("producer_id", head.get_i64().to_string()),
        ("producer_epoch", head.get_i16().to_string()),
        ("base_sequence", head.get_i32().to_string()),
        ("count", head.get_i32().to_string()),
    ];
    // Of most batches no producer is known; that need not be said.
    let producer = ["producer_id", "producer_epoch", "base_sequence"];
    fields.retain(|(name, text)| text != "-1" || !producer.contains(name));
    let mut fields: Vec<_> = fields
        .into_iter()
        .map(|(name, text)| (name.to_owned(), Value::Atom(text)))
        .collect();
    fields.push(("records".to_owned(), read_records(bytes)));
    Value::Struct(fields)
}

/// The records as `offset@timestamp key=value`, key and headers only where there are any.
fn read_records(mut bytes: Bytes) -> Value {
    let unpacked = |packed: &mut Bytes, codec| Ok(Bytes::from(unpacked(codec as i16, packed)?));
    let set = RecordBatchDecoder::decode_with_custom_compression(&mut bytes, Some(unpacked));
    let records = match set {
        Ok(set) => set.records,
        Err(error) => return Value::Text(format!("{error:#}")),
    };
    let line = |record: Record| {
        let mut fields = vec![
            ("offset".to_owned(), Value::atom(record.offset)),
            ("timestamp".to_owned(), Value::atom(record.timestamp)),
        ];
        if record.key.is_some() {
            fields.push(("key".to_owned(), parse(&format!("{:?}", record.key))));
        }
        fields.push(("value".to_owned(), parse(&format!("{:?}", record.value))));
        if !record.headers.is_empty() {
            fields.push((
                "headers".to_owned(),
                Value::Text(format!("{:?}", record.headers)),
            ));
        }
        Value::Struct(fields)
    };
    Value::List(records.into_iter().map(line).collect())
}
