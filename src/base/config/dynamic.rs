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
mod tests {
    use super::super::{Flags, HostFacts, load};
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    fn verdict(result: Result<(), InvalidValue>) -> String {
        result.map_or_else(|invalid| invalid.0, |()| "ok".into())
    }

    // All sentences below but those that end in "not in this build" are Kafka 4.3.1's answers.
    #[test]
    fn changes_of_broker_settings_are_judged_as_kafka_judges_them() {
        let read_only = "Cannot update these configs dynamically: ";
        type Case<'a> = (bool, &'a [(&'a str, &'a str)], &'a str);
        let cases: &[Case<'_>] = &[
            (true, &[("log.retention.ms", "1000")], "ok"),
            (true, &[("foo", "1"), ("listener.name.foo.bar", "x")], "ok"),
            (
                true,
                &[("log.dirs", "/x")],
                &format!("{read_only}[log.dirs]"),
            ),
            (
                true,
                &[
                    ("log.cleanup.policy", "compact"),
                    ("log.dirs", "/y"),
                    ("node.id", "4"),
                ],
                &format!("{read_only}[node.id, log.dirs]"),
            ),
            (
                true,
                &[
                    ("log.retention.bytes", "100"),
                    ("node.id", "7"),
                    ("broker.rack", "7"),
                    ("num.partitions", "7"),
                    ("log.dir", "7"),
                ],
                &format!("{read_only}[node.id, num.partitions, broker.rack, log.dir]"),
            ),
            (
                true,
                &[("log.retention.ms", "abc")],
                "Invalid value abc for configuration log.retention.ms: Not a number of type LONG",
            ),
            (
                true,
                &[("log.retention.ms", "0")],
                "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or \
                 equal to 1",
            ),
            (
                true,
                &[("log.roll.ms", "0")],
                "requirement failed: log.roll.ms must be greater than or equal to 1",
            ),
            (
                true,
                &[("log.roll.jitter.ms", "-1")],
                "requirement failed: log.roll.jitter.ms must be greater than or equal to 0",
            ),
            (
                true,
                &[("max.connections.per.ip", "0")],
                "requirement failed: max.connections.per.ip can be set to zero only if \
                 max.connections.per.ip.overrides property is set.",
            ),
            (
                true,
                &[("num.io.threads", "0")],
                "Invalid value 0 for configuration num.io.threads: Value must be at least 1",
            ),
            (
                true,
                &[("ssl.keystore.password", "secret")],
                "These security configs can be dynamically updated only per-listener using the \
                 listener prefix: [ssl.keystore.password]",
            ),
            (
                false,
                &[("sasl.jaas.config", "x")],
                "Cannot update these configs at default cluster level, broker id must be \
                 specified: [sasl.jaas.config]",
            ),
            // Kafka takes these two; here nothing would be any safer for them.
            (
                true,
                &[("sasl.jaas.config", "x")],
                "sasl.jaas.config cannot be set: this build has no TLS, SASL or delegation tokens \
                 yet",
            ),
            (
                true,
                &[("listener.name.foo.ssl.keystore.type", "PEM")],
                "listener.name.foo.ssl.keystore.type cannot be set: this build has no TLS, SASL or \
                 delegation tokens yet",
            ),
            (false, &[("listener.name.foo.max.connections", "5")], "ok"),
            (
                false,
                &[("listener.name.foo.ssl.keystore.type", "PEM")],
                "Cannot update these configs at default cluster level, broker id must be \
                 specified: [listener.name.foo.ssl.keystore.type]",
            ),
            (
                true,
                &[("leader.replication.throttled.rate", "x")],
                "Invalid value x for configuration leader.replication.throttled.rate: \
                 Not a number of type LONG",
            ),
        ];
        for (per_node, changes, expected) in cases {
            assert_eq!(
                verdict(check_broker(*per_node, &texts(changes))),
                *expected,
                "{changes:?}"
            );
        }
    }

    #[test]
    fn what_this_build_cannot_honour_is_refused_while_running_too() {
        let class = texts(&[("principal.builder.class", "com.example.Builder")]);
        assert_eq!(
            verdict(check_broker(true, &class)),
            "principal.builder.class cannot be set: \
             there is no JVM here to load classes or to publish beans"
        );
    }

    #[test]
    fn changes_of_group_settings_are_judged_as_kafka_judges_them() {
        let host = HostFacts::of_cores(1);
        let broker = load(None, &Flags::default(), &host).expect("defaults");
        let least =
            |name: &str, bound: &str| format!("{name} must be greater than or equal to {bound}");
        let most =
            |name: &str, bound: &str| format!("{name} must be less than or equal to {bound}");
        for (name, value, expected) in [
            ("foo", "1", "Unknown group config name: foo".to_owned()),
            (
                "consumer.session.timeout.ms",
                "1",
                least(
                    "consumer.session.timeout.ms",
                    "group.consumer.min.session.timeout.ms",
                ),
            ),
            (
                "consumer.session.timeout.ms",
                "999999",
                most(
                    "consumer.session.timeout.ms",
                    "group.consumer.max.session.timeout.ms",
                ),
            ),
            ("consumer.session.timeout.ms", "50000", "ok".into()),
            (
                "share.delivery.count.limit",
                "11",
                most(
                    "share.delivery.count.limit",
                    "group.share.max.delivery.count.limit",
                ),
            ),
            (
                "streams.num.standby.replicas",
                "3",
                most(
                    "streams.num.standby.replicas",
                    "group.streams.max.standby.replicas",
                ),
            ),
            (
                "share.record.lock.duration.ms",
                "1000",
                least(
                    "share.record.lock.duration.ms",
                    "group.share.min.record.lock.duration.ms",
                ),
            ),
            (
                "share.session.timeout.ms",
                "x",
                "Invalid value x for configuration share.session.timeout.ms: \
                 Not a number of type INT"
                    .into(),
            ),
            (
                "streams.initial.rebalance.delay.ms",
                "99999999",
                "ok".into(),
            ),
        ] {
            let result = check_group(&broker, &texts(&[(name, value)]));
            assert_eq!(verdict(result), expected, "{name}={value}");
        }
        let heartbeat = broker.with_dynamic(
            &texts(&[("group.consumer.max.heartbeat.interval.ms", "60000")]),
            &Texts::new(),
        );
        let late = texts(&[("consumer.heartbeat.interval.ms", "50000")]);
        assert_eq!(
            verdict(check_group(&heartbeat, &late)),
            "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms"
        );
        let several = texts(&[
            ("consumer.session.timeout.ms", "1"),
            ("consumer.heartbeat.interval.ms", "1"),
            ("share.heartbeat.interval.ms", "1"),
        ]);
        assert_eq!(
            verdict(check_group(&broker, &several)),
            least(
                "consumer.heartbeat.interval.ms",
                "group.consumer.min.heartbeat.interval.ms"
            )
        );
    }
}
