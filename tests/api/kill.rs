//! Everything acked survives `kill -9`, in order and once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use corelane::wire::batch::{BatchBuilder, NewRecord};

use crate::records::{PRODUCE, batch, create_topic, produce, read_all};
use crate::support::{Client, Start, data_dir};

/// How often the broker is killed under load.
const KILLS: u64 = 50;
const PARTITIONS: i32 = 4;

/// A producer on one partition: sends numbered records one after another and remembers how far
/// they were acked, until the broker is gone.
fn produce_until_gone(
    port: u16,
    partition: i32,
    first: u64,
    stop: Arc<AtomicBool>,
) -> JoinHandle<(u64, u64)> {
    thread::spawn(move || {
        let mut client = Client::connect(port);
        let mut next = first;
        while !stop.load(Ordering::Relaxed) {
            // Several records to a batch, of sizes that cross blocks now and then.
            let values: Vec<Vec<u8>> = (next..next + 3)
                .map(|n| format!("{n}:{}", "x".repeat((n * 37 % 900) as usize)).into_bytes())
                .collect();
            let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
            let request = produce("kills", partition, -1, batch(&values));
            match client.try_call(PRODUCE, &request) {
                Ok(answer) => {
                    let code = answer.responses[0].partition_responses[0].error_code;
                    assert_eq!(code, 0);
                    next += 3;
                }
                // The last batch may or may not be there: nobody was told.
                Err(_) => return (next, next + 3),
            }
        }
        (next, next)
    })
}

fn number(value: &[u8]) -> u64 {
    let text = str::from_utf8(value).unwrap();
    text.split(':').next().unwrap().parse().unwrap()
}

#[test]
fn nothing_acked_is_lost_by_fifty_kills_under_load() {
    let dir = data_dir();
    let start = Start::new(dir.path());
    let mut broker = start.ready();
    assert_eq!(create_topic(&mut broker.client(), "kills", PARTITIONS), 0);
    // What each partition holds for sure.
    let mut held: Vec<u64> = vec![0; PARTITIONS as usize];
    for round in 0..KILLS {
        let stop = Arc::new(AtomicBool::new(false));
        let producers: Vec<_> = (0..PARTITIONS)
            .map(|p| produce_until_gone(broker.port, p, held[p as usize], stop.clone()))
            .collect();
        thread::sleep(Duration::from_millis(20 + round * 13 % 90));
        broker.kill();
        let acked: Vec<(u64, u64)> = producers
            .into_iter()
            .map(|producer| producer.join().unwrap())
            .collect();
        broker = start.ready();
        let mut client = broker.client();
        for (partition, (acked, sent)) in acked.into_iter().enumerate() {
            let found = read_all(&mut client, "kills", partition as i32);
            let count = found.len() as u64;
            assert!(
                count >= acked,
                "round {round}: {count} of {acked} acked are there"
            );
            assert!(
                count <= sent,
                "round {round}: {count} are there, {sent} were sent"
            );
            for (at, (offset, value)) in found.iter().enumerate() {
                assert_eq!(
                    (at as i64, at as u64),
                    (*offset, number(value)),
                    "round {round}"
                );
            }
            // The next records take the numbers of those that were sent and are not there.
            held[partition] = count;
        }
    }
    let total: u64 = held.iter().sum();
    assert!(
        total > KILLS * 10,
        "hardly any load: {total} records in {KILLS} rounds"
    );
    broker.stop();
}

#[test]
fn after_a_clean_stop_nothing_is_scanned_and_all_is_there() {
    let dir = data_dir();
    let start = Start::new(dir.path());
    let broker = start.ready();
    let mut client = broker.client();
    assert_eq!(create_topic(&mut client, "clean", 1), 0);
    for n in 0..20 {
        let value = format!("value {n}");
        let request = produce("clean", 0, -1, batch(&[value.as_bytes()]));
        let answer = client.call(PRODUCE, &request);
        assert_eq!(answer.responses[0].partition_responses[0].base_offset, n);
    }
    broker.stop();
    let segment = dir.path().join("shard-0/clean-0/00000000000000000000.log");
    let length = std::fs::metadata(&segment).unwrap().len();
    // Truncated to its last batch: 20 batches of 61 + 15 to 16 bytes.
    assert!((20 * 70..20 * 90).contains(&length), "{length} bytes");
    let broker = start.ready();
    let found = read_all(&mut broker.client(), "clean", 0);
    assert_eq!(found.len(), 20);
    assert_eq!(found[19], (19, b"value 19".to_vec()));
    let mut client = broker.client();
    let answer = client.call(PRODUCE, &produce("clean", 0, 1, batch(&[b"more"])));
    assert_eq!(answer.responses[0].partition_responses[0].base_offset, 20);
    broker.stop();
}

#[test]
fn what_a_producer_sends_again_after_a_restart_is_stored_once() {
    let dir = data_dir();
    let start = Start::new(dir.path());
    let mut broker = start.ready();
    assert_eq!(create_topic(&mut broker.client(), "again", 1), 0);
    // Producers whose last record is older than a day would be forgotten.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = now.as_millis() as i64;
    let nth = |n: i32| {
        let mut builder = BatchBuilder::new().producer(4_000, 0, n);
        builder.push(NewRecord::new(now, None, Some(b"once")));
        produce("again", 0, -1, builder.build().into())
    };
    let send = |client: &mut Client, n: i32| {
        let answer = client.call(PRODUCE, &nth(n));
        let answer = &answer.responses[0].partition_responses[0];
        (answer.error_code, answer.base_offset)
    };
    for n in 0..3 {
        assert_eq!(send(&mut broker.client(), n), (0, i64::from(n)));
    }
    broker.kill();
    broker = start.ready();
    for n in 0..4 {
        assert_eq!(send(&mut broker.client(), n), (0, i64::from(n)));
    }
    // A clean stop keeps the last batch of each producer, as Kafka does.
    broker.stop();
    broker = start.ready();
    for n in 3..5 {
        assert_eq!(send(&mut broker.client(), n), (0, i64::from(n)));
    }
    assert_eq!(read_all(&mut broker.client(), "again", 0).len(), 5);
    broker.stop();
}
