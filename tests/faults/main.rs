//! Faults of a real disk: full, read-only in part, files that shrink or go while the broker runs.
//! Only the log concerned may stop; the broker neither panics nor hangs, and nothing acked is lost.
//!
//! `cargo test --test faults`; after `--` words that the chosen cases contain. Cases that need a
//! file system of their own or another user need root; without, they are named as left out.

mod cases;
mod compaction;
mod scene;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use corelane_testing::arguments::{Arguments, chooses};
use corelane_testing::{Here, mounts};

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();

/// A case and what it needs.
pub struct Case {
    name: &'static str,
    needs_root: bool,
    run: fn(),
}

fn main() -> ExitCode {
    let can_mount = mounts::can_mount();
    if can_mount && !mounts::in_own_namespace() {
        return mounts::run_again_in_namespace();
    }
    let words = match Arguments::of_program("tests/faults/main.rs").words() {
        Ok(words) => words,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let begun = Instant::now();
    let (mut good, mut failed, mut left_out) = (0, Vec::new(), 0);
    println!();
    for case in cases::ALL {
        if !chooses(&words, case.name) {
            continue;
        }
        if case.needs_root && !can_mount {
            println!(
                "test {} ... left out: it needs root and loop devices",
                case.name
            );
            left_out += 1;
            continue;
        }
        let result = catch_unwind(AssertUnwindSafe(case.run));
        println!(
            "test {} ... {}",
            case.name,
            if result.is_ok() { "ok" } else { "FAILED" }
        );
        match result {
            Ok(()) => good += 1,
            Err(_) => failed.push(case.name),
        }
    }
    let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {good} passed; {} failed; {left_out} left out; finished in \
         {:.2}s\n",
        failed.len(),
        begun.elapsed().as_secs_f64()
    );
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
