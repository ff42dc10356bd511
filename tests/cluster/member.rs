//! Brokers as members of a cluster of Kafka's own controllers: they register, are seen, fenced and
//! unfenced, outlive controllers, and leave.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use corelane_testing::quorum::{CLUSTER_ID, Quorum, kafka_program};
use corelane_testing::{Start, until_so};
use kafka_protocol::messages::{InitProducerIdRequest, MetadataRequest};

use crate::HERE;

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[(&str, fn())] = &[
    (
        "a_broker_joins_is_seen_and_leaves_at_once",
        joins_and_leaves,
    ),
    ("a_broker_outlives_its_controllers", outlives_controllers),
    ("a_killed_broker_waits_for_its_old_session", killed),
    ("a_broker_that_was_stopped_is_fenced_and_comes_back", paused),
    ("node_ids_that_are_taken_are_refused", taken),
];

/// The controllers' `broker.session.timeout.ms`.
const SESSION: Duration = Duration::from_secs(3);

/// How to start a broker, formatted, whose first node is `node`.
fn broker(dir: &Path, quorum: &Quorum, node: i32, shards: usize) -> Start {
    let start = HERE
        .start(&dir.join(format!("broker-{node}")))
        .shards(shards);
    let start = start.in_cluster(node, &quorum.addresses(), &["broker.rack=a"]);
    let output = start.format(CLUSTER_ID, &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    start
}

/// What one of Kafka's tools prints.
fn tool(class: &str, arguments: &[&str]) -> String {
    let mut program = kafka_program(class);
    let output = program.args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The nodes that a broker tells clients of.
fn nodes(port: u16) -> Vec<i32> {
    let mut client = corelane_testing::Client::connect(port);
    let answer = client.call(9, &MetadataRequest::default().with_topics(Some(Vec::new())));
    let mut nodes: Vec<i32> = answer.brokers.iter().map(|it| it.node_id.0).collect();
    nodes.sort_unstable();
    nodes
}

fn signal(process: u32, signal: &str) {
    let id = process.to_string();
    let sent = Command::new("kill").args([signal, &id]).status().unwrap();
    assert!(sent.success());
}

fn joins_and_leaves() {
    let dir = HERE.data_dir();
    let quorum = Quorum::start(dir.path(), 1);
    let start = broker(dir.path(), &quorum, 5, 2);
    let running = start.ready();
    assert_eq!(nodes(start.port), [5, 6]);
    running.wait_page("/health", 200, "cluster: controller 300");
    running.wait_page("/ready", 200, "0 behind; all nodes may lead");
    let numbers = running.page("/metrics").1;
    for line in ["corelane_active_controller 0", "corelane_fenced_nodes 0"] {
        assert!(numbers.contains(line), "{line}");
    }
    let server = format!("127.0.0.1:{}", start.port + 1);
    let seen = tool(
        "org.apache.kafka.tools.ClusterTool",
        &["list-endpoints", "--bootstrap-server", &server],
    );
    assert_eq!(seen.matches("127.0.0.1").count(), 2, "{seen}");
    let addresses = quorum.addresses();
    let seen = tool(
        "org.apache.kafka.tools.MetadataQuorumCommand",
        &[
            "--bootstrap-controller",
            &addresses,
            "describe",
            "--replication",
        ],
    );
    let observer = seen.lines().find(|line| line.contains("Observer"));
    let observer = observer.unwrap_or_else(|| panic!("no observer:\n{seen}"));
    assert!(observer.starts_with("5 "), "{observer}");

    // Each node has a block of producer ids of its own from the controller.
    let ask = InitProducerIdRequest::default().with_transactional_id(None);
    let ids = [0, 1].map(|shard| {
        let mut client = running.client_of(shard);
        let [first, second] = [(); 2].map(|()| client.call(4, &ask));
        assert_eq!((first.error_code, second.error_code), (0, 0));
        assert_eq!(second.producer_id.0, first.producer_id.0 + 1);
        first.producer_id.0
    });
    assert_eq!(ids[0].abs_diff(ids[1]), 1_000);

    let begun = Instant::now();
    running.stop();
    assert!(begun.elapsed() < SESSION, "{:?}", begun.elapsed());
    for shard in ["shard-0", "shard-1"] {
        let path = start.dir.join(shard).join(".kafka_cleanshutdown");
        let text = std::fs::read_to_string(path).unwrap();
        let epoch = text.rsplit_once(':').unwrap().1.trim_end_matches('}');
        assert!(epoch.parse::<i64>().unwrap() > 0, "{text}");
    }
    start.ready().stop();
}

fn outlives_controllers() {
    let dir = HERE.data_dir();
    let mut quorum = Quorum::start(dir.path(), 3);
    let start = broker(dir.path(), &quorum, 5, 1);
    let running = start.ready();
    let before = running.page("/health").1;
    let first = quorum.wait_leader();
    quorum.kill(first);
    let second = quorum.wait_leader();
    assert_ne!(first, second);
    let now = format!("controller {}", 3000 + second);
    let page = running.wait_page("/health", 200, &now);
    assert_ne!(before, page);
    std::thread::sleep(2 * SESSION);
    running.wait_page("/ready", 200, "all nodes may lead");
    let fenced = running
        .log()
        .lines()
        .any(|line| line.contains("fenced: the node leads"));
    assert!(!fenced, "{}", running.log());
    // All are lost: it serves on by what it knows.
    for index in 0..3 {
        if index != first {
            quorum.kill(index);
        }
    }
    std::thread::sleep(2 * SESSION);
    assert_eq!(nodes(start.port), [5]);
    for index in 0..3 {
        quorum.restart(index);
    }
    quorum.wait_leader();
    running.wait_page("/ready", 200, "0 behind; all nodes may lead");
    assert_eq!(running.complaint(), None);
    running.stop();
}

fn killed() {
    let dir = HERE.data_dir();
    let quorum = Quorum::start(dir.path(), 1);
    let start = broker(dir.path(), &quorum, 5, 2);
    start.ready().kill();
    let begun = Instant::now();
    let running = start.ready();
    assert!(begun.elapsed() > SESSION / 3, "{:?}", begun.elapsed());
    running.wait_log(&["DUPLICATE_BROKER_REGISTRATION"]);
    assert_eq!(nodes(start.port), [5, 6]);
    running.stop();
}

fn paused() {
    let dir = HERE.data_dir();
    let quorum = Quorum::start(dir.path(), 1);
    let (first, second) = (
        broker(dir.path(), &quorum, 5, 1),
        broker(dir.path(), &quorum, 7, 1),
    );
    let (running, other) = (first.ready(), second.ready());
    let seen = |expected: &'static [i32]| {
        let log = || format!("not {expected:?}: {:?}", nodes(second.port));
        until_so(log, || nodes(second.port) == expected);
    };
    seen(&[5, 7]);
    signal(running.id(), "-STOP");
    seen(&[7]);
    signal(running.id(), "-CONT");
    seen(&[5, 7]);
    running.wait_page("/ready", 200, "all nodes may lead");
    running.stop();
    seen(&[7]);
    other.stop();
}

fn taken() {
    let dir = HERE.data_dir();
    let quorum = Quorum::start(dir.path(), 1);
    let start = broker(dir.path(), &quorum, 5, 1);
    let running = start.ready();
    // Another process, with folders of its own, has a node of the same id.
    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let second = HERE.start(&other.join("broker")).shards(2);
    let patience = ["initial.broker.registration.timeout.ms=4000"];
    let second = second.in_cluster(4, &quorum.addresses(), &patience);
    assert!(second.format(CLUSTER_ID, &[]).status.success());
    let (status, said) = second.refused();
    assert_eq!(status.code(), Some(1));
    let last = said.lines().last().unwrap_or_default();
    let expected = "corelane: node 5 is registered by another process";
    assert!(last.starts_with(expected), "{said}");
    // A controller has the id.
    let controller = HERE.start(&other.join("controller"));
    let controller = controller.in_cluster(3000, &quorum.addresses(), &[]);
    assert!(controller.format(CLUSTER_ID, &[]).status.success());
    let (status, said) = controller.refused();
    assert_eq!(status.code(), Some(1));
    assert!(
        said.contains("node 3000 of this broker has the id of a controller"),
        "{said}"
    );
    assert_eq!(nodes(start.port), [5]);
    running.stop();
}
