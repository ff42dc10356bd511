//! Faults of a real disk: full, read-only in part, files that shrink or go while the broker runs.
//! Only the log concerned may stop; the broker neither panics nor hangs, and nothing acked is lost.
//!
//! `cargo test --test faults`; after `--` words that the chosen cases contain. Cases that need a
//! file system of their own or another user need root; without, they are named as left out.

mod cases;
mod compaction;
mod scene;

use std::process::ExitCode;

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
    let lacks = (!can_mount).then_some("root and loop devices");
    let cases = cases::ALL.iter().map(|case| corelane_testing::cases::Case {
        name: case.name,
        lacks: lacks.filter(|_| case.needs_root),
        run: case.run,
    });
    corelane_testing::cases::run("tests/faults/main.rs", cases)
}
