//! Requests that real clients sent, changed at random: bits, bytes, lengths, pieces cut out, doubled
//! or taken from another request; batches with their checksums made right again, so that what
//! lies behind the check is reached, too.

use std::io::Write;
use std::time::{Duration, Instant};

use corelane_testing::{Client, frame};
use fastrand::Rng;
use kafka_protocol::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{AlterConfigsRequest, ListConfigResourcesRequest};

use crate::Attack;
use crate::arena::Arena;

/// What real clients sent: frames one after another, each with its length in front. Renewed with
/// `tests/hostile/capture.py`.
static TRAFFIC: &[u8] = include_bytes!("../golden/traffic.bin");

pub const ALL: &[Attack] = &[Attack {
    name: "real clients' requests, changed at random",
    bound_bytes: 512 << 20,
    // What the requests create must not be what limits the run.
    settings: "max.connections=2000",
    descriptors: None,
    prepare: |_| {},
    run,
}];

/// Connections that mutated requests go over, in turn.
const CONNECTIONS: usize = 8;
/// Requests sent before the answers are read.
const BURST: usize = 4;
/// The largest request that comes out of a mutation, in bytes.
const FRAME_BYTES_MAX: usize = 16 << 10;

fn run(arena: &Arena) {
    let rare = rare();
    let mut sources = frames(TRAFFIC);
    sources.extend(rare.iter().map(|frame| &frame[4..]));
    let apis = sources.iter().map(|frame| [frame[0], frame[1]]);
    let apis: std::collections::BTreeSet<[u8; 2]> = apis.collect();
    assert!(
        apis.len() > 20,
        "the traffic knows {} APIs only",
        apis.len()
    );
    let mut random = Rng::with_seed(arena.options.seed);
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| arena.client()).collect();
    let begun = Instant::now();
    let (mut sent, mut closed) = (0, 0);
    while sent < arena.options.frames {
        let at = random.usize(..CONNECTIONS);
        let mut burst = Vec::new();
        for _ in 0..BURST {
            let frame = mutated(&sources, &mut random);
            burst.extend((frame.len() as i32).to_be_bytes());
            burst.extend(frame);
        }
        sent += BURST as u64;
        if !exchange(&mut clients[at], &burst) {
            closed += 1;
            clients[at] = Client::try_connect(arena.port).unwrap_or_else(|error| {
                panic!(
                    "after {sent} requests of seed {}: {error}",
                    arena.options.seed
                )
            });
        }
    }
    println!(
        "{sent} changed requests of {} APIs, seed {}, over {closed} connections, in {:.1} s",
        apis.len(),
        arena.options.seed,
        begun.elapsed().as_secs_f64()
    );
}

/// Requests that none of the recorded clients sends.
fn rare() -> [Vec<u8>; 2] {
    let setting = AlterableConfig::default()
        .with_name("retention.ms".to_owned().into())
        .with_value(Some("1000".to_owned().into()));
    let resource = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name("some-topic".to_owned().into())
        .with_configs(vec![setting]);
    let alter = AlterConfigsRequest::default().with_resources(vec![resource]);
    let list = ListConfigResourcesRequest::default();
    [frame(2, 1, &alter), frame(1, 1, &list)]
}

/// Sends a burst and reads what comes; `false` when the connection is of no more use.
fn exchange(client: &mut Client, burst: &[u8]) -> bool {
    let _ = client
        .stream
        .set_write_timeout(Some(Duration::from_secs(5)));
    // Requests may wait for minutes by their own words: what comes at once is enough.
    let _ = client
        .stream
        .set_read_timeout(Some(Duration::from_micros(300)));
    if client.stream.write_all(burst).is_err() {
        return false;
    }
    let mut answers = [0; 64 << 10];
    loop {
        match std::io::Read::read(&mut client.stream, &mut answers) {
            Ok(0) => return false,
            Ok(count) if count < answers.len() => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

fn frames(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (frame, rest) = rest.split_at(i32::from_be_bytes(*length) as usize);
        frames.push(frame);
        bytes = rest;
    }
    frames
}

fn mutated(sources: &[&[u8]], random: &mut Rng) -> Vec<u8> {
    let mut frame = sources[random.usize(..sources.len())].to_vec();
    for _ in 0..1 + random.usize(..4) {
        change(&mut frame, sources, random);
    }
    frame.truncate(FRAME_BYTES_MAX);
    if random.usize(..4) > 0 {
        repair_batches(&mut frame);
    }
    frame
}

fn change(frame: &mut Vec<u8>, sources: &[&[u8]], random: &mut Rng) {
    let at = random.usize(..frame.len().max(1));
    match random.usize(..9) {
        0 => {
            if let Some(byte) = frame.get_mut(at) {
                *byte ^= 1 << random.usize(..8);
            }
        }
        1 => {
            if let Some(byte) = frame.get_mut(at) {
                *byte = random.u8(..);
            }
        }
        // Numbers at the ends of what their type can hold.
        2 => {
            let value = [i32::MAX, i32::MIN, -1, 0, 1, 0x7fff, 65_536, 1 << 24][random.usize(..8)];
            overwrite(frame, at, &value.to_be_bytes());
        }
        3 => {
            let value = [i64::MAX, i64::MIN, -1, -2, 0, 1 << 40][random.usize(..6)];
            overwrite(frame, at, &value.to_be_bytes());
        }
        4 => frame.truncate(at),
        5 => {
            let end = (at + 1 + random.usize(..64)).min(frame.len());
            frame.drain(at.min(end)..end);
        }
        // A piece doubled, as arrays with one more element have it.
        6 => {
            let end = (at + 1 + random.usize(..64)).min(frame.len());
            let piece = frame[at.min(end)..end].to_vec();
            frame.splice(at.min(frame.len())..at.min(frame.len()), piece);
        }
        7 => {
            let other = sources[random.usize(..sources.len())];
            let from = random.usize(..other.len());
            let end = (from + 1 + random.usize(..256)).min(other.len());
            frame.splice(at.min(frame.len()).., other[from..end].iter().copied());
        }
        // Another version of the same API.
        _ => overwrite(frame, 2, &(random.usize(..19) as i16).to_be_bytes()),
    }
}

fn overwrite(frame: &mut [u8], at: usize, bytes: &[u8]) {
    for (to, from) in frame.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

/// Makes lengths and checksums of what looks like record batches right again.
fn repair_batches(frame: &mut [u8]) {
    // Base offset, length, epoch, magic 2: a batch's magic lies 16 bytes behind its beginning.
    for at in 0..frame.len().saturating_sub(61) {
        if frame[at + 16] != 2 || frame[at..at + 8].iter().any(|byte| *byte != 0) {
            continue;
        }
        let length = i32::from_be_bytes(frame[at + 8..at + 12].try_into().expect("four bytes"));
        let Some(end) = usize::try_from(length)
            .ok()
            .and_then(|length| (at + 12).checked_add(length))
        else {
            continue;
        };
        if length >= 49 && end <= frame.len() {
            let crc = crc32c::crc32c(&frame[at + 21..end]);
            overwrite(frame, at + 17, &crc.to_be_bytes());
        }
    }
}
