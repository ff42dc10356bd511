//! Drives: leaders and replicas that move as an operator asks, and a disk that is replaced.

use std::fs;

use corelane_testing::members::Cluster;
use corelane_testing::until_within;

use super::{TOPIC, cluster, finish, load};
use crate::HERE;

/// The cases, which take long: what holds, and what panics when it does not.
pub const LONG: &[(&str, fn())] = &[
    ("replicas_are_reassigned_under_load", reassigned),
    ("replicas_fill_a_disk_that_was_replaced", disk_replaced),
];

const ELECTION: &str = "org.apache.kafka.tools.LeaderElectionCommand";
const REASSIGN: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const QUORUM: &str = "org.apache.kafka.tools.MetadataQuorumCommand";

/// Where the replicas of each partition shall be.
const MOVED: [[i32; 3]; 3] = [[2, 3, 4], [3, 4, 1], [4, 1, 2]];

fn reassigned() {
    let dir = HERE.data_dir();
    let cluster = cluster(dir.path(), 4);
    let running = load(&cluster);
    running.wait_acks(50);
    let partitions = MOVED.iter().zip(0..).map(|(replicas, partition)| {
        format!(r#"{{"topic":"{TOPIC}","partition":{partition},"replicas":{replicas:?}}}"#)
    });
    let partitions: Vec<String> = partitions.collect();
    let plan = format!(r#"{{"version":1,"partitions":[{}]}}"#, partitions.join(","));
    let file = dir.path().join("plan.json");
    fs::write(&file, plan).unwrap();
    let file = file.to_str().unwrap();
    let named = ["--reassignment-json-file", file];
    let throttled = ["--execute", "--throttle", "20000000"];
    let said = cluster.tool(REASSIGN, &[&throttled[..], &named[..]].concat());
    assert!(
        said.contains("Successfully started partition reassignment"),
        "{said}"
    );
    let patience = std::time::Duration::from_secs(90);
    let mut said = String::new();
    let done = until_within(
        patience,
        || format!("never complete:\n{}", cluster.last_words()),
        || {
            said = cluster.tool(REASSIGN, &[&["--verify"][..], &named[..]].concat());
            let count = said.matches("is completed").count();
            (count == 3).then_some(said.clone())
        },
    );
    assert!(done.contains("Clearing broker-level throttles"), "{done}");
    cluster.wait(TOPIC, "moved", |seen| {
        let pairs = seen.iter().zip(MOVED);
        pairs
            .into_iter()
            .all(|(it, moved)| it.replicas == moved && it.isr.len() == 3)
    });
    running.wait_acks(20);

    elects_the_preferred(&cluster);
    running.wait_acks(20);
    let said = cluster.tool(QUORUM, &["describe", "--replication"]);
    let observers = said.lines().filter(|it| it.contains("Observer")).count();
    assert_eq!(observers, 4, "{said}");
    finish("reassigned", running, cluster);
}

/// Has the first replica of each partition lead.
fn elects_the_preferred(cluster: &Cluster) {
    let elect = ["--election-type", "preferred", "--all-topic-partitions"];
    cluster.tool(ELECTION, &elect);
    cluster.wait(TOPIC, "led by the preferred", |seen| {
        seen.iter().all(|it| it.leader == it.replicas[0])
    });
}

fn disk_replaced() {
    let dir = HERE.data_dir();
    let mut cluster = cluster(dir.path(), 3);
    let running = load(&cluster);
    running.wait_acks(50);
    let lost = cluster.leader(TOPIC, 0, &[]);
    cluster.node(lost).kill();
    cluster.leader(TOPIC, 0, &[lost]);
    cluster.node(lost).wipe();
    running.wait_acks(20);
    cluster.node(lost).start();
    cluster.node(lost).wait_ready();
    cluster.wait_in_sync(TOPIC, 3);
    // It leads what it had to fetch as a whole.
    elects_the_preferred(&cluster);
    running.wait_acks(20);
    finish("disk replaced", running, cluster);
}
