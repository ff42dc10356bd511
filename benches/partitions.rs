//! Many partitions on one shard: what it takes to create them, to hold them idle, to stop and to
//! start again, without records and with one in each, cleanly and after kill -9; to delete them;
//! and the same for as many topics of one partition, which come into being because their metadata
//! is asked for, with the time that a scrape of their numbers takes and its longest turn.
//!
//! `cargo bench --bench partitions`; under `cargo test` it runs small and checks only that it
//! works. `PARTITIONS=n` sets another number, `ONLY=shapes`, `topics` or `deletion` runs a part.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use corelane::wire::batch::batches;
use corelane_testing::bench::size;
use corelane_testing::requests::{PRODUCE as VERSION, batch, new_topic, topic_name};
use corelane_testing::{Broker, Here, Start};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, DeleteTopicsRequest, FetchRequest, MetadataRequest,
    ProduceRequest, TopicName,
};

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();
/// Partitions that one request writes to.
const AT_ONCE: i32 = 100;
/// Topics whose metadata one request asks for.
const NAMES_AT_ONCE: usize = 1_000;
/// A shard without partitions has no more files.
const FILES_OF_A_SHARD_MAX: u64 = 12;

fn main() {
    let count = std::env::var("PARTITIONS").ok();
    let count = |usual| {
        let count = count.as_ref();
        count.map_or(size(100, usual), |text| text.parse().unwrap())
    };
    let only = std::env::var("ONLY").ok();
    let runs = |part| only.as_ref().is_none_or(|only| only == part);
    if runs("shapes") {
        let count = count(10_000);
        let topics = (count as f64).sqrt() as i32;
        let dir = empty_dir();
        std::fs::create_dir_all(&dir).unwrap();
        shape(&dir, topics, count / topics);
        // A topic and its partitions are one batch of the metadata log, as in Kafka.
        shape(&dir, 1, count.min(9_999));
        std::fs::remove_dir_all(&dir).unwrap();
    }
    if runs("topics") {
        small_topics(count(15_000));
    }
    if runs("deletion") {
        let count = count(4_000);
        for (topics, partitions) in [(1, count.min(9_999)), (count, 1)] {
            deletion(topics, partitions);
        }
    }
}

fn empty_dir() -> PathBuf {
    let dir = Path::new(HERE.tmp).join("partitions-bench");
    let _ = std::fs::remove_dir_all(&dir);
    dir
}

/// Topics of one partition that clients ask for. With records each has a file open.
fn small_topics(count: i32) {
    let dir = empty_dir();
    let start = HERE.start(&dir).arg("--log-level", "warn");
    println!("\n{count} topics of one partition on one shard, made because they are asked for");
    let broker = start.ready();
    let resident = broker.resident_kib();
    timed("create", || ask_for(&broker, count));
    idle(&broker, &dir, resident, count);
    scrape(&broker);
    let broker = restarts(broker, &start, "no records");
    let resident = broker.resident_kib();
    timed("one record of 100 bytes into each", || {
        produce_to_all(&broker, count, 1);
    });
    idle(&broker, &dir, resident, count);
    scrape(&broker);
    let broker = restarts(broker, &start, "one record each");
    check(&broker, count, 1);
    println!("  peak resident {:>35} KiB", broker.peak_resident_kib());
    broker.stop();
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Deletes topics without records, and with one record in each partition.
fn deletion(topics: i32, partitions: i32) {
    let dir = empty_dir();
    let start = HERE.start(&dir).arg("--log-level", "warn");
    println!("\ndelete {topics} x {partitions} partitions on one shard");
    let broker = start.ready();
    create(&broker, topics, partitions);
    timed("delete, no records", || delete(&broker, topics));
    create(&broker, topics, partitions);
    produce_to_all(&broker, topics, partitions);
    timed("delete, one record each", || delete(&broker, topics));
    timed("until their files are gone", || {
        while usage(&dir.join("shard-0")).1 > FILES_OF_A_SHARD_MAX {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    // Their names are free at once, and what has them is empty.
    create(&broker, topics, partitions);
    produce_to_all(&broker, topics, partitions);
    check(&broker, topics, partitions);
    broker.stop();
    std::fs::remove_dir_all(&dir).unwrap();
}

fn delete(broker: &Broker, topics: i32) {
    let request = DeleteTopicsRequest::default()
        .with_timeout_ms(60_000)
        .with_topic_names((0..topics).map(name).collect());
    let answer = broker.client().call(5, &request);
    for topic in answer.responses {
        assert_eq!(topic.error_code, 0, "{:?}", topic.error_message);
    }
}

/// Asks for the metadata of topics that are not there, until all are.
fn ask_for(broker: &Broker, topics: i32) {
    let all: Vec<i32> = (0..topics).collect();
    let mut client = broker.client();
    for some in all.chunks(NAMES_AT_ONCE) {
        let mut missing = some.to_vec();
        while !missing.is_empty() {
            let asked = missing
                .iter()
                .map(|topic| MetadataRequestTopic::default().with_name(Some(name(*topic))));
            let request = MetadataRequest::default()
                .with_allow_auto_topic_creation(true)
                .with_topics(Some(asked.collect()));
            let answer = client.call(9, &request);
            let there: HashSet<TopicName> = answer
                .topics
                .into_iter()
                .filter(|topic| topic.error_code == 0)
                .filter_map(|topic| topic.name)
                .collect();
            missing.retain(|topic| !there.contains(&name(*topic)));
        }
    }
}

/// The time of a scrape of the metrics, and the longest turn that one has taken.
fn scrape(broker: &Broker) {
    let took: Vec<Duration> = (0..5)
        .map(|_| {
            let begun = Instant::now();
            assert_eq!(broker.page("/metrics").0, 200);
            begun.elapsed()
        })
        .collect();
    line(
        "scrape of the metrics, the quickest",
        *took.iter().min().unwrap(),
    );
    let (_, page) = broker.page("/metrics");
    let turns = page.lines().filter(|line| {
        line.starts_with("corelane_longest_turn_seconds") && line.contains("metrics")
    });
    turns.for_each(|line| println!("  {line}"));
}

/// In a folder of its own, which stays until the end: soon after many files were deleted ext4
/// looks at each of their numbers before it makes another file.
fn shape(dir: &Path, topics: i32, partitions: i32) {
    let dir = dir.join(format!("{topics}-topics"));
    let start = HERE.start(&dir).arg("--log-level", "warn");
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

/// Memory, disk and CPU of a broker that gets no requests.
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
        // The broker renames and removes files meanwhile: what is gone is not counted.
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
    topic_name(&format!("many-{topic}"))
}

fn create(broker: &Broker, topics: i32, partitions: i32) {
    let topic = |topic| new_topic(&format!("many-{topic}"), partitions, &[]);
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

/// The partitions of all topics in groups of at most so many, by topic.
fn groups(topics: i32, partitions: i32) -> Vec<Vec<(i32, Vec<i32>)>> {
    let indexes: Vec<i32> = (0..partitions).collect();
    let by_topic = (0..topics).flat_map(|topic| {
        let chunks = indexes.chunks(AT_ONCE as usize);
        chunks.map(move |some| (topic, some.to_vec()))
    });
    let by_topic: Vec<(i32, Vec<i32>)> = by_topic.collect();
    let of_topics = (AT_ONCE / partitions).max(1) as usize;
    by_topic.chunks(of_topics).map(<[_]>::to_vec).collect()
}

fn produce_to_all(broker: &Broker, topics: i32, partitions: i32) {
    let records = batch(&[&[7; 100]]);
    let mut client = broker.client();
    for group in groups(topics, partitions) {
        let of = |index: i32| {
            PartitionProduceData::default()
                .with_index(index)
                .with_records(Some(records.clone()))
        };
        let data = group.into_iter().map(|(topic, indexes)| {
            TopicProduceData::default()
                .with_name(name(topic))
                .with_partition_data(indexes.into_iter().map(of).collect())
        });
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(60_000)
            .with_topic_data(data.collect());
        let answer = client.call(VERSION, &request);
        let codes = answer.responses.iter();
        let codes = codes.flat_map(|topic| &topic.partition_responses);
        let mut codes = codes.map(|partition| partition.error_code);
        assert_eq!(
            codes.find(|code| *code != 0),
            None,
            "descriptors may be short"
        );
    }
}

/// Whether every partition still has its record, and no other.
fn check(broker: &Broker, topics: i32, partitions: i32) {
    let mut client = broker.client();
    for group in groups(topics, partitions) {
        let of = |index: i32| {
            FetchPartition::default()
                .with_partition(index)
                .with_partition_max_bytes(1 << 20)
        };
        let wanted = group.into_iter().map(|(topic, indexes)| {
            FetchTopic::default()
                .with_topic(name(topic))
                .with_partitions(indexes.into_iter().map(of).collect())
        });
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_bytes(i32::MAX)
            .with_session_epoch(-1)
            .with_topics(wanted.collect());
        let answer = client.call(VERSION, &request);
        let partitions = answer.responses.iter();
        for partition in partitions.flat_map(|topic| &topic.partitions) {
            let bytes = partition.records.as_deref().unwrap_or_default();
            assert_eq!(batches(bytes).count(), 1, "{}", partition.partition_index);
        }
    }
}
