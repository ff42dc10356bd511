//! Drives: consumer groups, whose offsets have three replicas, over the death of their coordinator.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{Read as _, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use corelane_testing::members::{Cluster, Kind, try_kafka_tool};
use corelane_testing::quorum::kafka_program;
use corelane_testing::until_within;

use super::{PACE_OF_GROUPS, PARTITIONS, TOPIC, cluster, load_at};
use crate::HERE;

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[(&str, fn())] = &[("replicas_of_offsets_outlive_coordinators", outlives)];

const PATIENCE: Duration = Duration::from_secs(90);

/// The topic of the groups' offsets, and its partitions.
pub const OFFSETS: (&str, i32) = ("__consumer_offsets", 3);

/// Kafka's own consumer that says what it reads and commits; killed when dropped.
struct Consumer {
    child: Child,
    said: PathBuf,
    read: RefCell<Read>,
}

/// What a consumer has said that it read.
#[derive(Default)]
struct Read {
    /// How much of its output was looked at.
    bytes: usize,
    /// Partition and offset.
    records: HashSet<(i64, i64)>,
}

/// A group of two that reads the topic under load.
pub struct Group {
    name: String,
    consumers: Vec<Consumer>,
}

impl Consumer {
    /// Starts one of the group, which goes on until it is dropped.
    fn start(cluster: &Cluster, dir: &Path, group: &str, name: &str) -> Consumer {
        let said = dir.join(format!("consumer-{name}.out"));
        let addresses: Vec<_> = cluster
            .addresses()
            .iter()
            .map(|it| it.to_string())
            .collect();
        let mut java = kafka_program("org.apache.kafka.tools.VerifiableConsumer");
        java.args(["--bootstrap-server", &addresses.join(",")]);
        java.args(["--topic", TOPIC, "--group-id", group, "--verbose"]);
        java.args(["--session-timeout", "6000", "--reset-policy", "earliest"]);
        let errors = File::create(dir.join(format!("consumer-{name}.log"))).unwrap();
        java.stdout(File::create(&said).unwrap()).stderr(errors);
        let child = java.stdin(Stdio::null()).spawn().unwrap();
        Consumer {
            child,
            said,
            read: RefCell::default(),
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// Looks at the whole lines that it has said since.
    fn look(&self) {
        let Read { bytes, records } = &mut *self.read.borrow_mut();
        let mut new = Vec::new();
        let mut file = File::open(&self.said).unwrap();
        file.seek(SeekFrom::Start(*bytes as u64)).unwrap();
        // What it is just writing may end within a character.
        file.read_to_end(&mut new).unwrap();
        let whole = new.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |at| at + 1);
        let text = String::from_utf8_lossy(&new[..whole]);
        let lines = text.lines();
        let data = lines.filter(|line| line.contains("\"name\":\"record_data\""));
        let read =
            data.filter_map(|line| Some((number(line, "partition")?, number(line, "offset")?)));
        records.extend(read);
        *bytes += whole;
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

/// The partition of [`OFFSETS`] that has a group: by Java's hash of its name.
fn partition_of(group: &str) -> i32 {
    let hash = |hash: i32, byte| hash.wrapping_mul(31).wrapping_add(i32::from(byte));
    group.bytes().fold(0, hash).wrapping_abs() % OFFSETS.1
}

/// A name of a group whose coordinator moves between nodes of two kinds, where there are two: those
/// that come first among the replicas of its partition. Kafka elects in that order.
fn name_for(cluster: &Cluster) -> String {
    cluster.coordinator("first");
    cluster.wait_in_sync(OFFSETS.0, 3);
    let view = cluster.view(OFFSETS.0);
    let kind = |id: i32| cluster.members[id as usize - 1].kind;
    let differ = |partition: i32| {
        let replicas = &view[partition as usize].replicas;
        kind(replicas[0]) != kind(replicas[1])
    };
    let is_mixed = (0..OFFSETS.1).any(differ);
    let mut names = (0..).map(|number| format!("group-{number}"));
    let fits = |name: &String| !is_mixed || differ(partition_of(name));
    names.find(fits).expect("a name")
}

impl Group {
    /// Starts its consumers, which read from the beginning until it is dropped.
    pub fn start(cluster: &Cluster, dir: &Path) -> Group {
        let name = name_for(cluster);
        let consumers = ["a", "b"].map(|one| Consumer::start(cluster, dir, &name, one));
        Group {
            name,
            consumers: consumers.into(),
        }
    }

    /// What was read: partition and offset.
    fn consumed(&self) -> HashSet<(i64, i64)> {
        let mut all = HashSet::new();
        for consumer in &self.consumers {
            consumer.look();
            all.extend(&consumer.read.borrow().records);
        }
        all
    }

    /// The offsets that are committed, by partition, as Kafka's tool says; none where one is missing.
    fn described(&self, cluster: &Cluster) -> Option<BTreeMap<i64, i64>> {
        let servers = cluster.servers();
        let group = ["--describe", "--group", &self.name];
        let arguments = [&["--bootstrap-server", &servers], &group[..]].concat();
        let tool = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
        let said = try_kafka_tool(tool, &arguments).ok()?;
        let rows = said.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let (group, topic) = (words.next()?, words.next()?);
            let (partition, offset) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            (group == self.name && topic == TOPIC).then_some((partition, offset))
        });
        let offsets: BTreeMap<i64, i64> = rows.collect();
        (offsets.len() == PARTITIONS).then_some(offsets)
    }

    /// The same, once there are some; they are at least `before`.
    fn committed(&self, cluster: &Cluster, before: &BTreeMap<i64, i64>) -> BTreeMap<i64, i64> {
        let log = || format!("no offsets of the group:\n{}", cluster.last_words());
        let found = until_within(PATIENCE, log, || self.described(cluster));
        for (partition, offset) in before {
            let now = found[partition];
            assert!(
                now >= *offset,
                "{partition} was committed at {offset}, is at {now}"
            );
        }
        found
    }

    /// Waits until so many records more are read.
    pub fn read_more(&self, cluster: &Cluster, more: usize) {
        let goal = self.consumed().len() + more;
        let log = || {
            let said: Vec<String> = self.consumers.iter().map(Consumer::said).collect();
            let other = said.iter().flat_map(|it| it.lines());
            let other: Vec<&str> = other.filter(|it| !it.contains("record_data")).collect();
            let last = &other[other.len().saturating_sub(20)..];
            format!("consumers do not go on: {last:?}\n{}", cluster.last_words())
        };
        until_within(PATIENCE, log, || {
            (self.consumed().len() >= goal).then_some(())
        });
    }

    /// Waits until all is read and committed; checks that nothing was passed over.
    pub fn reads_all(&self, cluster: &Cluster, records: u64) {
        let log = || {
            let (read, offsets) = (self.consumed().len(), self.described(cluster));
            format!("{read} of {records} records read, committed {offsets:?}")
        };
        let ends = until_within(PATIENCE, log, || {
            let offsets = self.described(cluster)?;
            let committed: i64 = offsets.values().sum();
            let is_read = self.consumed().len() as u64 >= records;
            (committed >= records as i64 && is_read).then_some(offsets)
        });
        let read = self.consumed();
        for (partition, end) in ends {
            let missing = (0..end).find(|offset| !read.contains(&(partition, *offset)));
            assert_eq!(
                missing, None,
                "of partition {partition}, which ends at {end}"
            );
        }
    }

    /// Has its coordinators die, one after the other, while it reads: the kinds of all that were.
    pub fn coordinators_die(&self, cluster: &mut Cluster, turns: usize) -> Vec<Kind> {
        let mut before = BTreeMap::new();
        let mut kinds = Vec::new();
        for _ in 0..turns {
            self.read_more(cluster, 200);
            before = self.committed(cluster, &before);
            let first = cluster.coordinator(&self.name);
            cluster.wait_in_sync(OFFSETS.0, 3);
            cluster.node(first).kill();
            let second = cluster.coordinator(&self.name);
            assert_ne!(first, second);
            if kinds.is_empty() {
                kinds.push(cluster.node(first).kind);
            }
            kinds.push(cluster.node(second).kind);
            self.read_more(cluster, 200);
            before = self.committed(cluster, &before);
            cluster.node(first).start();
            cluster.node(first).wait_ready();
            cluster.wait_in_sync(OFFSETS.0, 3);
        }
        println!("  coordinators of {}: {kinds:?}", self.name);
        kinds
    }
}

fn outlives() {
    let dir = HERE.data_dir();
    let mut cluster = cluster(dir.path(), 3);
    let running = load_at(&cluster, PACE_OF_GROUPS);
    let group = Group::start(&cluster, dir.path());
    group.coordinators_die(&mut cluster, 2);
    cluster.wait_in_sync(TOPIC, 3);
    let records = running.finish().records;
    group.reads_all(&cluster, records);
    drop(group);
    cluster.stop();
    cluster.replicas_agree(TOPIC, PARTITIONS);
}
