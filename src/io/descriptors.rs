//! Drives: how many descriptors this process may have, and what they are kept for: a client that
//! opens connections must not take those that data files need.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::descriptors::Plan;

static FILES: AtomicUsize = AtomicUsize::new(0);
static SOCKETS: AtomicUsize = AtomicUsize::new(0);
static PLAN: OnceLock<Plan> = OnceLock::new();

/// What holds a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A data file.
    File,
    /// A connection.
    Socket,
}

/// A descriptor that is counted for as long as this lives.
#[derive(Debug)]
pub struct Held(Holder);

/// Lets this process open as many files as it may, as JVMs do: shells start programs with room
/// for 1024. Returns how many that are.
#[allow(unsafe_code)]
pub fn raise_limit() -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid rlimit to be filled in, and then one to be read.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            let before = limit.rlim_cur;
            limit.rlim_cur = limit.rlim_max;
            // Where it cannot be raised it stays as it is.
            if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) != 0 {
                limit.rlim_cur = before;
            }
        }
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

/// Has connections be counted against `plan` from now on; the first call counts.
pub fn keep_to(plan: Plan) {
    PLAN.get_or_init(|| plan);
}

/// How the descriptors are shared out, once [`keep_to`] was called.
pub fn plan() -> Option<Plan> {
    PLAN.get().copied()
}

/// Data files that are open in this process.
pub fn files() -> usize {
    FILES.load(Ordering::Relaxed)
}

/// Connections that are open in this process.
pub fn sockets() -> usize {
    SOCKETS.load(Ordering::Relaxed)
}

/// Most connections that this process may have now; without bound before [`keep_to`] was called.
pub fn sockets_max() -> usize {
    PLAN.get()
        .map_or(usize::MAX, |plan| plan.sockets_max(files()))
}

/// Whether so many data files are open that unused files are better closed.
pub fn are_files_many() -> bool {
    PLAN.get()
        .is_some_and(|plan| plan.are_files_many(files(), sockets()))
}

// === impl Held ===

impl Held {
    /// Counts one more.
    pub fn new(holder: Holder) -> Held {
        holder.count().fetch_add(1, Ordering::Relaxed);
        Held(holder)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.count().fetch_sub(1, Ordering::Relaxed);
    }
}

impl Holder {
    fn count(self) -> &'static AtomicUsize {
        match self {
            Holder::File => &FILES,
            Holder::Socket => &SOCKETS,
        }
    }
}
