//! Pure: the first records of a metadata log.

use crate::base::config::BrokerConfig;
use crate::metadata::image::ResourceKind;
use crate::metadata::record::{Config, FeatureLevel, FeatureRange, MetadataRecord};

/// A feature that this broker knows: its name, the levels it can work at, and the one that a
/// new cluster gets (KIP-584).
pub const FEATURES: [(&str, i16, i16, i16); 2] = [
    // Records and rules as of Kafka 4.3-IV0.
    ("metadata.version", 7, 30, 30),
    // KIP-966: with one replica to a partition, that one is always in sync, which keeps all of
    // its promises.
    ("eligible.leader.replicas.version", 0, 1, 1),
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

/// What a new cluster begins with: its features and, as Kafka does where eligible leader
/// replicas are kept, the least count of replicas in sync as a setting of all brokers.
pub fn format(config: &BrokerConfig) -> Vec<MetadataRecord> {
    let level = |(name, _, _, level): (&str, i16, i16, i16)| {
        FeatureLevel {
            name: name.to_owned(),
            feature_level: level,
        }
        .into()
    };
    let mut records: Vec<MetadataRecord> = FEATURES.map(level).into();
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
