//! Drives: the whole path of docs/cluster.md: a cluster of Apache Kafka's brokers becomes one of
//! ours, broker by broker, and goes back, while producers and a group go on.

use std::path::Path;

use corelane_testing::followed::Load;
use corelane_testing::members::{Cluster, Kind, kafka_tool};

use super::groups::{Group, OFFSETS};
use super::plan::Plan;
use super::{PACE_OF_GROUPS, PARTITIONS, TOPIC, load_at};
use crate::HERE;

/// The cases, which take long: what holds, and what panics when it does not.
pub const LONG: &[(&str, fn())] = &[("replicas_go_from_kafka_to_ours_and_back", there_and_back)];

const CLUSTER: &str = "org.apache.kafka.tools.ClusterTool";

/// Bytes a second that a move may take.
const THROTTLE: u64 = 50_000_000;

/// A new broker takes the place of an old one, which is stopped and unregistered.
fn replace(cluster: &mut Cluster, dir: &Path, running: &Load, group: &Group, old: i32, new: i32) {
    cluster.node(new).start();
    cluster.node(new).wait_ready();
    let topics = [TOPIC, OFFSETS.0].map(|it| (it, Plan::with(cluster, it, old, new)));
    let plan = Plan::new(dir, &topics);
    plan.begin(cluster, Some(THROTTLE));
    let said = plan.wait_done(cluster);
    assert!(said.contains("Clearing broker-level throttles"), "{said}");
    for (topic, _) in &topics {
        cluster.wait(topic, "moved", |seen| {
            let mut partitions = seen.iter();
            partitions.all(|it| it.isr.len() == 3 && !it.replicas.contains(&old) && it.leader >= 0)
        });
    }
    running.wait_acks(5);
    group.read_more(cluster, 50);
    cluster.node(old).stop();
    let (servers, id) = (cluster.servers(), old.to_string());
    let unregister = ["unregister", "--bootstrap-server", &servers, "--id", &id];
    let said = kafka_tool(CLUSTER, &unregister);
    let gone = format!("Broker {old} is no longer registered.");
    assert!(said.contains(&gone), "{said}");
    running.wait_acks(5);
    group.read_more(cluster, 50);
    println!(
        "  node {old} gave way to node {new}; producers waited, in ms: {}",
        running.take_gap_ms()
    );
}

fn there_and_back() {
    let dir = HERE.data_dir();
    let mut cluster = Cluster::start(&HERE, dir.path(), 1, &[Kind::Kafka; 3], &[]);
    for kind in [Kind::Corelane, Kind::Kafka] {
        for _ in 0..3 {
            cluster.add(&HERE, dir.path(), kind, &[]);
        }
    }
    let running = load_at(&cluster, PACE_OF_GROUPS);
    let group = Group::start(&cluster, dir.path());
    running.wait_acks(20);
    running.take_gap_ms();
    for (old, new) in [(1, 4), (2, 5), (3, 6)] {
        replace(&mut cluster, dir.path(), &running, &group, old, new);
    }
    let running_kinds = |cluster: &Cluster| -> Vec<Kind> {
        let running = cluster.members.iter().filter(|it| it.is_running());
        running.map(|it| it.kind).collect()
    };
    assert_eq!(running_kinds(&cluster), [Kind::Corelane; 3]);
    for (old, new) in [(4, 7), (5, 8), (6, 9)] {
        replace(&mut cluster, dir.path(), &running, &group, old, new);
    }
    assert_eq!(running_kinds(&cluster), [Kind::Kafka; 3]);
    cluster.wait_in_sync(TOPIC, 3);
    let report = running.finish();
    println!("  from Kafka to Corelane and back: {report}");
    group.reads_all(&cluster, report.records);
    drop(group);
    cluster.wait_in_sync(TOPIC, 3);
    cluster.stop();
    cluster.replicas_agree(TOPIC, PARTITIONS);
}
