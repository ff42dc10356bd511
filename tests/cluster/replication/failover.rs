//! Drives: leaders that are killed, that stand still and come back, and that are stopped in order.

use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::followed::Load;
use corelane_testing::members::Cluster;

use super::{TOPIC, cluster, finish, load};
use crate::HERE;
use crate::options::{kills, kinds};

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[(&str, fn())] = &[
    (
        "replicas_outlive_leaders_that_are_killed",
        outlive_killed_leaders,
    ),
    (
        "replicas_outlive_a_leader_that_stood_still",
        outlive_paused_leaders,
    ),
];

/// The cases that take long.
pub const LONG: &[(&str, fn())] = &[("replicas_take_over_in_a_rolling_restart", rolling_restart)];

/// More than the controllers' `broker.session.timeout.ms`.
const LONGER_THAN_SESSION: Duration = Duration::from_secs(5);

/// How long a producer may be without an ack while its leader is killed: the session, what the
/// election takes, and what a machine with two cores makes of it.
const FAILOVER: Duration = Duration::from_secs(30);

/// Kills so many leaders, one after the other, each when all replicas are in sync; checks that the
/// load goes on each time.
pub fn kill_leaders(cluster: &mut Cluster, running: &Load, count: u64) {
    let begun = Instant::now();
    let mut gaps = Vec::new();
    for turn in 0..count {
        let leader = cluster.leader(TOPIC, turn as usize % super::PARTITIONS, &[]);
        running.take_gap_ms();
        cluster.node(leader).kill();
        // At times it comes back at once, at others when another leads.
        if turn % 2 == 0 {
            cluster.leader(TOPIC, turn as usize % super::PARTITIONS, &[leader]);
            running.wait_acks(5);
        }
        cluster.node(leader).start();
        cluster.node(leader).wait_ready();
        running.wait_acks(5);
        cluster.wait_in_sync(TOPIC, 3);
        running.wait_acks(5);
        gaps.push(running.take_gap_ms());
    }
    let longest = gaps.iter().max().copied().unwrap_or_default();
    assert!(u128::from(longest) < FAILOVER.as_millis(), "{gaps:?}");
    println!(
        "  {count} leaders killed in {:.0} s; producers waited, in ms: {gaps:?}",
        begun.elapsed().as_secs_f64()
    );
}

fn outlive_killed_leaders() {
    let dir = HERE.data_dir();
    // Three controllers that were formatted for an older release: without eligible leaders.
    let mut cluster = Cluster::start(&HERE, dir.path(), 3, &kinds(3), &[]);
    let running = load(&cluster);
    running.wait_acks(20);
    kill_leaders(&mut cluster, &running, kills(20));
    finish("leaders killed", running, cluster);
}

fn outlive_paused_leaders() {
    let dir = HERE.data_dir();
    let mut cluster = cluster(dir.path(), 3);
    let running = load(&cluster);
    running.wait_acks(20);
    for turn in 0..2 {
        let leader = cluster.leader(TOPIC, turn, &[]);
        cluster.node(leader).pause();
        cluster.leader(TOPIC, turn, &[leader]);
        thread::sleep(LONGER_THAN_SESSION);
        // What it was sent while it stood still, and what it was asked for, it does now; it thinks
        // that it leads.
        cluster.node(leader).resume();
        running.wait_acks(20);
        cluster.wait_in_sync(TOPIC, 3);
    }
    finish("leaders paused", running, cluster);
}

/// Kafka's tool for topics says that node 1 is missing, and none that all is well.
fn tools_see_what_lacks(cluster: &Cluster) {
    let topics = "org.apache.kafka.tools.TopicCommand";
    let said = cluster.tool(topics, &["--describe", "--under-replicated-partitions"]);
    let lines = said.lines().filter(|it| it.contains(TOPIC));
    let lacking = lines.filter(|it| it.contains("Isr: 2,3") || it.contains("Isr: 3,2"));
    assert_eq!(lacking.count(), super::PARTITIONS, "{said}");
    let said = cluster.tool(topics, &["--describe", "--under-min-isr-partitions"]);
    assert!(!said.contains(TOPIC), "{said}");
}

fn rolling_restart() {
    let dir = HERE.data_dir();
    let mut cluster = cluster(dir.path(), 3);
    let running = load(&cluster);
    running.wait_acks(20);
    let mut gaps = Vec::new();
    for id in 1..=3 {
        running.take_gap_ms();
        cluster.node(id).stop();
        running.wait_acks(5);
        gaps.push(running.take_gap_ms());
        if id == 1 {
            tools_see_what_lacks(&cluster);
        }
        cluster.node(id).start();
        cluster.node(id).wait_ready();
        cluster.wait_in_sync(TOPIC, 3);
    }
    println!("  orderly stops; producers waited, in ms: {gaps:?}");
    let longest = gaps.iter().max().copied().unwrap_or_default();
    assert!(u128::from(longest) < FAILOVER.as_millis(), "{gaps:?}");
    finish("rolling restart", running, cluster);
}
