//! What a clean stop and a kill leave behind; `tests/kill/` kills again and again under load.

use std::time::{SystemTime, UNIX_EPOCH};

use corelane::wire::batch::{BatchBuilder, NewRecord};
use corelane_testing::Client;
use corelane_testing::requests::{PRODUCE, batch, create_topic, produce, read_all};

use crate::HERE;

#[test]
fn after_a_clean_stop_nothing_is_scanned_and_all_is_there() {
    let dir = HERE.data_dir();
    let start = HERE.start(dir.path());
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
    let dir = HERE.data_dir();
    let start = HERE.start(dir.path());
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
