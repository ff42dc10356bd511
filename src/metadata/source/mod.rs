//! Pure: where an image comes from: the batches of a metadata log, in order.
//! May use: `base`, `wire`, `metadata::{record, image}`. Never: shows the middle of a
//! transaction.

pub mod local;
pub mod note;
pub mod quorum;

use crate::base::Offset;
use crate::metadata::image::{Delta, Image, ReplayError};
use crate::metadata::record::{BatchRefused, MetadataRecord, decode_batch};
use crate::wire::batch::BatchView;

/// Why a metadata log could not be made into an image.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LoadError {
    /// A batch could not be read.
    #[error("{0}")]
    Batch(BatchRefused),
    /// The record at this offset contradicts those before it.
    #[error("at offset {0}: {1}")]
    Replay(Offset, ReplayError),
}

impl From<BatchRefused> for LoadError {
    fn from(refused: BatchRefused) -> LoadError {
        LoadError::Batch(refused)
    }
}

/// Makes an image of the batches it is fed, starting from another image: an empty one, or one
/// that a snapshot held.
#[derive(Debug)]
pub struct Loader {
    delta: Delta,
    end_offset: Offset,
    /// Records of a transaction that has begun and not ended (KIP-868).
    transaction: Option<Vec<(Offset, MetadataRecord)>>,
}

/// What [`Loader::finish`] answers.
#[derive(Debug)]
pub struct Loaded {
    /// The image.
    pub image: Image,
    /// Whether a transaction was left open: its records are not in the image, and must be
    /// aborted before anything else is appended to the log.
    pub open_transaction: bool,
}

// === impl Loader ===

impl Loader {
    /// A loader that goes on where `image` ends.
    pub fn new(image: &Image) -> Loader {
        Loader {
            delta: Delta::new(image),
            end_offset: image.end_offset,
            transaction: None,
        }
    }

    /// Offset after the last batch fed.
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    /// Takes the next batch in. After an error the loader must be dropped.
    pub fn feed(&mut self, batch: &BatchView<'_>) -> Result<(), LoadError> {
        for (offset, record) in decode_batch(batch)? {
            self.record(offset, record)
                .map_err(|error| LoadError::Replay(offset, error))?;
        }
        self.end_batch(batch);
        Ok(())
    }

    /// Notes that all of a batch is taken in.
    pub fn end_batch(&mut self, batch: &BatchView<'_>) {
        self.end_offset = batch.last_offset() + 1;
    }

    /// Takes one record of a batch in, where not all of its records are to be taken; the batch
    /// is then ended with [`Loader::end_batch`]. After an error the loader must be dropped.
    pub fn record(&mut self, offset: Offset, record: MetadataRecord) -> Result<(), ReplayError> {
        match (record, &mut self.transaction) {
            (MetadataRecord::BeginTransaction(_), transaction @ None) => {
                *transaction = Some(Vec::new());
            }
            (MetadataRecord::AbortTransaction(_), transaction @ Some(_)) => *transaction = None,
            (MetadataRecord::EndTransaction(_), Some(records)) => {
                for (_, record) in std::mem::take(records) {
                    self.delta.replay(&record)?;
                }
                self.transaction = None;
            }
            (MetadataRecord::BeginTransaction(_), Some(_)) => return Err(ReplayError::Transaction),
            (record, Some(records)) => records.push((offset, record)),
            (record, None) => self.delta.replay(&record)?,
        }
        Ok(())
    }

    /// The image of all that was fed, on which the loader goes on; `None` while a transaction is
    /// open, of which no part may be seen.
    pub fn advance(&mut self) -> Option<Image> {
        if self.transaction.is_some() {
            return None;
        }
        let delta = std::mem::replace(&mut self.delta, Delta::new(&Image::default()));
        let image = delta.apply(self.end_offset);
        self.delta = Delta::new(&image);
        Some(image)
    }

    /// The image of all that was fed.
    pub fn finish(self) -> Loaded {
        Loaded {
            image: self.delta.apply(self.end_offset),
            open_transaction: self.transaction.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::NodeId;
    use crate::metadata::image::ResourceKind;
    use crate::metadata::record::{
        AbortTransaction, BeginTransaction, EndTransaction, FeatureLevel, encode_batch,
    };
    use crate::wire::batch::{BatchView, batches, stamp};

    /// See `tests/golden/metadata/README.md`.
    const GOLDEN: &[u8] = include_bytes!("../../../tests/golden/metadata/00000000000000000000.log");

    /// The image of Kafka's log up to this offset.
    fn golden(end: Offset) -> Image {
        golden_after(&Image::empty("c"), end)
    }

    fn golden_after(image: &Image, end: Offset) -> Image {
        let mut loader = Loader::new(image);
        for batch in batches(GOLDEN) {
            let batch = batch.unwrap();
            if (image.end_offset..end).contains(&batch.last_offset()) {
                loader.feed(&batch).unwrap();
            }
        }
        assert_eq!(loader.end_offset(), end);
        loader.finish().image
    }

    #[test]
    fn a_log_of_kafkas_becomes_the_cluster_it_was() {
        let image = golden(43);
        assert_eq!((image.end_offset, image.highest_offset()), (43, 42));
        let names: Vec<_> = image
            .topics
            .sorted()
            .iter()
            .map(|t| t.name.to_string())
            .collect();
        assert_eq!(names, ["configured", "manual", "plain"]);
        let plain = image.topics.named("plain").unwrap();
        assert_eq!(plain.id.to_string(), "Fkodj7bDQsWP8yXJNt6C_w");
        assert_eq!(plain.partitions.len(), 4);
        assert!(Arc::ptr_eq(plain, image.topics.with_id(plain.id).unwrap()));
        let partition = image.topics.partition("plain", 3).unwrap();
        assert_eq!((partition.leader, partition.leader_epoch), (NodeId(1), 0));
        assert_eq!(image.topics.on(NodeId(1)).count(), 9);
        assert_eq!(image.topics.on(NodeId(2)).count(), 0);
        let configured = image.configs.topic("configured");
        let set: Vec<_> = configured
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        let expected = [
            ("cleanup.policy", "compact"),
            ("min.insync.replicas", "2"),
            ("segment.bytes", "1048576"),
        ];
        assert_eq!(set, expected);
        assert!(image.configs.topic("doomed").is_empty());
        assert_eq!(image.configs.all_brokers()["log.retention.ms"], "86400000");
        let named = |kind| {
            image
                .configs
                .names(kind)
                .iter()
                .map(|n| n.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(named(ResourceKind::Broker), ["", "1"]);
        assert_eq!(named(ResourceKind::Group), ["grp"]);
        assert_eq!(named(ResourceKind::ClientMetrics), ["sub"]);
        assert_eq!(named(ResourceKind::Topic), ["configured"]);
        let broker = image.brokers.get(NodeId(1)).unwrap();
        assert!(image.brokers.is_alive(NodeId(1)) && broker.epoch == 13);
        assert_eq!(broker.endpoint("PLAINTEXT").unwrap().port, 19492);
        assert_eq!(image.features["metadata.version"], 30);
        assert_eq!(image.features.len(), 6);
        assert_eq!(image.next_producer_id, 1000);
    }

    #[test]
    fn leaders_come_and_go_as_the_changes_say() {
        let stopped = golden(54);
        let partition = stopped.topics.partition("plain", 0).unwrap();
        assert_eq!((partition.leader, partition.leader_epoch), (NodeId(-1), 1));
        assert_eq!(
            (partition.isr.as_slice(), partition.elr.as_slice()),
            (&[][..], &[NodeId(1)][..])
        );
        assert!(!stopped.brokers.is_alive(NodeId(1)));
        assert_eq!(stopped.brokers.iter().count(), 1);
        let restarted = golden(71);
        let partition = restarted.topics.partition("plain", 0).unwrap();
        assert_eq!((partition.leader, partition.leader_epoch), (NodeId(1), 2));
        assert_eq!(partition.partition_epoch, 2);
        assert!(partition.elr.is_empty() && restarted.brokers.is_alive(NodeId(1)));
        let doomed = restarted.topics.named("doomed").unwrap();
        assert_eq!(doomed.id.to_string(), "MSFWfQVwS5uxxUkU8dwobw");
        assert!(golden(82).brokers.is_empty());
    }

    #[test]
    fn what_differs_between_two_images_is_found() {
        let old = golden(32);
        let new = golden_after(&old, 43);
        let manual = |image: &Image| Arc::clone(image.topics.named("manual").unwrap());
        assert!(Arc::ptr_eq(&manual(&old), &manual(&new)));
        let mut changes: Vec<_> = new.topics.changes_since(&old.topics);
        changes.sort_by_key(|change| change.after.as_ref().map(|topic| Arc::clone(&topic.name)));
        let [gone, grown] = changes.as_slice() else {
            panic!("{changes:?}");
        };
        assert_eq!(&*gone.before.as_ref().unwrap().name, "doomed");
        assert!(gone.after.is_none());
        assert_eq!(grown.before.as_ref().unwrap().partitions.len(), 2);
        assert_eq!(grown.after.as_ref().unwrap().partitions.len(), 4);
        let names = new.configs.topics_changed_since(&old.configs);
        let names: Vec<_> = names.iter().map(|name| name.to_string()).collect();
        assert_eq!(names, ["configured", "doomed"]);
        assert!(new.topics.changes_since(&new.clone().topics).is_empty());
    }

    fn feature(level: i16) -> MetadataRecord {
        let name = "f".into();
        FeatureLevel {
            name,
            feature_level: level,
        }
        .into()
    }

    fn load(records: &[&[MetadataRecord]]) -> Result<Loaded, LoadError> {
        let mut loader = Loader::new(&Image::empty("c"));
        for records in records {
            let mut bytes = encode_batch(records, 0, 0);
            stamp(&mut bytes, loader.end_offset(), 0);
            loader.feed(&BatchView::parse(&bytes).unwrap())?;
        }
        Ok(loader.finish())
    }

    #[test]
    fn a_transaction_counts_once_it_has_ended() {
        let begin = MetadataRecord::from(BeginTransaction { name: None });
        let end = MetadataRecord::from(EndTransaction {});
        let abort = MetadataRecord::from(AbortTransaction { reason: None });
        let level = |loaded: &Loaded| loaded.image.features.get("f").copied();
        let open = load(&[&[feature(1), begin.clone()], &[feature(2)]]).unwrap();
        assert_eq!((level(&open), open.open_transaction), (Some(1), true));
        let ended = load(&[std::slice::from_ref(&begin), &[feature(2), end.clone()]]).unwrap();
        assert_eq!((level(&ended), ended.open_transaction), (Some(2), false));
        let aborted = load(&[&[begin.clone(), feature(2)], std::slice::from_ref(&abort)]).unwrap();
        assert_eq!((level(&aborted), aborted.open_transaction), (None, false));
        for bad in [vec![begin.clone(), begin], vec![end], vec![abort]] {
            let error = load(&[&bad]).unwrap_err();
            assert!(matches!(
                error,
                LoadError::Replay(_, ReplayError::Transaction)
            ));
        }
    }
}
