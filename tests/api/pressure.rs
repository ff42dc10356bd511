//! Clients that send much, at once, or half: nobody waits for ever.

use std::io::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::{ApiVersionsRequest, ProduceResponse};
use kafka_protocol::protocol::Decodable;

use crate::records::{FETCH, PRODUCE, batch, create_topic, fetch, produce};
use crate::support::{Client, Start, data_dir, frame};

/// Reads an answer to Produce and gives its error code.
fn produced(client: &mut Client) -> i16 {
    let mut answer = client.receive().expect("an answer").split_off(5);
    let answer = ProduceResponse::decode(&mut answer, PRODUCE).unwrap();
    answer.responses[0].partition_responses[0].error_code
}

#[test]
fn a_connection_ends_though_its_reader_waits_for_its_writer() {
    let dir = data_dir();
    let broker = Start::new(dir.path()).ready();
    let mut client = broker.client();
    // A fetch that waits for a minute, and behind it more requests than may be pending.
    assert_eq!(create_topic(&mut client, "quiet", 1), 0);
    let waiting = fetch("quiet", 0, 0).with_max_wait_ms(60_000);
    let mut bytes = frame(FETCH, 1, &waiting);
    for id in 2..400 {
        bytes.extend(frame(0, id, &ApiVersionsRequest::default()));
    }
    client.stream.write_all(&bytes).unwrap();
    // A request that turns out to be malformed when its turn comes, and as many behind it.
    let mut other = broker.client();
    let mut bytes = vec![
        0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff,
    ];
    for id in 2..400 {
        bytes.extend(frame(0, id, &ApiVersionsRequest::default()));
    }
    let _ = other.stream.write_all(&bytes);
    assert!(other.is_closed());
    std::thread::sleep(Duration::from_millis(100));
    // A clean stop waits two seconds for connections that do not end.
    let begun = Instant::now();
    broker.stop();
    let took = begun.elapsed();
    assert!(
        took < Duration::from_millis(1_800),
        "stopped after {took:?}"
    );
}

#[test]
fn half_sent_giants_do_not_wait_for_each_others_memory() {
    let dir = data_dir();
    let file = dir.path().with_extension("properties");
    std::fs::write(&file, "corelane.shard.memory.bytes=67108864\n").unwrap();
    let start = Start::new(dir.path()).arg("--config", file.to_str().unwrap());
    let broker = start.ready();
    let mut first = broker.client();
    assert_eq!(create_topic(&mut first, "giants", 1), 0);
    let request = produce("giants", 0, -1, Bytes::from(vec![7; 30 << 20]));
    let bytes = frame(PRODUCE, 1, &request);
    // Four halves would fill the memory that there is; then each sends the rest.
    let sending = [first, broker.client(), broker.client(), broker.client()].map(|mut client| {
        let bytes = bytes.clone();
        std::thread::spawn(move || {
            client.stream.write_all(&bytes[..15 << 20]).unwrap();
            std::thread::sleep(Duration::from_millis(300));
            client.stream.write_all(&bytes[15 << 20..]).unwrap();
            produced(&mut client)
        })
    });
    for client in sending {
        // CORRUPT_MESSAGE: what was sent is no batch, but it was looked at.
        assert_eq!(client.join().unwrap(), 2);
    }
    broker.stop();
    std::fs::remove_file(file).unwrap();
}

#[test]
fn half_sent_giants_that_hold_all_memory_are_closed_for_those_who_wait() {
    let dir = data_dir();
    let broker = Start::new(dir.path()).ready();
    let mut client = broker.client();
    assert_eq!(create_topic(&mut client, "patient", 1), 0);
    // Each announces 100 MB and sends what makes the broker set that much aside.
    let mut giants: Vec<Client> = (0..20).map(|_| broker.client()).collect();
    for giant in &mut giants {
        giant
            .stream
            .write_all(&100_000_000i32.to_be_bytes())
            .unwrap();
        // The broker may not read it all before it closes.
        let _ = giant.stream.write_all(&[0; 140_000]);
    }
    std::thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    let request = produce("patient", 0, -1, batch(&[&[7; 900_000]]));
    let answer = client.call(PRODUCE, &request);
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    // Twenty giants hold the budget four or five at a time, each for one to two seconds.
    let waited = begun.elapsed();
    assert!(waited < Duration::from_secs(15), "waited {waited:?}");
    drop(giants);
    broker.stop();
}
