//! Many partitions on one shard: what it takes to create them, to hold them idle, to stop and to
//! start again, without records and with one in each, cleanly and after kill -9.
//!
//! `cargo bench --bench partitions`; under `cargo test` it runs small and checks only that it
//! works. `PARTITIONS=n` sets another number.

mod harness;
#[path = "../tests/support/mod.rs"]
mod support;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use corelane::wire::batch::{BatchBuilder, NewRecord, batches};
use harness::size;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, FetchRequest, ProduceRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use support::{Broker, Start};

/// Version of Produce and of Fetch: the last one that names topics.
const VERSION: i16 = 12;
/// Partitions that one request writes to.
const AT_ONCE: i32 = 100;

fn main() {
    let count = std::env::var("PARTITIONS").ok();
    let count = count.map_or(size(40, 10_000), |text| text.parse().unwrap());
    let topics = (count as f64).sqrt() as i32;
    shape(topics, count / topics);
    // A topic and its partitions are one batch of the metadata log, as in Kafka.
    shape(1, count.min(9_999));
}

fn shape(topics: i32, partitions: i32) {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("partitions-bench");
    let _ = std::fs::remove_dir_all(&dir);
    let start = Start::new(&dir).arg("--log-level", "warn");
    let count = topics * partitions;
    println!("\n{topics} x {partitions} partitions on one shard");

    let broker = start.ready();
    let resident = broker.resident_kib();
    let begun = Instant::now();
    create(&broker, topics, partitions);
    line("create", begun.elapsed());
    idle(&broker, &dir, resident, count);
    let broker = restarts(broker, &start, "no records");

    let resident = broker.resident_kib();
    let begun = Instant::now();
    produce_to_all(&broker, topics, partitions);
    line("one record of 100 bytes into each", begun.elapsed());
    idle(&broker, &dir, resident, count);
    let broker = restarts(broker, &start, "one record each");
    check(&broker, topics, partitions);
    broker.stop();
    std::fs::remove_dir_all(&dir).unwrap();
}

fn line(what: &str, took: Duration) {
    println!("  {what:<40} {:>8.0} ms", took.as_secs_f64() * 1e3);
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    line(what, begun.elapsed());
    done
}

/// Stops and starts it, then kills and starts it.
fn restarts(broker: Broker, start: &Start, what: &str) -> Broker {
    timed(&format!("stop, {what}"), || broker.stop());
    let broker = timed(&format!("start after a clean stop, {what}"), || {
        start.ready()
    });
    broker.kill();
    timed(&format!("start after kill -9, {what}"), || start.ready())
}

/// Memory, disk and CPU of a broker that nobody asks anything.
fn idle(broker: &Broker, dir: &Path, resident_before: u64, count: i32) {
    let grown = broker.resident_kib().saturating_sub(resident_before);
    let per = grown as f64 / f64::from(count);
    println!("  resident, more for each partition        {per:>8.1} KiB  ({grown} KiB in all)");
    let (bytes, files) = usage(&dir.join("shard-0"));
    let per = bytes as f64 / 1024.0 / f64::from(count);
    println!("  on disk for each partition               {per:>8.1} KiB  ({files} files, folders)");
    let wait = Duration::from_millis(size(100, 5_000));
    let before = broker.cpu_seconds();
    std::thread::sleep(wait);
    let used = (broker.cpu_seconds() - before) / wait.as_secs_f64() * 100.0;
    println!("  CPU when idle                            {used:>8.2} % of a core");
}

/// Bytes that the files below `dir` occupy, and how many files and folders they are.
fn usage(dir: &Path) -> (u64, u64) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return (0, 0);
    };
    let (mut bytes, mut files) = (0, 0);
    for entry in entries.flatten() {
        // The broker renames and removes files meanwhile: what went is counted by nobody.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        files += 1;
        if metadata.is_dir() {
            let (more_bytes, more_files) = usage(&entry.path());
            bytes += more_bytes;
            files += more_files;
        }
        bytes += metadata.blocks() * 512;
    }
    (bytes, files)
}

fn name(topic: i32) -> TopicName {
    TopicName(StrBytes::from_string(format!("many-{topic}")))
}

fn create(broker: &Broker, topics: i32, partitions: i32) {
    let topic = |topic| {
        CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
    };
    // Kafka takes no more than 10,000 records in one request: some topics at a time.
    let at_once = (9_000 / (partitions + 1)).max(1) as usize;
    let all: Vec<CreatableTopic> = (0..topics).map(topic).collect();
    for some in all.chunks(at_once) {
        let request = CreateTopicsRequest::default()
            .with_timeout_ms(60_000)
            .with_topics(some.to_vec());
        let answer = broker.client().call(7, &request);
        for topic in answer.topics {
            assert_eq!(topic.error_code, 0, "{:?}", topic.error_message);
        }
    }
}

fn produce_to_all(broker: &Broker, topics: i32, partitions: i32) {
    let mut builder = BatchBuilder::new();
    builder.push(NewRecord::new(0, None, Some(&[7; 100])));
    let records = Bytes::from(builder.build());
    let mut client = broker.client();
    for topic in 0..topics {
        for first in (0..partitions).step_by(AT_ONCE as usize) {
            let of = |index| {
                PartitionProduceData::default()
                    .with_index(index)
                    .with_records(Some(records.clone()))
            };
            let some = (first..partitions.min(first + AT_ONCE)).map(of).collect();
            let data = TopicProduceData::default()
                .with_name(name(topic))
                .with_partition_data(some);
            let request = ProduceRequest::default()
                .with_acks(-1)
                .with_timeout_ms(60_000)
                .with_topic_data(vec![data]);
            let answer = client.call(VERSION, &request);
            let mut codes = answer.responses[0].partition_responses.iter();
            assert!(
                codes.all(|partition| partition.error_code == 0),
                "{answer:?}"
            );
        }
    }
}

/// Whether every partition still has its record.
fn check(broker: &Broker, topics: i32, partitions: i32) {
    let mut client = broker.client();
    for topic in 0..topics {
        for first in (0..partitions).step_by(AT_ONCE as usize) {
            let of = |index| {
                FetchPartition::default()
                    .with_partition(index)
                    .with_partition_max_bytes(1 << 20)
            };
            let some = (first..partitions.min(first + AT_ONCE)).map(of).collect();
            let wanted = FetchTopic::default()
                .with_topic(name(topic))
                .with_partitions(some);
            let request = FetchRequest::default()
                .with_replica_id(BrokerId(-1))
                .with_max_bytes(i32::MAX)
                .with_session_epoch(-1)
                .with_topics(vec![wanted]);
            let answer = client.call(VERSION, &request);
            for partition in &answer.responses[0].partitions {
                let bytes = partition.records.as_deref().unwrap_or_default();
                assert_eq!(batches(bytes).count(), 1, "{}", partition.partition_index);
            }
        }
    }
}
