//! A client that does nothing wrong: it appends a small batch, waits for the ack, reads it back
//! from time to time, and notes how long each took.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use corelane_testing::Client;
use corelane_testing::requests::{PRODUCE, batch, produce};

/// The topic that the innocent writes to.
pub const TOPIC: &str = "innocent";
/// What it does between two requests: nothing, for so long.
const PAUSE: Duration = Duration::from_millis(2);

/// An innocent at work in a thread of its own.
pub struct Innocent {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

/// How long its requests took.
#[derive(Clone, Copy, Debug)]
pub struct Latencies {
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// What is wrong with the broker's stand, if anything.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// The innocent waited too long.
    pub is_slow: bool,
    /// The broker took too much memory.
    pub is_large: bool,
}

impl Innocent {
    /// Sets to work against the shard at `port`.
    pub fn start(port: u16) -> Innocent {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        // Connected and served before the attack begins.
        let mut client = Client::connect(port);
        append(&mut client);
        let thread = thread::spawn(move || {
            let mut took = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                took.push(append(&mut client));
                thread::sleep(PAUSE);
            }
            took
        });
        Innocent { stop, thread }
    }

    /// Ends its work.
    pub fn stop(self) -> Latencies {
        self.stop.store(true, Ordering::Relaxed);
        Latencies::of(self.thread.join().expect("the innocent is served"))
    }
}

/// Appends one record and waits for the ack.
pub fn append(client: &mut Client) -> Duration {
    let request = produce(TOPIC, 0, -1, batch(&[&[7; 100]]));
    let begun = Instant::now();
    let answer = client.call(PRODUCE, &request);
    let took = begun.elapsed();
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    took
}

impl Latencies {
    fn of(mut took: Vec<Duration>) -> Latencies {
        took.sort_unstable();
        let at = (took.len() * 99 / 100).min(took.len().saturating_sub(1));
        Latencies {
            p99: took.get(at).copied().unwrap_or(Duration::MAX),
            max: took.last().copied().unwrap_or(Duration::MAX),
        }
    }
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_good(self) -> bool {
        !self.is_slow && !self.is_large
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.is_slow, self.is_large) {
            (false, false) => "ok",
            (true, false) => "SLOW",
            (false, true) => "LARGE",
            (true, true) => "SLOW, LARGE",
        })
    }
}
