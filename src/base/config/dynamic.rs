//! Pure: whether settings may be changed while the broker runs, in Kafka's words where not.

use super::broker::{DYNAMIC_ONLY, broker_setting};
use super::broker_config::BrokerConfig;
use super::group::group_setting;
use super::layers::Texts;
use super::setting::{Effect, Mode};
use super::value::{InvalidValue, invalid};
use crate::base::hash::java_string;

/// Whether these settings may be set on one node (`per_node`), or else on all nodes at once
/// (`DynamicBrokerConfig.validateConfigs` and what `KafkaConfig` checks after it). A name that is
/// in no table passes, as it does in Kafka: it may be a plug-in's.
pub fn check_broker(per_node: bool, changes: &Texts) -> Result<(), InvalidValue> {
    let known = || changes.keys().filter_map(|name| broker_setting(name));
    let read_only = known()
        .filter(|row| row.mode == Mode::ReadOnly)
        .map(|row| row.name);
    refuse(
        "Cannot update these configs dynamically",
        read_only.collect(),
    )?;
    let by_listener = known()
        .map(|row| row.name)
        .filter(|name| BY_LISTENER.contains(name));
    let text = "These security configs can be dynamically updated only per-listener using the \
                listener prefix";
    refuse(text, by_listener.collect())?;
    // What Kafka refuses as well is refused in its words.
    let mut unsafe_to_pass = None;
    for (name, text) in changes {
        let Some(row) = broker_setting(without_listener(name).unwrap_or(name)) else {
            check_dynamic_only(name, text)?;
            continue;
        };
        let value = row.parse(text)?;
        if let Effect::Refused(why) = row.effect
            && Some(value) != row.default_value()
        {
            unsafe_to_pass.get_or_insert(InvalidValue(format!(
                "{name} cannot be set: {}",
                why.text()
            )));
        }
    }
    if !per_node {
        let own = changes
            .keys()
            .map(String::as_str)
            .filter(|name| of_one_node(name));
        let text = "Cannot update these configs at default cluster level, broker id must be \
                    specified";
        refuse(text, own.collect())?;
    }
    check_relations(changes)?;
    unsafe_to_pass.map_or(Ok(()), Err)
}

/// The setting's own name in one like `listener.name.internal.max.connections`.
fn without_listener(name: &str) -> Option<&str> {
    let (_, own) = name.strip_prefix("listener.name.")?.split_once('.')?;
    Some(own)
}

/// Whether a setting cannot be the same for all nodes: those that Kafka says so of, and those of
/// one listener but a few limits.
fn of_one_node(name: &str) -> bool {
    const LIMITS: [&str; 3] = [
        "max.connections",
        "max.connection.creation.rate",
        "num.network.threads",
    ];
    match without_listener(name) {
        Some(own) => !LIMITS.contains(&own),
        None => broker_setting(name).is_some_and(|row| row.mode == Mode::PerBroker),
    }
}

/// Settings of a TLS listener, which Kafka changes only under `listener.name.<name>.`.
const BY_LISTENER: [&str; 10] = [
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

fn refuse(reason: &str, mut names: Vec<&str>) -> Result<(), InvalidValue> {
    if names.is_empty() {
        return Ok(());
    }
    // Kafka prints a java.util.HashSet, whose order is that of the names' hashes.
    let slots = (names.len() * 4 / 3 + 1).next_power_of_two().max(16) as u32;
    names.sort_by_key(|name| {
        let hash = java_string(name) as u32;
        (hash ^ (hash >> 16)) & (slots - 1)
    });
    Err(InvalidValue(format!("{reason}: [{}]", names.join(", "))))
}

fn check_dynamic_only(name: &str, text: &str) -> Result<(), InvalidValue> {
    if DYNAMIC_ONLY.contains(&name) && text.trim().parse::<i64>().is_err() {
        let reason = "Not a number of type LONG";
        return Err(invalid(name, text, reason));
    }
    Ok(())
}

fn check_relations(changes: &Texts) -> Result<(), InvalidValue> {
    let number = |name: &str| {
        changes
            .get(name)
            .and_then(|text| text.trim().parse::<i64>().ok())
    };
    let reason = if number("log.roll.ms").is_some_and(|ms| ms < 1) {
        "log.roll.ms must be greater than or equal to 1"
    } else if number("log.roll.jitter.ms").is_some_and(|ms| ms < 0) {
        "log.roll.jitter.ms must be greater than or equal to 0"
    } else if number("log.retention.ms") == Some(0) {
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1"
    } else if number("max.connections.per.ip") == Some(0) {
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides \
         property is set."
    } else {
        return Ok(());
    };
    Err(InvalidValue(format!("requirement failed: {reason}")))
}

/// Whether these settings may be set on a group (`GroupConfig.validate`): names, types, then the
/// bounds that broker settings give.
pub fn check_group(broker: &BrokerConfig, overrides: &Texts) -> Result<(), InvalidValue> {
    for name in overrides.keys() {
        if group_setting(name).is_none() {
            return Err(InvalidValue(format!("Unknown group config name: {name}")));
        }
    }
    for (name, text) in overrides {
        if let Some(row) = group_setting(name) {
            row.parse(text)?;
        }
    }
    let value = |name: &str| {
        let row = group_setting(name)?;
        let own = overrides.get(name).and_then(|text| row.parse(text).ok());
        let inherited = || {
            broker
                .layers()
                .value(broker_setting(row.synonyms.first()?)?)
        };
        own.or_else(inherited).map(|value| value.number())
    };
    // What a group does not say itself was within the bounds already.
    for name in BOUNDED.iter().filter(|name| overrides.contains_key(**name)) {
        check_bounds(broker, name, value(name).unwrap_or_default())?;
    }
    for kind in ["consumer", "share", "streams"] {
        let session = format!("{kind}.session.timeout.ms");
        let heartbeat = format!("{kind}.heartbeat.interval.ms");
        if value(&session) <= value(&heartbeat) {
            return Err(InvalidValue(format!(
                "{session} must be greater than {heartbeat}"
            )));
        }
    }
    Ok(())
}

/// Settings of groups that have bounds among the broker's, in the order of Kafka's checks.
const BOUNDED: [&str; 13] = [
    "consumer.heartbeat.interval.ms",
    "consumer.session.timeout.ms",
    "consumer.assignment.interval.ms",
    "share.heartbeat.interval.ms",
    "share.session.timeout.ms",
    "share.record.lock.duration.ms",
    "share.delivery.count.limit",
    "share.partition.max.record.locks",
    "share.assignment.interval.ms",
    "streams.heartbeat.interval.ms",
    "streams.session.timeout.ms",
    "streams.num.standby.replicas",
    "streams.assignment.interval.ms",
];

/// `consumer.session.timeout.ms` is bounded by `group.consumer.min.session.timeout.ms` and
/// `group.consumer.max.session.timeout.ms`; so are its likes.
fn check_bounds(broker: &BrokerConfig, name: &str, value: f64) -> Result<(), InvalidValue> {
    let Some((kind, rest)) = name.split_once('.') else {
        return Ok(());
    };
    // `num.standby.replicas` is bounded by `max.standby.replicas`.
    let rest = rest.strip_prefix("num.").unwrap_or(rest);
    let bound = |which: &str| {
        let bound = format!("group.{kind}.{which}.{rest}");
        let number = broker_setting(&bound).and_then(|row| broker.layers().value(row));
        number.map(|number| (bound, number.number()))
    };
    match (bound("min"), bound("max")) {
        (Some((least, number)), _) if value < number => Err(InvalidValue(format!(
            "{name} must be greater than or equal to {least}"
        ))),
        (_, Some((most, number))) if value > number => Err(InvalidValue(format!(
            "{name} must be less than or equal to {most}"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
