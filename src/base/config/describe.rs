//! Pure: settings as DescribeConfigs shows them (Kafka's `ConfigHelper`).

use std::borrow::Cow;

use super::broker::{DYNAMIC_ONLY, broker_setting, broker_settings};
use super::broker_config::BrokerConfig;
use super::client_metrics::CLIENT_METRICS_SETTINGS;
use super::group::GROUP_SETTINGS;
use super::layers::{Layers, Texts};
use super::setting::{Mode, Setting};
use super::topic::TOPIC_SETTINGS;
use super::value::{Kind, Value};

/// Where a value comes from; the numbers are those of DescribeConfigs (`ConfigSource`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// Set on the topic.
    Topic = 1,
    /// Changed while running, for this node.
    DynamicBroker = 2,
    /// Changed while running, for all nodes.
    DynamicDefaultBroker = 3,
    /// The file or a flag.
    StaticBroker = 4,
    /// The table.
    Default = 5,
    /// A logger's level.
    DynamicBrokerLogger = 6,
    /// Set on the client metrics subscription.
    ClientMetrics = 7,
    /// Set on the group.
    Group = 8,
}

/// A name, in the tables or as an operator set it.
pub type Name = Cow<'static, str>;

/// A place that a value could come from, under the name it has there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Synonym {
    /// The name there.
    pub name: Name,
    /// The text there; `None` for a secret.
    pub value: Option<String>,
    /// The place.
    pub source: Source,
}

/// One setting with everything that DescribeConfigs tells about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// Its name.
    pub name: Name,
    /// Its value; `None` where there is none, and for a secret.
    pub value: Option<String>,
    /// Its type; `None` for a name that is in no table.
    pub kind: Option<Kind>,
    /// Where the value comes from.
    pub source: Source,
    /// Whether it cannot be changed while running.
    pub read_only: bool,
    /// Whether its value is a secret.
    pub sensitive: bool,
    /// All places that have a value for it, the winning one first.
    pub synonyms: Vec<Synonym>,
    /// What it does; empty for a name that is in no table.
    pub doc: &'static str,
}

// === impl BrokerConfig ===

impl BrokerConfig {
    /// All broker settings as shard `shard` has them, in the order of the tables.
    pub fn describe_broker(&self, shard: usize) -> Vec<Described> {
        let layers = self.layers_of(shard);
        let rows = broker_settings().map(|row| {
            let value = layers.value(row);
            described(row, value, synonyms(&layers, row.name))
        });
        let mut all: Vec<Described> = rows.collect();
        let mut stray: Vec<&String> = layers.node.keys().chain(layers.cluster.keys()).collect();
        stray.sort_unstable();
        stray.dedup();
        let stray = stray
            .into_iter()
            .filter(|name| broker_setting(name).is_none());
        all.extend(stray.map(|name| described_stray(&layers, name)));
        all
    }

    /// What was changed while running for all nodes at once: the broker resource without a name.
    pub fn describe_cluster(&self) -> Vec<Described> {
        let layers = Layers {
            cluster: self.layers().cluster.clone(),
            ..Layers::default()
        };
        let names = layers.cluster.keys();
        names
            .map(|name| match broker_setting(name) {
                Some(row) => {
                    let own = set(&layers, row.name, !row.sensitive());
                    described(row, layers.set(row), own)
                }
                None => described_stray(&layers, name),
            })
            .collect()
    }

    /// All settings of a topic with these overrides, in the order in which Kafka lists them.
    pub fn describe_topic(&self, overrides: &Texts) -> Vec<Described> {
        let rows = TOPIC_SETTINGS.iter().map(|row| {
            let own = overrides
                .get(row.name)
                .and_then(|text| row.parse(text).ok());
            let broker = row.synonyms.first();
            let below = broker.map_or(Vec::new(), |name| synonyms(self.layers(), name));
            let value = own.clone().unwrap_or_else(|| self.topic_default(row));
            described(row, Some(value), over(row, own, Source::Topic, below))
        });
        rows.collect()
    }

    /// All settings of a group with these overrides, in the order in which Kafka lists them.
    pub fn describe_group(&self, overrides: &Texts) -> Vec<Described> {
        let rows = GROUP_SETTINGS.iter().map(|row| {
            let own = overrides
                .get(row.name)
                .and_then(|text| row.parse(text).ok());
            let broker = row.synonyms.first().and_then(|name| broker_setting(name));
            let inherited = broker.and_then(|broker| self.layers().value(broker));
            let default = inherited.or_else(|| row.default_value());
            let below = match broker {
                Some(broker) => synonyms(self.layers(), broker.name),
                None => vec![Synonym {
                    name: row.name.into(),
                    value: row.default.map(str::to_owned),
                    source: Source::Default,
                }],
            };
            let value = own.clone().or(default);
            described(row, value, over(row, own, Source::Group, below))
        });
        rows.collect()
    }

    /// All settings of a client metrics subscription, in the order in which Kafka lists them.
    pub fn describe_client_metrics(&self, overrides: &Texts) -> Vec<Described> {
        let rows = CLIENT_METRICS_SETTINGS.iter().map(|row| {
            let own = overrides
                .get(row.name)
                .and_then(|text| row.parse(text).ok());
            let value = own.clone().or_else(|| row.default_value());
            described(
                row,
                value,
                over(row, own, Source::ClientMetrics, Vec::new()),
            )
        });
        rows.collect()
    }

    /// What was set, with what is particular to one shard put in its place.
    fn layers_of(&self, shard: usize) -> Layers {
        let mut layers = self.layers().clone();
        let node = self.node_id(shard).to_string();
        let own = [
            ("node.id", node.clone()),
            ("broker.id", node),
            ("listeners", self.listener.of_shard(shard).to_string()),
            (
                "advertised.listeners",
                self.advertised.of_shard(shard).to_string(),
            ),
        ];
        for (name, text) in own {
            layers.fixed.insert(name.to_owned(), text);
        }
        layers
    }
}

fn described(row: &'static Setting, value: Option<Value>, synonyms: Vec<Synonym>) -> Described {
    Described {
        name: row.name.into(),
        value: value
            .filter(|_| !row.sensitive())
            .map(|value| value.to_string()),
        kind: Some(row.kind),
        source: synonyms
            .first()
            .map_or(Source::Default, |first| first.source),
        read_only: row.mode == Mode::ReadOnly,
        sensitive: row.sensitive(),
        synonyms,
        doc: row.doc,
    }
}

/// A name that was set while the broker ran and is in no table: Kafka shows that it is there, and
/// hides its value, since it might be a secret. Those that are only ever dynamic are no secret.
fn described_stray(layers: &Layers, name: &str) -> Described {
    let known = DYNAMIC_ONLY.contains(&name);
    let synonyms = set(layers, name, known);
    Described {
        name: name.to_owned().into(),
        value: synonyms.first().and_then(|first| first.value.clone()),
        kind: known.then_some(Kind::Long),
        source: synonyms
            .first()
            .map_or(Source::Default, |first| first.source),
        read_only: !known,
        sensitive: !known,
        synonyms,
        doc: "",
    }
}

/// `below`, under what was set on the topic or the group itself.
fn over(row: &Setting, own: Option<Value>, source: Source, below: Vec<Synonym>) -> Vec<Synonym> {
    let own = own.map(|value| Synonym {
        name: row.name.into(),
        value: Some(value.to_string()),
        source,
    });
    own.into_iter().chain(below).collect()
}

/// The names that can give the broker setting `name` its value, the winning one first
/// (`DynamicBrokerConfig.brokerConfigSynonyms`).
fn family(name: &'static str) -> Vec<&'static str> {
    match name {
        "log.roll.ms" | "log.roll.hours" => vec!["log.roll.ms", "log.roll.hours"],
        "log.roll.jitter.ms" | "log.roll.jitter.hours" => {
            vec!["log.roll.jitter.ms", "log.roll.jitter.hours"]
        }
        "log.flush.interval.ms" => {
            vec!["log.flush.interval.ms", "log.flush.scheduler.interval.ms"]
        }
        "log.retention.ms" | "log.retention.minutes" | "log.retention.hours" => {
            vec![
                "log.retention.ms",
                "log.retention.minutes",
                "log.retention.hours",
            ]
        }
        _ => vec![name],
    }
}

/// All places with a value for the broker setting `name` or one of its family, place by place.
/// As in Kafka the list begins at the first entry under the very name that was asked for, so a
/// value that comes from a relative alone goes without.
fn synonyms(layers: &Layers, name: &'static str) -> Vec<Synonym> {
    let family = family(name);
    let rows = || family.iter().filter_map(|name| broker_setting(name));
    let mut all = Vec::new();
    for (texts, source) in places(layers) {
        let set = rows().filter_map(|row| Some((row, texts.get(row.name)?)));
        all.extend(set.map(|(row, text)| synonym(row.name.into(), text, source, !row.sensitive())));
    }
    let defaults = rows().filter_map(|row| Some((row, row.default?)));
    all.extend(
        defaults
            .map(|(row, text)| synonym(row.name.into(), text, Source::Default, !row.sensitive())),
    );
    let asked = all.iter().position(|synonym| synonym.name == name);
    all.split_off(asked.unwrap_or(all.len()))
}

/// The places where `name` itself was set.
fn set(layers: &Layers, name: &str, shown: bool) -> Vec<Synonym> {
    let set = places(layers).into_iter().filter_map(|(texts, source)| {
        Some(synonym(
            name.to_owned().into(),
            texts.get(name)?,
            source,
            shown,
        ))
    });
    set.collect()
}

fn places(layers: &Layers) -> [(&Texts, Source); 3] {
    [
        (&layers.node, Source::DynamicBroker),
        (&layers.cluster, Source::DynamicDefaultBroker),
        (&layers.fixed, Source::StaticBroker),
    ]
}

fn synonym(name: Name, text: &str, source: Source, shown: bool) -> Synonym {
    Synonym {
        name,
        value: shown.then(|| text.to_owned()),
        source,
    }
}

#[cfg(test)]
mod tests;
