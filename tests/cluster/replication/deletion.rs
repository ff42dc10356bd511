//! Drives: a topic that is deleted and made anew while one of its replicas is away.

use std::time::Duration;

use corelane_testing::checked::broker::Connection;
use corelane_testing::followed::Load;
use corelane_testing::members::{Cluster, connect};
use corelane_testing::quorum::Quorum;
use corelane_testing::requests::{PRODUCE, batch, produce, topic_name};
use corelane_testing::until_within;
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteTopicsRequest};

use super::{PACE, PARTITIONS, TOPIC, TWO, cluster, finish, load};
use crate::HERE;
use crate::options::kinds;

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[(&str, fn())] = &[
    (
        "replicas_of_a_deleted_topic_are_not_those_of_the_next",
        deleted_while_away,
    ),
    (
        "records_are_deleted_on_all_replicas_when_that_is_answered",
        deleted_on_all,
    ),
];

/// REQUEST_TIMED_OUT.
const TIMED_OUT: i16 = 7;

/// The follower below stands still and is alive for the controllers.
const SESSION: &str = "broker.session.timeout.ms=20000";

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

/// Has the leader delete what lies before an offset within a time: the error code, and where the
/// logs begin then.
fn delete_records(cluster: &Cluster, before: i64, timeout_ms: i32) -> (i16, i64) {
    let address = cluster.partition("cut", 0).address.expect("a leader");
    let mut client = connect(address, Duration::from_secs(30)).unwrap();
    let partition = DeleteRecordsPartition::default().with_offset(before);
    let topic = DeleteRecordsTopic::default()
        .with_name(topic_name("cut"))
        .with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default()
        .with_timeout_ms(timeout_ms)
        .with_topics(vec![topic]);
    let answer = client.call(2, &request);
    let partition = &answer.topics[0].partitions[0];
    (partition.error_code, partition.low_watermark)
}

fn deleted_on_all() {
    let dir = HERE.data_dir();
    let quorum = Quorum::start_with(dir.path(), 1, &[SESSION]);
    let mut cluster = Cluster::of(&HERE, dir.path(), quorum, &kinds(3), &[]);
    cluster.create("cut", 1, 3, TWO);
    let first = cluster.partition("cut", 0);
    let mut client = connect(first.address.unwrap(), Duration::from_secs(20)).unwrap();
    for number in 0..100 {
        let value = format!("{number}");
        let answer = client.call(PRODUCE, &produce("cut", 0, -1, batch(&[value.as_bytes()])));
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }
    assert_eq!(delete_records(&cluster, 30, 20_000), (0, 30));

    // One that is alive and does not do it.
    let follower = *first.isr.iter().find(|id| **id != first.leader).unwrap();
    cluster.node(follower).pause();
    let answered = delete_records(&cluster, 50, 1_500);
    cluster.node(follower).resume();
    assert_eq!(answered.0, TIMED_OUT, "{answered:?}");
    assert_eq!(delete_records(&cluster, 50, 20_000), (0, 50));
    // One that is not alive is not waited for.
    cluster.node(follower).stop();
    assert_eq!(delete_records(&cluster, 60, 20_000), (0, 60));
    cluster.node(follower).start();
    cluster.node(follower).wait_ready();
    cluster.wait_in_sync("cut", 3);

    // Whoever leads, there are no more.
    cluster.node(first.leader).kill();
    let next = cluster.leader("cut", 0, &[first.leader]);
    let address = cluster.node(next).address();
    let log = || format!("node {next} has others:\n{}", cluster.last_words());
    until_within(Duration::from_secs(20), log, || {
        let client = connect(address, Duration::from_secs(20)).ok()?;
        let mut leader = Connection { client };
        let ends = [-2, -1].map(|which| leader.offset("cut", 0, which).ok());
        (ends == [Some(60), Some(100)]).then_some(())
    });
    cluster.stop();
}
