//! Exactly once, while the broker and its clients are killed (`kill -9`) again and again:
//!
//! - `copies`: Kafka's own `TransactionalMessageCopier` copies a topic in transactions, some of
//!   which it aborts. Every record that went in comes out once, in its order, for a reader of
//!   committed records: at the end, and of what is there after each start of the broker.
//! - `words`: two instances of Kafka Streams count words, with `exactly_once_v2`. At the end each
//!   word has been counted as often as it was written, and no number was left out or told twice.
//!
//! After `--`, the names of those to be run, and:
//!
//! - `--kills N`: so many of each (8 without it). `--seed N`: another run; every run prints its
//!   seed.
//!
//! Needs a JDK, Maven and Kafka's artifacts; without them nothing is run, and it says so.

mod copies;
mod feed;
mod prose;
mod words;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use corelane_testing::arguments::{Arguments, chooses};
use corelane_testing::{Here, Start, quorum};
use fastrand::Rng;

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();
/// Partitions of topics that are read or written.
const PARTITIONS: i32 = 2;
const SHARDS: usize = 2;
/// How long clients have for what is left after the last kill.
const END_WITHIN: Duration = Duration::from_secs(180);
/// Transactions and members that are killed end soon.
const SETTINGS: &str = "transaction.abort.timed.out.transaction.cleanup.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
";

/// Kills so often, in the order that the numbers give; says what was done.
type Story = fn(u64, &mut Rng) -> Result<String, String>;

/// All stories, by their names.
const STORIES: [(&str, Story); 2] = [("copies", copies::run), ("words", words::run)];

fn main() -> ExitCode {
    if let Some(missing) = quorum::lacks_kafka() {
        println!("\nexactly_once: not run, since it needs {missing}");
        println!("\ntest result: ok. 0 kills\n");
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::of_program("tests/exactly_once/main.rs");
    let wanted = arguments.number("--kills").and_then(|kills| {
        let seed = arguments.seed()?;
        Ok((kills.unwrap_or(8), seed, arguments.words()?))
    });
    let (kills, seed, words) = match wanted {
        Ok(wanted) => wanted,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("\nrunning {kills} kills of each story, seed {seed}");
    let begun = Instant::now();
    for (name, story) in STORIES.iter().filter(|(name, _)| chooses(&words, name)) {
        match story(kills, &mut Rng::with_seed(seed)) {
            Ok(told) => println!("{name}: {told}"),
            Err(error) => {
                println!("\n{name}: {error}\ntest result: FAILED. seed {seed}\n");
                return ExitCode::FAILURE;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("\ntest result: ok. {kills} kills of each in {seconds:.1} s\n");
    ExitCode::SUCCESS
}

/// A broker with its data and settings in this folder.
fn broker_in(dir: &Path) -> Result<Start, String> {
    let properties = dir.join("server.properties");
    std::fs::write(&properties, SETTINGS).map_err(|error| error.to_string())?;
    let start = HERE.start(&dir.join("data")).shards(SHARDS);
    Ok(start.arg("--config", properties.to_str().expect("UTF-8")))
}
