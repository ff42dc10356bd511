//! Pure: one configuration row (its type, default, bounds and doc) and the verdict on a text for
//! it.
//!
//! The verdicts are worded as Kafka words them (`org.apache.kafka.common.config.ConfigDef`): tools
//! and people match on those sentences.

use super::rule::Rule;
use super::value::{self, InvalidValue, Kind, Value};

/// A row of the tables: everything there is to say about one setting.
#[derive(Debug)]
pub struct Setting {
    /// The name in Kafka, or one that starts with `corelane.` where Kafka has none.
    pub name: &'static str,
    /// How a text is read.
    pub kind: Kind,
    /// The default as a text; `None` where nothing applies until something is set.
    pub default: Option<&'static str>,
    /// What a value must satisfy beyond its type.
    pub rule: Rule,
    /// How much a newcomer should care.
    pub importance: Importance,
    /// Whether and where it may be changed while the broker runs.
    pub mode: Mode,
    /// Whether this broker acts on it.
    pub effect: Effect,
    /// Broker settings that give a topic its default, the winning one first; empty for brokers.
    pub synonyms: &'static [&'static str],
    /// What it does, in a sentence or two.
    pub doc: &'static str,
}

/// How much a newcomer should care about a setting; Kafka's own three steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// Whether and where a setting may be changed while the broker runs (KIP-226).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Only in the file or by a flag, with a restart.
    ReadOnly,
    /// For one node at a time.
    PerBroker,
    /// For one node, or for all of them at once.
    ClusterWide,
}

/// Whether this broker acts on a setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// It does what Kafka's documentation says.
    Applied,
    /// It does part of that; the sentence says which.
    Partly(&'static str),
    /// It does what Kafka's documentation says where this process is a broker of a cluster
    /// (`process.roles=broker`); on a machine alone it is accepted and changes nothing.
    InCluster(Why),
    /// It is accepted, kept and shown, and changes nothing.
    Ignored(Why),
    /// Any other value than the default is refused at start: to go on without it would be unsafe
    /// or a surprise.
    Refused(Why),
}

/// Why a setting changes nothing here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Why {
    /// There are no thread pools to size.
    Threads,
    /// There is no JVM to load classes into or to read beans from.
    Jvm,
    /// It is of members of a KRaft controller quorum, of which this process is never one.
    Standalone,
    /// Each partition has one replica where the broker is alone.
    OneReplica,
    /// TLS, SASL and delegation tokens are not in this build.
    NoSecurity,
    /// Authorisation is not in this build.
    NoAuthorizer,
    /// Quotas are stored and not enforced in this build.
    NoQuotas,
    /// Two-phase commit (KIP-939) is not in this build.
    NoTwoPhaseCommit,
    /// Share groups (KIP-932) are not in this build.
    NoShareGroups,
    /// Streams groups (KIP-1071) are not in this build.
    NoStreamsGroups,
    /// Tiered storage is not in this build.
    NoTiering,
    /// What it tunes is made in another way here.
    OtherDesign,
}

impl Why {
    /// The reason as the end of a sentence that begins "accepted without effect: …,".
    pub fn text(self) -> &'static str {
        match self {
            Why::Threads => "a shard is one pinned executor, there are no thread pools to size",
            Why::Jvm => "there is no JVM here to load classes or to publish beans",
            Why::Standalone => "it is of a controller quorum, of which this process is no member",
            Why::OneReplica => "partitions have one replica where the broker runs alone",
            Why::NoSecurity => "this build has no TLS, SASL or delegation tokens yet",
            Why::NoAuthorizer => "this build has no authorizer yet",
            Why::NoQuotas => "this build enforces no quotas yet",
            Why::NoTwoPhaseCommit => "this build has no two-phase commit yet",
            Why::NoShareGroups => "this build has no share groups yet",
            Why::NoStreamsGroups => "this build has no streams groups yet",
            Why::NoTiering => "this build has no tiered storage",
            Why::OtherDesign => "what it tunes is made in another way here",
        }
    }
}

// === impl Setting ===

impl Setting {
    /// Whether values are secrets, which are kept but never shown.
    pub fn sensitive(&self) -> bool {
        self.kind == Kind::Password
    }

    /// What this broker does instead of acting on `value` in full; `None` where it does act, or
    /// where the value asks for nothing that is not done.
    pub fn shortfall(&self, value: &Value) -> Option<&'static str> {
        if Some(value) == self.default_value().as_ref() {
            return None;
        }
        match self.effect {
            Effect::Applied | Effect::InCluster(_) => None,
            Effect::Partly(what) => Some(what),
            Effect::Ignored(why) | Effect::Refused(why) => Some(why.text()),
        }
    }

    /// Reads `text` as this setting's value, or says in Kafka's words why it cannot be one.
    pub fn parse(&self, text: &str) -> Result<Value, InvalidValue> {
        let mut value = value::parse(self.name, self.kind, text)?;
        // An item that stands twice counts once (`ConfigDef.parseValue` with a `ValidList`).
        if let (Rule::Items { .. }, Value::List(items)) = (self.rule, &mut value) {
            let mut seen = std::collections::BTreeSet::new();
            items.retain(|item| seen.insert(item.clone()));
        }
        self.rule.check(self.name, &value)?;
        Ok(value)
    }

    /// The default as a value; `None` where there is none.
    pub fn default_value(&self) -> Option<Value> {
        // A table whose default does not parse fails the test below, so nothing is lost here.
        self.default.and_then(|text| self.parse(text).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{GROUP_SETTINGS, TOPIC_SETTINGS, broker_settings};
    use super::*;

    fn row(table: &str, name: &str) -> &'static Setting {
        let found = match table {
            "broker" => broker_settings().find(|row| row.name == name),
            "topic" => TOPIC_SETTINGS.iter().find(|row| row.name == name),
            _ => GROUP_SETTINGS.iter().find(|row| row.name == name),
        };
        found.unwrap_or_else(|| panic!("no row {table} {name}"))
    }

    #[test]
    fn every_verdict_is_the_one_that_kafka_gives() {
        let golden = include_str!("../../../tests/golden/config/verdicts.txt");
        let mut wrong = Vec::new();
        let mut asked = 0;
        for line in golden.lines() {
            let mut fields = line.split('\t');
            let mut next = || fields.next().expect("five fields");
            let (table, name, text, verdict, expected) = (next(), next(), next(), next(), next());
            let row = row(table, name);
            let ours = match row.parse(text) {
                Ok(_) if row.sensitive() => "ok\t".to_owned(),
                Ok(value) => format!("ok\t{value}"),
                Err(invalid) => format!("bad\t{invalid}"),
            };
            if ours != format!("{verdict}\t{expected}") {
                wrong.push(format!(
                    "{name} {text:?}: {ours}, Kafka: {verdict}\t{expected}"
                ));
            }
            asked += 1;
        }
        assert!(asked > 1000, "only {asked} questions");
        assert!(
            wrong.is_empty(),
            "{} differ:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }

    /// Rows that differ from Kafka's on purpose, by what they differ in: docs/decisions/0002.
    const OTHER_DEFAULTS: [&str; 13] = [
        "controller.listener.names",
        "flush.messages",
        "listeners",
        "log.dir",
        "log.flush.interval.messages",
        "log.segment.bytes",
        "offsets.topic.replication.factor",
        "process.roles",
        "segment.bytes",
        "share.coordinator.state.topic.min.isr",
        "share.coordinator.state.topic.replication.factor",
        "transaction.state.log.min.isr",
        "transaction.state.log.replication.factor",
    ];
    const OTHER_MODES: [&str; 2] = ["listeners", "listener.security.protocol.map"];

    #[test]
    fn the_rows_are_those_of_kafka() {
        let golden = include_str!("../../../tests/golden/config/rows.txt");
        let mut names = Vec::new();
        for line in golden.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let (table, name) = (fields[0], fields[1]);
            let row = row(table, name);
            let kind = format!("{:?}", row.kind).to_uppercase();
            let importance = format!("{:?}", row.importance).to_uppercase();
            assert_eq!(
                (kind.as_str(), importance.as_str()),
                (fields[2], fields[4]),
                "{name}"
            );
            let is_same = row.default.unwrap_or("-") == fields[3];
            assert_eq!(
                !is_same,
                OTHER_DEFAULTS.contains(&name),
                "the default of {name}"
            );
            if let Some(&mode) = fields.get(5) {
                let ours = match row.mode {
                    Mode::ReadOnly => "read-only",
                    Mode::PerBroker => "per-broker",
                    Mode::ClusterWide => "cluster-wide",
                };
                assert_eq!(
                    ours != mode,
                    OTHER_MODES.contains(&name),
                    "the mode of {name}"
                );
            }
            names.push(name);
        }
        let ours = broker_settings()
            .chain(TOPIC_SETTINGS)
            .chain(GROUP_SETTINGS);
        let own = |row: &&Setting| row.name.starts_with("corelane.");
        for row in ours.filter(|row| !own(row)) {
            assert!(names.contains(&row.name), "Kafka has no {}", row.name);
        }
    }

    #[test]
    fn log_levels_are_levels() {
        let row = row("broker", "corelane.log.level");
        for good in [
            "info",
            "WARN",
            "off",
            "info,corelane::log=debug",
            "hyper=error, info",
        ] {
            assert!(row.parse(good).is_ok(), "{good}");
        }
        for bad in ["loud", "", "corelane::log", "=info", "a b=info", "info,"] {
            let error = row.parse(bad).expect_err(bad).0;
            let head =
                format!("Invalid value {bad} for configuration corelane.log.level: expected");
            assert!(error.starts_with(&head), "{error}");
        }
    }

    #[test]
    fn every_default_fits_its_own_row() {
        let rows = broker_settings()
            .chain(TOPIC_SETTINGS)
            .chain(GROUP_SETTINGS);
        for row in rows {
            let Some(text) = row.default else { continue };
            let value = row
                .parse(text)
                .unwrap_or_else(|e| panic!("{}: {e}", row.name));
            assert_eq!(value.to_string(), text, "{}", row.name);
            assert!(
                !row.doc.is_empty() && row.doc.ends_with('.'),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn names_are_unique_and_synonyms_exist() {
        for rows in [TOPIC_SETTINGS, GROUP_SETTINGS] {
            for row in rows {
                assert_eq!(
                    rows.iter().filter(|r| r.name == row.name).count(),
                    1,
                    "{}",
                    row.name
                );
                for synonym in row.synonyms {
                    assert!(broker_settings().any(|r| r.name == *synonym), "{synonym}");
                }
            }
        }
        for row in broker_settings() {
            assert_eq!(
                broker_settings().filter(|r| r.name == row.name).count(),
                1,
                "{}",
                row.name
            );
        }
    }
}
