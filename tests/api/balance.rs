//! Partitions go by themselves from a busy shard of a running broker to the other one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use corelane_testing::exposition::{Family, parse, value};
use corelane_testing::requests::{PRODUCE, produce, read_all, text, topic_name};
use corelane_testing::{Broker, Client, until_within};
use corelane_wire::batch::{BatchBuilder, NewRecord};
use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, IncrementalAlterConfigsRequest, MetadataRequest,
};

use crate::HERE;

const TOPIC: &str = "load";
const PARTITIONS: i32 = 8;
/// Records of a batch: enough for a core to be busy, however slow the disk is.
const BATCH: i32 = 300;
const NOT_LEADER_OR_FOLLOWER: i16 = 6;
/// How often the balancer looks.
const PERIOD: Duration = Duration::from_millis(400);
/// The longest that anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Creates the topic, all of it on the first shard.
fn create(client: &mut Client) {
    let assignment = |index| {
        CreatableReplicaAssignment::default()
            .with_partition_index(index)
            .with_broker_ids(vec![BrokerId(1)])
    };
    let topic = CreatableTopic::default()
        .with_name(topic_name(TOPIC))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments((0..PARTITIONS).map(assignment).collect());
    let request = CreateTopicsRequest::default()
        .with_timeout_ms(10_000)
        .with_topics(vec![topic]);
    assert_eq!(client.call(5, &request).topics[0].error_code, 0);
}

/// Changes a setting of all nodes while the broker runs.
fn set(client: &mut Client, name: &str, to: &str) {
    let config = AlterableConfig::default()
        .with_name(text(name))
        .with_value(Some(text(to)));
    let nodes = AlterConfigsResource::default()
        .with_resource_type(4)
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![nodes]);
    let answer = client.call(1, &request);
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
}

fn leaders(client: &mut Client) -> Vec<i32> {
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name(TOPIC)));
    let request = MetadataRequest::default().with_topics(Some(vec![topic]));
    let topic = client.call(12, &request).topics.remove(0);
    let mut partitions = topic.partitions;
    partitions.sort_by_key(|one| one.partition_index);
    partitions.iter().map(|one| one.leader_id.0).collect()
}

/// A batch of an idempotent producer, whose records are numbers from this one on.
fn numbered(partition: i32, from: i32) -> Bytes {
    let mut builder = BatchBuilder::new().producer(5_000 + i64::from(partition), 0, from);
    for number in from..from + BATCH {
        builder.push(NewRecord::new(1, None, Some(number.to_string().as_bytes())));
    }
    builder.build().into()
}

/// Appends to a partition, one batch at a time, wherever its leader is, until told to stop. Returns
/// how many records were acked.
fn append_all(port: u16, partition: i32, stop: &AtomicBool) -> i32 {
    let mut clients = [0, 1].map(|shard| Client::connect(port + shard));
    let (mut at, mut next) = (0, 0);
    let mut last = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let request = produce(TOPIC, partition, -1, numbered(partition, next));
        let answer = clients[at].call(PRODUCE, &request);
        let result = &answer.responses[0].partition_responses[0];
        match result.error_code {
            0 => {
                next += BATCH;
                last = Instant::now();
            }
            NOT_LEADER_OR_FOLLOWER => match result.current_leader.leader_id.0 {
                leader @ (1 | 2) if leader as usize != at + 1 => at = leader as usize - 1,
                _ => thread::sleep(Duration::from_millis(1)),
            },
            error => panic!("error {error}"),
        }
        assert!(last.elapsed() < PATIENCE);
    }
    next
}

fn metrics(broker: &Broker) -> Vec<Family> {
    parse(&broker.page("/metrics").1).unwrap()
}

fn number(broker: &Broker, name: &str) -> f64 {
    value(&metrics(broker), name, &[]).unwrap()
}

/// Waits until nothing has moved for some looks in a row; how many partitions have gone till then.
fn wait_until_settled(broker: &Broker) -> f64 {
    let (mut since, mut seen) = (Instant::now(), 0.0);
    let settled = || {
        let families = metrics(broker);
        let moves = value(&families, "corelane_moves_total", &[]).unwrap();
        if moves != seen {
            (since, seen) = (Instant::now(), moves);
        }
        thread::sleep(PERIOD / 4);
        (moves > 0.0 && since.elapsed() > 15 * PERIOD).then_some(moves)
    };
    until_within(
        PATIENCE,
        || format!("it does not settle:\n{}", broker.log()),
        settled,
    )
}

#[test]
fn load_goes_to_the_idle_shard_once_that_is_switched_on_and_nothing_is_lost() {
    let dir = HERE.data_dir();
    let file = dir.path().join("server.properties");
    let period = PERIOD.as_millis();
    std::fs::write(
        &file,
        format!("corelane.shard.balance.period.ms={period}\n"),
    )
    .unwrap();
    let start = HERE.start(&dir.path().join("data")).shards(2);
    let start = start.arg("--config", file.to_str().unwrap());
    let broker = start.ready();
    let mut client = broker.client_of(0);
    create(&mut client);
    let stop = Arc::new(AtomicBool::new(false));
    let producers: Vec<JoinHandle<i32>> = (0..PARTITIONS)
        .map(|partition| {
            let (port, stop) = (broker.port, stop.clone());
            thread::spawn(move || append_all(port, partition, &stop))
        })
        .collect();
    thread::sleep(10 * PERIOD);
    assert_eq!(leaders(&mut client), [1; PARTITIONS as usize]);
    assert_eq!(number(&broker, "corelane_moves_total"), 0.0);

    set(&mut client, "corelane.shard.balance.enable", "true");
    let moves = wait_until_settled(&broker);
    let places = leaders(&mut client);
    let there = places.iter().filter(|node| **node == 2).count();
    println!("{moves} moves: {places:?}\n{}", broker.log());
    // How many it takes depends on what else the machine does.
    assert!((1..PARTITIONS as usize).contains(&there), "{places:?}");
    // Each went once at the most: a partition stays where it has come to.
    assert_eq!(moves, there as f64);
    assert_eq!(number(&broker, "corelane_balancer_moves_total"), moves);
    broker.wait_log(&["a partition goes to another shard", "to_expected="]);
    stop.store(true, Ordering::Relaxed);
    let acked: Vec<i32> = producers.into_iter().map(|it| it.join().unwrap()).collect();
    for (partition, (count, node)) in acked.into_iter().zip(places).enumerate() {
        let mut client = broker.client_of(node as u16 - 1);
        let found = read_all(&mut client, TOPIC, partition as i32);
        let expected = (0..count).map(|number| (i64::from(number), number.to_string()));
        let expected = expected.map(|(offset, text)| (offset, text.into_bytes()));
        assert!(count > 0 && found.into_iter().eq(expected), "{partition}");
    }
    assert_eq!(broker.complaint(), None);
    broker.stop();
}
