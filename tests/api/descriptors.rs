//! Descriptors that run out: no fault of a disk, and no reason to give up a log.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::requests::{PRODUCE, batch, create_topic, produce, read_all};
use corelane_testing::{Broker, Client, until_so};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{ApiVersionsRequest, DeleteTopicsRequest, DescribeLogDirsRequest};
use kafka_protocol::protocol::StrBytes;

use crate::HERE;

const STORAGE_ERROR: i16 = 56;

fn put(client: &mut Client, topic: &str, partition: i32, bytes: usize) -> i16 {
    let request = produce(topic, partition, -1, batch(&[&vec![b'x'; bytes]]));
    client.call(PRODUCE, &request).responses[0].partition_responses[0].error_code
}

/// No folder, log or metadata log was given up.
fn is_whole(broker: &Broker, client: &mut Client) {
    let log = broker.log();
    for word in [
        "log folder has failed",
        "takes no more writes",
        "cannot write the metadata log",
        "panicked",
    ] {
        assert!(!log.contains(word), "{word}:\n{log}");
    }
    let request = DescribeLogDirsRequest::default().with_topics(None);
    let dirs = client.call(4, &request);
    assert!(dirs.results.iter().all(|dir| dir.error_code == 0));
}

#[test]
fn idle_connections_do_not_take_the_descriptors_of_files() {
    let dir = HERE.data_dir();
    let broker = HERE
        .start(&dir.path().join("data"))
        .limit("--nofile=256")
        .ready();
    let mut client = broker.client();
    assert_eq!(create_topic(&mut client, "t", 4), 0);
    assert_eq!(put(&mut client, "t", 0, 1_000), 0);
    let crowd: Vec<TcpStream> = (0..300)
        .filter_map(|_| TcpStream::connect(("127.0.0.1", broker.port)).ok())
        .collect();
    let begun = Instant::now();
    let mut count = 1;
    while begun.elapsed() < Duration::from_secs(3) {
        // Files are made, and the folders are looked at, while the crowd is there.
        assert_eq!(
            put(&mut client, "t", count % 4, 50_000),
            0,
            "{}",
            broker.log()
        );
        count += 1;
    }
    assert_eq!(create_topic(&mut client, "more", 3), 0);
    assert_eq!(put(&mut client, "more", 2, 1_000), 0);
    let log = broker.log();
    assert!(log.contains("few descriptors"), "{log}");
    let said = log
        .lines()
        .filter(|line| line.contains("(ulimit -n)"))
        .count();
    assert!((1..50).contains(&said), "said {said} times:\n{log}");
    drop(crowd);
    let serves = || {
        let mut client = Client::connect(broker.port);
        client.try_call(0, &ApiVersionsRequest::default()).is_ok()
    };
    until_so(|| broker.log(), serves);
    let read: usize = (0..4).map(|it| read_all(&mut client, "t", it).len()).sum();
    assert_eq!(read as i32, count);
    is_whole(&broker, &mut client);
    broker.stop();
}

#[test]
fn logs_that_find_no_descriptor_wait_for_one() {
    const PARTITIONS: i32 = 125;
    let dir = HERE.data_dir();
    let broker = HERE
        .start(&dir.path().join("data"))
        .limit("--nofile=256")
        .ready();
    let mut client = broker.client();
    let topics = ["first", "second"];
    for topic in topics {
        assert_eq!(create_topic(&mut client, topic, PARTITIONS), 0);
    }
    let all = || {
        topics
            .iter()
            .flat_map(|topic| (0..PARTITIONS).map(move |it| (*topic, it)))
    };
    // The journal takes the first records, whether the logs get files or not.
    for (topic, partition) in all() {
        put(&mut client, topic, partition, 1_000);
    }
    thread::sleep(Duration::from_secs(3));
    let mut waiting = Vec::new();
    for topic in topics {
        for partition in 0..PARTITIONS {
            match put(&mut client, topic, partition, 1_000) {
                0 => {}
                code => {
                    assert_eq!(code, STORAGE_ERROR, "{topic}-{partition}");
                    waiting.push((topic, partition));
                }
            }
            if waiting.len() > 3 {
                break;
            }
        }
    }
    assert!(!waiting.is_empty(), "there were enough");
    assert!(waiting.iter().all(|(topic, _)| *topic == "second"));
    // A folder that cannot be looked at for want of descriptors is not one that has failed.
    thread::sleep(Duration::from_secs(4));
    assert_eq!(put(&mut client, "first", 0, 1_000), 0);
    let topic =
        DeleteTopicState::default().with_name(Some(StrBytes::from_static_str("first").into()));
    let request = DeleteTopicsRequest::default();
    let request = request.with_topics(vec![topic]).with_timeout_ms(20_000);
    assert_eq!(client.call(6, &request).responses[0].error_code, 0);
    for (topic, partition) in waiting {
        until_so(
            || broker.log(),
            || put(&mut client, topic, partition, 1_000) == 0,
        );
    }
    is_whole(&broker, &mut client);
    broker.stop();
}

#[test]
fn too_few_descriptors_are_said_at_the_start() {
    let dir = HERE.data_dir();
    let start = HERE.start(&dir.path().join("data")).limit("--nofile=90");
    let (status, said) = start.refused();
    assert_eq!(status.code(), Some(1), "{said}");
    for word in ["90 descriptors", "ulimit -n", "LimitNOFILE"] {
        assert!(said.contains(word), "`{word}` is missing from: {said}");
    }
}
