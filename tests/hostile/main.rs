//! Hostile clients: each attack is a bounded program that runs beside an innocent client, against a
//! broker whose memory is limited to its own bound plus 128 MiB.
//!
//! `cargo test --test hostile`; after `--`:
//!
//! - words that the chosen attacks contain;
//! - `--strict`: the innocent's p99 must stay within 5 x its quiet p99 of the same run, without the
//!   allowance that a busy machine and a debug build get;
//! - `--full`: as many topics, clients and frames as the page on reliability speaks of;
//! - `--frames N`: so many mutated frames; `--seed N`: others.
//!
//! What is printed: the attack, the broker's peak of resident memory beside its bound, the
//! innocent's p99 before and during the attack, the longest turn of the shard, and the verdict. In
//! a strict run also how many CPUs the attackers themselves took, and the innocent's p99 beside
//! threads that take as much and ask for nothing: what of it is the machine's.
//! The memory limit is a control group of the kernel, which needs root; without it the peak is
//! compared all the same.

mod arena;
mod attacks;
mod innocent;
mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use arena::Arena;
use corelane_testing::Here;
use corelane_testing::arguments::{Arguments, chooses};
use innocent::{Latencies, Verdict};

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();
/// Memory that the broker may take besides what clients make it hold: its program, stacks,
/// buffers of the runtime, what the allocator has not given back yet.
pub const BESIDES_BYTES: u64 = 128 << 20;
/// How many times its quiet p99 the innocent's p99 may be during an attack.
const RATIO_MAX: f64 = 5.0;
/// What it may be in any case where this program runs beside others, with debug assertions.
const ALLOWANCE: Duration = Duration::from_millis(100);

/// One attack.
pub struct Attack {
    name: &'static str,
    /// `corelane.shard.memory.bytes`.
    bound_bytes: u64,
    /// More settings of the broker.
    settings: &'static str,
    /// Descriptors that the broker may open, where they are limited.
    descriptors: Option<u32>,
    /// What is made ready before the quiet time is measured.
    prepare: fn(&Arena),
    run: fn(&Arena),
}

/// How this run was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    words: Vec<String>,
    strict: bool,
    /// Whether sizes are those of the page rather than those of every test run.
    pub full: bool,
    /// Mutated frames to send.
    pub frames: u64,
    /// Starts the mutations.
    pub seed: u64,
}

struct Line {
    name: &'static str,
    bound_mib: u64,
    peak_mib: u64,
    quiet: Latencies,
    beside: Latencies,
    attackers_cpus: f64,
    /// Beside the same load without an attack; in strict runs.
    control: Option<Latencies>,
    longest_turn_ms: Option<f64>,
    verdict: Verdict,
}

fn main() -> ExitCode {
    let options = match Options::parse(Arguments::of_program("tests/hostile/main.rs")) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let begun = Instant::now();
    let (mut lines, mut failed) = (Vec::new(), Vec::new());
    println!();
    for attack in attacks::ALL.iter().copied().flatten() {
        if !chooses(&options.words, attack.name) {
            continue;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| run(attack, &options)));
        let verdict = match outcome {
            Ok(line) => {
                let verdict = line.verdict.to_string();
                if !line.verdict.is_good() {
                    failed.push(attack.name);
                }
                lines.push(line);
                verdict
            }
            Err(_) => {
                failed.push(attack.name);
                "FAILED".to_owned()
            }
        };
        println!("test {} ... {verdict}", attack.name);
    }
    print_table(&lines);
    let (word, good) = match failed.is_empty() {
        true => ("ok", ExitCode::SUCCESS),
        false => ("FAILED", ExitCode::FAILURE),
    };
    let passed = lines.iter().filter(|line| line.verdict.is_good()).count();
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "\ntest result: {word}. {passed} passed; {} failed; finished in {seconds:.2}s\n",
        failed.len()
    );
    good
}

fn run(attack: &Attack, options: &Options) -> Line {
    let mut arena = Arena::open(attack, options);
    (attack.prepare)(&arena);
    let quiet = arena.quiet();
    let (beside, attackers_cpus) = arena.beside(|arena| (attack.run)(arena));
    let longest_turn_ms = arena.longest_turn_ms();
    let peak_bytes = arena.peak_bytes();
    arena.still_serves();
    let control = options.strict.then(|| arena.beside_control(attackers_cpus));
    let allowed = match options.strict {
        true => quiet.p99.mul_f64(RATIO_MAX),
        false => quiet.p99.mul_f64(RATIO_MAX).max(ALLOWANCE),
    };
    let verdict = Verdict {
        is_slow: beside.p99 > allowed,
        is_large: peak_bytes > attack.bound_bytes + BESIDES_BYTES,
    };
    if verdict.is_good() {
        arena.stop();
    } else {
        println!("{}", arena.last_words());
    }
    Line {
        name: attack.name,
        bound_mib: attack.bound_bytes >> 20,
        peak_mib: peak_bytes >> 20,
        quiet,
        beside,
        attackers_cpus,
        control,
        longest_turn_ms,
        verdict,
    }
}

/// Prints the table as Markdown, for the page on reliability.
fn print_table(lines: &[Line]) {
    println!(
        "\n| attack | bound MiB | peak MiB | innocent's p99 quiet | beside | its longest | longest turn | attackers' CPUs | p99 beside these alone | verdict |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---|");
    for line in lines {
        let ms = |of: Duration| format!("{:.1} ms", of.as_secs_f64() * 1e3);
        let turn = line
            .longest_turn_ms
            .map_or("?".to_owned(), |turn| format!("{turn:.1} ms"));
        let control = line.control.map_or("-".to_owned(), |it| ms(it.p99));
        println!(
            "| {} | {} | {} | {} | {} | {} | {turn} | {:.1} | {control} | {} |",
            line.name,
            line.bound_mib,
            line.peak_mib,
            ms(line.quiet.p99),
            ms(line.beside.p99),
            ms(line.beside.max),
            line.attackers_cpus,
            line.verdict
        );
    }
}

// === impl Options ===

impl Options {
    fn parse(mut arguments: Arguments) -> Result<Options, String> {
        Ok(Options {
            strict: arguments.has("--strict"),
            full: arguments.has("--full"),
            frames: arguments.number("--frames")?.unwrap_or(50_000),
            seed: arguments.number("--seed")?.unwrap_or(1),
            words: arguments.words()?,
        })
    }
}
