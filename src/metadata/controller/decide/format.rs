//! Pure: the first records of a metadata log.

use crate::base::config::BrokerConfig;
use crate::metadata::image::{Image, ResourceKind};
use crate::metadata::record::{Config, FeatureLevel, FeatureRange, MetadataRecord};

/// A feature that this broker knows: its name, the levels it can work at, and the one that a
/// new cluster gets (KIP-584).
pub const FEATURES: [(&str, i16, i16, i16); 4] = [
    // Records and rules as of Kafka 4.3-IV0.
    ("metadata.version", 7, 30, 30),
    // KIP-966: with one replica to a partition, that one is always in sync, which keeps all of
    // its promises.
    ("eligible.leader.replicas.version", 0, 1, 1),
    // KIP-848: groups of the consumer protocol.
    ("group.version", 0, 1, 1),
    // KIP-890: each transaction has an epoch of its own.
    ("transaction.version", 0, 2, 2),
];

/// The features as a registration lists them.
pub(super) fn feature_ranges() -> Vec<FeatureRange> {
    let range = |(name, min, max, _): (&str, i16, i16, i16)| FeatureRange {
        name: name.to_owned(),
        min_supported_version: min,
        max_supported_version: max,
    };
    FEATURES.map(range).into()
}

/// Features that came with a later build than the first, and that every cluster of a broker alone
/// has from then on.
const LATER: [&str; 2] = ["group.version", "transaction.version"];

/// Levels of features for a cluster that an earlier build has formatted. One that was switched off
/// stays off.
pub fn catch_up(image: &Image) -> Vec<MetadataRecord> {
    let missing = FEATURES.into_iter().filter(|(name, ..)| {
        let is_later = LATER.contains(name);
        is_later && !image.features.contains_key(*name)
    });
    missing.map(first_level).collect()
}

/// The record that a feature is at this level from now on.
pub(super) fn level(name: &str, level: i16) -> MetadataRecord {
    FeatureLevel {
        name: name.to_owned(),
        feature_level: level,
    }
    .into()
}

fn first_level((name, _, _, first): (&str, i16, i16, i16)) -> MetadataRecord {
    level(name, first)
}

/// What a new cluster begins with: its features and, as Kafka does where eligible leader
/// replicas are kept, the least count of replicas in sync as a setting of all brokers.
pub fn format(config: &BrokerConfig) -> Vec<MetadataRecord> {
    let mut records: Vec<MetadataRecord> = FEATURES.map(first_level).into();
    let min_isr = "min.insync.replicas";
    records.push(
        Config {
            resource_type: ResourceKind::Broker.id(),
            resource_name: String::new(),
            name: min_isr.to_owned(),
            value: Some(config.layers().text(min_isr).unwrap_or("1").to_owned()),
        }
        .into(),
    );
    records
}
