//! Drives: leaders and replicas that move as an operator asks, and a disk that is replaced.

use corelane_testing::members::Cluster;

use super::plan::Plan;
use super::{TOPIC, cluster, finish, load};
use crate::HERE;

/// The cases, which take long: what holds, and what panics when it does not.
pub const LONG: &[(&str, fn())] = &[
    ("replicas_are_reassigned_under_load", reassigned),
    ("replicas_fill_a_disk_that_was_replaced", disk_replaced),
];

const ELECTION: &str = "org.apache.kafka.tools.LeaderElectionCommand";
const QUORUM: &str = "org.apache.kafka.tools.MetadataQuorumCommand";

/// Where the replicas of each partition shall be.
const MOVED: [[i32; 3]; 3] = [[2, 3, 4], [3, 4, 1], [4, 1, 2]];

fn reassigned() {
    let dir = HERE.data_dir();
    let cluster = cluster(dir.path(), 4);
    let running = load(&cluster);
    running.wait_acks(50);
    let moved = MOVED.iter().map(|it| it.to_vec()).collect();
    let plan = Plan::new(dir.path(), &[(TOPIC, moved)]);
    plan.begin(&cluster, Some(20_000_000));
    let said = plan.wait_done(&cluster);
    assert!(said.contains("Clearing broker-level throttles"), "{said}");
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
pub fn elects_the_preferred(cluster: &Cluster) {
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
