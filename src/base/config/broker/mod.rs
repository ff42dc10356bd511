//! Pure: the settings of the broker: their rows, table by table.
//! May use: the row types of `base::config`. Never: decides what a value leads to.

mod dropped;
mod groups;
mod log;
mod network;
mod node;
mod own;
mod quorum;
mod quotas;
mod replication;
mod sasl;
mod security;
mod share_streams;
mod tiering;
mod transactions;

pub use dropped::advice;
pub use own::DYNAMIC_ONLY;

use super::Setting;

/// All broker settings: a title, and the rows below it.
pub static BROKER_SETTINGS: &[(&str, &[Setting])] = &[
    ("The node", node::NODE),
    ("Corelane's own", own::OWN),
    ("Sockets", network::NETWORK),
    ("Logs", log::LOG),
    ("Groups and offsets", groups::GROUPS),
    ("Transactions", transactions::TRANSACTIONS),
    ("Metadata quorum", quorum::QUORUM),
    ("Replication", replication::REPLICATION),
    ("Security", security::SECURITY),
    ("SASL", sasl::SASL),
    ("Quotas and metrics", quotas::QUOTAS),
    (
        "Share groups and streams groups",
        share_streams::SHARE_STREAMS,
    ),
    ("Tiered storage", tiering::TIERING),
];

/// All rows of all tables.
pub fn broker_settings() -> impl Iterator<Item = &'static Setting> {
    BROKER_SETTINGS.iter().flat_map(|(_, rows)| rows.iter())
}

/// The row of a broker setting.
pub fn broker_setting(name: &str) -> Option<&'static Setting> {
    broker_settings().find(|row| row.name == name)
}
