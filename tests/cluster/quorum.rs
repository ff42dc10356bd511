//! A quorum of Kafka's controllers by itself: what the other cases stand on.

use corelane_testing::quorum::Quorum;
use corelane_testing::until;

use crate::HERE;

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[(&str, fn())] = &[
    ("one_controller_leads_after_each_restart", one_controller),
    ("three_controllers_elect_another_leader", three_controllers),
];

fn one_controller() {
    let dir = HERE.data_dir();
    let mut quorum = Quorum::start(dir.path(), 1);
    assert!(quorum.addresses().starts_with("127.0.0.1:"));
    assert_eq!(quorum.wait_leader(), 0);
    quorum.stop(0);
    assert_eq!(quorum.leader(), None);
    quorum.restart(0);
    assert_eq!(quorum.wait_leader(), 0);
}

fn three_controllers() {
    let dir = HERE.data_dir();
    let mut quorum = Quorum::start(dir.path(), 3);
    assert_eq!(quorum.addresses().split(',').count(), 3);
    let first = quorum.wait_leader();
    quorum.kill(first);
    let other = || quorum.leader().filter(|leader| *leader != first);
    let second = until(
        || format!("no leader after {first}:\n{}", quorum.log((first + 1) % 3)),
        other,
    );
    quorum.restart(first);
    quorum.kill(second);
    quorum.wait_leader();
}
