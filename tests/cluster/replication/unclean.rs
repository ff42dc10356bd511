//! An unclean election: the only replica in sync is gone, and one that lacks records is made the
//! leader by hand. What it lacks is lost on both, as was asked for.

use std::time::Duration;

use corelane_testing::batches::batch;
use corelane_testing::members::{Cluster, connect};
use corelane_testing::requests::{produce, read_all};
use corelane_testing::until_within;

use super::{Story, cluster};
use crate::HERE;

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[Story] = &[("an_unclean_election_by_hand_loses_what_it_says", elected)];

const UNCLEAN: &str = "unclean";
const PRODUCE: i16 = 9;
const PATIENCE: Duration = Duration::from_secs(60);

fn elected() {
    let dir = HERE.data_dir();
    let mut cluster = cluster(dir.path(), 3);
    cluster.create(UNCLEAN, 1, 2, &[("min.insync.replicas", "1")]);
    let replicas = cluster.partition(UNCLEAN, 0).replicas;
    let leader = cluster.leader(UNCLEAN, 0, &[]);
    let other = replicas.iter().copied().find(|it| *it != leader);
    let other = other.expect("a second replica");
    append(&cluster, leader, b"both");
    cluster.node(other).kill();
    cluster.wait(UNCLEAN, "alone in sync", |seen| seen[0].isr == [leader]);
    append(&cluster, leader, b"lost");
    cluster.node(leader).kill();
    cluster.node(other).start();
    cluster.node(other).wait_ready();
    // It does not lead by itself: it is known to lack what was acked.
    cluster.wait(UNCLEAN, "without leader", |seen| seen[0].leader == -1);
    let tool = "org.apache.kafka.tools.LeaderElectionCommand";
    let election = ["--election-type", "unclean"];
    let place = ["--topic", UNCLEAN, "--partition", "0"];
    cluster.tool(tool, &[&election[..], &place[..]].concat());
    assert_eq!(cluster.leader(UNCLEAN, 0, &[]), other);
    append(&cluster, other, b"instead");
    cluster.node(leader).start();
    cluster.node(leader).wait_ready();
    cluster.wait_in_sync(UNCLEAN, 2);
    let address = cluster.node(other).address();
    let mut client = connect(address, PATIENCE).expect("the new leader runs");
    let found = read_all(&mut client, UNCLEAN, 0);
    let expected = [(0, b"both".to_vec()), (1, b"instead".to_vec())];
    assert_eq!(found, expected);
    for id in 1..=3 {
        cluster.node(id).stop();
    }
    // The old leader has cut off what the new one never had.
    let all = cluster.stored(UNCLEAN, 0);
    let copies: Vec<_> = all.iter().filter_map(|(_, it)| it.as_ref()).collect();
    assert!(copies.len() == 2 && copies[0] == copies[1], "{copies:?}");
}

/// Appends a record, and has it acked by all replicas in sync.
fn append(cluster: &Cluster, node: i32, value: &[u8]) {
    let address = cluster.members[node as usize - 1].address();
    let log = || format!("node {node} takes nothing:\n{}", cluster.last_words());
    until_within(PATIENCE, log, || {
        let mut client = connect(address, PATIENCE).ok()?;
        let answer = client.try_call(PRODUCE, &produce(UNCLEAN, 0, -1, batch(&[value])));
        let code = answer.ok()?.responses[0].partition_responses[0].error_code;
        (code == 0).then_some(())
    });
}
