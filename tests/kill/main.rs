//! Real kills: `kill -9` again and again under a checked load, restart, audit.
//!
//! `cargo test --test kill` kills a broker 100 times: 25 times each on ext4 and on XFS, with an
//! ack that waits for the flush (`flush.messages=1`) and with one that waits for the write only.
//! After `--`:
//!
//! - `--kills N`: so many in all. `--seed N`: another run; every run prints its seed.
//! - `--on ext4|xfs|here`: only there; `here` is the build folder's own file system.
//! - `--flush N`: only with this `flush.messages`.
//!
//! The file systems are loop devices with direct I/O, which need root, in a mount namespace of
//! this program's own: nothing is left behind however it ends. Without root all kills happen in
//! the build folder, and the summary says so.

mod life;

use std::process::ExitCode;
use std::time::Instant;

use corelane_testing::Here;
use corelane_testing::arguments::Arguments;
use corelane_testing::checked::selfcheck;
use corelane_testing::mounts::{self, Mount};

use life::{Life, Outcome};

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();
/// Kills of one data folder; then a new one begins.
const KILLS_OF_A_LIFE: u64 = 25;
/// `flush.messages` of the two classes of ack.
const CLASSES: [u64; 2] = [1, 1_000_000];

struct Wanted {
    kills: u64,
    seed: u64,
    places: Vec<String>,
    classes: Vec<u64>,
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if arguments.places.iter().any(|place| place != "here") && !mounts::in_own_namespace() {
        return mounts::run_again_in_namespace();
    }
    selfcheck::run();
    println!(
        "\nrunning {} kills, seed {}",
        arguments.kills, arguments.seed
    );
    let begun = Instant::now();
    let result = run(&arguments);
    let seconds = begun.elapsed().as_secs_f64();
    match result {
        Ok(()) => {
            println!(
                "\ntest result: ok. {} kills in {seconds:.1} s\n",
                arguments.kills
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("\n{error}\ntest result: FAILED. seed {}\n", arguments.seed);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Wanted) -> Result<(), String> {
    let combinations = arguments.places.len() * arguments.classes.len();
    let each = arguments.kills.div_ceil(combinations as u64);
    let mut number = 0;
    for place in &arguments.places {
        for flush_messages in &arguments.classes {
            let mut total = Outcome::default();
            let mut left = each;
            while left > 0 {
                let kills = left.min(KILLS_OF_A_LIFE);
                left -= kills;
                number += 1;
                let mount = Mount::new(HERE, place).map_err(|error| format!("{place}: {error}"))?;
                let life = Life {
                    dir: mount.path().join("data"),
                    flush_messages: *flush_messages,
                    kills,
                    seed: arguments.seed.wrapping_add(number * 1_000),
                };
                let outcome = life.live();
                total.add(&outcome);
                if let Some(failure) = outcome.failure {
                    let kept = mount.keep();
                    return Err(format!(
                        "on {place}, flush.messages={flush_messages}, life {number}: {failure}\n\
                         the data folder is kept in {kept}"
                    ));
                }
            }
            println!("{place:<5} flush.messages={flush_messages:<8} {total}");
        }
    }
    Ok(())
}

fn arguments() -> Result<Wanted, String> {
    let mut arguments = Arguments::of_program("tests/kill/main.rs");
    let usual = match mounts::can_mount() {
        true => vec!["ext4".to_owned(), "xfs".to_owned()],
        false => vec!["here".to_owned()],
    };
    let wanted = Wanted {
        kills: arguments.number("--kills")?.unwrap_or(100),
        seed: arguments.seed()?,
        places: arguments.value("--on")?.map_or(usual, |place| vec![place]),
        classes: match arguments.number("--flush")? {
            Some(class) => vec![class],
            None => CLASSES.to_vec(),
        },
    };
    arguments.end()?;
    Ok(wanted)
}
