//! Drives: a history of one broker, which is killed again and again.

use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::Broker;
use corelane_testing::histories::load::Load;
use fastrand::Rng;

use crate::{HERE, SETTINGS, checked, go_on};

const SHARDS: usize = 2;
/// Transactions of which a history must have some, a second.
const TRANSACTIONS_MIN: u64 = 2;

/// A history of so many seconds.
pub fn run(seconds: u64, seed: u64) -> Result<String, String> {
    let mut random = Rng::with_seed(seed);
    let dir = HERE.data_dir();
    let properties = dir.path().join("server.properties");
    let few = "offsets.topic.num.partitions=4\ntransaction.state.log.num.partitions=4\n";
    let text = format!("{}\n{few}", SETTINGS.join("\n"));
    std::fs::write(&properties, text).map_err(|error| error.to_string())?;
    let start = HERE
        .start(&dir.path().join("data"))
        .shards(SHARDS)
        .arg("--config", properties.to_str().expect("UTF-8"));
    let mut broker: Broker = start.ready();
    let load = Load::new(start.nodes(), seed);
    load.create().map_err(|error| error.to_string())?;
    let threads = load.start();
    let mut kills = 0;
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        thread::sleep(Duration::from_millis(random.u64(1_500..4_000)));
        broker.kill();
        broker = start.ready();
        kills += 1;
    }
    go_on();
    let history = load.finish(threads).map_err(|error| error.to_string())?;
    let complaint = broker.complaint();
    let checked = checked(&history, seconds * TRANSACTIONS_MIN)?;
    if let Some(line) = complaint {
        return Err(line);
    }
    broker.stop();
    Ok(format!("{kills} kills of the broker; {checked}"))
}
