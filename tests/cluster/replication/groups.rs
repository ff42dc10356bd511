//! Drives: consumer groups, whose offsets have three replicas, over the death of their coordinator.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use corelane_testing::members::{Cluster, Kind};
use corelane_testing::quorum::kafka_program;
use corelane_testing::until_within;

use super::{PARTITIONS, TOPIC, cluster, load};
use crate::HERE;

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[(&str, fn())] = &[("replicas_of_offsets_outlive_coordinators", outlives)];

const PATIENCE: Duration = Duration::from_secs(90);

/// The group.
const GROUP: &str = "group";

/// Kafka's own consumer that says what it reads and commits; killed when dropped.
pub struct Consumer {
    child: Child,
    said: PathBuf,
}

impl Consumer {
    /// Starts one of the group, which goes on until it is dropped.
    pub fn start(cluster: &Cluster, dir: &Path, name: &str) -> Consumer {
        let said = dir.join(format!("consumer-{name}.out"));
        let addresses: Vec<_> = cluster
            .addresses()
            .iter()
            .map(|it| it.to_string())
            .collect();
        let mut java = kafka_program("org.apache.kafka.tools.VerifiableConsumer");
        java.args(["--bootstrap-server", &addresses.join(",")]);
        java.args(["--topic", TOPIC, "--group-id", GROUP, "--verbose"]);
        java.args(["--session-timeout", "6000", "--reset-policy", "earliest"]);
        let errors = File::create(dir.join(format!("consumer-{name}.log"))).unwrap();
        java.stdout(File::create(&said).unwrap()).stderr(errors);
        let child = java.stdin(Stdio::null()).spawn().unwrap();
        Consumer { child, said }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap_or_default()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number behind `"name":` in a line of JSON without blanks.
fn number(line: &str, name: &str) -> Option<i64> {
    let rest = line.split(&format!("\"{name}\":")).nth(1)?;
    let end = rest.find(|it: char| it != '-' && !it.is_ascii_digit());
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

/// What consumers have read: partition and offset.
fn consumed(consumers: &[Consumer]) -> HashSet<(i64, i64)> {
    let said: Vec<String> = consumers.iter().map(Consumer::said).collect();
    let lines = said.iter().flat_map(|it| it.lines());
    let data = lines.filter(|line| line.contains("\"name\":\"record_data\""));
    let read = data.filter_map(|line| Some((number(line, "partition")?, number(line, "offset")?)));
    read.collect()
}

/// The offsets that the group has committed, by partition, as Kafka's tool says; none where one is
/// missing.
pub fn described(cluster: &Cluster) -> Option<BTreeMap<i64, i64>> {
    let servers = cluster.servers();
    let arguments = [
        "--bootstrap-server",
        &servers,
        "--describe",
        "--group",
        GROUP,
    ];
    let tool = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    let said = corelane_testing::members::try_kafka_tool(tool, &arguments).ok()?;
    let rows = said.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (group, topic) = (words.next()?, words.next()?);
        let (partition, offset) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        (group == GROUP && topic == TOPIC).then_some((partition, offset))
    });
    let offsets: BTreeMap<i64, i64> = rows.collect();
    (offsets.len() == PARTITIONS).then_some(offsets)
}

/// The same, once there are some; they are at least `before`.
pub fn committed(cluster: &Cluster, before: &BTreeMap<i64, i64>) -> BTreeMap<i64, i64> {
    let log = || format!("no offsets of the group:\n{}", cluster.last_words());
    let found = until_within(PATIENCE, log, || described(cluster));
    for (partition, offset) in before {
        let now = found[partition];
        assert!(
            now >= *offset,
            "partition {partition} was committed at {offset}, is at {now}"
        );
    }
    found
}

/// Waits until consumers have read so many records more.
pub fn read_more(cluster: &Cluster, consumers: &[Consumer], more: usize) {
    let goal = consumed(consumers).len() + more;
    let log = || {
        let said: Vec<String> = consumers.iter().map(Consumer::said).collect();
        let other = said.iter().flat_map(|it| it.lines());
        let other: Vec<&str> = other.filter(|it| !it.contains("record_data")).collect();
        let last = &other[other.len().saturating_sub(20)..];
        format!("consumers do not go on: {last:?}\n{}", cluster.last_words())
    };
    until_within(PATIENCE, log, || {
        (consumed(consumers).len() >= goal).then_some(())
    });
}

/// Waits until consumers have read all, and have committed it.
pub fn read_all_of(cluster: &Cluster, consumers: &[Consumer], records: u64) {
    let log = || {
        let read = consumed(consumers);
        let offsets = described(cluster);
        format!(
            "{} of {records} records read, committed {offsets:?}",
            read.len()
        )
    };
    until_within(PATIENCE, log, || {
        let offsets = described(cluster)?;
        let committed: i64 = offsets.values().sum();
        let read = consumed(consumers);
        (committed >= records as i64 && read.len() as u64 >= records).then_some(())
    });
    // None was passed over.
    let read = consumed(consumers);
    for (partition, end) in described(cluster).unwrap() {
        let missing = (0..end).find(|offset| !read.contains(&(partition, *offset)));
        assert_eq!(
            missing, None,
            "of partition {partition}, which ends at {end}"
        );
    }
}

/// Has `coordinators` die one after the other, while the group reads; those of `kinds` only.
pub fn coordinators_die(cluster: &mut Cluster, consumers: &[Consumer], turns: usize) {
    let mut before = BTreeMap::new();
    for _ in 0..turns {
        read_more(cluster, consumers, 200);
        before = committed(cluster, &before);
        let first = cluster.coordinator(GROUP);
        cluster.wait_in_sync("__consumer_offsets", 3);
        cluster.node(first).kill();
        let second = cluster.coordinator(GROUP);
        assert_ne!(first, second);
        let kinds: Vec<Kind> = [first, second].map(|id| cluster.node(id).kind).into();
        println!("  the coordinator moves from node {first} to {second}, {kinds:?}");
        read_more(cluster, consumers, 200);
        before = committed(cluster, &before);
        cluster.node(first).start();
        cluster.node(first).wait_ready();
        cluster.wait_in_sync("__consumer_offsets", 3);
    }
}

fn outlives() {
    let dir = HERE.data_dir();
    let mut cluster = cluster(dir.path(), 3);
    let running = load(&cluster);
    let consumers = ["a", "b"].map(|name| Consumer::start(&cluster, dir.path(), name));
    coordinators_die(&mut cluster, &consumers, 2);
    cluster.wait_in_sync(TOPIC, 3);
    let records = running.finish().records;
    read_all_of(&cluster, &consumers, records);
    drop(consumers);
    cluster.stop();
    super::replicas_agree(&cluster, TOPIC, PARTITIONS);
}
