//! Drives: readers while the load goes on: each record that one is given is noted, and must be what
//! any other was given at that offset.

use std::io::{Error, ErrorKind, Result};
use std::thread;
use std::time::Duration;

use super::lane::SHAPE;
use super::shared::Shared;
use crate::checked::broker::Connection;
use crate::checked::entries::Found;

/// What a reader asks again after, as a producer does. The last two say that the broker and the
/// reader do not know of the same term.
const RETRIABLE: [i16; 7] = [3, 5, 6, 13, 56, 74, 75];

/// Follows a partition to its end, until the load has none. The patient one stays with a leader
/// that stands still.
pub(super) fn follow(load: &Shared, partition: usize, patience: Duration) {
    let mut next = 0;
    let mut turn = partition;
    while !load.readers_end() {
        let read = load.leaders.connect(partition, turn, patience);
        let read = read.and_then(|mut leader| read_on(load, &mut leader, partition, &mut next));
        turn += 1;
        if let Err(error) = read {
            complain(load, partition, &error);
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Reads pieces of all partitions again and again, of any offset that was seen before.
pub(super) fn look_back(load: &Shared, partitions: usize) {
    let mut random = fastrand::Rng::new();
    let mut turn = 0;
    while !load.readers_end() {
        let partition = turn % partitions;
        let seen = load.book.lock().unwrap().seen_to(partition);
        let mut next = random.i64(0..=seen);
        let leader = load
            .leaders
            .connect(partition, turn, Duration::from_secs(3));
        let read = leader.and_then(|mut leader| read_once(load, &mut leader, partition, &mut next));
        if let Err(error) = read {
            complain(load, partition, &error);
        }
        turn += 1;
        thread::sleep(Duration::from_millis(100));
    }
}

fn complain(load: &Shared, partition: usize, error: &Error) {
    match error.kind() {
        ErrorKind::InvalidData => load.fails(format!("reader of {partition}: {error}")),
        _ => load.notes(error.to_string()),
    }
}

fn read_on(load: &Shared, leader: &mut Connection, partition: usize, next: &mut i64) -> Result<()> {
    while !load.readers_end() {
        if read_once(load, leader, partition, next)? == 0 {
            thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}

/// One fetch: how many records it brought.
fn read_once(
    load: &Shared,
    leader: &mut Connection,
    partition: usize,
    next: &mut i64,
) -> Result<usize> {
    let found = fetch(load, leader, partition, next)?;
    let seen = load.book.lock().unwrap().sees(partition, &found);
    seen.map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
    Ok(found.len())
}

fn fetch(
    load: &Shared,
    leader: &mut Connection,
    partition: usize,
    next: &mut i64,
) -> Result<Vec<Found>> {
    let topic = load.leaders.topic;
    let term = load.leaders.term(partition);
    let fetched = leader.fetch_in_term(term, topic, partition as i32, *next, SHAPE)?;
    match fetched.error {
        0 => {
            *next = fetched.next;
            Ok(fetched.records)
        }
        code if RETRIABLE.contains(&code) => Err(Error::other(format!("Fetch: error {code}"))),
        code => {
            let error = format!("Fetch at {next} was answered with error {code}");
            Err(Error::new(ErrorKind::InvalidData, error))
        }
    }
}

/// All that the leader of a partition has.
pub(super) fn read_whole(load: &Shared, partition: usize) -> Result<Vec<Found>> {
    let leaders = &load.leaders;
    let mut leader = leaders.connect(partition, 0, Duration::from_secs(20))?;
    let end = leader.offset(leaders.topic, partition as i32, -1)?;
    let (mut next, mut all) = (0, Vec::new());
    while next < end {
        let found = fetch(load, &mut leader, partition, &mut next)?;
        all.extend(found);
    }
    Ok(all)
}
