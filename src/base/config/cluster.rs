//! Pure: the settings of a broker of a cluster: what must be there, and what contradicts what.

use super::listener::{self, Endpoint};
use super::load::Loading;
use super::parts::{ClusterConfig, ReplicaConfig};
use super::rule::host_and_port;
use super::value::Value;

/// Kafka's defaults, as long as nothing else is said; alone there is one replica only.
const DEFAULTS: [(&str, &str); 3] = [
    ("offsets.topic.replication.factor", "3"),
    ("transaction.state.log.replication.factor", "3"),
    ("transaction.state.log.min.isr", "2"),
];

impl Loading {
    /// What joining a cluster needs; `listener` is the one of clients.
    pub(super) fn resolve_cluster(&mut self, listener: &Endpoint, shards: usize) -> ClusterConfig {
        self.check_nodes(shards);
        self.check_times();
        for (name, value) in DEFAULTS {
            self.texts
                .entry(name.into())
                .or_insert_with(|| value.into());
        }
        let controller_listener = self.controller_listener();
        ClusterConfig {
            controllers: self.controllers(&controller_listener),
            inter_broker_listener: self.inter_broker_listener(listener, &controller_listener),
            heartbeat_interval_ms: self.at_least_one("broker.heartbeat.interval.ms"),
            registration_timeout_ms: self.at_least_one("initial.broker.registration.timeout.ms"),
            replica: ReplicaConfig {
                lag_time_max_ms: self.at_least_one("replica.lag.time.max.ms"),
                fetch_wait_max_ms: self.size("replica.fetch.wait.max.ms"),
                fetch_min_bytes: self.size("replica.fetch.min.bytes"),
                fetch_bytes_max: self.size("replica.fetch.max.bytes"),
                response_bytes_max: self.size("replica.fetch.response.max.bytes"),
                fetch_backoff_ms: self.size("replica.fetch.backoff.ms").into(),
                socket_timeout_ms: self.at_least_one("replica.socket.timeout.ms"),
                selects_by_rack: self.selects_by_rack(),
            },
        }
    }

    /// Whether consumers are sent to replicas in their rack (`replica.selector.class`).
    fn selects_by_rack(&mut self) -> bool {
        let setting = "replica.selector.class";
        let class = self.value(setting);
        match class.as_ref().map(Value::text) {
            None | Some("") => false,
            Some("org.apache.kafka.common.replica.RackAwareReplicaSelector") => true,
            Some("org.apache.kafka.common.replica.LeaderSelector") => false,
            Some(other) => {
                let text = format!(
                    "replica.selector.class: {other} is a Java class, which cannot be loaded here; \
                     org.apache.kafka.common.replica.RackAwareReplicaSelector is built in"
                );
                self.problem(setting, &text);
                false
            }
        }
    }

    fn check_nodes(&mut self, shards: usize) {
        let id = self.number("node.id").or_else(|| self.number("broker.id"));
        let Some(first) = id.filter(|&id| id >= 0) else {
            let text = "node.id is missing: a broker of a cluster needs the node id of its first \
                        shard";
            return self.problem("process.roles", text);
        };
        let last = first + shards as i64 - 1;
        if last > i64::from(i32::MAX) {
            let text = format!(
                "node.id={first}: {shards} shards would need ids beyond {}",
                i32::MAX
            );
            self.problem("node.id", &text);
        }
        let voters = self.items("controller.quorum.voters");
        let ids = voters
            .iter()
            .filter_map(|voter| voter.split_once('@')?.0.parse().ok());
        if let Some(taken) = ids.into_iter().find(|id| (first..=last).contains(id)) {
            let text = format!(
                "node.id={first}: the shards of this broker are nodes {first} to {last}, and \
                 controller.quorum.voters names a controller {taken}"
            );
            self.problem("node.id", &text);
        }
    }

    /// The relations that Kafka checks too (`KafkaConfig.validateValues`), in its words.
    fn check_times(&mut self) {
        let wait = self.number("replica.fetch.wait.max.ms");
        let relations = [
            (
                wait > self.number("replica.socket.timeout.ms"),
                "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to \
                 prevent unnecessary socket timeouts",
            ),
            (
                wait > self.number("replica.lag.time.max.ms"),
                "replica.fetch.wait.max.ms should always be less than or equal to \
                 replica.lag.time.max.ms to prevent frequent changes in ISR",
            ),
        ];
        for (violated, text) in relations {
            if violated {
                self.problem("replica.fetch.wait.max.ms", text);
            }
        }
    }

    /// The listener by which controllers are reached: the first of `controller.listener.names`.
    fn controller_listener(&mut self) -> String {
        let names = self.items("controller.listener.names");
        let name = names
            .first()
            .map_or_else(String::new, |name| name.to_ascii_uppercase());
        let given = self.texts.contains_key("listener.security.protocol.map");
        let checked = self.protocols().and_then(|mut protocols| {
            // As in Kafka: without a map a controllers' listener needs no security.
            if !given {
                protocols
                    .entry(name.clone())
                    .or_insert_with(|| "PLAINTEXT".into());
            }
            listener::check_protocol(&protocols, &name, "controller.listener.names")
        });
        if let Err(text) = checked {
            self.problem("controller.listener.names", &text);
        }
        name
    }

    fn controllers(&mut self, listener: &str) -> Vec<Endpoint> {
        let servers = self.items("controller.quorum.bootstrap.servers");
        let (setting, entries) = if servers.is_empty() {
            let voters = self.items("controller.quorum.voters");
            ("controller.quorum.voters", voters)
        } else {
            ("controller.quorum.bootstrap.servers", servers)
        };
        if entries.is_empty() {
            let text = "controller.quorum.bootstrap.servers is missing: a broker of a cluster \
                        needs to know where its controllers are";
            self.problem("process.roles", text);
        }
        let mut controllers = Vec::new();
        for entry in entries {
            let address = entry
                .split_once('@')
                .map_or(entry.as_str(), |(_, address)| address);
            match host_and_port(address) {
                Some((host, port)) if !host.is_empty() && port > 0 => controllers.push(Endpoint {
                    listener: listener.to_owned(),
                    host: host.to_owned(),
                    port,
                }),
                _ => {
                    let text = format!("{setting}: '{entry}' is no address to connect to");
                    self.problem(setting, &text);
                }
            }
        }
        controllers
    }

    fn inter_broker_listener(&mut self, clients: &Endpoint, controllers: &str) -> String {
        let setting = "inter.broker.listener.name";
        let given = self.value(setting);
        if given.is_some() && self.texts.contains_key("security.inter.broker.protocol") {
            let text = "Only one of inter.broker.listener.name and \
                        security.inter.broker.protocol should be set.";
            self.problem(setting, text);
        }
        let name = given.map_or("PLAINTEXT".to_owned(), |name| {
            name.text().to_ascii_uppercase()
        });
        if name == controllers {
            let text = format!(
                "{setting}: {name} is a listener of controllers (controller.listener.names)"
            );
            self.problem(setting, &text);
        } else if name != clients.listener {
            let text = format!(
                "{setting}: the other brokers use {name}, and listeners names {} only",
                clients.listener
            );
            self.problem(setting, &text);
        }
        name
    }

    /// A number that Kafka does not bound and that makes no sense below 1.
    fn at_least_one(&mut self, name: &str) -> u64 {
        let number = self.number(name).unwrap_or_default();
        if number < 1 {
            self.problem(name, &format!("{name}={number}: it must be at least 1"));
        }
        number.max(1) as u64
    }

    /// A number that means nothing below 0.
    fn size(&mut self, name: &str) -> u32 {
        let number = self.number(name).unwrap_or_default();
        if number < 0 {
            self.problem(name, &format!("{name}={number}: it must be at least 0"));
        }
        u32::try_from(number.max(0)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests;
