//! Drives: a topic that is deleted and made anew while one of its replicas is away.

use std::time::Duration;

use corelane_testing::followed::Load;
use corelane_testing::members::{Cluster, connect};
use corelane_testing::requests::topic_name;
use corelane_testing::until_within;
use kafka_protocol::messages::DeleteTopicsRequest;

use super::{PACE, PARTITIONS, TOPIC, TWO, cluster, finish, load};
use crate::HERE;

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[(&str, fn())] = &[(
    "replicas_of_a_deleted_topic_are_not_those_of_the_next",
    deleted_while_away,
)];

fn delete(cluster: &Cluster, topic: &str) {
    let member = cluster.members.iter().find(|it| it.is_running()).unwrap();
    let mut client = connect(member.address(), Duration::from_secs(20)).unwrap();
    let request = DeleteTopicsRequest::default()
        .with_timeout_ms(10_000)
        .with_topic_names(vec![topic_name(topic)]);
    let answer = client.call(4, &request);
    assert_eq!(answer.responses[0].error_code, 0);
    let log = || format!("{topic} is still there:\n{}", cluster.last_words());
    until_within(Duration::from_secs(30), log, || {
        let running = cluster.members.iter().filter(|it| it.is_running());
        let mut views = running.map(|it| corelane_testing::members::view(it.address(), topic));
        views
            .all(|it| it.is_ok_and(|it| it.is_empty()))
            .then_some(())
    });
}

fn deleted_while_away() {
    let dir = HERE.data_dir();
    let mut cluster = cluster(dir.path(), 3);
    let old = load(&cluster);
    old.wait_acks(50);
    let old = old.finish();
    cluster.node(3).kill();
    cluster.leader(TOPIC, 0, &[3]);
    delete(&cluster, TOPIC);
    // It has fewer records than the old one, and others: its producers have other names. A topic is
    // not made on brokers that are away, so the third replica is assigned when it is back.
    let address = cluster.node(1).address();
    let made = create_on_all(&cluster);
    assert_eq!(made, 0, "{}", cluster.last_words());
    let running = Load::start(cluster.addresses(), TOPIC, PARTITIONS, 100, PACE);
    running.wait_acks(5);
    cluster.node(3).start();
    cluster.node(3).wait_ready();
    cluster.wait_in_sync(TOPIC, 3);
    let leads = |id: i32| {
        let seen = corelane_testing::members::view(address, TOPIC).unwrap_or_default();
        seen.iter().any(|it| it.leader == id)
    };
    // It leads, alone with what it has: the checks of the load are that this is all of the new.
    cluster.tool(
        "org.apache.kafka.tools.LeaderElectionCommand",
        &["--election-type", "preferred", "--all-topic-partitions"],
    );
    let log = || format!("node 3 leads nothing:\n{}", cluster.last_words());
    until_within(Duration::from_secs(30), log, || leads(3).then_some(()));
    running.wait_acks(5);
    println!("  the old topic: {old}");
    finish("a topic made anew", running, cluster);
}

/// Creates the topic with replicas on all three nodes, of which one is away: its error code.
fn create_on_all(cluster: &Cluster) -> i16 {
    use corelane_testing::requests::new_topic;
    use kafka_protocol::messages::create_topics_request::CreatableReplicaAssignment;
    use kafka_protocol::messages::{BrokerId, CreateTopicsRequest};

    let assignments = (0..PARTITIONS as i32).map(|partition| {
        let nodes = (0..3).map(|at| BrokerId((partition + at) % 3 + 1));
        CreatableReplicaAssignment::default()
            .with_partition_index(partition)
            .with_broker_ids(nodes.collect())
    });
    let topic = new_topic(TOPIC, -1, TWO)
        .with_replication_factor(-1)
        .with_assignments(assignments.collect());
    let request = CreateTopicsRequest::default()
        .with_timeout_ms(10_000)
        .with_topics(vec![topic]);
    let member = cluster.members.iter().find(|it| it.is_running()).unwrap();
    let mut client = connect(member.address(), Duration::from_secs(20)).unwrap();
    client.call(7, &request).topics[0].error_code
}
