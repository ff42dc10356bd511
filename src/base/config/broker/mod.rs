//! Pure: the settings of the broker: their rows, table by table.
//! May use: the row types of `base::config`. Never: decides what a value leads to.

mod dropped;
mod groups;
mod log;
mod network;
mod no_effect;
mod node;
mod own;
mod quorum;
mod replication;
mod telemetry;
mod transactions;

pub use dropped::advice;
pub use own::DYNAMIC_ONLY;

use super::Setting;

/// The broker settings of one kind.
pub struct Section {
    /// The heading in the docs.
    pub title: &'static str,
    /// What this broker acts on, in full or in part.
    pub rows: &'static [Setting],
    /// What it accepts without effect, or refuses.
    pub no_effect: &'static [Setting],
}

impl Section {
    const fn new(
        title: &'static str,
        rows: &'static [Setting],
        no_effect: &'static [Setting],
    ) -> Section {
        Section {
            title,
            rows,
            no_effect,
        }
    }
}

/// All broker settings.
pub static SECTIONS: &[Section] = &[
    Section::new("The node", node::NODE, no_effect::NODE),
    Section::new("Corelane's own", own::OWN, &[]),
    Section::new("Sockets", network::NETWORK, no_effect::NETWORK),
    Section::new("Logs", log::LOG, no_effect::LOG),
    Section::new("Groups and offsets", groups::GROUPS, no_effect::GROUPS),
    Section::new(
        "Transactions",
        transactions::TRANSACTIONS,
        no_effect::TRANSACTIONS,
    ),
    Section::new("Metadata quorum", quorum::QUORUM, no_effect::QUORUM),
    Section::new(
        "Replication",
        replication::REPLICATION,
        no_effect::REPLICATION,
    ),
    Section::new("Security", &[], no_effect::SECURITY),
    Section::new("SASL", &[], no_effect::SASL),
    Section::new(
        "Quotas and metrics",
        telemetry::TELEMETRY,
        no_effect::QUOTAS,
    ),
    Section::new(
        "Share groups and streams groups",
        &[],
        no_effect::SHARE_STREAMS,
    ),
    Section::new("Tiered storage", &[], no_effect::TIERING),
];

/// All rows of all tables.
pub fn broker_settings() -> impl Iterator<Item = &'static Setting> {
    let all = |section: &'static Section| section.rows.iter().chain(section.no_effect);
    SECTIONS.iter().flat_map(all)
}

/// The row of a broker setting.
pub fn broker_setting(name: &str) -> Option<&'static Setting> {
    broker_settings().find(|row| row.name == name)
}

#[cfg(test)]
mod tests;
