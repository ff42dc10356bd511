//! Pure: from the text of a `server.properties` and the flags to the broker's settings.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::broker::{DYNAMIC_ONLY, advice, broker_setting, broker_settings};
use super::broker_config::{BrokerConfig, Fixed};
use super::layers::{Layers, Texts};
use super::listener::{self, Endpoint};
use super::nearest::nearest;
use super::properties;
use super::setting::{Effect, Setting, Why};
use super::shards::default_shards;
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
    /// `--data-dir`: `log.dirs`.
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

/// Everything that is wrong with the settings, a line each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// Never empty, in the order of the file, then what concerns several settings.
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

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
    let fixed = loading.settle(flags, host);
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

#[derive(Default)]
struct Loading {
    texts: Texts,
    /// Where each name was set, for messages.
    places: BTreeMap<String, String>,
    notes: Vec<String>,
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
            Effect::Partly(what) if Some(&value) != row.default_value().as_ref() => {
                self.notes.push(format!("{name}: {what}"));
            }
            _ => {}
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

    /// What concerns several settings, or the machine.
    fn settle(&mut self, flags: &Flags, host: &HostFacts) -> Fixed {
        self.check_identity();
        self.check_replicas();
        self.check_relations();
        let shards = match self.value("corelane.shards") {
            Some(Value::Int(shards)) => shards.max(1) as usize,
            _ => default_shards(host.cpus, host.cores),
        };
        let listener = self.settle_listener(flags);
        let advertised = self.settle_advertised(flags, host, &listener);
        self.check_ports(&listener, shards);
        Fixed {
            data_dir: self.settle_data_dir(),
            listener,
            advertised,
            shards,
            notes: Vec::new(),
        }
    }

    fn check_identity(&mut self) {
        let roles = self.value("process.roles").map(|roles| roles.items().len());
        if roles.is_some_and(|roles| roles != 2) {
            self.problem(
                "process.roles",
                "this build runs alone, as broker and controller in one: \
                 process.roles must be broker,controller",
            );
        }
        let (node, broker) = (self.number("node.id"), self.number("broker.id"));
        let both = self.texts.contains_key("node.id") && self.texts.contains_key("broker.id");
        if both && node != broker {
            let text = "You must set `node.id` to the same value as `broker.id`.";
            self.problem("broker.id", text);
        }
        let voters = self.value("controller.quorum.voters");
        if voters.is_some_and(|voters| voters.items().len() > 1) {
            self.problem(
                "controller.quorum.voters",
                "controller.quorum.voters names a quorum of several: this build runs alone, \
                 with its metadata embedded",
            );
        }
    }

    fn check_replicas(&mut self) {
        for name in [
            "default.replication.factor",
            "offsets.topic.replication.factor",
        ] {
            let number = self.number(name);
            if number > 1 {
                let text = format!("{name} cannot be {number}: {}", Why::OneReplica.text());
                self.problem(name, &text);
            }
        }
    }

    /// The relations that Kafka checks too (`KafkaConfig.validateValues`), in its words.
    fn check_relations(&mut self) {
        let unlimited = "log.retention.ms must be unlimited (-1) or, greater than or equal to 1";
        let names = [
            "log.retention.ms",
            "log.retention.minutes",
            "log.retention.hours",
        ];
        let set = names
            .into_iter()
            .find(|name| self.texts.contains_key(*name));
        if let Some(name) = set.filter(|name| self.number(name) == 0) {
            self.problem(name, unlimited);
        }
        if self.texts.contains_key("log.roll.ms") && self.number("log.roll.ms") < 1 {
            self.problem(
                "log.roll.ms",
                "log.roll.ms must be greater than or equal to 1",
            );
        }
        if self.number("log.roll.jitter.ms") < 0 {
            let text = "log.roll.jitter.ms must be greater than or equal to 0";
            self.problem("log.roll.jitter.ms", text);
        }
        let queued = self.number("queued.max.request.bytes");
        if queued > 0 && queued < self.number("socket.request.max.bytes") {
            let text =
                "queued.max.request.bytes must be larger or equal to socket.request.max.bytes";
            self.problem("queued.max.request.bytes", text);
        }
    }

    fn settle_data_dir(&mut self) -> PathBuf {
        let name = if self.texts.contains_key("log.dirs") {
            "log.dirs"
        } else {
            "log.dir"
        };
        let dirs = self
            .value(name)
            .map(|value| value.items().to_vec())
            .unwrap_or_default();
        if name == "log.dirs"
            && self
                .places
                .get(name)
                .is_some_and(|place| place == "--data-dir")
        {
            // A flag names one folder, commas and all.
            return PathBuf::from(self.texts[name].clone());
        }
        if dirs.len() != 1 {
            let text = format!(
                "{name} names {} folders: this build keeps all data in one, \
                 on the device that acks wait for",
                dirs.len()
            );
            self.problem(name, &text);
        }
        PathBuf::from(dirs.into_iter().next().unwrap_or_default())
    }

    fn settle_listener(&mut self, flags: &Flags) -> Endpoint {
        let mut endpoint = self.client_listener().unwrap_or_else(|text| {
            self.problem("listeners", &text);
            fallback()
        });
        if let Some(host) = &flags.host {
            endpoint.host.clone_from(host);
        }
        if let Some(port) = flags.port {
            endpoint.port = port;
        }
        if flags.host.is_some() || flags.port.is_some() {
            self.texts.insert("listeners".into(), endpoint.to_string());
        }
        endpoint
    }

    /// The one listener that clients use: the others are the controller's, or one too many.
    fn client_listener(&self) -> Result<Endpoint, String> {
        let items = self.items("listeners");
        let all = listener::parse(&items).map_err(|reason| format!("listeners: {reason}"))?;
        let controllers = self.items("controller.listener.names");
        let is_controller = |endpoint: &Endpoint| {
            controllers
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&endpoint.listener))
        };
        let protocols = self.value("listener.security.protocol.map");
        let protocols = listener::protocol_map(protocols.as_ref().map_or("", |v| v.text()))
            .map_err(|reason| format!("listener.security.protocol.map: {reason}"))?;
        let mut clients = all.into_iter().filter(|endpoint| !is_controller(endpoint));
        let Some(endpoint) = clients.next() else {
            return Err("listeners names no listener for clients".into());
        };
        let name = &endpoint.listener;
        match protocols.get(name).map(String::as_str) {
            Some("PLAINTEXT") => {}
            Some(other) => {
                let why = Why::NoSecurity.text();
                return Err(format!("listeners: {name} is a {other} listener: {why}"));
            }
            None => return Err(format!("No security protocol defined for listener {name}")),
        }
        match clients.next() {
            None => Ok(endpoint),
            Some(second) => Err(format!(
                "listeners: this build serves one listener for clients, not {name} and {} both",
                second.listener
            )),
        }
    }

    fn settle_advertised(
        &mut self,
        flags: &Flags,
        facts: &HostFacts,
        bound: &Endpoint,
    ) -> Endpoint {
        let every = |host: &str| matches!(host, "" | "0.0.0.0" | "::");
        let mut endpoint = bound.clone();
        match listener::parse(&self.items("advertised.listeners")) {
            Err(reason) => {
                self.problem(
                    "advertised.listeners",
                    &format!("advertised.listeners: {reason}"),
                );
            }
            Ok(given) => {
                let same = given
                    .into_iter()
                    .find(|given| given.listener == bound.listener);
                if same.is_none() && self.texts.contains_key("advertised.listeners") {
                    let text = format!("advertised.listeners does not name {}", bound.listener);
                    self.problem("advertised.listeners", &text);
                }
                if let Some(given) = same {
                    if matches!(given.host.as_str(), "0.0.0.0" | "::") {
                        let text = format!(
                            "advertised.listeners cannot use the nonroutable meta-address {}. \
                             Use a routable IP address.",
                            given.host
                        );
                        self.problem("advertised.listeners", &text);
                    }
                    endpoint = given;
                }
            }
        }
        if let Some(host) = &flags.advertised_host {
            endpoint.host.clone_from(host);
        }
        if every(&endpoint.host) {
            endpoint.host.clone_from(&facts.name);
        }
        if flags.advertised_host.is_some() {
            self.texts
                .insert("advertised.listeners".into(), endpoint.to_string());
        }
        endpoint
    }

    fn check_ports(&mut self, listener: &Endpoint, shards: usize) {
        let first = usize::from(listener.port);
        if first == 0 {
            return;
        }
        let last = first + shards - 1;
        if last > usize::from(u16::MAX) {
            let text = format!(
                "listeners: {shards} shards from port {first} on would need port {last}: \
                 ports end at 65535"
            );
            self.problem("listeners", &text);
        }
        if let Some(Value::Int(admin)) = self.value("corelane.admin.port")
            && (first..=last).contains(&(admin as usize))
        {
            let text = format!(
                "the admin port {admin} is the Kafka port of a shard: \
                 {shards} shards take {first} to {last}"
            );
            self.problem("corelane.admin.port", &text);
        }
    }

    fn problem(&mut self, name: &str, text: &str) {
        match self.places.get(name) {
            Some(place) => self.problems.push(format!("{place}: {text}")),
            None => self.problems.push(text.to_owned()),
        }
    }

    fn value(&self, name: &str) -> Option<Value> {
        let row = broker_setting(name)?;
        match self.texts.get(name) {
            Some(text) => row.parse(text).ok(),
            None => row.default_value(),
        }
    }

    fn items(&self, name: &str) -> Vec<String> {
        self.value(name)
            .map(|value| value.items().to_vec())
            .unwrap_or_default()
    }

    fn number(&self, name: &str) -> i64 {
        match self.value(name) {
            Some(Value::Int(number)) => number,
            _ => -1,
        }
    }
}

/// Names of plug-ins' own settings begin like this.
const PREFIXES: &[(&str, Why)] = &[
    ("listener.name.", Why::NoSecurity),
    ("rsm.config.", Why::NoTiering),
    ("rlmm.config.", Why::NoTiering),
];

/// What stands in for a listener that could not be read, until the problem is reported.
fn fallback() -> Endpoint {
    Endpoint {
        listener: "PLAINTEXT".into(),
        host: String::new(),
        port: 9092,
    }
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
