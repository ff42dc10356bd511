//! Drives: a test program's cases one after the other, where some cannot run on every machine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use crate::arguments::{Arguments, chooses};

/// A case.
pub struct Case<'a> {
    /// What holds when it passes.
    pub name: &'a str,
    /// What it needs and this machine has not.
    pub lacks: Option<&'a str>,
    /// Panics when that does not hold.
    pub run: fn(),
}

/// Runs those of `cases` that the words among the arguments of `program` choose, all without
/// words. Says of each what became of it, also that it was left out and why.
pub fn run<'a>(program: &'static str, cases: impl IntoIterator<Item = Case<'a>>) -> ExitCode {
    run_with(Arguments::of_program(program), cases)
}

/// As [`run`], where the program has taken its own options from `arguments`.
pub fn run_with<'a>(arguments: Arguments, cases: impl IntoIterator<Item = Case<'a>>) -> ExitCode {
    let words = match arguments.words() {
        Ok(words) => words,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let begun = Instant::now();
    let (mut good, mut failed, mut left_out) = (0, 0, 0);
    println!();
    for Case { name, lacks, run } in cases {
        if !chooses(&words, name) {
            continue;
        }
        let started = Instant::now();
        let outcome = match lacks {
            Some(lacks) => {
                left_out += 1;
                format!("left out: it needs {lacks}")
            }
            None if catch_unwind(AssertUnwindSafe(run)).is_ok() => {
                good += 1;
                format!("ok ({:.0} s)", started.elapsed().as_secs_f64())
            }
            None => {
                failed += 1;
                "FAILED".to_owned()
            }
        };
        println!("test {name} ... {outcome}");
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {good} passed; {failed} failed; {left_out} left out; finished \
         in {:.2}s\n",
        begun.elapsed().as_secs_f64()
    );
    ExitCode::from(u8::from(failed > 0))
}
