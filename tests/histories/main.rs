//! List-append histories of transactions and groups, in the manner of Elle and Jepsen, against
//! brokers that are killed (`kill -9`) again and again; then the checker (`testing/src/histories`)
//! holds them to what their clients were told:
//!
//! - `alone`: one broker of two shards.
//! - `cluster`: three brokers with three replicas of everything, beside Kafka's own controllers.
//!   The machines that lead coordinators' partitions die, stop, stand still, and have their
//!   leaderships moved to others. Needs a JDK, Maven and Kafka's artifacts; without them it is not
//!   run, and says so.
//!
//! After `--`, the names of those to be run, and:
//!
//! - `--seconds N`: for so long each (20 without it). `--seed N`: another run; every run prints its
//!   seed.

mod alone;
mod cluster;

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use corelane_testing::Here;
use corelane_testing::arguments::{Arguments, chooses};
use corelane_testing::histories::check::{Checked, check};
use corelane_testing::histories::history::History;

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();
/// Members that say nothing are soon taken for dead, and open transactions aborted.
const SETTINGS: [&str; 5] = [
    "group.consumer.min.session.timeout.ms=1000",
    "group.consumer.session.timeout.ms=1000",
    "group.consumer.min.heartbeat.interval.ms=100",
    "group.consumer.heartbeat.interval.ms=100",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
];

/// Makes a history of so many seconds, in the order that the seed gives; says what was done.
type Story = fn(u64, u64) -> Result<String, String>;

/// All of them, by their names.
const STORIES: [(&str, Story); 2] = [("alone", alone::run), ("cluster", cluster::run)];

fn main() -> ExitCode {
    let mut arguments = Arguments::of_program("tests/histories/main.rs");
    let wanted = arguments.number("--seconds").and_then(|seconds| {
        let seed = arguments.seed()?;
        Ok((seconds.unwrap_or(20), seed, arguments.words()?))
    });
    let (seconds, seed, words) = match wanted {
        Ok(wanted) => wanted,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("\nrunning {seconds} s of each, seed {seed}");
    for (name, story) in STORIES.iter().filter(|(name, _)| chooses(&words, name)) {
        match story(seconds, seed) {
            Ok(told) => println!("{name}: {told}"),
            Err(error) => {
                println!("\n{name}: {error}\ntest result: FAILED. seed {seed}\n");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("\ntest result: ok. {seconds} s of each\n");
    ExitCode::SUCCESS
}

/// Time for clients to go on after the last time that something has befallen a broker.
fn go_on() {
    thread::sleep(Duration::from_secs(2));
}

/// What is found in a history of so many transactions at least, if nothing is wrong with it.
fn checked(history: &History, least: u64) -> Result<Checked, String> {
    let checked = check(history).map_err(|fault| match keep(history) {
        Ok(path) => format!("{fault:?}\nthe history is in {path}"),
        Err(error) => format!("{fault:?}\nthe history was not kept: {error}"),
    })?;
    match (checked.committed as u64) < least {
        true => Err(format!("too little happened: {checked}")),
        false => Ok(checked),
    }
}

/// Writes a history to a file, to be looked at.
fn keep(history: &History) -> std::io::Result<String> {
    let name = format!("corelane-history-{}.txt", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, format!("{history:#?}"))?;
    Ok(path.display().to_string())
}
