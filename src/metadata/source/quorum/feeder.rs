//! Pure: batches of the quorum's metadata log become images.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::base::{NodeId, Offset};
use crate::metadata::image::{Image, ReplayError};
use crate::metadata::record::{
    BatchRefused, MetadataRecord, RecordRefused, SecurityRecord, values,
};
use crate::metadata::source::Loader;
use crate::wire::batch::{BatchError, BatchView};

use super::observer::Event;

/// Why the quorum's metadata log cannot be made into an image. This process cannot go on: it would
/// act on a wrong picture of the cluster.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FeedError {
    /// A batch cannot be read.
    #[error("the metadata log of the quorum cannot be read: {0}")]
    Batch(BatchError),
    /// Its records cannot be read.
    #[error("the metadata log of the quorum cannot be read: {0}")]
    Refused(BatchRefused),
    /// A record contradicts those before it.
    #[error("the metadata log of the quorum cannot be read: at offset {0}: {1}")]
    Replay(Offset, ReplayError),
    /// The cluster has access rules, which this build does not enforce.
    #[error(
        "the cluster has ACLs, and this build does not enforce them: it would let clients do what \
         they forbid"
    )]
    Acls,
    /// A controller has the id of a node of this process.
    #[error(
        "node {0} of this broker has the id of a controller: choose a node.id that none of them has"
    )]
    IdOfController(NodeId),
}

/// Makes images of what the observer brings.
#[derive(Debug)]
pub struct Feeder {
    cluster_id: Arc<str>,
    nodes: RangeInclusive<i32>,
    /// What the committed log is fed into.
    log: Loader,
    /// What a snapshot on its way is fed into.
    snapshot: Option<Loader>,
    /// Records of users' credentials and quotas, which this build does not act on.
    passed_over: u64,
}

// === impl Feeder ===

impl Feeder {
    /// A feeder that has seen nothing. A controller with an id of `nodes` is refused.
    pub fn new(cluster_id: Arc<str>, nodes: RangeInclusive<i32>) -> Feeder {
        let empty = Image::empty(&cluster_id);
        Feeder {
            cluster_id,
            nodes,
            log: Loader::new(&empty),
            snapshot: None,
            passed_over: 0,
        }
    }

    /// Records of users' credentials and quotas so far, which this build does not act on.
    pub fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// Takes an event in.
    pub fn take(&mut self, event: &Event) -> Result<(), FeedError> {
        match event {
            Event::SnapshotBegins => {
                self.snapshot = Some(Loader::new(&Image::empty(&self.cluster_id)));
            }
            Event::SnapshotIsThere(end_offset) => {
                let loader = self.snapshot.take().expect("a snapshot began");
                let mut image = loader.finish().image;
                image.end_offset = *end_offset;
                self.log = Loader::new(&image);
            }
            Event::Batch(bytes) => {
                let batch = BatchView::parse(bytes).map_err(FeedError::Batch)?;
                self.batch(&batch)?;
            }
        }
        Ok(())
    }

    /// The image of the log as far as it is there. `None` while a transaction is open, or a
    /// snapshot is on its way.
    pub fn image(&mut self) -> Option<Image> {
        match self.snapshot {
            Some(_) => None,
            None => self.log.advance(),
        }
    }

    fn batch(&mut self, batch: &BatchView<'_>) -> Result<(), FeedError> {
        let loader = self.snapshot.as_mut().unwrap_or(&mut self.log);
        for (offset, value) in values(batch).map_err(FeedError::Refused)? {
            match MetadataRecord::decode(value) {
                Ok(MetadataRecord::RegisterController(controller))
                    if self.nodes.contains(&controller.controller_id.0) =>
                {
                    return Err(FeedError::IdOfController(controller.controller_id));
                }
                Ok(record) => loader
                    .record(offset, record)
                    .map_err(|error| FeedError::Replay(offset, error))?,
                Err(refused @ RecordRefused::Unknown { .. }) => {
                    security(offset, value, refused)?;
                    self.passed_over += 1;
                }
                Err(refused) => {
                    let refused = BatchRefused::Record(offset, refused);
                    return Err(FeedError::Refused(refused));
                }
            }
        }
        loader.end_batch(batch);
        Ok(())
    }
}

/// Looks at a record that no image holds: users' credentials and quotas are passed over.
fn security(offset: Offset, value: &[u8], refused: RecordRefused) -> Result<(), FeedError> {
    match SecurityRecord::decode(value) {
        Ok(SecurityRecord::AccessControlEntry(_)) => Err(FeedError::Acls),
        Ok(_) => Ok(()),
        Err(_) => Err(FeedError::Refused(BatchRefused::Record(offset, refused))),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::download::tests::snapshot;
    use super::*;
    use crate::base::ids::Uuid;
    use crate::metadata::record::{
        AccessControlEntry, BeginTransaction, EndTransaction, FeatureLevel, RegisterController,
        RemoveUserScramCredential, encode_batch,
    };
    use crate::wire::batch::{BatchBuilder, NewRecord, batches, stamp};

    fn feeder() -> Feeder {
        Feeder::new("c".into(), 5..=6)
    }

    fn feature(name: &str) -> MetadataRecord {
        let (name, feature_level) = (name.to_owned(), 3);
        FeatureLevel {
            name,
            feature_level,
        }
        .into()
    }

    fn batch(base: Offset, records: &[MetadataRecord]) -> Event {
        let mut bytes = encode_batch(records, 1, 0);
        stamp(&mut bytes, base, 1);
        Event::Batch(bytes.into())
    }

    /// A batch with one record of these bytes.
    fn raw(value: &[u8]) -> Event {
        let mut builder = BatchBuilder::new();
        builder.push(NewRecord::new(0, None, Some(value)));
        Event::Batch(builder.build().into())
    }

    fn security_record(record: impl Into<SecurityRecord>) -> Event {
        let mut value = Vec::new();
        record.into().encode(&mut value);
        raw(&value)
    }

    #[test]
    fn a_snapshot_takes_the_place_of_all_before_and_the_log_goes_on() {
        let mut feeder = feeder();
        feeder.take(&batch(0, &[feature("old")])).unwrap();
        let image = feeder.image().unwrap();
        assert_eq!((image.end_offset, image.features["old"]), (1, 3));
        feeder.take(&Event::SnapshotBegins).unwrap();
        let bytes = snapshot(&[feature("a"), feature("b")]);
        for piece in batches(&bytes) {
            let piece = Bytes::copy_from_slice(piece.unwrap().bytes());
            feeder.take(&Event::Batch(piece)).unwrap();
            assert!(feeder.image().is_none());
        }
        feeder.take(&Event::SnapshotIsThere(100)).unwrap();
        feeder.take(&batch(100, &[feature("c")])).unwrap();
        let image = feeder.image().unwrap();
        let names: Vec<_> = image.features.keys().map(String::as_str).collect();
        assert_eq!((image.end_offset, names), (101, vec!["a", "b", "c"]));
        assert_eq!(&*image.cluster_id, "c");
    }

    #[test]
    fn no_part_of_a_transaction_is_seen() {
        let mut feeder = feeder();
        let begin = BeginTransaction { name: None }.into();
        feeder.take(&batch(0, &[begin, feature("a")])).unwrap();
        assert!(feeder.image().is_none());
        feeder.take(&batch(2, &[feature("b")])).unwrap();
        assert!(feeder.image().is_none());
        feeder.take(&batch(3, &[EndTransaction {}.into()])).unwrap();
        let image = feeder.image().unwrap();
        assert_eq!((image.end_offset, image.features.len()), (4, 2));
    }

    #[test]
    fn what_cannot_be_acted_on_stops_the_process() {
        let stops = |event: Event| feeder().take(&event).unwrap_err().to_string();
        let unknown = stops(raw(&[1, 99, 0, 0]));
        assert_eq!(
            unknown,
            "the metadata log of the quorum cannot be read: at offset 0: this build does not know \
             metadata records of type 99"
        );
        assert!(stops(raw(&[1, 20, 7, 0])).contains("up to version 0, not 7"));
        let acl = AccessControlEntry {
            id: Uuid::nil(),
            resource_type: 2,
            resource_name: "t".into(),
            pattern_type: 3,
            principal: "User:a".into(),
            host: "*".into(),
            operation: 3,
            permission_type: 2,
        };
        assert!(stops(security_record(acl)).starts_with("the cluster has ACLs"));
        let controller = RegisterController {
            controller_id: NodeId(6),
            incarnation_id: Uuid::nil(),
            zk_migration_ready: false,
            end_points: Vec::new(),
            features: Vec::new(),
        };
        assert!(stops(batch(0, &[controller.into()])).starts_with("node 6 of this broker"));
        // Credentials are of no use here, and of no harm.
        let mut feeder = feeder();
        let credential = RemoveUserScramCredential {
            name: "a".into(),
            mechanism: 1,
        };
        feeder.take(&security_record(credential)).unwrap();
        assert_eq!(feeder.passed_over(), 1);
    }
}
