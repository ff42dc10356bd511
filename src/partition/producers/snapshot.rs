//! Pure: the state of all producers as the bytes of Kafka's `<offset>.snapshot` files.
//! Layout: `docs/formats/producer-snapshot.md`.

use crate::base::WallMs;
use crate::wire::cursor::{Cursor, Short};

use super::expiry::is_expired;
use super::{Appended, Producer, Producers};

const VERSION: i16 = 1;
const CRC_AT: usize = 2;
const ENTRIES_AT: usize = 6;
const ENTRY_BYTES: usize = 46;

/// Why bytes are no snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes end before the entries do.
    #[error("the producer snapshot is cut off")]
    Truncated,
    /// Not version 1, the only one there is.
    #[error("the producer snapshot has version {0}, not 1")]
    Version(i16),
    /// The stored checksum is not the one of the bytes.
    #[error("the producer snapshot's checksum is {stored:#010x}, its bytes give {computed:#010x}")]
    Crc {
        /// What the file says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// An impossible count of entries.
    #[error("the producer snapshot claims {0} entries")]
    Count(i32),
}

impl From<Short> for SnapshotError {
    fn from(_: Short) -> SnapshotError {
        SnapshotError::Truncated
    }
}

impl Producers {
    /// The bytes of a snapshot file, producers in the order of their ids. Of the batches kept
    /// only the last one is written, as in Kafka.
    pub fn to_snapshot(&self) -> Vec<u8> {
        let mut producers: Vec<_> = self.iter().collect();
        producers.sort_unstable_by_key(|(id, _)| *id);
        let mut out = Vec::with_capacity(ENTRIES_AT + 4 + producers.len() * ENTRY_BYTES);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(producers.len() as i32).to_be_bytes());
        for (id, producer) in producers {
            out.extend_from_slice(&id.to_be_bytes());
            put_producer(&mut out, producer);
        }
        let crc = crc32c::crc32c(&out[ENTRIES_AT..]);
        out[CRC_AT..ENTRIES_AT].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// Replaces what is known by what a snapshot file says, without the producers that have
    /// expired since. After an error nothing has changed.
    pub fn load_snapshot(&mut self, bytes: &[u8], now_ms: WallMs) -> Result<(), SnapshotError> {
        let mut cursor = Cursor::new(bytes);
        let version = cursor.i16()?;
        if version != VERSION {
            return Err(SnapshotError::Version(version));
        }
        let stored = cursor.u32()?;
        let computed = crc32c::crc32c(cursor.rest());
        if stored != computed {
            return Err(SnapshotError::Crc { stored, computed });
        }
        let count = cursor.i32()?;
        let entries = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(ENTRY_BYTES))
            .ok_or(SnapshotError::Count(count))?;
        let mut entries = Cursor::new(cursor.take(entries)?);
        self.clear();
        while entries.remaining() > 0 {
            let id = entries.i64()?;
            let producer = take_producer(&mut entries)?;
            if is_expired(&producer, now_ms, self.expiration_ms) {
                continue;
            }
            if let Some(first_offset) = producer.transaction_start() {
                self.transactions.begin(first_offset);
            }
            *self.entry(id) = producer;
        }
        Ok(())
    }
}

fn put_producer(out: &mut Vec<u8>, producer: &Producer) {
    let last = producer.last();
    let (last_offset, offset_delta) =
        last.map_or((-1, 0), |last| (last.last_offset, last.offset_delta));
    out.extend_from_slice(&producer.epoch().to_be_bytes());
    out.extend_from_slice(&producer.last_sequence().to_be_bytes());
    out.extend_from_slice(&last_offset.to_be_bytes());
    out.extend_from_slice(&offset_delta.to_be_bytes());
    out.extend_from_slice(&producer.last_timestamp().to_be_bytes());
    out.extend_from_slice(&producer.coordinator_epoch().to_be_bytes());
    out.extend_from_slice(&producer.transaction_start().unwrap_or(-1).to_be_bytes());
}

fn take_producer(entries: &mut Cursor<'_>) -> Result<Producer, SnapshotError> {
    let epoch = entries.i16()?;
    let last_sequence = entries.i32()?;
    let last_offset = entries.i64()?;
    let offset_delta = entries.i32()?;
    let timestamp = entries.i64()?;
    let coordinator_epoch = entries.i32()?;
    let transaction_start = entries.i64()?;
    let last = Appended {
        last_sequence,
        last_offset,
        offset_delta,
        timestamp,
    };
    Ok(Producer::restored(
        epoch,
        coordinator_epoch,
        timestamp,
        (transaction_start >= 0).then_some(transaction_start),
        (last_offset >= 0).then_some(last),
    ))
}
