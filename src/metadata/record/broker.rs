//! Pure: records about nodes: brokers and controllers.

use crate::base::NodeId;
use crate::base::ids::Uuid;

use super::field::{fields, items};

items! {
    /// Where a node listens.
    Endpoint {
        /// Name of the listener.
        name: String,
        /// Host as clients are told it.
        host: String,
        /// Port.
        port: u16,
        /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
        security_protocol: i16,
    }

    /// The levels of a feature that a node can work at.
    FeatureRange {
        /// Name of the feature.
        name: String,
        /// Lowest level.
        min_supported_version: i16,
        /// Highest level.
        max_supported_version: i16,
    }
}

fields! {
    /// Key 0, versions 0-4: a process that serves as this broker has started.
    RegisterBroker {
        /// The node's id.
        broker_id: NodeId,
        /// Left over from ZooKeeper's days; never true.
        is_migrating_zk_broker: bool [since 2],
        /// Made up by each process.
        incarnation_id: Uuid,
        /// Offset of this record: a number that rises with each registration.
        broker_epoch: i64,
        /// Its listeners.
        end_points: Vec<Endpoint>,
        /// Its features.
        features: Vec<FeatureRange>,
        /// Its rack, if it has one.
        rack: Option<String>,
        /// Whether it may not lead yet.
        fenced: bool,
        /// Whether it is about to stop.
        in_controlled_shutdown: bool [since 1],
    }
    tagged {
        /// Ids of its log directories (KIP-858).
        0 log_dirs: Vec<Uuid> [since 3] = Vec::new(),
        /// Directories that take no new partitions.
        1 cordoned_log_dirs: Option<Vec<Uuid>> [since 4] = None,
    }
}

fields! {
    /// Key 1: a broker is gone for good.
    UnregisterBroker {
        /// The node's id.
        broker_id: NodeId,
        /// The epoch of the registration that ends.
        broker_epoch: i64,
    }
}

fields! {
    /// Key 7, before Kafka 3.3: a broker may not lead.
    FenceBroker {
        /// The node's id.
        id: NodeId,
        /// Epoch of its registration.
        epoch: i64,
    }
}

fields! {
    /// Key 8, before Kafka 3.3: a broker may lead again.
    UnfenceBroker {
        /// The node's id.
        id: NodeId,
        /// Epoch of its registration.
        epoch: i64,
    }
}

fields! {
    /// Key 17, versions 0-3: part of a registration changed.
    BrokerRegistrationChange {
        /// The node's id.
        broker_id: NodeId,
        /// Epoch of its registration.
        broker_epoch: i64,
    }
    tagged {
        /// -1 for no longer, 1 for now, 0 for no change.
        0 fenced: i8 = 0,
        /// 1 for now, 0 for no change.
        1 in_controlled_shutdown: i8 [since 1] = 0,
        /// The log directories; empty for no change.
        2 log_dirs: Vec<Uuid> [since 2] = Vec::new(),
        /// Directories that take no new partitions.
        3 cordoned_log_dirs: Option<Vec<Uuid>> [since 3] = None,
    }
}

fields! {
    /// Key 27: a process that serves as this controller has started.
    RegisterController {
        /// The node's id.
        controller_id: NodeId,
        /// Made up by each process.
        incarnation_id: Uuid,
        /// Left over from ZooKeeper's days; never true.
        zk_migration_ready: bool,
        /// Its listeners.
        end_points: Vec<Endpoint>,
        /// Its features.
        features: Vec<FeatureRange>,
    }
}

impl BrokerRegistrationChange {
    /// The version Kafka writes this change in: the lowest that has fields for it.
    pub(super) fn version(&self) -> u32 {
        match self {
            change if change.cordoned_log_dirs.is_some() => 3,
            change if !change.log_dirs.is_empty() => 2,
            change if change.in_controlled_shutdown != 0 => 1,
            _ => 0,
        }
    }
}
