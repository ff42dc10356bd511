//! Drives: what becomes of the data when controllers stand still, are all lost, or go on to newer
//! features.

use std::thread;
use std::time::Duration;

use corelane_testing::members::Cluster;
use corelane_testing::quorum::Quorum;

use super::failover::kill_leaders;
use super::moves::elects_the_preferred;
use super::{TOPIC, finish, load};
use crate::HERE;
use crate::options::kinds;

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[(&str, fn())] = &[("replicas_outlive_an_upgrade_of_the_metadata", upgraded)];

/// The cases that take long.
pub const LONG: &[(&str, fn())] = &[("replicas_outlive_all_controllers", all_lost)];

/// Several times the controllers' `broker.session.timeout.ms`.
const LONG_AFTER_SESSIONS: Duration = Duration::from_secs(10);

/// How long a producer may be without an ack where nothing but the controllers is missing: a
/// machine with two cores, on which JVMs start.
const GAP: Duration = Duration::from_secs(5);

/// The release that the controllers are formatted for, and the one that they go on to.
const RELEASES: [&str; 2] = ["4.0", "4.3"];

const FEATURES: &str = "org.apache.kafka.tools.FeatureCommand";

fn all_lost() {
    let dir = HERE.data_dir();
    let quorum = Quorum::start(dir.path(), 3);
    let mut cluster = Cluster::of(&HERE, dir.path(), quorum, &kinds(3), &[]);
    let running = load(&cluster);
    running.wait_acks(20);

    running.take_gap_ms();
    cluster.quorum.pause();
    thread::sleep(LONG_AFTER_SESSIONS);
    running.wait_acks(20);
    let paused = running.take_gap_ms();
    cluster.quorum.resume();
    cluster.quorum.wait_leader();
    // Their clocks have jumped: they may take all brokers for lost, until those report.
    cluster.wait_in_sync(TOPIC, 3);
    running.wait_acks(20);
    let resumed = running.take_gap_ms();

    for index in 0..3 {
        cluster.quorum.kill(index);
    }
    thread::sleep(LONG_AFTER_SESSIONS);
    running.wait_acks(20);
    let lost = running.take_gap_ms();
    for index in 0..3 {
        cluster.quorum.restart(index);
    }
    cluster.quorum.wait_leader();
    cluster.wait_in_sync(TOPIC, 3);
    running.wait_acks(20);
    let back = running.take_gap_ms();
    println!(
        "  producers waited, in ms: {paused} without controllers that answer, {resumed} when they \
         went on; {lost} without controllers, {back} when they were back"
    );
    for gap in [paused, lost] {
        assert!(u128::from(gap) < GAP.as_millis(), "{gap} ms");
    }
    // Leaders move as ever.
    let leader = cluster.leader(TOPIC, 0, &[]);
    cluster.node(leader).stop();
    cluster.leader(TOPIC, 0, &[leader]);
    cluster.node(leader).start();
    cluster.node(leader).wait_ready();
    cluster.wait_in_sync(TOPIC, 3);
    elects_the_preferred(&cluster);
    running.wait_acks(20);
    finish("all controllers lost", running, cluster);
}

/// The level of a feature, as the tool says.
fn level(cluster: &Cluster, feature: &str) -> String {
    let said = cluster.tool(FEATURES, &["describe"]);
    let line = said.lines().find(|line| line.contains(feature));
    let line = line.unwrap_or_else(|| panic!("no {feature}: {said}"));
    let level = line.split("FinalizedVersionLevel: ").nth(1);
    let level = level.and_then(|it| it.split_whitespace().next());
    level.unwrap_or_default().to_owned()
}

fn upgraded() {
    let dir = HERE.data_dir();
    let quorum = Quorum::start_as(RELEASES[0], dir.path());
    let mut cluster = Cluster::of(&HERE, dir.path(), quorum, &kinds(3), &[]);
    let running = load(&cluster);
    running.wait_acks(20);
    let before = level(&cluster, "metadata.version");
    assert!(before.starts_with("4.0-"), "{before}");
    running.take_gap_ms();
    cluster.tool(FEATURES, &["upgrade", "--release-version", RELEASES[1]]);
    running.wait_acks(20);
    let gap = running.take_gap_ms();
    let after = level(&cluster, "metadata.version");
    assert!(after.starts_with("4.3-"), "{after}");
    println!("  metadata.version from {before} to {after}; producers waited {gap} ms");
    assert!(u128::from(gap) < GAP.as_millis(), "{gap} ms");
    cluster.wait_in_sync(TOPIC, 3);
    // Also with what is new in it: leaders die, and a broker that starts anew reads all of it.
    kill_leaders(&mut cluster, &running, 2);
    finish("upgraded", running, cluster);
}
