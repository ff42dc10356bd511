use super::super::{ConfigFile, Flags, HostFacts, load};
use super::*;

fn broker(text: &str) -> BrokerConfig {
    let host = HostFacts::of_cores(2);
    let file = ConfigFile { name: "f", text };
    load(Some(file), &Flags::default(), &host).expect("a good file")
}

fn texts(pairs: &[(&str, &str)]) -> Texts {
    pairs
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

/// `name=value source [synonym=value:source, ...]`.
fn line(all: &[Described], name: &str) -> String {
    let one = all
        .iter()
        .find(|d| d.name == name)
        .unwrap_or_else(|| panic!("no {name}"));
    let text = |value: &Option<String>| value.clone().unwrap_or("null".into());
    let synonyms: Vec<String> = one
        .synonyms
        .iter()
        .map(|s| format!("{}={}:{}", s.name, text(&s.value), s.source as u8))
        .collect();
    let synonyms = synonyms.join(", ");
    format!(
        "{}={} {} [{synonyms}]",
        one.name,
        text(&one.value),
        one.source as u8
    )
}

#[test]
fn topics_are_described_as_kafka_describes_them() {
    let broker = broker("log.retention.hours=24\nlog.roll.hours=48\n");
    let overrides = texts(&[
        ("cleanup.policy", "compact , delete"),
        ("segment.bytes", "+2000000"),
    ]);
    let all = broker.describe_topic(&overrides);
    // Each of these lines but the default of segments was copied from a real Kafka 4.3.1.
    for (name, expected) in [
        ("flush.ms", "flush.ms=9223372036854775807 5 []"),
        (
            "cleanup.policy",
            "cleanup.policy=compact,delete 1 [cleanup.policy=compact,delete:1, \
             log.cleanup.policy=delete:5]",
        ),
        (
            "segment.bytes",
            "segment.bytes=2000000 1 [segment.bytes=2000000:1, log.segment.bytes=134217728:5]",
        ),
        ("retention.ms", "retention.ms=86400000 5 []"),
        ("segment.ms", "segment.ms=172800000 5 []"),
        ("remote.storage.enable", "remote.storage.enable=false 5 []"),
    ] {
        assert_eq!(line(&all, name), expected);
    }
}

#[test]
fn changes_while_running_show_with_all_the_places_below_them() {
    let broker = broker("log.retention.hours=24\n").with_dynamic(
        &texts(&[
            ("log.retention.ms", "2000"),
            ("foo", "1"),
            ("min.insync.replicas", "1"),
        ]),
        &texts(&[
            ("log.retention.ms", "1000"),
            ("foo", "1"),
            ("leader.replication.throttled.rate", "10"),
            ("sasl.jaas.config", "secret"),
        ]),
    );
    let below = "log.retention.ms=1000:2, log.retention.ms=2000:3, \
                 log.retention.hours=24:4, log.retention.hours=168:5";
    let all = broker.describe_broker(0);
    for (name, expected) in [
        (
            "log.retention.ms",
            format!("log.retention.ms=1000 2 [{below}]"),
        ),
        (
            "log.retention.hours",
            "log.retention.hours=24 4 [log.retention.hours=24:4, log.retention.hours=168:5]".into(),
        ),
        (
            "log.retention.minutes",
            "log.retention.minutes=null 5 []".into(),
        ),
        ("foo", "foo=null 2 [foo=null:2, foo=null:3]".into()),
        (
            "leader.replication.throttled.rate",
            "leader.replication.throttled.rate=10 2 [leader.replication.throttled.rate=10:2]"
                .into(),
        ),
        (
            "sasl.jaas.config",
            "sasl.jaas.config=null 2 [sasl.jaas.config=null:2]".into(),
        ),
    ] {
        assert_eq!(line(&all, name), expected);
    }
    let topic = broker.describe_topic(&Texts::new());
    assert_eq!(
        line(&topic, "retention.ms"),
        format!("retention.ms=1000 2 [{below}]")
    );
    let cluster = broker.describe_cluster();
    assert_eq!(cluster.len(), 3);
    assert_eq!(
        line(&cluster, "min.insync.replicas"),
        "min.insync.replicas=1 3 [min.insync.replicas=1:3]"
    );
}

#[test]
fn every_shard_describes_its_own_identity() {
    let broker = broker("corelane.shards=2\nlisteners=PLAINTEXT://h:9092\n");
    let all = broker.describe_broker(1);
    assert_eq!(line(&all, "node.id"), "node.id=2 4 [node.id=2:4]");
    assert_eq!(
        line(&all, "listeners"),
        "listeners=PLAINTEXT://h:9093 4 [listeners=PLAINTEXT://h:9093:4, \
         listeners=PLAINTEXT://127.0.0.1:9092:5]"
    );
}

#[test]
fn groups_are_described_as_kafka_describes_them() {
    let all = broker("").describe_group(&texts(&[("consumer.heartbeat.interval.ms", "15000")]));
    for (name, expected) in [
        (
            "consumer.heartbeat.interval.ms",
            "consumer.heartbeat.interval.ms=15000 8 [consumer.heartbeat.interval.ms=15000:8, \
             group.consumer.heartbeat.interval.ms=5000:5]",
        ),
        (
            "share.auto.offset.reset",
            "share.auto.offset.reset=latest 5 [share.auto.offset.reset=latest:5]",
        ),
    ] {
        assert_eq!(line(&all, name), expected);
    }
}

#[test]
fn client_metrics_are_described_as_kafka_describes_them() {
    let all = broker("").describe_client_metrics(&texts(&[("interval.ms", "1000")]));
    let lines: Vec<String> = all.iter().map(|one| line(&all, &one.name)).collect();
    let set = "interval.ms=1000 7 [interval.ms=1000:7]";
    assert_eq!(lines, [set, "match= 5 []", "metrics= 5 []"]);
}
