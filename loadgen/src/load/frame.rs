//! Pure: requests to produce one batch, written straight into the bytes that go to the socket.

use corelane_wire::batch::{Codec, reseal};
use corelane_wire::compress::compress;
use corelane_wire::cursor::{Sink, varint_len};

use super::stamp::{STAMP_BYTES, Stamp};

/// Where the id of a request stands in its frame: behind length, API key and version.
const CORRELATION_AT: usize = 8;
/// A batch's header (KIP-98): everything before its first record.
const HEADER_BYTES: usize = 61;
/// Where in a batch the fields stand that are known at its end only.
const LAST_DELTA_AT: usize = 23;
const BASE_TIME_AT: usize = 27;
const MAX_TIME_AT: usize = 35;
const PRODUCER_AT: usize = 43;
const COUNT_AT: usize = 57;
/// Values come from different places of the filler, this far apart, in bytes.
const STRIDE: usize = 64;
const STRIDES: usize = 64;

/// What all records of a run have in common.
#[derive(Clone, Debug)]
pub struct Filler {
    bytes: Vec<u8>,
    /// Whether each record's checksum covers all its bytes, or only its stamp.
    pub whole: bool,
}

/// What all requests to one partition begin with.
#[derive(Clone, Debug)]
pub struct Head {
    bytes: Vec<u8>,
}

/// One record that is in a batch.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Its number among the producer's.
    pub sequence: u64,
    /// When it was to be sent.
    pub intended_ns: u64,
}

/// Who sends idempotently: id, epoch, and the sequence number of the batch's first record.
pub type Identity = (i64, i16, i32);

/// A batch and the request that it travels in.
#[derive(Debug)]
pub struct Batch {
    /// The whole frame once it is sealed.
    pub frame: Vec<u8>,
    /// Its records, in order.
    pub records: Vec<Sent>,
    /// Which of the producer's partitions it is for.
    pub slot: usize,
    /// Its number among the producer's batches.
    pub number: u64,
    /// When its first record came.
    pub opened_ns: u64,
    /// When its first byte was handed to the kernel.
    pub sent_ns: u64,
    /// The request's id.
    pub correlation_id: i32,
    /// Whether it may have reached the broker before.
    pub repeated: bool,
    batch_at: usize,
    base_time_ms: i64,
    max_time_ms: i64,
}

// === impl Filler ===

impl Filler {
    /// Bytes for values of up to `size_max`. `compressible` percent of them are the same, the
    /// others are random; equal seeds give equal bytes.
    pub fn new(size_max: usize, compressible: u8, seed: u64, whole: bool) -> Filler {
        let mut rng = fastrand::Rng::with_seed(seed);
        let random = STRIDE - STRIDE * usize::from(compressible.min(100)) / 100;
        let bytes = (0..size_max + STRIDE * STRIDES).map(|at| match at % STRIDE < random {
            true => rng.u8(..),
            false => b'.',
        });
        Filler {
            bytes: bytes.collect(),
            whole,
        }
    }

    fn value(&self, sequence: u64, size: usize) -> &[u8] {
        let at = sequence as usize % STRIDES * STRIDE;
        &self.bytes[at..at + size]
    }
}

// === impl Head ===

impl Head {
    /// A request of `version` (3 to 8: one layout) to `partition` of `topic`.
    pub fn new(version: i16, acks: i16, topic: &str, partition: i32) -> Head {
        let mut bytes = vec![0; 4];
        bytes.put(&0i16.to_be_bytes());
        bytes.put(&version.to_be_bytes());
        bytes.put(&[0; 4]);
        let text = |bytes: &mut Vec<u8>, text: &str| {
            bytes.put(&(text.len() as i16).to_be_bytes());
            bytes.put(text.as_bytes());
        };
        text(&mut bytes, "loadgen");
        bytes.put(&(-1i16).to_be_bytes()); // No transaction.
        bytes.put(&acks.to_be_bytes());
        bytes.put(&30_000i32.to_be_bytes()); // Timeout in milliseconds.
        bytes.put(&1i32.to_be_bytes());
        text(&mut bytes, topic);
        bytes.put(&1i32.to_be_bytes());
        bytes.put(&partition.to_be_bytes());
        bytes.put(&[0; 4]); // Length of the records.
        Head { bytes }
    }

    /// Bytes before the batch.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

// === impl Batch ===

impl Batch {
    /// An empty one.
    pub fn new() -> Batch {
        Batch {
            frame: Vec::new(),
            records: Vec::new(),
            slot: 0,
            number: 0,
            opened_ns: 0,
            sent_ns: 0,
            correlation_id: 0,
            repeated: false,
            batch_at: 0,
            base_time_ms: 0,
            max_time_ms: 0,
        }
    }

    /// Starts a new batch for `slot` in the same memory.
    pub fn open(&mut self, head: &Head, slot: usize, now_ns: u64) {
        self.frame.clear();
        self.frame.extend_from_slice(&head.bytes);
        self.batch_at = self.frame.len();
        self.frame.resize(self.batch_at + HEADER_BYTES, 0);
        self.records.clear();
        (self.slot, self.opened_ns, self.repeated) = (slot, now_ns, false);
    }

    /// Bytes of the batch so far, uncompressed.
    pub fn size_bytes(&self) -> usize {
        self.frame.len() - self.batch_at
    }

    /// Adds a record whose value has `size` bytes.
    pub fn push(
        &mut self,
        filler: &Filler,
        stamp: &Stamp,
        key: Option<u64>,
        size: usize,
        time_ms: i64,
    ) {
        if self.records.is_empty() {
            (self.base_time_ms, self.max_time_ms) = (time_ms, time_ms);
        }
        self.max_time_ms = self.max_time_ms.max(time_ms);
        let time_delta = (time_ms - self.base_time_ms) as i32;
        let offset_delta = self.records.len() as i32;
        let mut text = [0; KEY_BYTES];
        let key = key.map(|key| key_text(key, &mut text));
        let key_bytes = key.map_or(0, <[u8]>::len);
        let key_length = key.map_or(-1, |key| key.len() as i32);
        let length = 2
            + varint_len(time_delta)
            + varint_len(offset_delta)
            + varint_len(key_length)
            + key_bytes
            + varint_len(size as i32)
            + size;
        let out = &mut self.frame;
        out.put_varint(length as i32);
        out.put(&[0]);
        out.put_varint(time_delta);
        out.put_varint(offset_delta);
        out.put_varint(key_length);
        out.put(key.unwrap_or_default());
        out.put_varint(size as i32);
        let at = out.len();
        out.put(filler.value(stamp.sequence, size));
        stamp.write(&mut out[at..], filler.whole);
        out.put(&[0]);
        self.records.push(Sent {
            sequence: stamp.sequence,
            intended_ns: stamp.intended_ns,
        });
    }

    /// Completes the frame; nothing can be added any more.
    pub fn seal(&mut self, codec: Codec, identity: Option<Identity>) {
        let (at, count) = (self.batch_at, self.records.len() as i32);
        if codec != Codec::None {
            let plain = self.frame.split_off(at + HEADER_BYTES);
            // Writing to memory does not fail; if it did, the broker would refuse the batch.
            let _ = compress(codec, &plain, &mut self.frame);
        }
        let (id, epoch, sequence) = identity.unwrap_or((-1, -1, -1));
        let batch = &mut self.frame[at..];
        let mut put = |at: usize, bytes: &[u8]| batch[at..at + bytes.len()].copy_from_slice(bytes);
        put(12, &(-1i32).to_be_bytes()); // Leader epoch: the broker's matter.
        put(16, &[2]); // Magic.
        put(LAST_DELTA_AT, &(count - 1).to_be_bytes());
        put(BASE_TIME_AT, &self.base_time_ms.to_be_bytes());
        put(MAX_TIME_AT, &self.max_time_ms.to_be_bytes());
        put(PRODUCER_AT, &id.to_be_bytes());
        put(PRODUCER_AT + 8, &epoch.to_be_bytes());
        put(PRODUCER_AT + 10, &sequence.to_be_bytes());
        put(COUNT_AT, &count.to_be_bytes());
        reseal(batch, codec);
        let length = (self.frame.len() - at) as i32;
        self.frame[at - 4..at].copy_from_slice(&length.to_be_bytes());
        let length = (self.frame.len() - 4) as i32;
        self.frame[..4].copy_from_slice(&length.to_be_bytes());
    }

    /// Gives the request its id.
    pub fn name(&mut self, correlation_id: i32) {
        self.correlation_id = correlation_id;
        let at = CORRELATION_AT..CORRELATION_AT + 4;
        self.frame[at].copy_from_slice(&correlation_id.to_be_bytes());
    }

    /// Bytes of the batch as it travels, once it is sealed.
    pub fn wire_bytes(&self) -> u64 {
        self.size_bytes() as u64
    }
}

/// Bytes of a key.
const KEY_BYTES: usize = 12;

/// The bytes of key number `key`.
pub fn key_text(mut key: u64, text: &mut [u8; KEY_BYTES]) -> &[u8] {
    text.copy_from_slice(b"key-00000000");
    for digit in text[4..].iter_mut().rev() {
        *digit = b'0' + (key % 10) as u8;
        key /= 10;
    }
    text
}

/// What an answer to a request says: its id, the error code, the base offset. `None` if it is
/// no answer to one batch.
pub fn answer(bytes: &[u8]) -> Option<(i32, i16, i64)> {
    let name = usize::from(u16::from_be_bytes(*bytes.get(8..)?.first_chunk()?));
    // The counts of topics and partitions are one each, and the partition is that of the batch.
    let rest = bytes.get(10 + name + 8..)?;
    let id = i32::from_be_bytes(*bytes.first_chunk()?);
    let code = i16::from_be_bytes(*rest.first_chunk()?);
    let offset = i64::from_be_bytes(*rest.get(2..)?.first_chunk()?);
    Some((id, code, offset))
}

// The filler's stamp has to fit into the smallest value.
const _: () = assert!(STAMP_BYTES <= STRIDE * STRIDES);

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use corelane_wire::batch::{BatchView, Records};
    use corelane_wire::compress::decompress;
    use kafka_protocol::messages::{ProduceRequest, RequestHeader};
    use kafka_protocol::protocol::Decodable;

    #[test]
    fn a_request_is_read_back_whatever_its_codec() {
        let filler = Filler::new(2_000, 50, 1, true);
        let head = Head::new(8, -1, "topic", 3);
        let codecs = [
            Codec::None,
            Codec::Gzip,
            Codec::Snappy,
            Codec::Lz4,
            Codec::Zstd,
        ];
        for codec in codecs {
            let mut batch = Batch::new();
            batch.open(&head, 0, 0);
            for sequence in 0..50 {
                let stamp = Stamp {
                    run: 9,
                    producer: 1,
                    sequence,
                    intended_ns: 77,
                };
                let key = (sequence % 2 == 0).then_some(sequence);
                batch.push(
                    &filler,
                    &stamp,
                    key,
                    100 + sequence as usize * 30,
                    5_000 + sequence as i64,
                );
            }
            batch.seal(codec, Some((4, 2, 600)));
            batch.name(321);

            let mut bytes = Bytes::from(batch.frame.split_off(4));
            assert_eq!(batch.frame, (bytes.len() as i32).to_be_bytes());
            let header = RequestHeader::decode(&mut bytes, 1).unwrap();
            assert_eq!((header.request_api_key, header.correlation_id), (0, 321));
            let request = ProduceRequest::decode(&mut bytes, 8).unwrap();
            assert!(bytes.is_empty());
            let partition = &request.topic_data[0].partition_data[0];
            assert_eq!((request.acks, partition.index), (-1, 3));
            let records = partition.records.clone().unwrap();
            let view = BatchView::parse(&records).unwrap();
            view.verify_crc().unwrap();
            assert_eq!((view.base_sequence(), view.last_sequence()), (600, 649));
            assert_eq!(
                (view.base_timestamp(), view.max_timestamp()),
                (5_000, 5_049)
            );
            let mut plain = Vec::new();
            decompress(codec, view.records_bytes(), 1 << 20, &mut plain).unwrap();
            for (number, record) in Records::new(view.record_count(), &plain).enumerate() {
                let record = record.unwrap();
                let value = record.value.unwrap();
                assert_eq!(value.len(), 100 + number * 30);
                let stamp = Stamp::read(value, true).unwrap();
                assert_eq!((stamp.sequence, stamp.intended_ns), (number as u64, 77));
                assert_eq!(record.key.is_some(), number % 2 == 0);
                assert_eq!(record.timestamp(&view), 5_000 + number as i64);
            }
        }
    }

    #[test]
    fn answers_that_are_cut_off_are_none() {
        let whole = [
            &[0, 0, 0, 5, 0, 0, 0, 1, 0, 2][..],
            b"ab",
            &[0, 0, 0, 1, 0, 0, 0, 0, 0, 6],
            &[0, 0, 0, 0, 0, 0, 0, 9],
        ]
        .concat();
        assert_eq!(answer(&whole), Some((5, 6, 9)));
        assert!((0..whole.len()).all(|length| answer(&whole[..length]).is_none()));
    }
}
