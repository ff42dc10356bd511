//! Drives: waiting for what should happen soon.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything that should happen may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer; panics with what `failure` says when there is
/// none after [`PATIENCE`].
pub fn until<T>(failure: impl FnOnce() -> String, ask: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, failure, ask)
}

/// As [`until`], with so much patience.
pub fn until_within<T>(
    patience: Duration,
    failure: impl FnOnce() -> String,
    mut ask: impl FnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        if begun.elapsed() > patience {
            panic!("{}", failure());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Asks again and again until it is so; panics as [`until`] does.
pub fn until_so(failure: impl FnOnce() -> String, mut ask: impl FnMut() -> bool) {
    until(failure, || ask().then_some(()));
}
