//! Pure: whether a resource may have these dynamic settings, in Kafka's words where it may not.
//!
//! Topics are checked by `base::config::check_topic`; here are the other kinds.

use std::collections::BTreeMap;

use crate::base::config::{
    BrokerConfig, Effect, InvalidValue, Mode, Setting, broker_setting, client_metrics_setting,
    group_setting,
};

type Texts = BTreeMap<String, String>;

/// Settings that can be changed only for one listener, by a name with its prefix
/// (`SslConfigs.RECONFIGURABLE_CONFIGS` of Kafka).
const ONLY_WITH_LISTENER: [&str; 9] = [
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
];

/// Settings of a group that have bounds among the broker's, by family and the rest of the name:
/// those of `share` `x` are `group.share.min.x` and `group.share.max.x`.
const GROUP_BOUNDS: [(&str, &str); 12] = [
    ("consumer", "heartbeat.interval.ms"),
    ("consumer", "session.timeout.ms"),
    ("consumer", "assignment.interval.ms"),
    ("share", "heartbeat.interval.ms"),
    ("share", "session.timeout.ms"),
    ("share", "record.lock.duration.ms"),
    ("share", "delivery.count.limit"),
    ("share", "partition.max.record.locks"),
    ("share", "assignment.interval.ms"),
    ("streams", "heartbeat.interval.ms"),
    ("streams", "session.timeout.ms"),
    ("streams", "assignment.interval.ms"),
];

/// Checks the settings of a broker, or of all brokers.
pub(super) fn check_broker(settings: &Texts, one_node: bool) -> Result<(), String> {
    let named = |wanted: &dyn Fn(&str) -> bool| -> Option<String> {
        let names: Vec<&str> = settings
            .keys()
            .map(String::as_str)
            .filter(|n| wanted(n))
            .collect();
        (!names.is_empty()).then(|| format!("[{}]", names.join(", ")))
    };
    let mode = |name: &str| broker_setting(name).map(|row| row.mode);
    if let Some(names) = named(&|name| mode(name) == Some(Mode::ReadOnly)) {
        return Err(format!("Cannot update these configs dynamically: {names}"));
    }
    if let Some(names) = named(&|name| ONLY_WITH_LISTENER.contains(&name)) {
        return Err(format!(
            "These security configs can be dynamically updated only per-listener \
             using the listener prefix: {names}"
        ));
    }
    for (name, text) in settings {
        let row = broker_setting(without_listener(name).unwrap_or(name));
        row.map_or(Ok(()), |row| applicable(row, text))?;
    }
    let per_node = |name: &str| {
        let of_listener = without_listener(name).is_some_and(|base| !WHOLE_CLUSTER.contains(&base));
        mode(name) == Some(Mode::PerBroker) || of_listener
    };
    if let Some(names) = named(&per_node).filter(|_| !one_node) {
        return Err(format!(
            "Cannot update these configs at default cluster level, \
             broker id must be specified: {names}"
        ));
    }
    Ok(())
}

/// Settings of listeners that may be set for all nodes at once.
const WHOLE_CLUSTER: [&str; 3] = [
    "max.connections",
    "max.connection.creation.rate",
    "num.network.threads",
];

/// The setting's own name, of a name like `listener.name.internal.max.connections`.
fn without_listener(name: &str) -> Option<&str> {
    let (_, base) = name.strip_prefix("listener.name.")?.split_once('.')?;
    Some(base)
}

/// Whether a broker that runs can take this value.
fn applicable(row: &Setting, text: &str) -> Result<(), String> {
    let value = row.parse(text).map_err(|InvalidValue(text)| text)?;
    match row.effect {
        Effect::Refused(why) if Some(&value) != row.default_value().as_ref() => Err(format!(
            "Invalid value {text} for configuration {}: {}",
            row.name,
            why.text()
        )),
        // A shard's sockets are bound before it starts, and clients know where they are.
        Effect::Applied if row.mode == Mode::PerBroker => Err(format!(
            "{} can be changed only in the file or by a flag, with a restart",
            row.name
        )),
        _ => Ok(()),
    }
}

/// Checks the settings of a group (`GroupConfig.validate` of Kafka).
pub(super) fn check_group(broker: &BrokerConfig, settings: &Texts) -> Result<(), String> {
    for name in settings.keys() {
        if group_setting(name).is_none() {
            return Err(format!("Unknown group config name: {name}"));
        }
    }
    for (name, text) in settings {
        if let Some(row) = group_setting(name) {
            row.parse(text).map_err(|InvalidValue(text)| text)?;
        }
    }
    let of_broker = |name: &str| {
        let row = broker_setting(name)?;
        broker.layers().value(row).map(|value| value.number())
    };
    let of_group = |name: &str| {
        let row = group_setting(name)?;
        match settings.get(name) {
            Some(text) => row.parse(text).ok().map(|value| value.number()),
            None => of_broker(row.synonyms.first()?),
        }
    };
    // What the group does not say itself is the broker's own business.
    let said = |(family, rest): &(&str, &str)| settings.contains_key(&format!("{family}.{rest}"));
    for (family, rest) in GROUP_BOUNDS.into_iter().filter(said) {
        let name = format!("{family}.{rest}");
        let least = format!("group.{family}.min.{rest}");
        let most = format!("group.{family}.max.{rest}");
        if of_group(&name) < of_broker(&least) {
            return Err(format!("{name} must be greater than or equal to {least}"));
        }
        if of_group(&name) > of_broker(&most) {
            return Err(format!("{name} must be less than or equal to {most}"));
        }
    }
    let standby = "streams.num.standby.replicas";
    let most = "group.streams.max.standby.replicas";
    if of_group(standby) > of_broker(most) {
        return Err(format!("{standby} must be less than or equal to {most}"));
    }
    for family in ["consumer", "share", "streams"] {
        let session = format!("{family}.session.timeout.ms");
        let heartbeat = format!("{family}.heartbeat.interval.ms");
        if of_group(&session) <= of_group(&heartbeat) {
            return Err(format!("{session} must be greater than {heartbeat}"));
        }
    }
    Ok(())
}

/// What is wrong with a client metrics subscription: with the request, or with a value in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Subscription {
    Request(String),
    Value(String),
}

/// Checks the settings of a client metrics subscription (`ClientMetricsConfigs.validate` of
/// Kafka, which also compiles the patterns: those here are only split).
pub(super) fn check_subscription(name: &str, settings: &Texts) -> Result<(), Subscription> {
    if name.is_empty() {
        return Err(Subscription::Request(
            "Subscription name can't be empty".into(),
        ));
    }
    for name in settings.keys() {
        if client_metrics_setting(name).is_none() {
            let text = format!("Unknown client metrics configuration: {name}");
            return Err(Subscription::Request(text));
        }
    }
    for (name, text) in settings {
        let Some(row) = client_metrics_setting(name) else {
            continue;
        };
        let value = row
            .parse(text)
            .map_err(|InvalidValue(text)| Subscription::Value(text))?;
        if row.name == "interval.ms" && !(100.0..=3_600_000.0).contains(&value.number()) {
            return Err(Subscription::Request(format!(
                "Invalid value {value} for interval.ms, \
                 interval must be between 100 and 3600000 (1 hour)"
            )));
        }
        let patterns = if row.name == "match" {
            value.items()
        } else {
            &[]
        };
        if let Some(pattern) = patterns.iter().find(|pattern| !is_match(pattern)) {
            let text = format!("Illegal client matching pattern: {pattern}");
            return Err(Subscription::Value(text));
        }
    }
    Ok(())
}

fn is_match(pattern: &str) -> bool {
    const PROPERTIES: [&str; 6] = [
        "client_instance_id",
        "client_id",
        "client_software_name",
        "client_software_version",
        "client_source_address",
        "client_source_port",
    ];
    // Equals signs at the very end do not count for Java's split.
    let parts: Vec<&str> = pattern.trim_end_matches('=').split('=').collect();
    matches!(parts.as_slice(), [property, _] if PROPERTIES.contains(&property.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_of_a_group_stands_among_the_brokers_settings() {
        for (family, rest) in GROUP_BOUNDS {
            for name in [
                format!("group.{family}.min.{rest}"),
                format!("group.{family}.max.{rest}"),
            ] {
                assert!(broker_setting(&name).is_some(), "{name}");
            }
            assert!(
                group_setting(&format!("{family}.{rest}")).is_some(),
                "{family}.{rest}"
            );
        }
        assert!(broker_setting("group.streams.max.standby.replicas").is_some());
        assert!(
            ONLY_WITH_LISTENER
                .iter()
                .chain(&WHOLE_CLUSTER)
                .all(|n| broker_setting(n).is_some())
        );
    }
}
