//! Pure: broker settings: the KRaft quorum and its metadata log.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`AbstractKafkaConfig`).
    pub static QUORUM;

    "controller.quorum.bootstrap.servers" List = Some(""), Endpoints, High, ReadOnly,
        InCluster(Standalone);
        "Where to look for the controllers of the cluster's quorum. One that can be reached is "
        "enough.";
    "controller.quorum.voters" List = Some(""), Voters, High, ReadOnly, InCluster(Standalone);
        "The controllers of a fixed quorum; used where `controller.quorum.bootstrap.servers` is "
        "not set. On a machine alone a quorum of several is refused.";
    "controller.listener.names" List = Some("CONTROLLER"),
        Items { of: &[], may_be_empty: false }, High, ReadOnly, InCluster(Standalone);
        "The names of the controllers' listeners, the first of which is used to reach them. On a "
        "machine alone such listeners are left closed: the controller is inside this process.";
    "broker.heartbeat.interval.ms" Int = Some("2000"), Any, Medium, ReadOnly,
        InCluster(Standalone);
        "How often each node reports to the controller.";
    "initial.broker.registration.timeout.ms" Int = Some("60000"), Any, Medium, ReadOnly,
        InCluster(Standalone);
        "How long a start tries to register with the controller before it is given up.";
}
