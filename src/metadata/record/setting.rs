//! Pure: records about settings, features and producer ids, and those that frame others.

use crate::base::NodeId;

use super::field::fields;

fields! {
    /// Key 4: a setting of a resource is set or deleted.
    Config {
        /// Kind of resource: 2 topic, 4 broker, 16 client metrics, 32 group.
        resource_type: i8,
        /// Name of the resource; empty for the default of all brokers.
        resource_name: String,
        /// Name of the setting.
        name: String,
        /// Its value; `None` deletes it.
        value: Option<String>,
    }
}

fields! {
    /// Key 12: a feature is at this level from now on.
    FeatureLevel {
        /// Name of the feature.
        name: String,
        /// The level; 0 switches it off.
        feature_level: i16,
    }
}

fields! {
    /// Key 15: producer ids below this one are given out.
    ProducerIds {
        /// The node that got the block before `next_producer_id`.
        broker_id: NodeId,
        /// Epoch of its registration.
        broker_epoch: i64,
        /// First id not given out.
        next_producer_id: i64,
    }
}

fields! {
    /// Key 20: nothing; written so that the log's end moves.
    NoOp {}
}

fields! {
    /// Key 21: how far a cluster had come in leaving ZooKeeper; means nothing since Kafka 4.
    ZkMigrationState {
        /// 0 none, 1 pre-migration, 2 migration, 3 post-migration, 4 done.
        state: i8,
    }
}

fields! {
    /// Key 23: the records up to the matching end count all or not at all.
    BeginTransaction {}
    tagged {
        /// A name, for people.
        0 name: Option<String> = None,
    }
}

fields! {
    /// Key 24: the records since the begin count.
    EndTransaction {}
}

fields! {
    /// Key 25: the records since the begin do not count.
    AbortTransaction {}
    tagged {
        /// A reason, for people.
        0 reason: Option<String> = None,
    }
}
