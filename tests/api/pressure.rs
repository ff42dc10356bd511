//! Clients that send much, at once, or half of a request: none of the others waits for ever.

use std::io::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use corelane_testing::admin::{metric, metrics};
use corelane_testing::requests::{FETCH, PRODUCE, batch, create_topic, fetch, produce};
use corelane_testing::{Client, frame, ports};
use kafka_protocol::messages::{ApiVersionsRequest, ProduceResponse};
use kafka_protocol::protocol::Decodable;

use crate::HERE;

/// Reads an answer to Produce and gives its error code.
fn produced(client: &mut Client) -> i16 {
    let mut answer = client.receive().expect("an answer").split_off(5);
    let answer = ProduceResponse::decode(&mut answer, PRODUCE).unwrap();
    answer.responses[0].partition_responses[0].error_code
}

#[test]
fn a_connection_ends_though_its_reader_waits_for_its_writer() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).ready();
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
    let dir = HERE.data_dir();
    let file = dir.path().with_extension("properties");
    std::fs::write(&file, "corelane.shard.memory.bytes=67108864\n").unwrap();
    let start = HERE
        .start(dir.path())
        .arg("--config", file.to_str().unwrap());
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
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).ready();
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

/// What `/metrics` says of the memory held for one use, or of the limit.
fn memory_metric(admin: u16, what: &str) -> f64 {
    metric(admin, what).unwrap_or_else(|| panic!("no {what} in {:?}", metrics(admin)))
}

#[test]
fn readers_that_never_read_hold_no_more_than_the_bound_and_stop_no_client() {
    const MIB: u64 = 1 << 20;
    let dir = HERE.data_dir();
    let file = dir.path().with_extension("properties");
    let admin = ports();
    let settings = format!(
        "corelane.shard.memory.bytes={}\ncorelane.admin.port={admin}\n",
        64 * MIB
    );
    std::fs::write(&file, settings).unwrap();
    let start = HERE
        .start(dir.path())
        .arg("--config", file.to_str().unwrap());
    let broker = start.ready();
    let mut client = broker.client();
    assert_eq!(create_topic(&mut client, "old", 1), 0);
    let value: Vec<u8> = (0..900_000u32)
        .map(|it| (it.wrapping_mul(7919) >> 5) as u8)
        .collect();
    let mut written = Vec::new();
    for round in 0..100 {
        let records = batch(&[&[round], &value]);
        let answer = client.call(PRODUCE, &produce("old", 0, -1, records));
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
        written.push(i64::from(round) * 2);
    }
    let before = broker.resident_kib() / 1024;
    // Each asks for 50 MiB, the default of Kafka's clients, some of old records and some of new
    // ones, and takes nothing.
    let hungry = |offset| {
        let mut request = fetch("old", 0, offset).with_max_bytes(50 << 20);
        request.topics[0].partitions[0].partition_max_bytes = 50 << 20;
        request
    };
    let mut silent: Vec<Client> = (0..60).map(|_| broker.client()).collect();
    for (at, reader) in silent.iter_mut().enumerate() {
        let offset = if at % 3 == 0 { 170 } else { at as i64 };
        let bytes = frame(FETCH, 1, &hungry(offset));
        reader.stream.write_all(&bytes).unwrap();
    }
    let mut most = 0;
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(200));
        most = most.max(broker.resident_kib() / 1024);
        let limit = memory_metric(admin, "corelane_memory_limit_bytes");
        let uses = ["reads", "tail", "requests"];
        let held: f64 = uses
            .map(|it| memory_metric(admin, &format!("corelane_memory_bytes{{use=\"{it}\"")))
            .iter()
            .sum();
        assert!(held <= limit * 1.1, "{held} of {limit}");
    }
    assert!(
        most < 64 + 128,
        "{before} MiB before, {most} MiB beside readers that do not read"
    );
    // Another reads all of it meanwhile.
    let begun = Instant::now();
    let mut reader = broker.client();
    let (mut next, mut seen) = (0, Vec::new());
    while next < 200 {
        let answer = reader.call(FETCH, &hungry(next));
        let partition = &answer.responses[0].partitions[0];
        assert_eq!(partition.error_code, 0);
        for batch in corelane::wire::batch::batches(partition.records.as_deref().unwrap()) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            seen.push(batch.base_offset());
            next = batch.last_offset() + 1;
        }
    }
    assert_eq!(seen, written);
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    // And the silent ones get what they were promised when they read at last.
    for mut reader in silent.into_iter().take(9) {
        let frame = reader.receive().expect("an answer");
        assert!(frame.len() > 10 << 20, "{} bytes", frame.len());
    }
    broker.stop();
    std::fs::remove_file(file).unwrap();
}
