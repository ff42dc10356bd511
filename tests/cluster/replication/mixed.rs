//! Drives: clusters whose brokers are partly of ours and partly of Apache Kafka.

use corelane_testing::members::{Cluster, Kind};

use super::failover::kill_leaders;
use super::groups::Group;
use super::{PACE_OF_GROUPS, PARTITIONS, TOPIC, load_at, names};
use crate::HERE;
use crate::options::kills;

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[(&str, fn())] = &[("mixed_replicas_of_two_of_ours_and_one_of_kafka", || {
    mixed([Kind::Corelane, Kind::Kafka, Kind::Corelane]);
})];

/// The cases that take long.
pub const LONG: &[(&str, fn())] = &[("mixed_replicas_of_one_of_ours_and_two_of_kafka", || {
    mixed([Kind::Kafka, Kind::Corelane, Kind::Kafka]);
})];

/// Leaders and coordinators of both kinds die, in turn.
fn mixed(kinds: [Kind; 3]) {
    let dir = HERE.data_dir();
    let mut cluster = Cluster::start(&HERE, dir.path(), 1, &kinds, &[]);
    let running = load_at(&cluster, PACE_OF_GROUPS);
    let group = Group::start(&cluster, dir.path());
    running.wait_acks(20);
    kill_leaders(&mut cluster, &running, kills(2));
    // From one kind to the other, and back.
    let coordinators = group.coordinators_die(&mut cluster, 2);
    assert_eq!(coordinators[0], coordinators[2]);
    assert_ne!(coordinators[0], coordinators[1]);
    cluster.wait_in_sync(TOPIC, 3);
    let report = running.finish();
    println!("  {}: {report}", names(&cluster));
    group.reads_all(&cluster, report.records);
    drop(group);
    cluster.wait_in_sync(TOPIC, 3);
    cluster.stop();
    cluster.replicas_agree(TOPIC, PARTITIONS);
}
