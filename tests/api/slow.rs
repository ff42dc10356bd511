//! Clients that take their time: what they may, and that they are closed in the end.

use std::io::Write;
use std::time::{Duration, Instant};

use corelane_testing::requests::{FETCH, PRODUCE, batch, create_topic, fetch, produce};
use corelane_testing::{Broker, frame};

use crate::HERE;

/// Waits until the log says it; how often it does then.
fn wait_for_line(broker: &Broker, text: &str, at_most: Duration) -> usize {
    let begun = Instant::now();
    loop {
        let log = broker.log();
        let count = log.lines().filter(|line| line.contains(text)).count();
        if count > 0 {
            return count;
        }
        assert!(begun.elapsed() < at_most, "never said {text:?}:\n{log}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_answer_that_is_not_read_ends_its_connection_though_requests_wait_behind_it() {
    let dir = HERE.data_dir();
    let file = dir.path().with_extension("properties");
    std::fs::write(&file, "connections.max.idle.ms=3000\n").unwrap();
    let start = HERE
        .start(dir.path())
        .arg("--config", file.to_str().unwrap());
    let broker = start.ready();
    let mut client = broker.client();
    assert_eq!(create_topic(&mut client, "large", 1), 0);
    let request = produce("large", 0, -1, batch(&[&vec![7; 900_000]]));
    let answer = client.call(PRODUCE, &request);
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    let mut deaf = broker.client();
    // More than the kernel keeps for a reader that does not read.
    for id in 0..60 {
        let request = frame(FETCH, id, &fetch("large", 0, 0));
        deaf.stream.write_all(&request).unwrap();
    }
    wait_for_line(&broker, "an answer is not read", Duration::from_secs(25));
    assert!(deaf.is_closed());
    broker.stop();
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_request_that_drips_is_given_up() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).ready();
    let mut client = broker.client();
    client.stream.write_all(&1_000i32.to_be_bytes()).unwrap();
    let begun = Instant::now();
    // A byte keeps it from being silent, but not from taking too long.
    while client.stream.write_all(&[0]).is_ok() {
        std::thread::sleep(Duration::from_secs(2));
        let lasted = begun.elapsed();
        assert!(lasted < Duration::from_secs(80), "it still drips");
    }
    assert!(begun.elapsed() > Duration::from_secs(25));
    wait_for_line(&broker, "comes in too slowly", Duration::from_secs(5));
    broker.stop();
}

#[test]
fn a_storm_of_bad_requests_does_not_fill_the_log() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).ready();
    for _ in 0..500 {
        let mut client = broker.client();
        client.stream.write_all(&(-1i32).to_be_bytes()).unwrap();
        assert!(client.is_closed());
    }
    wait_for_line(&broker, "closed more connections", Duration::from_secs(20));
    let lines = wait_for_line(&broker, "closing connection", Duration::from_secs(1));
    assert!((10..=40).contains(&lines), "{lines} lines");
    broker.stop();
}
