//! What the deletion of a large topic costs those who wait for it, and what it leaves behind.

use std::time::{Duration, Instant};

use corelane_testing::requests::{PRODUCE, batch, create_topic, produce, read_all, topic_name};
use corelane_testing::{Broker, Client, until_so};
use kafka_protocol::messages::DeleteTopicsRequest;

use crate::HERE;

/// Partitions of a large topic.
const MANY: i32 = 400;

/// A topic with a record in each partition.
fn fill(client: &mut Client, topic: &str, partitions: i32) {
    assert_eq!(create_topic(client, topic, partitions), 0);
    for partition in 0..partitions {
        let request = produce(topic, partition, -1, batch(&[b"old"]));
        let answer = client.call(PRODUCE, &request);
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }
}

fn delete(client: &mut Client, topic: &str) -> Duration {
    let request = DeleteTopicsRequest::default()
        .with_topic_names(vec![topic_name(topic)])
        .with_timeout_ms(10_000);
    let begun = Instant::now();
    let answer = client.call(4, &request);
    assert_eq!(answer.responses[0].error_code, 0);
    begun.elapsed()
}

/// Folders whose names contain `part`.
fn folders(broker: &Broker, part: &str) -> usize {
    let entries = std::fs::read_dir(broker.dir.join("shard-0")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(part)).count()
}

#[test]
fn a_large_topic_is_deleted_in_the_time_of_a_few_small_ones() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).ready();
    let mut client = broker.client();
    for topic in ["small-0", "small-1", "small-2"] {
        fill(&mut client, topic, 1);
    }
    fill(&mut client, "large", MANY);
    broker.stop();
    // After a stop the checkpoints know every log.
    let broker = HERE.start(dir.path()).ready();
    let mut client = broker.client();
    let small = ["small-0", "small-1", "small-2"].map(|topic| delete(&mut client, topic));
    let small = small.into_iter().max().unwrap();
    let large = delete(&mut client, "large");
    println!("{MANY} partitions: {large:?}, one: {small:?}");
    assert!(
        large < small * MANY as u32 / 8 + Duration::from_millis(200),
        "{large:?} for {MANY} partitions, {small:?} for one"
    );
    // Its name is free at once; its files go in the background.
    fill(&mut client, "large", 3);
    assert_eq!(read_all(&mut client, "large", 0), [(0, b"old".to_vec())]);
    until_so(
        || "files of deleted topics are left".to_owned(),
        || folders(&broker, "-delete") == 0,
    );
    let log = broker.log();
    assert!(!log.contains("ERROR"), "{log}");
    broker.stop();
    let broker = HERE.start(dir.path()).ready();
    assert_eq!(read_all(&mut broker.client(), "large", 2).len(), 1);
    broker.stop();
}
