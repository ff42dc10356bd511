use super::*;

fn host() -> HostFacts {
    HostFacts {
        name: "machine".into(),
        cpus: 8,
        cores: 4,
    }
}

fn file(text: &str) -> Result<BrokerConfig, ConfigError> {
    let file = ConfigFile {
        name: "server.properties",
        text,
    };
    load(Some(file), &Flags::default(), &host())
}

#[test]
fn without_file_and_flags_there_are_defaults() {
    let config = load(None, &Flags::default(), &host()).expect("defaults");
    assert_eq!(config.listener.to_string(), "PLAINTEXT://127.0.0.1:9092");
    assert_eq!(config.advertised, config.listener);
    assert_eq!(config.data_dir, PathBuf::from("corelane-data"));
    assert_eq!(
        (config.shards, config.first_node_id, config.admin.clone()),
        (2, 1, None)
    );
    assert_eq!(config.topic_defaults.flush_messages, 1);
    assert_eq!(config.topic_defaults.retention_ms, Some(604_800_000));
    assert_eq!(config.network.request_bytes_max, 104_857_600);
    assert!(config.notes.is_empty());
}

#[test]
fn the_file_that_comes_with_kafka_loads() {
    let config = file(
        "# a comment\nprocess.roles=broker,controller\nnode.id=3\n\
         controller.quorum.bootstrap.servers=localhost:9093\n\
         listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n\
         inter.broker.listener.name=PLAINTEXT\n\
         advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL\n\
         num.network.threads=3\nnum.io.threads=8\nsocket.send.buffer.bytes=102400\n\
         log.dirs=/tmp/kraft-combined-logs\nnum.partitions=4\n\
         num.recovery.threads.per.data.dir=1\noffsets.topic.replication.factor=1\n\
         transaction.state.log.min.isr=1\nlog.retention.hours=48\n\
         log.segment.bytes=1073741824\n",
    )
    .expect("a good file");
    assert_eq!(config.listener.to_string(), "PLAINTEXT://:9092");
    assert_eq!(config.advertised.to_string(), "PLAINTEXT://localhost:9092");
    assert_eq!(config.data_dir, PathBuf::from("/tmp/kraft-combined-logs"));
    assert_eq!((config.num_partitions, config.node_id(1)), (4, 4));
    assert_eq!(config.topic_defaults.retention_ms, Some(48 * 3_600_000));
    assert_eq!(config.topic_defaults.segment_bytes, 1 << 30);
    assert_eq!(
        config.notes,
        [
            "accepted without effect: num.network.threads, num.io.threads, \
             num.recovery.threads.per.data.dir: a shard is one pinned executor, \
             there are no thread pools to size",
            "accepted without effect: controller.quorum.bootstrap.servers, \
             inter.broker.listener.name, controller.listener.names: \
             it is of a controller quorum, of which this process is no member",
            "process.roles=broker,controller: Corelane is no controller of a quorum; it runs \
             alone, with its metadata embedded (process.roles=broker joins a cluster)",
        ]
    );
}

#[test]
fn flags_win_over_the_file() {
    let text = "listeners=PLAINTEXT://a:1\nlog.dirs=/a\ncorelane.shards=2\n";
    let flags = Flags {
        data_dir: Some("/b,/c".into()),
        host: Some("0.0.0.0".into()),
        port: Some(7000),
        shards: Some(3),
        advertised_host: Some("kafka.example.com".into()),
        admin_port: Some(9644),
        log_level: Some("debug".into()),
    };
    let name = "f";
    let config = load(Some(ConfigFile { name, text }), &flags, &host()).expect("good");
    assert_eq!(config.listener.to_string(), "PLAINTEXT://0.0.0.0:7000");
    assert_eq!(
        config.advertised.of_shard(2).to_string(),
        "PLAINTEXT://kafka.example.com:7002"
    );
    assert_eq!((config.data_dir, config.shards), (PathBuf::from("/b"), 3));
    assert_eq!(config.log_dirs, ["/b", "/c"].map(PathBuf::from));
    let several = file("log.dirs=/a, /b,/a\nmetadata.log.dir=/m").expect("good");
    assert_eq!(several.log_dirs, ["/a", "/b"].map(PathBuf::from));
    assert_eq!(several.data_dir, PathBuf::from("/m"));
    assert_eq!(config.admin, Some(("0.0.0.0".into(), 9644)));
    assert_eq!(config.log_level, "debug");
}

#[test]
fn a_broker_on_every_interface_tells_clients_the_name_of_the_machine() {
    for text in [
        "listeners=PLAINTEXT://:9092",
        "listeners=PLAINTEXT://0.0.0.0:9092",
    ] {
        let config = file(text).expect("good");
        assert_eq!(config.advertised.to_string(), "PLAINTEXT://machine:9092");
    }
}

#[test]
fn the_most_exact_unit_of_a_length_wins() {
    for (text, retention) in [
        (
            "log.retention.hours=1\nlog.retention.minutes=2",
            Some(120_000),
        ),
        (
            "log.retention.hours=1\nlog.retention.minutes=2\nlog.retention.ms=3",
            Some(3),
        ),
        ("log.retention.hours=-1", None),
        ("log.retention.minutes=-3", None),
        ("log.retention.ms=-1", None),
    ] {
        assert_eq!(
            file(text).expect(text).topic_defaults.retention_ms,
            retention,
            "{text}"
        );
    }
    let config = file("log.roll.hours=2\nlog.roll.jitter.hours=1").expect("good");
    assert_eq!(config.topic_defaults.segment_ms, 7_200_000);
    let config = file("log.flush.scheduler.interval.ms=50").expect("good");
    assert_eq!(config.topic_defaults.flush_ms, 50);
}

#[test]
fn notes_tell_what_is_done_in_part_or_set_twice() {
    let config = file("socket.listen.backlog.size=9\nnum.partitions=1\nnum.partitions=2\n");
    assert_eq!(
        config.expect("good").notes,
        [
            "socket.listen.backlog.size: unless it is set, 4096 may wait",
            "num.partitions is set twice, at server.properties:2 and server.properties:3: \
             the latter counts",
        ]
    );
}

#[test]
fn every_mistake_is_named_with_its_place() {
    let no_security = "this build has no TLS, SASL or delegation tokens yet";
    let cases: &[(&str, &str)] = &[
        (
            "num.partitons=3",
            "1: unknown setting num.partitons: did you mean num.partitions?",
        ),
        (
            "flux=3",
            "1: unknown setting flux: docs/CONFIG.md lists all there are",
        ),
        (
            "retention.ms=3",
            "1: unknown setting retention.ms: it is a setting of topics; \
             here it is called log.retention.ms",
        ),
        (
            "\nnonsense",
            "2: a name without a value: expected name=value",
        ),
        (
            "#\nnum.partitions=abc",
            "2: Invalid value abc for configuration num.partitions: Not a number of type INT",
        ),
        (
            "num.partitions=0",
            "1: Invalid value 0 for configuration num.partitions: Value must be at least 1",
        ),
        (
            "zookeeper.connect=localhost:2181",
            "1: zookeeper.connect is no setting of a broker any more: Kafka 4 no longer has \
             it, nor ZooKeeper; metadata is embedded here, remove it",
        ),
        (
            "host.name=h",
            "1: host.name is no setting of a broker any more: \
             Kafka 4 no longer has it; use listeners=PLAINTEXT://host:port",
        ),
        (
            "follower.replication.throttled.rate=1",
            "1: follower.replication.throttled.rate is set with kafka-configs, not in a file",
        ),
        (
            "authorizer.class.name=com.example.A",
            "1: authorizer.class.name cannot be set to 'com.example.A': \
             this build has no authorizer yet",
        ),
        (
            "delegation.token.secret.key=abc",
            &format!("1: delegation.token.secret.key cannot be set to '[hidden]': {no_security}"),
        ),
        (
            "remote.log.storage.system.enable=true",
            "1: remote.log.storage.system.enable cannot be set to 'true': \
             this build has no tiered storage",
        ),
        (
            "node.id=1\nbroker.id=2",
            "2: You must set `node.id` to the same value as `broker.id`.",
        ),
        (
            "controller.quorum.voters=1@a:1,2@b:1",
            "1: controller.quorum.voters names a quorum of several, which only a broker joins: \
             Corelane is no controller, give process.roles=broker",
        ),
        (
            "default.replication.factor=3",
            "1: default.replication.factor cannot be 3: \
             partitions have one replica where the broker runs alone",
        ),
        (
            "log.retention.hours=0",
            "1: log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
        ),
        (
            "log.roll.ms=0",
            "1: log.roll.ms must be greater than or equal to 1",
        ),
        (
            "log.roll.jitter.ms=-1",
            "1: log.roll.jitter.ms must be greater than or equal to 0",
        ),
        (
            "queued.max.request.bytes=100",
            "1: queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
        ),
        (
            "listeners=nonsense",
            "1: listeners: 'nonsense' is not of the form NAME://host:port",
        ),
        (
            "listeners=CONTROLLER://:9093",
            "1: listeners names no listener for clients",
        ),
        (
            "listeners=SSL://:9093",
            &format!("1: listeners: SSL needs SSL: {no_security}"),
        ),
        (
            "listeners=FOO://:9093",
            "1: No security protocol defined for listener FOO",
        ),
        (
            "listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\n\
             listeners=A://:1,B://:2",
            "2: listeners: this build serves one listener for clients, not A and B both",
        ),
        (
            "advertised.listeners=PLAINTEXT://0.0.0.0:9092",
            "1: advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. \
             Use a routable IP address.",
        ),
        (
            "advertised.listeners=FOO://h:9092",
            "1: advertised.listeners does not name PLAINTEXT",
        ),
        (
            "advertised.listeners=h:9092",
            "1: advertised.listeners: 'h:9092' is not of the form NAME://host:port",
        ),
        (
            "corelane.shards=4\nlisteners=PLAINTEXT://h:65534",
            "2: listeners: 4 shards from port 65534 on would need port 65537: \
             ports end at 65535",
        ),
        (
            "corelane.shards=4\ncorelane.admin.port=9095",
            "2: port 9095 is wanted for the admin pages and for a shard: the shards take 9092 to 9095",
        ),
    ];
    for (text, expected) in cases {
        let error = file(text).expect_err(text);
        assert_eq!(
            error.to_string(),
            format!("server.properties:{expected}"),
            "{text}"
        );
    }
}

#[test]
fn bad_flags_are_named_and_all_mistakes_come_at_once() {
    let flags = Flags {
        shards: Some(0),
        ..Flags::default()
    };
    let name = "f";
    let text = "a=1\nb=2\n";
    let error = load(Some(ConfigFile { name, text }), &flags, &host()).expect_err("bad");
    assert_eq!(
        error.problems,
        [
            "f:1: unknown setting a: docs/CONFIG.md lists all there are",
            "f:2: unknown setting b: docs/CONFIG.md lists all there are",
            "--shards: Invalid value 0 for configuration corelane.shards: \
             Value must be at least 1",
        ]
    );
}

#[test]
fn what_would_protect_a_broker_is_refused_and_not_passed_over() {
    let no_security = Why::NoSecurity.text();
    for (text, why) in [
        ("ssl.keystore.location=/k", no_security),
        ("ssl.client.auth=required", no_security),
        ("sasl.enabled.mechanisms=SCRAM-SHA-256", no_security),
        ("sasl.jaas.config=secret", no_security),
        ("security.inter.broker.protocol=SASL_SSL", no_security),
        ("connections.max.reauth.ms=1000", no_security),
        ("delegation.token.secret.key=secret", no_security),
        ("listener.name.external.ssl.keystore.type=PEM", no_security),
        (
            "listener.name.a.scram-sha-256.sasl.jaas.config=secret",
            no_security,
        ),
        ("authorizer.class.name=a.B", Why::NoAuthorizer.text()),
        ("super.users=User:admin", Why::NoAuthorizer.text()),
        (
            "allow.everyone.if.no.acl.found=false",
            Why::NoAuthorizer.text(),
        ),
    ] {
        let problems = file(text).expect_err(text).problems.join("\n");
        let name = text.split('=').next().unwrap_or_default();
        assert!(
            problems.contains(name) && problems.contains(why),
            "{problems}"
        );
        assert!(!problems.contains("secret'"), "{problems}");
    }
    // What says what is the case anyway stands in the way of nothing.
    for text in [
        "ssl.client.auth=none",
        "sasl.enabled.mechanisms=GSSAPI",
        "ssl.endpoint.identification.algorithm=",
        "security.inter.broker.protocol=PLAINTEXT",
    ] {
        assert!(file(text).is_ok(), "{text}");
    }
    let config = file("listener.name.external.max.connections=5\n").expect("good");
    assert_eq!(config.notes.len(), 1);
}

#[test]
fn settings_that_cannot_be_meant_are_noted() {
    let config = file("max.connections=0\nlog.dirs=/a,/b,/a\n").expect("good");
    let notes = config.notes.join("\n");
    assert!(
        notes.contains("max.connections=0: no client can connect"),
        "{notes}"
    );
    assert!(notes.contains("log.dirs names /a twice"), "{notes}");
}

#[test]
fn socket_buffers_are_the_kernels_business_unless_they_are_set() {
    let network = file("num.partitions=1").expect("good").network;
    assert_eq!((network.send_buffer_bytes, network.backlog), (None, None));
    let text = "socket.send.buffer.bytes=102400\nsocket.receive.buffer.bytes=-1\n\
                socket.listen.backlog.size=7";
    let network = file(text).expect("good").network;
    assert_eq!(
        (network.send_buffer_bytes, network.backlog),
        (Some(102_400), Some(7))
    );
    assert_eq!(network.receive_buffer_bytes, None);
}

#[test]
fn what_changes_while_running_reaches_topics_and_leaves_the_rest() {
    let before = file("log.retention.hours=1\nnode.id=5").expect("good");
    let texts = |name: &str, text: &str| Texts::from([(name.to_owned(), text.to_owned())]);
    let cluster = texts("log.retention.ms", "7");
    let after = before.with_dynamic(&cluster, &texts("message.max.bytes", "99"));
    assert_eq!(after.topic_defaults.retention_ms, Some(7));
    assert_eq!(after.topic_defaults.max_message_bytes, 99);
    assert_eq!(after.listener, before.listener);
    assert_eq!(after.with_dynamic(&Texts::new(), &Texts::new()), before);
}
