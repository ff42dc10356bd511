//! Pure: broker settings: the KRaft quorum and its metadata log.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`AbstractKafkaConfig`).
    pub static QUORUM;

    "controller.quorum.voters" List = Some(""), Voters, High, ReadOnly,
        Partly("one entry, this node, is taken; a quorum of several is refused");
        "The controllers of a fixed quorum.";
}
