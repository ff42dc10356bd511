use std::path::PathBuf;

use super::super::load::{ConfigError, ConfigFile, Flags, HostFacts, load};
use super::super::{BrokerConfig, Texts};
use super::*;

fn file(text: &str) -> Result<BrokerConfig, ConfigError> {
    let name = "broker.properties";
    load(
        Some(ConfigFile { name, text }),
        &Flags::default(),
        &HostFacts::of_cores(4),
    )
}

/// What a broker must be told, and nothing else.
const LEAST: &str = "process.roles=broker\nnode.id=2\n\
                     controller.quorum.bootstrap.servers=localhost:9093\n";

/// `config/broker.properties` of Kafka 4.3.1, without its comments.
const KAFKAS: &str = "\
process.roles=broker
node.id=2
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://localhost:9092
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-broker-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
";

#[test]
fn the_broker_file_that_comes_with_kafka_loads() {
    let config = file(KAFKAS).expect("Kafka's file");
    let cluster = config.cluster.as_ref().expect("a broker of a cluster");
    let controllers: Vec<String> = cluster
        .controllers
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(controllers, ["CONTROLLER://localhost:9093"]);
    assert_eq!(cluster.inter_broker_listener, "PLAINTEXT");
    assert_eq!(cluster.heartbeat_interval_ms, 2000);
    assert_eq!(cluster.registration_timeout_ms, 60_000);
    let ReplicaConfig {
        lag_time_max_ms,
        fetch_wait_max_ms,
        fetch_min_bytes,
        fetch_bytes_max,
        response_bytes_max,
        fetch_backoff_ms,
        socket_timeout_ms,
        selects_by_rack,
    } = cluster.replica;
    assert!(!selects_by_rack);
    assert_eq!((lag_time_max_ms, fetch_wait_max_ms), (30_000, 500));
    assert_eq!((fetch_min_bytes, fetch_bytes_max), (1, 1 << 20));
    assert_eq!((response_bytes_max, fetch_backoff_ms), (10 << 20, 1000));
    assert_eq!(socket_timeout_ms, 30_000);
    assert_eq!((config.node_id(0), config.node_id(1)), (2, 3));
    assert_eq!(config.log_dirs, [PathBuf::from("/tmp/kraft-broker-logs")]);
    assert_eq!(config.offsets.topic_replication_factor, 1);
    assert_eq!(config.transactions.topic_replication_factor, 1);
    assert_eq!(config.transactions.topic_min_in_sync, 1);
    let notes = config.notes.join("\n");
    assert!(
        !notes.contains("quorum"),
        "they have an effect now: {notes}"
    );
    let renewed = config.with_dynamic(&Texts::new(), &Texts::new());
    assert_eq!(renewed.cluster, config.cluster);
}

#[test]
fn a_broker_alone_is_in_no_cluster_and_is_told_so_where_it_may_expect_one() {
    assert_eq!(file("node.id=2\n").expect("good").cluster, None);
    let combined = file("process.roles=controller,broker\n").expect("good");
    assert_eq!(combined.cluster, None);
    assert_eq!(
        combined.notes,
        [
            "process.roles=broker,controller: Corelane is no controller of a quorum; it runs alone, \
          with its metadata embedded (process.roles=broker joins a cluster)"
        ]
    );
}

#[test]
fn what_is_not_said_is_as_in_kafka() {
    let config = file(LEAST).expect("good");
    assert_eq!(config.offsets.topic_replication_factor, 3);
    assert_eq!(config.transactions.topic_replication_factor, 3);
    assert_eq!(config.transactions.topic_min_in_sync, 2);
    assert_eq!(config.default_replication_factor, 1);
    let voters = "process.roles=broker\nnode.id=2\nlisteners=internal://h:9092\n\
                  controller.listener.names=raft,other\ninter.broker.listener.name=Internal\n\
                  listener.security.protocol.map=Internal:PLAINTEXT,raft:PLAINTEXT\n\
                  controller.quorum.voters=100@a:1,101@[::1]:2\ndefault.replication.factor=3\n";
    let config = file(voters).expect("good");
    let cluster = config.cluster.expect("a cluster");
    let controllers: Vec<String> = cluster
        .controllers
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(controllers, ["RAFT://a:1", "RAFT://[::1]:2"]);
    assert_eq!(cluster.inter_broker_listener, "INTERNAL");
    // Where both are given the servers count, as in Kafka.
    let both = file(&format!("{LEAST}controller.quorum.voters=100@a:1\n")).expect("good");
    let controllers = both.cluster.expect("a cluster").controllers;
    assert_eq!(controllers[0].host, "localhost");
}

#[test]
fn what_is_missing_or_contradicts_is_one_sentence_with_the_setting() {
    let no_security = "this build has no TLS, SASL or delegation tokens yet";
    let least = |more: &str| format!("{LEAST}{more}");
    let cases = [
        (
            "process.roles=controller".to_owned(),
            "1: process.roles=controller: Corelane is no controller; the controllers of a cluster \
             are Apache Kafka's, and Corelane joins with process.roles=broker",
        ),
        (
            "process.roles=broker\nnode.id=2".to_owned(),
            "1: controller.quorum.bootstrap.servers is missing: a broker of a cluster needs to \
             know where its controllers are",
        ),
        (
            "process.roles=broker\ncontroller.quorum.bootstrap.servers=a:1".to_owned(),
            "1: node.id is missing: a broker of a cluster needs the node id of its first shard",
        ),
        (
            "process.roles=broker\ncontroller.quorum.bootstrap.servers=a:0\nnode.id=1".to_owned(),
            "2: controller.quorum.bootstrap.servers: 'a:0' is no address to connect to",
        ),
        (
            "process.roles=broker\ncontroller.quorum.voters=3@:1\nnode.id=1".to_owned(),
            "2: controller.quorum.voters: '3@:1' is no address to connect to",
        ),
        (
            least("corelane.shards=2\ncontroller.quorum.voters=1@a:1,3@b:1"),
            "2: node.id=2: the shards of this broker are nodes 2 to 3, and \
             controller.quorum.voters names a controller 3",
        ),
        (
            least("node.id=2147483647\ncorelane.shards=2"),
            "4: node.id=2147483647: 2 shards would need ids beyond 2147483647",
        ),
        (
            least("listeners=PLAINTEXT://:9092,CONTROLLER://:9093"),
            "4: listeners names CONTROLLER, a listener of controllers \
             (controller.listener.names): Corelane is no controller",
        ),
        (
            least(
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT\ncontroller.listener.names=C",
            ),
            "5: No security protocol defined for listener C",
        ),
        (
            least("controller.listener.names=SSL"),
            &format!("4: controller.listener.names: SSL needs SSL: {no_security}"),
        ),
        (
            least("inter.broker.listener.name=INTERNAL"),
            "4: inter.broker.listener.name: the other brokers use INTERNAL, and listeners names \
             PLAINTEXT only",
        ),
        (
            least("inter.broker.listener.name=CONTROLLER"),
            "4: inter.broker.listener.name: CONTROLLER is a listener of controllers \
             (controller.listener.names)",
        ),
        (
            least("inter.broker.listener.name=PLAINTEXT\nsecurity.inter.broker.protocol=PLAINTEXT"),
            "4: Only one of inter.broker.listener.name and security.inter.broker.protocol should \
             be set.",
        ),
        (
            least("broker.heartbeat.interval.ms=0"),
            "4: broker.heartbeat.interval.ms=0: it must be at least 1",
        ),
        (
            least("replica.fetch.min.bytes=-1"),
            "4: replica.fetch.min.bytes=-1: it must be at least 0",
        ),
        (
            least("replica.fetch.wait.max.ms=1000\nreplica.lag.time.max.ms=999"),
            "4: replica.fetch.wait.max.ms should always be less than or equal to \
             replica.lag.time.max.ms to prevent frequent changes in ISR",
        ),
        (
            least("replica.fetch.wait.max.ms=1000\nreplica.socket.timeout.ms=999"),
            "4: replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to \
             prevent unnecessary socket timeouts",
        ),
    ];
    for (text, expected) in cases {
        let problems = file(&text).expect_err(&text).problems;
        assert_eq!(
            problems,
            [format!("broker.properties:{expected}")],
            "{text}"
        );
    }
}

#[test]
fn alone_topics_of_coordinators_have_one_replica() {
    let one = file("transaction.state.log.replication.factor=1").expect("good");
    assert_eq!(one.transactions.topic_replication_factor, 1);
    for name in ["offsets.topic", "transaction.state.log"] {
        let refused = file(&format!("{name}.replication.factor=3")).expect_err("three");
        let words = "replication.factor cannot be 3: partitions have one replica";
        assert!(refused.to_string().contains(words), "{refused}");
    }
}
