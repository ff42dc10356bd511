//! Pure: what concerns several settings at once, or the machine: the second half of `load`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::broker_config::Fixed;
use super::listener::{self, Endpoint};
use super::load::{Flags, HostFacts, Loading};
use super::setting::Why;
use super::shards::default_shards;
use super::value::Value;

impl Loading {
    /// What concerns several settings, or the machine.
    pub(super) fn resolve(&mut self, flags: &Flags, host: &HostFacts) -> Fixed {
        self.check_identity();
        if !self.cluster {
            self.check_alone();
        }
        self.check_relations();
        let shards = match self.value("corelane.shards") {
            Some(Value::Int(shards)) => shards.max(1) as usize,
            _ => default_shards(host.cpus, host.cores),
        };
        let listener = self.resolve_listener(flags);
        let advertised = self.resolve_advertised(flags, host, &listener);
        self.check_ports(&listener, shards);
        let cluster = self
            .cluster
            .then(|| self.resolve_cluster(&listener, shards));
        let log_dirs = self.resolve_log_dirs();
        Fixed {
            data_dir: self.resolve_data_dir(&log_dirs),
            log_dirs,
            listener,
            advertised,
            shards,
            cluster,
            notes: Vec::new(),
        }
    }

    fn check_identity(&mut self) {
        let (node, broker) = (self.number("node.id"), self.number("broker.id"));
        let both = self.texts.contains_key("node.id") && self.texts.contains_key("broker.id");
        if both && node != broker {
            let text = "You must set `node.id` to the same value as `broker.id`.";
            self.problem("broker.id", text);
        }
    }

    /// What only a broker of a cluster can be told.
    fn check_alone(&mut self) {
        let roles = self.items("process.roles");
        if roles == ["controller"] {
            self.problem(
                "process.roles",
                "process.roles=controller: Corelane is no controller; the controllers of a \
                 cluster are Apache Kafka's, and Corelane joins with process.roles=broker",
            );
        } else if self.texts.contains_key("process.roles") {
            self.notes.push(
                "process.roles=broker,controller: Corelane is no controller of a quorum; it runs \
                 alone, with its metadata embedded (process.roles=broker joins a cluster)"
                    .to_owned(),
            );
        }
        if self.items("controller.quorum.voters").len() > 1 {
            self.problem(
                "controller.quorum.voters",
                "controller.quorum.voters names a quorum of several, which only a broker joins: \
                 Corelane is no controller, give process.roles=broker",
            );
        }
        for name in [
            "default.replication.factor",
            "offsets.topic.replication.factor",
            "transaction.state.log.replication.factor",
        ] {
            if let Some(number) = self.number(name).filter(|&number| number > 1) {
                let text = format!("{name} cannot be {number}: {}", Why::OneReplica.text());
                self.problem(name, &text);
            }
        }
    }

    /// The relations that Kafka checks too (`KafkaConfig.validateValues`), in its words.
    fn check_relations(&mut self) {
        let retention = [
            "log.retention.ms",
            "log.retention.minutes",
            "log.retention.hours",
        ];
        let set = retention
            .into_iter()
            .find(|name| self.texts.contains_key(*name));
        let unlimited = "log.retention.ms must be unlimited (-1) or, greater than or equal to 1";
        let queued = self
            .number("queued.max.request.bytes")
            .filter(|&bytes| bytes > 0);
        let relations = [
            (
                set.unwrap_or(retention[0]),
                set.and_then(|name| self.number(name)) == Some(0),
                unlimited,
            ),
            (
                "log.roll.ms",
                self.number("log.roll.ms").is_some_and(|ms| ms < 1),
                "log.roll.ms must be greater than or equal to 1",
            ),
            (
                "log.roll.jitter.ms",
                self.number("log.roll.jitter.ms").is_some_and(|ms| ms < 0),
                "log.roll.jitter.ms must be greater than or equal to 0",
            ),
            (
                "queued.max.request.bytes",
                queued.is_some() && queued < self.number("socket.request.max.bytes"),
                "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
            ),
        ];
        for (name, violated, text) in relations {
            if violated {
                self.problem(name, text);
            }
        }
    }

    /// `log.dirs`, or else `log.dir`.
    fn resolve_log_dirs(&self) -> Vec<PathBuf> {
        let name = if self.texts.contains_key("log.dirs") {
            "log.dirs"
        } else {
            "log.dir"
        };
        self.items(name).into_iter().map(PathBuf::from).collect()
    }

    /// Where the metadata log is: `metadata.log.dir`, or else the first of the folders.
    fn resolve_data_dir(&self, log_dirs: &[PathBuf]) -> PathBuf {
        let own = self.texts.get("metadata.log.dir");
        let own = own.filter(|dir| !dir.is_empty()).map(PathBuf::from);
        own.or_else(|| log_dirs.first().cloned())
            .unwrap_or_default()
    }

    fn resolve_listener(&mut self, flags: &Flags) -> Endpoint {
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
        if let Some(own) = all.iter().find(|it| self.cluster && is_controller(it)) {
            let name = &own.listener;
            return Err(format!(
                "listeners names {name}, a listener of controllers (controller.listener.names): \
                 Corelane is no controller"
            ));
        }
        let protocols = self.protocols()?;
        let mut clients = all.into_iter().filter(|endpoint| !is_controller(endpoint));
        let Some(endpoint) = clients.next() else {
            return Err("listeners names no listener for clients".into());
        };
        let name = &endpoint.listener;
        listener::check_protocol(&protocols, name, "listeners")?;
        match clients.next() {
            None => Ok(endpoint),
            Some(second) => Err(format!(
                "listeners: this build serves one listener for clients, not {name} and {} both",
                second.listener
            )),
        }
    }

    /// The protocol of each listener, by name.
    pub(super) fn protocols(&self) -> Result<BTreeMap<String, String>, String> {
        let map = self.value("listener.security.protocol.map");
        listener::protocol_map(map.as_ref().map_or("", |map| map.text()))
            .map_err(|reason| format!("listener.security.protocol.map: {reason}"))
    }

    fn resolve_advertised(
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
                "port {admin} is wanted for the admin pages and for a shard: the shards take \
                 {first} to {last}"
            );
            self.problem("corelane.admin.port", &text);
        }
    }
}

/// What stands in for a listener that could not be read, until the problem is reported.
fn fallback() -> Endpoint {
    Endpoint {
        listener: "PLAINTEXT".into(),
        host: String::new(),
        port: 9092,
    }
}
