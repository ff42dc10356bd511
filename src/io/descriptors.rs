//! Drives: how many descriptors this process may have, and what they are kept for: a client that
//! opens connections must not take those that data files need.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::descriptors::Plan;

/// Descriptors that the kernel's table is made ready for, at most; each takes 8 bytes there.
const TABLE_MAX: usize = 128 << 10;

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

/// Lets this process open as many files as it may, as JVMs do: shells start programs with a limit
/// of 1024. Returns how many that are.
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

/// Has the kernel make its table of descriptors long enough for `limit` of this process. To be
/// called before there are other threads. The kernel doubles the table when it is full, and in a
/// process with threads it then waits until no CPU can be looking at the old one
/// (`synchronize_rcu` in `expand_fdtable`): an `accept` or `open` that took 13 to 16 ms.
#[allow(unsafe_code)]
pub fn lengthen_table(limit: usize) {
    let last = limit.clamp(1, TABLE_MAX) - 1;
    let last = libc::c_int::try_from(last).unwrap_or(libc::c_int::MAX);
    // SAFETY: plain system calls; the descriptors are made here and closed here. Where one fails,
    // the table stays as short as it is.
    unsafe {
        let any = libc::eventfd(0, libc::EFD_CLOEXEC);
        let high = libc::fcntl(any, libc::F_DUPFD_CLOEXEC, last);
        for made in [any, high] {
            if made >= 0 {
                libc::close(made);
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_descriptors_has_its_length_before_it_is_needed() {
        let limit = raise_limit();
        lengthen_table(limit);
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let places = |line: &str| line.strip_prefix("FDSize:")?.trim().parse::<usize>().ok();
        let places = status.lines().find_map(places).unwrap();
        assert!(places >= limit.min(TABLE_MAX), "{places} of {limit}");
    }
}
