//! Pure: what control batches hold: transaction markers (KIP-98) and KRaft's own records.

use super::builder::{BatchBuilder, NewRecord};
use super::header::NO_SEQUENCE;
use crate::cursor::{Cursor, Short, Sink};
use crate::{ProducerId, WallMs};

/// Kind of a control record, as its key says. Key: version `i16`, then this number as `i16`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ControlKind {
    /// A transaction was aborted.
    Abort,
    /// A transaction was committed.
    Commit,
    /// A KRaft leader began its epoch.
    LeaderChange,
    /// First record of a KRaft snapshot.
    SnapshotHeader,
    /// Last record of a KRaft snapshot.
    SnapshotFooter,
    /// The version of KRaft in force.
    KraftVersion,
    /// The voters of a KRaft quorum.
    KraftVoters,
    /// A kind this code does not know.
    Other(i16),
}

const KINDS: [ControlKind; 7] = [
    ControlKind::Abort,
    ControlKind::Commit,
    ControlKind::LeaderChange,
    ControlKind::SnapshotHeader,
    ControlKind::SnapshotFooter,
    ControlKind::KraftVersion,
    ControlKind::KraftVoters,
];

impl ControlKind {
    /// The number of this kind on the wire (`ControlRecordType` of Kafka).
    pub fn id(self) -> i16 {
        match self {
            ControlKind::Other(id) => id,
            known => KINDS.iter().position(|kind| *kind == known).unwrap_or(0) as i16,
        }
    }

    /// The kind with this number.
    pub fn from_id(id: i16) -> ControlKind {
        usize::try_from(id)
            .ok()
            .and_then(|index| KINDS.get(index).copied())
            .unwrap_or(ControlKind::Other(id))
    }

    /// Reads the key of a control record.
    pub fn parse_key(key: &[u8]) -> Result<ControlKind, Short> {
        let mut cursor = Cursor::new(key);
        let _version = cursor.i16()?;
        cursor.i16().map(ControlKind::from_id)
    }

    /// The key of a control record of this kind, version 0.
    pub fn key(self) -> [u8; 4] {
        let [high, low] = self.id().to_be_bytes();
        [0, 0, high, low]
    }
}

/// Value of an abort or commit marker (`EndTransactionMarker` of Kafka), version 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndMarker {
    /// Epoch of the transaction coordinator that wrote it; an older one is fenced.
    pub coordinator_epoch: i32,
}

impl EndMarker {
    /// Reads a marker's value; fields of later versions behind it are passed over.
    pub fn parse(value: &[u8]) -> Result<EndMarker, Short> {
        let mut cursor = Cursor::new(value);
        let _version = cursor.i16()?;
        let coordinator_epoch = cursor.i32()?;
        Ok(EndMarker { coordinator_epoch })
    }

    /// Appends the marker's value to `out`.
    pub fn write(self, out: &mut impl Sink) {
        out.put(&[0, 0]);
        out.put(&self.coordinator_epoch.to_be_bytes());
    }
}

/// The batch with the marker that ends a producer's transaction, written by a coordinator in its
/// term `coordinator_epoch`.
pub fn marker_batch(
    (producer_id, producer_epoch): (ProducerId, i16),
    committed: bool,
    coordinator_epoch: i32,
    now: WallMs,
) -> Vec<u8> {
    let kind = match committed {
        true => ControlKind::Commit,
        false => ControlKind::Abort,
    };
    let mut value = Vec::with_capacity(6);
    EndMarker { coordinator_epoch }.write(&mut value);
    let mut batch = BatchBuilder::new()
        .producer(producer_id, producer_epoch, NO_SEQUENCE)
        .transactional()
        .control();
    batch.push(NewRecord::new(now, Some(&kind.key()), Some(&value)));
    batch.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_numbers_agree_both_ways() {
        for id in -1..10 {
            let kind = ControlKind::from_id(id);
            assert_eq!(kind.id(), id);
            assert_eq!(ControlKind::parse_key(&kind.key()), Ok(kind));
        }
        assert_eq!(ControlKind::from_id(1), ControlKind::Commit);
        assert_eq!(ControlKind::parse_key(&[0, 0, 1]), Err(Short));
    }

    #[test]
    fn a_marker_comes_back() {
        let marker = EndMarker {
            coordinator_epoch: 12,
        };
        let mut bytes = Vec::new();
        marker.write(&mut bytes);
        assert_eq!(bytes, [0, 0, 0, 0, 0, 12]);
        assert_eq!(EndMarker::parse(&bytes), Ok(marker));
        assert_eq!(EndMarker::parse(&bytes[..5]), Err(Short));
    }
}
