//! Faults of a real disk: full, read-only in part, files that shrink or go while the broker runs.
//! Only the log concerned may stop; the broker neither panics nor hangs, and nothing acked is lost.
//!
//! `cargo test --test faults`; after `--` words that the chosen cases contain. Cases that need a
//! file system of their own or another user need root; without, they are named as left out.

#[path = "../checked/loops.rs"]
mod loops;
#[path = "../api/records.rs"]
mod records;
#[path = "../support/mod.rs"]
mod support;

mod cases;
mod compaction;
mod scene;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

/// A case and what it needs.
pub struct Case {
    name: &'static str,
    needs_root: bool,
    run: fn(),
}

fn main() -> ExitCode {
    let can_mount = loops::can_mount();
    if can_mount && !loops::in_own_namespace() {
        return loops::run_again_in_namespace();
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let begun = Instant::now();
    let (mut good, mut failed, mut left_out) = (0, Vec::new(), 0);
    println!();
    for case in cases::ALL {
        if !words.is_empty() && !words.iter().any(|word| case.name.contains(word.as_str())) {
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
