//! Drives: giving memory that the allocator keeps back to the kernel.
//!
//! glibc keeps what is freed between blocks in use: after a storm of requests most of a process
//! that holds little stays resident. `malloc_trim` gives those pages back. It holds the lock of
//! one heap after the other while it does, so it is called seldom, and not on a core that serves.
#![allow(unsafe_code)]

use crate::base::limits;

/// When to give memory back: once much less is in use than was.
#[derive(Default)]
pub struct Trimmer {
    /// The most that was seen in use since memory was last given back, in bytes.
    peak_bytes: usize,
    /// Looks in a row at which that was much more than is in use.
    quiet: u32,
}

/// Gives the kernel back what is free. Takes milliseconds, more for larger heaps.
pub fn give_back() {
    // SAFETY: no memory that is in use is touched; the call has no other conditions.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

impl Trimmer {
    /// Takes a look at what is in use; says whether memory is to be given back now. To be called
    /// regularly: a storm is over once a few looks in a row say so.
    pub fn is_due(&mut self, used_bytes: usize) -> bool {
        self.peak_bytes = self.peak_bytes.max(used_bytes);
        if self.peak_bytes - used_bytes < limits::TRIM_FREED_BYTES {
            self.quiet = 0;
            return false;
        }
        self.quiet += 1;
        if self.quiet < limits::TRIM_QUIET_LOOKS {
            return false;
        }
        self.peak_bytes = used_bytes;
        self.quiet = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_after_each_storm() {
        let mut trimmer = Trimmer::default();
        let mut due = |used_mib: usize| trimmer.is_due(used_mib << 20);
        let storm = [10, 300, 500, 200, 20];
        assert!(storm.iter().all(|used| !due(*used)));
        let looks: Vec<bool> = (0..100).map(|_| due(15)).collect();
        assert_eq!(looks.iter().filter(|due| **due).count(), 1);
        // What goes up and down by a little is no storm.
        assert!((0..1_000).all(|at| !due(15 + at % 20)));
        // Nor is one that goes on.
        assert!((0..1_000).all(|at| !due(if at % 3 == 0 { 400 } else { 15 })));
    }
}
