//! Exactly once, while brokers and their clients are killed (`kill -9`) again and again:
//!
//! - `copies`: Kafka's own `TransactionalMessageCopier` copies a topic in transactions, some of
//!   which it aborts. Every record that went in comes out once, in its order, for a reader of
//!   committed records: at the end, and of what is there after each start of a broker.
//! - `words`: two instances of Kafka Streams count words, with `exactly_once_v2`. At the end each
//!   word has been counted as often as it was written, and no number was left out or told twice.
//!
//! Each is told of a broker alone (`alone-copies`, `alone-words`), and of three with three replicas
//! of everything (`cluster-copies`, `cluster-words`): there machines that lead coordinators'
//! partitions die, stop and stand still, and their leaderships are moved to others.
//!
//! After `--`, words that the names of those to be run contain, and:
//!
//! - `--kills N`: so many of each (without it 8 of a broker alone, 3 of a cluster). `--seed N`:
//!   another run; every run prints its seed.
//!
//! Needs a JDK, Maven and Kafka's artifacts; without them nothing is run, and it says so.

mod copies;
mod feed;
mod prose;
mod site;
mod words;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use corelane_testing::arguments::{Arguments, chooses};
use corelane_testing::{Here, quorum};
use fastrand::Rng;

use crate::site::Site;

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();
/// Partitions of topics that are read or written.
const PARTITIONS: i32 = 2;
/// How long clients have for what is left after the last kill.
const END_WITHIN: Duration = Duration::from_secs(180);

/// Where a story is told.
type Place = fn(&mut Rng) -> Result<Site, String>;
/// Kills so often, in the order that the numbers give; says what was done.
type Story = fn(Site, u64, &mut Rng) -> Result<String, String>;

/// All stories: their names, where and how often is killed where nothing else is said, and what.
const STORIES: [(&str, Place, u64, Story); 4] = [
    ("alone-copies", Site::alone, 8, copies::run),
    ("alone-words", Site::alone, 8, words::run),
    ("cluster-copies", Site::cluster, 3, copies::run),
    ("cluster-words", Site::cluster, 3, words::run),
];

fn main() -> ExitCode {
    if let Some(missing) = quorum::lacks_kafka() {
        println!("\nexactly_once: not run, since it needs {missing}");
        println!("\ntest result: ok. 0 kills\n");
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::of_program("tests/exactly_once/main.rs");
    let wanted = arguments.number("--kills").and_then(|kills| {
        let seed = arguments.seed()?;
        Ok((kills, seed, arguments.words()?))
    });
    let (wanted, seed, words) = match wanted {
        Ok(wanted) => wanted,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("\nrunning with seed {seed}");
    let begun = Instant::now();
    let chosen = STORIES.iter().filter(|(name, ..)| chooses(&words, name));
    for (name, place, usual, story) in chosen {
        let random = &mut Rng::with_seed(seed);
        let kills = wanted.unwrap_or(*usual);
        match place(random).and_then(|site| story(site, kills, random)) {
            Ok(told) => println!("{name}: {told}"),
            Err(error) => {
                println!("\n{name}: {error}\ntest result: FAILED. seed {seed}\n");
                return ExitCode::FAILURE;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("\ntest result: ok. {seconds:.1} s\n");
    ExitCode::SUCCESS
}
