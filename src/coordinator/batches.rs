//! Pure: a machine's records as the batches of its log, out and in.

use std::fmt;

use crate::base::{Offset, WallMs};
use crate::wire::batch::{BatchBuilder, BatchError, BatchView, ControlKind, NewRecord, batches};
use crate::wire::unpack::{UnpackError, unpack};

use super::group::{GroupMachine, Origin};
use super::record::{Encoded, Record, RecordError};

/// A batch is closed once it is this large, so that removing a million offsets does not make
/// one that no log takes.
const BATCH_BYTES: usize = 256 * 1024;
/// More bytes than the lengths and deltas of a record take.
const RECORD_OVERHEAD_BYTES: usize = 31;
/// Why a log of `__consumer_offsets` cannot be loaded.
#[derive(Debug)]
pub enum LoadError {
    /// Bytes are no batch.
    Batch(BatchError),
    /// A compressed batch cannot be read.
    Compressed(Offset, UnpackError),
    /// A batch at this offset holds no records.
    Records(Offset, crate::wire::batch::RecordError),
    /// A record at this offset is none of the topic's.
    Record(Offset, RecordError),
}

/// `records` in batches of format v2, in order, of at most `bytes_max` where a record fits.
pub(super) fn to_batches(records: &[Encoded], bytes_max: usize, now: WallMs) -> Vec<Vec<u8>> {
    let bytes_max = bytes_max.min(BATCH_BYTES);
    let mut finished = Vec::new();
    let mut batch = BatchBuilder::new();
    for record in records {
        let with_this = batch.size_bytes() + record.size_bytes() + RECORD_OVERHEAD_BYTES;
        if batch.count() > 0 && with_this > bytes_max {
            finished.push(std::mem::take(&mut batch).build());
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

/// Replays the whole batches in `bytes`, without records before `from`; returns the offset
/// after the last one.
pub(super) fn replay(
    machine: &mut GroupMachine,
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

fn replay_batch(
    machine: &mut GroupMachine,
    batch: &BatchView<'_>,
    from: Offset,
) -> Result<(), LoadError> {
    let base = batch.base_offset();
    let mut room = Vec::new();
    let records = unpack(batch, &mut room).map_err(|error| LoadError::Compressed(base, error))?;
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
        let decoded = Record::decode(record.key, record.value)
            .map_err(|error| LoadError::Record(position, error))?;
        let origin = Origin {
            position,
            transaction,
        };
        machine.replay(&decoded, origin);
    }
    Ok(())
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Batch(error) => error.fmt(f),
            LoadError::Compressed(offset, error) => write!(f, "batch at {offset}: {error}"),
            LoadError::Records(offset, error) => write!(f, "batch at {offset}: {error}"),
            LoadError::Record(offset, error) => write!(f, "record at {offset}: {error}"),
        }
    }
}

impl std::error::Error for LoadError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::Uuid;
    use crate::base::{Instant, TopicId};
    use crate::coordinator::group::*;
    use crate::wire::batch::{Codec, EndMarker};
    use crate::wire::compress::compress;

    fn machine() -> GroupMachine {
        GroupMachine::new(GroupConfig::default())
    }

    /// The records of a commit of partitions 0 to `count` at `offset`.
    fn commit(count: i32, offset: Offset) -> Vec<Encoded> {
        let partition = |partition| CommitPartition {
            partition,
            offset,
            leader_epoch: -1,
            metadata: "".into(),
        };
        let commit = Commit {
            group: "g".into(),
            generation: -1,
            member_id: "".into(),
            instance_id: None,
            retention_ms: None,
            knows_group_not_found: true,
            topics: vec![CommitTopic {
                name: "topic".into(),
                id: TopicId(Uuid::from_u128(1)),
                partitions: (0..count).map(partition).collect(),
            }],
        };
        let now = Now {
            instant: Instant(1),
            wall_ms: 1,
        };
        let mut out = Outcome::default();
        machine().commit(&commit, now, &mut out).unwrap();
        out.records
    }

    fn committed(machine: &GroupMachine) -> Vec<(i32, Offset)> {
        let topics = machine.fetch_all("g", false);
        let all = topics.into_iter().flat_map(|(_, partitions)| partitions);
        all.filter_map(|fetched| Some((fetched.partition, fetched.offset.ok()??.offset)))
            .collect()
    }

    #[test]
    fn many_records_go_into_batches_of_bounded_size_and_come_back() {
        let finished = to_batches(&commit(10_000, 7), usize::MAX, 1);
        assert!(finished.len() > 1);
        let mut loaded = machine();
        let mut next = 0;
        for mut batch in finished {
            assert!(batch.len() <= BATCH_BYTES);
            crate::wire::batch::stamp(&mut batch, next, 0);
            next = replay(&mut loaded, &batch, next).unwrap();
        }
        assert_eq!(next, 10_000);
        assert_eq!(committed(&loaded).len(), 10_000);
        assert!(to_batches(&[], usize::MAX, 1).is_empty());
    }

    #[test]
    fn batches_keep_within_what_the_topic_takes() {
        let finished = to_batches(&commit(100, 7), 1_000, 1);
        assert!(finished.iter().all(|batch| batch.len() <= 1_000));
        let counts = finished
            .iter()
            .map(|batch| BatchView::parse(batch).unwrap().record_count());
        assert_eq!(counts.sum::<i32>(), 100);
    }

    #[test]
    fn a_transaction_counts_once_its_marker_is_there() {
        let records = commit(1, 5);
        let mut batch = BatchBuilder::new().producer(9, 0, 0).transactional();
        for record in &records {
            batch.push(NewRecord::new(
                1,
                Some(&record.key),
                record.value.as_deref(),
            ));
        }
        let mut machine = machine();
        assert_eq!(replay(&mut machine, &batch.build(), 0).unwrap(), 1);
        assert_eq!(committed(&machine), []);
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
        assert_eq!(replay(&mut machine, &marker.build(), 1).unwrap(), 2);
        assert_eq!(committed(&machine), [(0, 5)]);
    }

    #[test]
    fn compressed_batches_are_read() {
        let mut batch = BatchBuilder::new();
        for record in &commit(3, 5) {
            batch.push(NewRecord::new(
                1,
                Some(&record.key),
                record.value.as_deref(),
            ));
        }
        let bytes = batch.build_compressed(Codec::Zstd, |records| {
            let mut out = Vec::new();
            compress(Codec::Zstd, records, &mut out).unwrap();
            out
        });
        let mut loaded = machine();
        assert_eq!(replay(&mut loaded, &bytes, 0).unwrap(), 3);
        assert_eq!(committed(&loaded), [(0, 5), (1, 5), (2, 5)]);
    }

    #[test]
    fn records_before_the_start_are_passed_over_and_damage_is_found() {
        let mut bytes = to_batches(&commit(3, 5), usize::MAX, 1).remove(0);
        let mut loaded = machine();
        assert_eq!(replay(&mut loaded, &bytes, 2).unwrap(), 3);
        assert_eq!(committed(&loaded), [(2, 5)]);
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let damaged = replay(&mut machine(), &bytes, 0);
        assert!(matches!(damaged, Err(LoadError::Batch(_))));
    }
}
