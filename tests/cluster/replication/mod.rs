//! Partitions with three replicas, under load, while members die, stand still, come back empty, and
//! move. Each story is told with members of ours, of Apache Kafka, or of both.

mod controllers;
mod deletion;
mod failover;
mod groups;
mod mixed;
mod moves;
mod path;
mod plan;
mod replicas;
mod throttle;
mod transactions;
mod unclean;
mod verified;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use corelane_testing::followed::Load;
use corelane_testing::members::{Cluster, Kind, TWO};

use crate::HERE;
use crate::options::kinds;

/// A case: its name, and what panics when it does not hold.
pub type Story = (&'static str, fn());

/// The stories of a run of all tests: what holds, and what panics when it does not.
pub const ALL: [&[Story]; 9] = [
    replicas::ALL,
    failover::ALL,
    groups::ALL,
    transactions::ALL,
    unclean::ALL,
    deletion::ALL,
    mixed::ALL,
    controllers::ALL,
    verified::ALL,
];

/// Those that take long.
pub const LONG: [&[Story]; 6] = [
    failover::LONG,
    moves::LONG,
    mixed::LONG,
    controllers::LONG,
    throttle::LONG,
    path::LONG,
];

/// The topic under load.
pub const TOPIC: &str = "loaded";

/// Partitions of it.
const PARTITIONS: usize = 3;

/// The pause of a producer between two batches.
const PACE: Duration = Duration::from_millis(15);

/// The same where a consumer says of each record that it has read it.
const PACE_OF_GROUPS: Duration = Duration::from_millis(100);

/// A controller and so many members of the kinds that the command line says.
fn cluster(dir: &Path, count: usize) -> Cluster {
    Cluster::start(&HERE, dir, 1, &kinds(count), &[])
}

/// Creates the topic with three replicas and starts the load on it.
pub fn load(cluster: &Cluster) -> Load {
    load_at(cluster, PACE)
}

/// As [`load`], with producers that pause for so long between two batches.
fn load_at(cluster: &Cluster, pace: Duration) -> Load {
    cluster.create(TOPIC, PARTITIONS as i32, 3, TWO);
    Load::start(cluster.addresses(), TOPIC, PARTITIONS, 0, pace)
}

/// Ends a load, stops the members, and checks that the replicas of its topic are the same.
pub fn finish(what: &str, load: Load, mut cluster: Cluster) {
    cluster.wait_in_sync(TOPIC, 3);
    let report = load.finish();
    println!("  {what}: {report}");
    assert!(report.records > 100, "hardly a load: {report}");
    cluster.wait_in_sync(TOPIC, 3);
    cluster.stop();
    cluster.replicas_agree(TOPIC, PARTITIONS);
}

/// The kinds of the members among `cluster`, as a name.
fn names(cluster: &Cluster) -> String {
    let count = |kind| cluster.members.iter().filter(|it| it.kind == kind).count();
    let (ours, theirs) = (count(Kind::Corelane), count(Kind::Kafka));
    format!("{ours} of ours, {theirs} of Kafka's")
}

/// All of these are different.
fn are_different(ids: &[i32]) -> bool {
    ids.iter().collect::<BTreeSet<_>>().len() == ids.len()
}
