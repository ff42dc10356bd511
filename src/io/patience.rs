//! Drives: calls that are made again while the host, not the disk, is short of something.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::cause::Cause;
use super::clock;

/// Calls that the kernel refused because this process or the host was short of something.
static SHORTAGES: AtomicU64 = AtomicU64::new(0);
/// When that was last said in the log, on the monotonic clock in milliseconds; 0 for never.
static SAID_MS: AtomicU64 = AtomicU64::new(0);
/// The log says so no more often than this, in milliseconds.
const SAY_EVERY_MS: u64 = 10_000;
/// The first and the longest pause between two attempts.
const PAUSES_MS: (u64, u64) = (10, 1_000);

/// How often a call is made again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// About half a second: for files by name, whose callers can come again later.
    Short,
    /// About half a minute: for writes and flushes, whose failure ends a log.
    Long,
}

/// How many calls were refused so far because descriptors or memory were short.
pub fn shortages() -> u64 {
    SHORTAGES.load(Ordering::Relaxed)
}

/// Makes a call, and again after a pause while its error is [the host's](Cause::Host) or
/// [passing](Cause::Passing), until patience ends.
pub(super) async fn patiently<T>(
    patience: Patience,
    pause: impl AsyncFn(Duration),
    mut call: impl AsyncFnMut() -> io::Result<T>,
) -> io::Result<T> {
    let mut attempt = 0;
    loop {
        let error = match call().await {
            Err(error) if Cause::of(&error).is_of_the_host() => error,
            done => return done,
        };
        note(&error);
        if attempt >= patience.attempts() {
            return Err(error);
        }
        let (first, longest) = PAUSES_MS;
        pause(Duration::from_millis(
            (first << attempt.min(10)).min(longest),
        ))
        .await;
        attempt += 1;
    }
}

fn note(error: &io::Error) {
    if Cause::of(error) != Cause::Host {
        return;
    }
    SHORTAGES.fetch_add(1, Ordering::Relaxed);
    let now = clock::now().0 / 1_000_000;
    let said = SAID_MS.load(Ordering::Relaxed);
    if said != 0 && now.saturating_sub(said) < SAY_EVERY_MS {
        return;
    }
    let exchanged = SAID_MS.compare_exchange(said, now, Ordering::Relaxed, Ordering::Relaxed);
    if exchanged.is_ok() {
        tracing::error!(%error,
            "the process or its host is short of descriptors or memory, which is no fault of a \
             disk: trying again; raise LimitNOFILE (ulimit -n) or free memory");
    }
}

// === impl Patience ===

impl Patience {
    fn attempts(self) -> u32 {
        match self {
            Patience::Short => 6,
            Patience::Long => 36,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::io::signal::block_on;

    /// How often a call that fails with `code` for `times` is made, and what comes of it.
    fn calls(patience: Patience, code: i32, times: u32) -> (u32, Duration, bool) {
        let (made, waited) = (Cell::new(0), Cell::new(Duration::ZERO));
        let done = block_on(patiently(
            patience,
            async |length| waited.set(waited.get() + length),
            async || {
                made.set(made.get() + 1);
                match made.get() > times {
                    true => Ok(()),
                    false => Err(io::Error::from_raw_os_error(code)),
                }
            },
        ));
        (made.get(), waited.get(), done.is_ok())
    }

    #[test]
    fn a_shortage_is_waited_out_and_a_fault_is_not() {
        assert_eq!(calls(Patience::Short, libc::EIO, 1).0, 1);
        assert_eq!(calls(Patience::Long, libc::ENOSPC, 1).0, 1);
        let (made, waited, good) = calls(Patience::Short, libc::EMFILE, 3);
        assert!(good && made == 4 && waited == Duration::from_millis(70));
        let (made, waited, good) = calls(Patience::Long, libc::EINTR, 20);
        assert!(good && made == 21 && waited > Duration::from_secs(10));
    }

    #[test]
    fn patience_ends() {
        let (_, short, good) = calls(Patience::Short, libc::ENFILE, u32::MAX);
        assert!(!good && short < Duration::from_secs(1), "{short:?}");
        let (_, long, good) = calls(Patience::Long, libc::ENOMEM, u32::MAX);
        assert!(!good && (20..60).contains(&long.as_secs()), "{long:?}");
    }
}
