//! Drives: a history of three brokers, whose coordinators die, stop, stand still and are moved.

use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::histories::load::{Load, PARTITIONS, TOPICS};
use corelane_testing::members::{Strikes, TWO, three};
use corelane_testing::quorum::lacks_kafka;
use fastrand::Rng;

use crate::{HERE, SETTINGS, checked, go_on};

/// A history of so many seconds.
pub fn run(seconds: u64, seed: u64) -> Result<String, String> {
    if let Some(missing) = lacks_kafka() {
        return Ok(format!("not run, since it needs {missing}"));
    }
    let dir = HERE.data_dir();
    let mut cluster = three(&HERE, dir.path(), &SETTINGS);
    for topic in TOPICS {
        cluster.create(topic, PARTITIONS, 3, TWO);
    }
    let load = Load::new(cluster.addresses(), seed);
    let threads = load.start();
    let mut strikes = Strikes::new(Rng::with_seed(seed));
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until || !strikes.is_enough() {
        strikes.strike(&mut cluster, &mut thread::sleep);
    }
    strikes.settle(&cluster, &TOPICS);
    go_on();
    let history = load.finish(threads).map_err(|error| error.to_string())?;
    // Between two leaders there are none, and a machine may have other work.
    let checked = checked(&history, seconds / 2)?;
    strikes.end(cluster, &TOPICS, PARTITIONS as usize);
    Ok(format!("{strikes}; {checked}"))
}
