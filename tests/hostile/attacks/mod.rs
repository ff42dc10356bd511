//! The attacks, by what they go for.

mod descriptors;
mod requests;
mod state;
mod unread;

use std::io::Write;
use std::time::{Duration, Instant};

use corelane_testing::Client;

use crate::Attack;

/// Every attack.
pub const ALL: &[&[Attack]] = &[
    requests::ALL,
    unread::ALL,
    state::ALL,
    descriptors::ALL,
    crate::mutate::ALL,
];

/// The broker's default for `corelane.shard.memory.bytes`.
const DEFAULT_BOUND: u64 = 512 << 20;
/// The least that can be set.
const LEAST_BOUND: u64 = 64 << 20;

/// How long an attacker waits for one answer at the most. Longer is not an error of the broker:
/// it may let those wait who ask for much, or close their connection.
const ANSWER_WAIT: Duration = Duration::from_secs(20);

/// Sends bytes and reads one answer, whatever it says; `false` where the broker closed the
/// connection instead.
fn ask(client: &mut Client, frame: &[u8]) -> bool {
    let _ = client.stream.set_read_timeout(Some(ANSWER_WAIT));
    client.stream.write_all(frame).is_ok() && client.receive().is_ok()
}

/// Calls `once` again and again until `length` has passed.
fn for_as_long(length: Duration, mut once: impl FnMut()) {
    let begun = Instant::now();
    while begun.elapsed() < length {
        once();
    }
}
