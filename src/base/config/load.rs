//! Pure: from the text of a `server.properties` and the flags to the broker's settings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::broker::{DYNAMIC_ONLY, advice, broker_setting, broker_settings};
use super::broker_config::{BrokerConfig, Fixed};
use super::layers::{Layers, Texts};
use super::nearest::nearest;
use super::properties::{self, Property};
use super::setting::{Effect, Setting, Why};
use super::value::Value;

/// A file of settings: its name, for messages, and its text.
#[derive(Clone, Copy, Debug)]
pub struct ConfigFile<'a> {
    /// The name it was given by.
    pub name: &'a str,
    /// What it holds.
    pub text: &'a str,
}

/// The settings among the command line's flags; they win over the file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Flags {
    /// `--data-dir`: `log.dirs`, with commas between several.
    pub data_dir: Option<PathBuf>,
    /// `--host`: the host in `listeners`.
    pub host: Option<String>,
    /// `--port`: the port in `listeners`.
    pub port: Option<u16>,
    /// `--shards`: `corelane.shards`.
    pub shards: Option<usize>,
    /// `--advertised-host`: the host in `advertised.listeners`.
    pub advertised_host: Option<String>,
    /// `--admin-port`: `corelane.admin.port`.
    pub admin_port: Option<u16>,
    /// `--log-level`: `corelane.log.level`.
    pub log_level: Option<String>,
}

/// What defaults need to know of the machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostFacts {
    /// Its name, for clients when the broker listens on every interface.
    pub name: String,
    /// Hardware threads that this process may use.
    pub cpus: usize,
    /// Physical cores among them.
    pub cores: usize,
}

#[cfg(test)]
impl HostFacts {
    /// A host of so many cores, for tests that need none in particular.
    pub fn of_cores(count: usize) -> HostFacts {
        HostFacts {
            name: "host".to_owned(),
            cpus: count,
            cores: count,
        }
    }
}

/// Everything that is wrong with the settings, a line each.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct ConfigError {
    /// Never empty, in the order of the file, then what concerns several settings.
    pub problems: Vec<String>,
}

/// Reads and checks all settings: defaults, under the file, under the flags.
pub fn load(
    file: Option<ConfigFile<'_>>,
    flags: &Flags,
    host: &HostFacts,
) -> Result<BrokerConfig, ConfigError> {
    let mut loading = Loading::default();
    if let Some(file) = file {
        loading.read(file);
    }
    loading.overlay(flags);
    let fixed = loading.resolve(flags, host);
    loading.note_what_cannot_be_meant();
    if !loading.problems.is_empty() {
        return Err(ConfigError {
            problems: loading.problems,
        });
    }
    let layers = Layers {
        fixed: loading.texts,
        ..Layers::default()
    };
    let fixed = Fixed {
        notes: loading.notes,
        ..fixed
    };
    Ok(BrokerConfig::build(fixed, layers))
}

/// Settings on their way from texts to a `BrokerConfig`.
#[derive(Default)]
pub(super) struct Loading {
    /// What was set, by name.
    pub(super) texts: Texts,
    /// Where each name was set, for messages.
    pub(super) places: BTreeMap<String, String>,
    /// Whether this is a broker of a cluster, not one that runs alone.
    pub(super) cluster: bool,
    pub(super) notes: Vec<String>,
    problems: Vec<String>,
}

impl Loading {
    fn read(&mut self, file: ConfigFile<'_>) {
        let entries = match properties::parse(file.text) {
            Ok(entries) => entries,
            Err(error) => {
                let place = format!("{}:{}", file.name, error.line);
                return self.problems.push(format!("{place}: {}", error.reason));
            }
        };
        let mut ignored: BTreeMap<Why, Vec<&str>> = BTreeMap::new();
        self.cluster = joins_cluster(&entries);
        for entry in &entries {
            let place = format!("{}:{}", file.name, entry.line);
            if let Err(problem) = self.take(&entry.name, &entry.value, &place, &mut ignored) {
                self.problems.push(format!("{place}: {problem}"));
            }
            if let Some(first) = self.places.insert(entry.name.clone(), place.clone()) {
                let name = &entry.name;
                self.notes.push(format!(
                    "{name} is set twice, at {first} and {place}: the latter counts"
                ));
            }
        }
        for (why, names) in ignored {
            let names = names.join(", ");
            self.notes
                .push(format!("accepted without effect: {names}: {}", why.text()));
        }
    }

    fn take(
        &mut self,
        name: &str,
        text: &str,
        place: &str,
        ignored: &mut BTreeMap<Why, Vec<&'static str>>,
    ) -> Result<(), String> {
        let Some(row) = broker_setting(name) else {
            return self.take_without_row(name, place);
        };
        let value = row.parse(text).map_err(|invalid| invalid.0)?;
        match row.effect {
            Effect::Refused(why)
                if Some(&value) != row.default_value().as_ref() && !empty(&value) =>
            {
                return Err(format!(
                    "{name} cannot be set to '{}': {}",
                    shown(row, text),
                    why.text()
                ));
            }
            Effect::Ignored(why) => ignored.entry(why).or_default().push(row.name),
            Effect::InCluster(why) if !self.cluster => {
                ignored.entry(why).or_default().push(row.name);
            }
            _ => {
                let shortfall = row.shortfall(&value);
                self.notes
                    .extend(shortfall.map(|what| format!("{name}: {what}")));
            }
        }
        self.texts.insert(name.to_owned(), text.trim().to_owned());
        Ok(())
    }

    /// A name without a row: one that Kafka dropped, one of a plug-in, or a mistake.
    fn take_without_row(&mut self, name: &str, place: &str) -> Result<(), String> {
        if let Some(advice) = advice(name) {
            return Err(format!(
                "{name} is no setting of a broker any more: {advice}"
            ));
        }
        if let Some(why) = protects_nothing(name) {
            return Err(format!("{name} cannot be set: {}", why.text()));
        }
        if let Some((_, why)) = PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix)) {
            let why = why.text();
            self.notes
                .push(format!("accepted without effect: {name} ({place}): {why}"));
            return Ok(());
        }
        if DYNAMIC_ONLY.contains(&name) {
            return Err(format!("{name} is set with kafka-configs, not in a file"));
        }
        let names = broker_settings().map(|row| row.name);
        let hint = match (super::topic_setting(name), nearest(name, names)) {
            (Some(topic), _) if !topic.synonyms.is_empty() => {
                format!(
                    "it is a setting of topics; here it is called {}",
                    topic.synonyms[0]
                )
            }
            (_, Some(meant)) => format!("did you mean {meant}?"),
            (_, None) => "docs/CONFIG.md lists all there are".to_owned(),
        };
        Err(format!("unknown setting {name}: {hint}"))
    }

    fn overlay(&mut self, flags: &Flags) {
        let texts = [
            (
                "log.dirs",
                "--data-dir",
                flags.data_dir.as_ref().map(|d| d.display().to_string()),
            ),
            (
                "corelane.shards",
                "--shards",
                flags.shards.map(|n| n.to_string()),
            ),
            (
                "corelane.admin.port",
                "--admin-port",
                flags.admin_port.map(|p| p.to_string()),
            ),
            ("corelane.log.level", "--log-level", flags.log_level.clone()),
        ];
        for (name, flag, text) in texts {
            let (Some(text), Some(row)) = (text, broker_setting(name)) else {
                continue;
            };
            if let Err(invalid) = row.parse(&text) {
                self.problems.push(format!("{flag}: {invalid}"));
            }
            self.texts.insert(name.to_owned(), text);
            self.places.insert(name.to_owned(), flag.to_owned());
        }
    }

    /// Adds a note for each value that is allowed and is rarely meant.
    fn note_what_cannot_be_meant(&mut self) {
        for name in ["max.connections", "max.connections.per.ip"] {
            if self.number(name) == Some(0) {
                self.notes.push(format!("{name}=0: no client can connect"));
            }
        }
        for name in ["log.dirs", "log.dir"] {
            let Some(text) = self.texts.get(name) else {
                continue;
            };
            let mut dirs: Vec<&str> = text.split(',').map(str::trim).collect();
            dirs.sort_unstable();
            let twice = dirs.windows(2).find(|pair| pair[0] == pair[1]);
            if let Some(pair) = twice {
                let note = format!("{name} names {} twice: it is used once", pair[0]);
                self.notes.push(note);
            }
        }
    }

    pub(super) fn problem(&mut self, name: &str, text: &str) {
        match self.places.get(name) {
            Some(place) => self.problems.push(format!("{place}: {text}")),
            None => self.problems.push(text.to_owned()),
        }
    }

    pub(super) fn value(&self, name: &str) -> Option<Value> {
        let row = broker_setting(name)?;
        match self.texts.get(name) {
            Some(text) => row.parse(text).ok(),
            None => row.default_value(),
        }
    }

    pub(super) fn items(&self, name: &str) -> Vec<String> {
        self.value(name)
            .map(|value| value.items().to_vec())
            .unwrap_or_default()
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }
}

/// Whether a file says that this process is a broker alone, whose controllers are others.
fn joins_cluster(entries: &[Property]) -> bool {
    let roles = entries.iter().rfind(|entry| entry.name == "process.roles");
    let row = broker_setting("process.roles").expect("a row of the table");
    roles.is_some_and(|roles| {
        row.parse(&roles.value)
            .is_ok_and(|roles| roles.items() == ["broker"])
    })
}

/// Names of plug-ins' own settings begin like this.
const PREFIXES: &[(&str, Why)] = &[
    ("listener.name.", Why::NoSecurity),
    ("rsm.config.", Why::NoTiering),
    ("rlmm.config.", Why::NoTiering),
];

/// Why a setting that would protect a broker of Kafka's protects nothing here, for those without a
/// row: of Kafka's authorizers, and of one listener. To pass over them would leave a broker open
/// whose user believes that it is not.
fn protects_nothing(name: &str) -> Option<Why> {
    const OF_AUTHORIZERS: [&str; 2] = ["super.users", "allow.everyone.if.no.acl.found"];
    if OF_AUTHORIZERS.contains(&name) {
        return Some(Why::NoAuthorizer);
    }
    let (_, own) = name.strip_prefix("listener.name.")?.split_once('.')?;
    // `listener.name.<listener>.[<mechanism>.]sasl.…`
    let of_login = ["ssl.", "sasl."].iter().any(|kind| {
        own.starts_with(kind)
            || own
                .split_once('.')
                .is_some_and(|(_, rest)| rest.starts_with(kind))
    });
    let refused = |row: &Setting| match row.effect {
        Effect::Refused(why) => Some(why),
        _ => None,
    };
    let why = broker_setting(own).and_then(refused);
    why.or(of_login.then_some(Why::NoSecurity))
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        _ => false,
    }
}

fn shown<'a>(row: &Setting, text: &'a str) -> &'a str {
    if row.sensitive() { "[hidden]" } else { text }
}

#[cfg(test)]
mod tests;
