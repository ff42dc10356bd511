//! Partitions go from shard to shard of a running broker, with their files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::requests::{
    FETCH, PRODUCE, create_topic, fetch, produce, read_all, topic_name,
};
use corelane_testing::{Broker, Client};
use corelane_wire::batch::{BatchBuilder, NewRecord};
use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ListPartitionReassignmentsRequest,
    MetadataRequest,
};

use crate::HERE;

const NOT_LEADER_OR_FOLLOWER: i16 = 6;
/// The longest that a move may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks for a partition to go to this node, or to stay; the error code.
fn reassign(client: &mut Client, topic: &str, index: i32, to: Option<i32>) -> i16 {
    let partition = ReassignablePartition::default()
        .with_partition_index(index)
        .with_replicas(to.map(|node| vec![BrokerId(node)]));
    let topic = ReassignableTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
    let answer = client.call(0, &request);
    assert_eq!(answer.error_code, 0);
    answer.responses[0].partitions[0].error_code
}

/// Waits until no partition is on its way.
fn wait_until_done(client: &mut Client) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let request = ListPartitionReassignmentsRequest::default().with_topics(None);
        let answer = client.call(0, &request);
        assert_eq!(answer.error_code, 0);
        if answer.topics.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{answer:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn leader(client: &mut Client, topic: &str) -> i32 {
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
    let request = MetadataRequest::default().with_topics(Some(vec![topic]));
    client.call(12, &request).topics[0].partitions[0]
        .leader_id
        .0
}

fn to_other(client: &mut Client, topic: &str) -> i32 {
    let to = 3 - leader(client, topic);
    assert_eq!(reassign(client, topic, 0, Some(to)), 0);
    wait_until_done(client);
    assert_eq!(leader(client, topic), to);
    to
}

/// The batch of an idempotent producer with this one record.
fn numbered(sequence: i32) -> bytes::Bytes {
    let mut builder = BatchBuilder::new().producer(4_000, 0, sequence);
    let text = sequence.to_string();
    builder.push(NewRecord::new(1, None, Some(text.as_bytes())));
    builder.build().into()
}

/// Appends numbered records, one at a time, wherever the leader is, until told to stop. Returns how
/// many were acked, and the longest time between two acks.
fn append_all(port: u16, stop: &AtomicBool) -> (i32, Duration) {
    let mut clients = [0, 1].map(|shard| Client::connect(port + shard));
    let (mut at, mut sequence) = (0, 0);
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let request = produce("moves", 0, -1, numbered(sequence));
        let answer = clients[at].call(PRODUCE, &request);
        let result = &answer.responses[0].partition_responses[0];
        match result.error_code {
            0 => {
                longest = longest.max(last.elapsed());
                last = Instant::now();
                sequence += 1;
            }
            NOT_LEADER_OR_FOLLOWER => {
                let leader = result.current_leader.leader_id.0;
                match leader {
                    1 | 2 if leader as usize != at + 1 => at = leader as usize - 1,
                    _ => thread::sleep(Duration::from_millis(1)),
                }
            }
            error => panic!("error {error}"),
        }
        assert!(last.elapsed() < PATIENCE);
    }
    (sequence, longest)
}

fn check_records(broker: &Broker, count: i32) {
    let node = leader(&mut broker.client_of(0), "moves");
    let mut client = broker.client_of(node as u16 - 1);
    let found = read_all(&mut client, "moves", 0);
    let numbers = found.iter().map(|(offset, value)| {
        let text = String::from_utf8(value.clone()).expect("text");
        (*offset, text.parse::<i32>().expect("a number"))
    });
    let expected = (0..count).map(|number| (i64::from(number), number));
    assert!(numbers.eq(expected), "{} of {count}", found.len());
}

#[test]
fn a_partition_goes_to_and_fro_under_load_and_nothing_is_lost() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).shards(2).ready();
    let mut client = broker.client_of(0);
    assert_eq!(create_topic(&mut client, "moves", 1), 0);
    let stop = Arc::new(AtomicBool::new(false));
    let (port, told) = (broker.port, stop.clone());
    let producer = thread::spawn(move || append_all(port, &told));
    for _ in 0..12 {
        to_other(&mut client, "moves");
        thread::sleep(Duration::from_millis(20));
    }
    stop.store(true, Ordering::Relaxed);
    let (count, longest) = producer.join().expect("appends");
    println!("{count} records, at most {longest:?} between two acks");
    assert!(count > 12);
    check_records(&broker, count);
    // Who reads at the node that had it is sent on.
    let node = leader(&mut client, "moves");
    let mut other = broker.client_of(2 - node as u16);
    let answer = other.call(FETCH, &fetch("moves", 0, 0));
    assert_eq!(
        answer.responses[0].partitions[0].error_code,
        NOT_LEADER_OR_FOLLOWER
    );
    broker.stop();
    // What was cleanly closed is believed as it is, wherever it came from.
    let broker = HERE.start(dir.path()).shards(2).ready();
    check_records(&broker, count);
    to_other(&mut broker.client_of(0), "moves");
    check_records(&broker, count);
    broker.kill();
    let broker = HERE.start(dir.path()).shards(2).ready();
    check_records(&broker, count);
    broker.stop();
}

#[test]
fn a_broker_that_is_killed_while_partitions_go_has_each_in_one_place() {
    let dir = HERE.data_dir();
    let mut broker = HERE.start(dir.path()).shards(2).ready();
    let mut client = broker.client_of(0);
    assert_eq!(create_topic(&mut client, "moves", 1), 0);
    let mut acked = 0;
    for life in 0..12 {
        let node = leader(&mut client, "moves");
        let mut producer = broker.client_of(node as u16 - 1);
        for _ in 0..5 {
            let request = produce("moves", 0, -1, numbered(acked));
            let answer = producer.call(PRODUCE, &request);
            assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
            acked += 1;
        }
        assert_eq!(reassign(&mut client, "moves", 0, Some(3 - node)), 0);
        thread::sleep(Duration::from_micros(700 * life));
        broker.kill();
        broker = HERE.start(dir.path()).shards(2).ready();
        client = broker.client_of(0);
        wait_until_done(&mut client);
        assert_eq!(leader(&mut client, "moves"), 3 - node, "it has gone by now");
        check_records(&broker, acked);
    }
    assert_eq!(broker.complaint(), None);
    broker.stop();
}

#[test]
fn a_move_is_given_up_and_what_cannot_be_is_refused() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).shards(2).ready();
    let mut client = broker.client_of(0);
    assert_eq!(create_topic(&mut client, "moves", 1), 0);
    assert_eq!(reassign(&mut client, "moves", 0, None), 85, "nothing goes");
    assert_eq!(
        reassign(&mut client, "moves", 0, Some(3)),
        39,
        "no such node"
    );
    assert_eq!(
        reassign(&mut client, "moves", 1, Some(1)),
        3,
        "no such partition"
    );
    let partitions = (0..10_001).map(|index| {
        let partition = ReassignablePartition::default().with_partition_index(index);
        partition.with_replicas(Some(vec![BrokerId(1)]))
    });
    let topic = ReassignableTopic::default().with_name(topic_name("moves"));
    let topic = topic.with_partitions(partitions.collect());
    let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
    let answer = client.call(0, &request);
    assert_eq!(
        (answer.error_code, answer.responses.len()),
        (44, 0),
        "too many"
    );
    // A log without records has no folder: it goes all the same.
    to_other(&mut client, "moves");
    to_other(&mut client, "moves");
    broker.stop();
}
