//! List-append histories of transactions and groups, in the manner of Elle and Jepsen, against a
//! broker that is killed (`kill -9`) again and again; then the checker (`testing/src/histories`)
//! holds it to what its clients were told. After `--`:
//!
//! - `--seconds N`: for so long (20 without it). `--seed N`: another run; every run prints its seed.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::arguments::Arguments;
use corelane_testing::histories::check::check;
use corelane_testing::histories::load::Load;
use corelane_testing::{Broker, Here};
use fastrand::Rng;

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();
const SHARDS: usize = 2;
/// Transactions of which a history must have some, a second.
const TRANSACTIONS_MIN: u64 = 2;

fn main() -> ExitCode {
    let mut arguments = Arguments::of_program("tests/histories/main.rs");
    let wanted = arguments.number("--seconds").and_then(|seconds| {
        let seed = arguments.seed()?;
        arguments.end()?;
        Ok((seconds.unwrap_or(20), seed))
    });
    let (seconds, seed) = match wanted {
        Ok(wanted) => wanted,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("\nrunning {seconds} s, seed {seed}");
    match run(seconds, seed) {
        Ok(told) => {
            println!("{told}\n\ntest result: ok. {seconds} s\n");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("\n{error}\ntest result: FAILED. seed {seed}\n");
            ExitCode::FAILURE
        }
    }
}

fn run(seconds: u64, seed: u64) -> Result<String, String> {
    let mut random = Rng::with_seed(seed);
    let dir = HERE.data_dir();
    let properties = dir.path().join("server.properties");
    // Members that say nothing are soon taken for dead, and open transactions aborted.
    let text = "group.consumer.min.session.timeout.ms=1000\n\
                group.consumer.session.timeout.ms=1000\n\
                group.consumer.min.heartbeat.interval.ms=100\n\
                group.consumer.heartbeat.interval.ms=100\n\
                transaction.abort.timed.out.transaction.cleanup.interval.ms=500\n\
                offsets.topic.num.partitions=4\ntransaction.state.log.num.partitions=4\n";
    std::fs::write(&properties, text).map_err(|error| error.to_string())?;
    let start = HERE
        .start(&dir.path().join("data"))
        .shards(SHARDS)
        .arg("--config", properties.to_str().expect("UTF-8"));
    let mut broker: Broker = start.ready();
    let load = Load::new(start.port, seed);
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
    // Time to go on after the last one.
    thread::sleep(Duration::from_secs(2));
    let history = load.finish(threads).map_err(|error| error.to_string())?;
    let complaint = broker.complaint();
    let checked = check(&history).map_err(|fault| match keep(&history) {
        Ok(path) => format!("{fault:?}\nthe history is in {path}"),
        Err(error) => format!("{fault:?}\nthe history was not kept: {error}"),
    })?;
    if let Some(line) = complaint {
        return Err(line);
    }
    broker.stop();
    let all = checked.committed as u64;
    if all < seconds * TRANSACTIONS_MIN || kills == 0 {
        return Err(format!("too little happened: {checked}"));
    }
    Ok(format!("{kills} kills of the broker; {checked}"))
}

/// Writes a history to a file, to be looked at.
fn keep(history: &impl std::fmt::Debug) -> std::io::Result<String> {
    let name = format!("corelane-history-{}.txt", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, format!("{history:#?}"))?;
    Ok(path.display().to_string())
}
