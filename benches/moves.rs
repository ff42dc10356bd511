//! How long a producer waits while its partition goes from one shard to the other, to and fro.
//! The producer has one request of one record in flight; it finds the new leader in the answer
//! of the old one (KIP-951), or asks again after a millisecond.
//!
//! `cargo bench --bench moves`; under `cargo test` it runs small and checks only that it works.
//! `MIB=n` sets how large the partition is, `MOVES=n` how often it goes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::batches::filled;
use corelane_testing::bench::{Samples, size};
use corelane_testing::requests::{PRODUCE, batch, create_topic, produce, topic_name};
use corelane_testing::{Client, Here};
use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ListPartitionReassignmentsRequest,
    MetadataRequest,
};

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();
const TOPIC: &str = "moves";
/// Bytes of a batch of those that the partition is filled with.
const BATCH_BYTES: usize = 900 << 10;
/// Time between two moves, for quiet times to compare with.
const PAUSE: Duration = Duration::from_millis(200);

fn main() {
    let number = |name: &str, usual| {
        let text = std::env::var(name).ok();
        text.map_or(usual, |text| text.parse().expect("a number"))
    };
    let (mib, moves) = (number("MIB", size(8, 10_240)), number("MOVES", size(2, 40)));
    let dir: PathBuf = Path::new(HERE.tmp).join("moves-bench");
    let _ = std::fs::remove_dir_all(&dir);
    let start = HERE.start(&dir).shards(2).arg("--log-level", "warn");
    let broker = start.ready();
    let mut client = broker.client_of(0);
    assert_eq!(create_topic(&mut client, TOPIC, 1), 0);
    let node = leader(&mut client);
    let mut filler = broker.client_of(node as u16 - 1);
    for _ in 0..(mib << 20) / BATCH_BYTES {
        let request = produce(TOPIC, 0, 1, filled(BATCH_BYTES).into());
        let answer = filler.call(PRODUCE, &request);
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let moving = Arc::new(AtomicBool::new(false));
    let producer = {
        let (port, stop, moving) = (broker.port, stop.clone(), moving.clone());
        thread::spawn(move || append(port, &stop, &moving))
    };
    let mut whole = Vec::new();
    for _ in 0..moves {
        thread::sleep(PAUSE);
        moving.store(true, Ordering::SeqCst);
        let begin = Instant::now();
        let to = 3 - leader(&mut client);
        ask(&mut client, to);
        while leader(&mut client) != to {
            thread::sleep(Duration::from_millis(1));
        }
        whole.push(begin.elapsed());
        thread::sleep(Duration::from_millis(20));
        moving.store(false, Ordering::SeqCst);
    }
    stop.store(true, Ordering::SeqCst);
    let (quiet, mut gaps) = producer.join().expect("appends");
    whole.sort_unstable();
    gaps.sort_unstable();
    println!("\na partition of {mib} MiB goes from shard to shard {moves} times");
    println!("{}", quiet.line("time between two acks, nothing moves"));
    let ms = |list: &[Duration], at: usize| list[at].as_secs_f64() * 1e3;
    let told = |what: &str, list: &[Duration]| {
        let (middle, last) = (list.len() / 2, list.len() - 1);
        println!(
            "{what}: {:.1} ms at the median, {:.1} at most",
            ms(list, middle),
            ms(list, last)
        );
    };
    told("longest time between two acks of each move", &gaps);
    told("from the request until the other shard leads", &whole);
    broker.stop();
    let _ = std::fs::remove_dir_all(&dir);
}

fn leader(client: &mut Client) -> i32 {
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name(TOPIC)));
    let request = MetadataRequest::default().with_topics(Some(vec![topic]));
    let answer = client.call(12, &request);
    answer.topics[0].partitions[0].leader_id.0
}

fn ask(client: &mut Client, to: i32) {
    let partition = ReassignablePartition::default().with_replicas(Some(vec![BrokerId(to)]));
    let topic = ReassignableTopic::default()
        .with_name(topic_name(TOPIC))
        .with_partitions(vec![partition]);
    let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
    let answer = client.call(0, &request);
    assert_eq!(answer.responses[0].partitions[0].error_code, 0);
    let listed = ListPartitionReassignmentsRequest::default().with_topics(None);
    assert_eq!(client.call(0, &listed).error_code, 0);
}

/// Appends records one at a time. Returns the times between two acks while nothing moves, and the
/// longest of each move.
fn append(port: u16, stop: &AtomicBool, moving: &AtomicBool) -> (Samples, Vec<Duration>) {
    let mut clients = [0, 1].map(|shard| Client::connect(port + shard));
    let (mut at, mut last) = (0, Instant::now());
    let (mut quiet, mut gaps) = (Samples::default(), Vec::new());
    let mut longest = None;
    while !stop.load(Ordering::SeqCst) {
        let answer = clients[at].call(PRODUCE, &produce(TOPIC, 0, -1, batch(&[&[7; 1024]])));
        let result = &answer.responses[0].partition_responses[0];
        if result.error_code != 0 {
            match result.current_leader.leader_id.0 {
                leader @ (1 | 2) if leader as usize != at + 1 => at = leader as usize - 1,
                _ => thread::sleep(Duration::from_millis(1)),
            }
            continue;
        }
        let gap = last.elapsed();
        last = Instant::now();
        match (moving.load(Ordering::SeqCst), &mut longest) {
            (true, Some(longest)) => *longest = gap.max(*longest),
            (true, longest) => *longest = Some(gap),
            (false, longest) => {
                gaps.extend(longest.take());
                quiet.push(gap);
            }
        }
    }
    gaps.extend(longest);
    (quiet, gaps)
}
