//! Pure: a machine's records as the batches of its log, out and in.

use crate::base::{Offset, WallMs};
use crate::wire::batch::{
    BatchBuilder, BatchError, BatchView, ControlKind, NO_SEQUENCE, NewRecord, batches,
};
use crate::wire::unpack::{UnpackError, unpack};

use crate::coordinator::record::{Encoded, RecordError};

use super::machine::{InTransaction, Machine, Origin};

/// A batch is closed once it is this large, so that a step of very many records does not make one
/// that no log takes.
const BATCH_BYTES: usize = 256 * 1024;
/// More bytes than the lengths and deltas of a record take.
const RECORD_OVERHEAD_BYTES: usize = 31;

/// Why a machine's log cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// Bytes are no batch.
    #[error("{0}")]
    Batch(BatchError),
    /// A compressed batch cannot be read.
    #[error("batch at {0}: {1}")]
    Compressed(Offset, UnpackError),
    /// A batch at this offset holds no records.
    #[error("batch at {0}: {1}")]
    Records(Offset, crate::wire::batch::RecordError),
    /// A record at this offset is none of the machine's.
    #[error("record at {0}: {1}")]
    Record(Offset, RecordError),
}

/// `records` in batches of format v2, in order, of at most `bytes_max` where a record fits; as part
/// of a transaction, if there is one.
pub(super) fn to_batches(
    records: &[Encoded],
    transaction: Option<&InTransaction>,
    bytes_max: usize,
    now: WallMs,
) -> Vec<Vec<u8>> {
    let bytes_max = bytes_max.min(BATCH_BYTES);
    let new = || match transaction {
        None => BatchBuilder::new(),
        Some(it) => BatchBuilder::new()
            .producer(it.producer_id, it.producer_epoch, NO_SEQUENCE)
            .transactional(),
    };
    let mut finished = Vec::new();
    let mut batch = new();
    for record in records {
        let with_this = batch.size_bytes() + record.size_bytes() + RECORD_OVERHEAD_BYTES;
        if batch.count() > 0 && with_this > bytes_max {
            finished.push(std::mem::replace(&mut batch, new()).build());
        }
        batch.push(NewRecord::new(
            now,
            Some(&record.key),
            record.value.as_deref(),
        ));
    }
    if batch.count() > 0 {
        finished.push(batch.build());
    }
    finished
}

/// Replays the whole batches in `bytes`, without the records before `from`; returns the offset
/// after the last one.
pub(super) fn replay<M: Machine>(
    machine: &mut M,
    bytes: &[u8],
    from: Offset,
) -> Result<Offset, LoadError> {
    let mut next = from;
    for batch in batches(bytes) {
        let batch = batch.map_err(LoadError::Batch)?;
        batch.verify_crc().map_err(LoadError::Batch)?;
        replay_batch(machine, &batch, next)?;
        next = next.max(batch.next_offset());
    }
    Ok(next)
}

fn replay_batch<M: Machine>(
    machine: &mut M,
    batch: &BatchView<'_>,
    from: Offset,
) -> Result<(), LoadError> {
    let base = batch.base_offset();
    let mut buffer = Vec::new();
    let records = unpack(batch, &mut buffer).map_err(|error| LoadError::Compressed(base, error))?;
    let attributes = batch.attributes();
    let transaction = attributes.is_transactional().then(|| batch.producer_id());
    for record in records {
        let record = record.map_err(|error| LoadError::Records(base, error))?;
        let position = record.offset(batch);
        if position < from {
            continue;
        }
        if attributes.is_control() {
            let kind = record.key.map(ControlKind::parse_key);
            match kind {
                Some(Ok(ControlKind::Commit)) => machine.replay_marker(batch.producer_id(), true),
                Some(Ok(ControlKind::Abort)) => machine.replay_marker(batch.producer_id(), false),
                _ => {}
            }
            continue;
        }
        let decoded = M::decode(record.key, record.value)
            .map_err(|error| LoadError::Record(position, error))?;
        let origin = Origin {
            position,
            transaction,
        };
        machine.replay(&decoded, origin);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::runtime::tests::sample::{Sample, record};
    use crate::wire::batch::{Codec, EndMarker};
    use crate::wire::compress::compress;

    /// Keys 0 to `count`, all with this value.
    fn records(count: usize, value: i64) -> Vec<Encoded> {
        let key = |number: usize| record(&format!("{number:05}"), Some(value));
        (0..count).map(key).collect()
    }

    fn kept(sample: &Sample) -> Vec<(&str, i64)> {
        let kept = sample.kept.iter();
        kept.map(|(key, value)| (&**key, *value)).collect()
    }

    fn batch_of(records: &[Encoded], mut batch: BatchBuilder) -> BatchBuilder {
        for record in records {
            let value = record.value.as_deref();
            batch.push(NewRecord::new(1, Some(&record.key), value));
        }
        batch
    }

    #[test]
    fn many_records_go_into_batches_of_bounded_size_and_come_back() {
        let finished = to_batches(&records(20_000, 7), None, usize::MAX, 1);
        assert!(finished.len() > 1);
        let mut loaded = Sample::default();
        let mut next = 0;
        for mut batch in finished {
            assert!(batch.len() <= BATCH_BYTES);
            crate::wire::batch::stamp(&mut batch, next, 0);
            next = replay(&mut loaded, &batch, next).unwrap();
        }
        assert_eq!(next, 20_000);
        assert_eq!(loaded.kept.len(), 20_000);
        assert!(to_batches(&[], None, usize::MAX, 1).is_empty());
    }

    #[test]
    fn batches_keep_within_what_the_topic_takes() {
        let finished = to_batches(&records(100, 7), None, 1_000, 1);
        assert!(finished.iter().all(|batch| batch.len() <= 1_000));
        let counts = finished
            .iter()
            .map(|batch| BatchView::parse(batch).unwrap().record_count());
        assert_eq!(counts.sum::<i32>(), 100);
    }

    #[test]
    fn a_transaction_counts_once_its_marker_is_there() {
        let open = BatchBuilder::new().producer(9, 0, 0).transactional();
        let batch = batch_of(&records(1, 5), open).build();
        let mut sample = Sample::default();
        assert_eq!(replay(&mut sample, &batch, 0).unwrap(), 1);
        assert_eq!(kept(&sample), []);
        let mut value = Vec::new();
        EndMarker {
            coordinator_epoch: 0,
        }
        .write(&mut value);
        let mut marker = BatchBuilder::new()
            .base_offset(1)
            .producer(9, 0, -1)
            .transactional()
            .control();
        let key = ControlKind::Commit.key();
        marker.push(NewRecord::new(1, Some(&key), Some(&value)));
        assert_eq!(replay(&mut sample, &marker.build(), 1).unwrap(), 2);
        assert_eq!(kept(&sample), [("00000", 5)]);
    }

    #[test]
    fn compressed_batches_are_read() {
        let batch = batch_of(&records(3, 5), BatchBuilder::new());
        let bytes = batch.build_compressed(Codec::Zstd, |records| {
            let mut out = Vec::new();
            compress(Codec::Zstd, records, &mut out).unwrap();
            out
        });
        let mut loaded = Sample::default();
        assert_eq!(replay(&mut loaded, &bytes, 0).unwrap(), 3);
        assert_eq!(kept(&loaded), [("00000", 5), ("00001", 5), ("00002", 5)]);
    }

    #[test]
    fn records_before_the_start_are_passed_over_and_damage_is_found() {
        let mut bytes = to_batches(&records(3, 5), None, usize::MAX, 1).remove(0);
        let mut loaded = Sample::default();
        assert_eq!(replay(&mut loaded, &bytes, 2).unwrap(), 3);
        assert_eq!(kept(&loaded), [("00002", 5)]);
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let damaged = replay(&mut Sample::default(), &bytes, 0);
        assert!(matches!(damaged, Err(LoadError::Batch(_))));
    }

    #[test]
    fn a_record_that_is_none_of_the_machines_is_told_with_its_offset() {
        let mut records = records(2, 5);
        records[1].value = Some(vec![1]);
        let bytes = to_batches(&records, None, usize::MAX, 1).remove(0);
        let refused = replay(&mut Sample::default(), &bytes, 0);
        assert!(matches!(refused, Err(LoadError::Record(1, _))));
    }
}
