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
    let most = |name: &str, bound: &str| format!("{name} must be less than or equal to {bound}");
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
