//! Clients that ask for old records and do not read them, or slowly; requests that drip.

use std::io::{Read, Write};
use std::time::Duration;

use bytes::Bytes;
use corelane_testing::requests::{FETCH, PRODUCE, batch, create_topic, fetch, produce};
use corelane_testing::{Client, frame};

use super::{LEAST_BOUND, for_as_long};
use crate::Attack;
use crate::arena::{Arena, attackers, join};

const OLD: &str = "old";
const PARTITIONS: i32 = 4;

pub const ALL: &[Attack] = &[
    attack("30 readers of old records that never read", never_read),
    attack("80 readers of old records that read slowly", read_slowly),
    attack("readers of new records that never read", new_unread),
    attack("(no attack: what is appended in the line before)", only_new),
    attack("200 requests of a megabyte that drip", drip),
];

const fn attack(name: &'static str, run: fn(&Arena)) -> Attack {
    Attack {
        name,
        bound_bytes: LEAST_BOUND,
        settings: "",
        descriptors: None,
        prepare: old_records,
        run,
    }
}

/// More records than any cache holds.
fn old_records(arena: &Arena) {
    let mut client = arena.client();
    assert_eq!(create_topic(&mut client, OLD, PARTITIONS), 0);
    let records = batch(&[&vec![7; 900_000]]);
    for at in 0..240 {
        append(&mut client, at % PARTITIONS, records.clone());
    }
}

fn append(client: &mut Client, partition: i32, records: Bytes) {
    let answer = client.call(PRODUCE, &produce(OLD, partition, -1, records));
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
}

/// A request for up to 50 MB from the beginning of a partition on.
fn much(partition: i32) -> Vec<u8> {
    let mut request = fetch(OLD, partition, 0).with_max_bytes(50 << 20);
    request.topics[0].partitions[0].partition_max_bytes = 50 << 20;
    frame(FETCH, 1, &request)
}

fn asking(arena: &Arena, connections: i32) -> Vec<Client> {
    let connect = |at| {
        let mut client = Client::try_connect(arena.port).ok()?;
        client.stream.write_all(&much(at % PARTITIONS)).ok()?;
        Some(client)
    };
    (0..connections).filter_map(connect).collect()
}

fn never_read(arena: &Arena) {
    let clients = asking(arena, 30);
    std::thread::sleep(Duration::from_secs(4));
    drop(clients);
}

fn read_slowly(arena: &Arena) {
    let mut clients = asking(arena, 80);
    let mut bytes = vec![0; 64 << 10];
    for_as_long(Duration::from_secs(5), || {
        for client in &mut clients {
            let _ = client
                .stream
                .set_read_timeout(Some(Duration::from_millis(1)));
            let _ = client.stream.read(&mut bytes);
        }
        std::thread::sleep(Duration::from_millis(100));
    });
}

/// Each asks for what is newest, at another moment, so that each holds other records.
fn new_unread(arena: &Arena) {
    let mut producer = arena.client();
    let records = batch(&[&vec![9; 900_000]]);
    let mut clients = Vec::new();
    for at in 0..120 {
        append(&mut producer, at % PARTITIONS, records.clone());
        // The end of the log less about twenty batches.
        let offset = i64::from(60 + at / PARTITIONS - 20);
        let mut request = fetch(OLD, at % PARTITIONS, offset).with_max_bytes(50 << 20);
        request.topics[0].partitions[0].partition_max_bytes = 50 << 20;
        if let Ok(mut client) = Client::try_connect(arena.port)
            && client.stream.write_all(&frame(FETCH, 1, &request)).is_ok()
        {
            clients.push(client);
        }
    }
    std::thread::sleep(Duration::from_secs(1));
}

/// What the attack before appends, for those who want to know what of it is the disk's.
fn only_new(arena: &Arena) {
    let mut producer = arena.client();
    let records = batch(&[&vec![9; 900_000]]);
    for at in 0..120 {
        append(&mut producer, at % PARTITIONS, records.clone());
    }
    std::thread::sleep(Duration::from_secs(1));
}

/// Each announces a megabyte, sends most of it at once and then a byte from time to time.
fn drip(arena: &Arena) {
    let port = arena.port;
    let request = frame(
        PRODUCE,
        1,
        &produce(OLD, 0, -1, Bytes::from(vec![7; 1 << 20])),
    );
    join(attackers(200, move |_| {
        let Ok(mut client) = Client::try_connect(port) else {
            return;
        };
        // The broker need not read on while it lacks memory.
        let _ = client
            .stream
            .set_write_timeout(Some(Duration::from_millis(500)));
        let _ = client.stream.write_all(&request[..900_000]);
        for_as_long(Duration::from_secs(5), || {
            let _ = client.stream.write(&[7]);
            std::thread::sleep(Duration::from_millis(200));
        });
    }));
}
