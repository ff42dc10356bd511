//! Drives: giving memory that the allocator keeps back to the kernel.
//!
//! glibc keeps what is freed between blocks in use: after a storm of requests most of a process
//! that holds little stays resident. `malloc_trim` gives those pages back. It holds the lock of
//! one heap after the other while it does, so it is called seldom, and not on a core that serves.
//!
//! It also does much at once now and then, on whatever thread frees a little more: it gives up to
//! 64 MB back to the kernel, or looks through all small blocks that were freed since it last did.
//! [`in_small_steps`] has it do a little each time instead.
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

/// Has the allocator do a little at a time. To be called once, before there are other threads.
pub fn in_small_steps() {
    // SAFETY: the calls set numbers of the allocator; no other thread is there to race with.
    #[cfg(target_env = "gnu")]
    unsafe {
        // Setting one of the two also ends that they grow with what is freed.
        libc::mallopt(libc::M_MMAP_THRESHOLD, limits::FREED_AT_ONCE_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, limits::FREED_AT_ONCE_BYTES);
        // No list of small blocks that wait to be joined with their neighbours.
        libc::mallopt(libc::M_MXFAST, 0);
    }
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
    fn what_is_freed_goes_back_a_little_at_a_time() {
        const BLOCK: usize = 60_000;
        in_small_steps();
        let faults = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            stat.split(' ').nth(9).unwrap().parse::<usize>().unwrap()
        };
        // In a thread of its own, and so in a heap of its own or nearly so.
        let fresh = std::thread::spawn(move || {
            let blocks: Vec<Vec<u8>> = (0..1_000).map(|_| vec![1; BLOCK]).collect();
            drop(blocks);
            let before = faults();
            drop(vec![vec![1; BLOCK]; 1_000]);
            faults() - before
        });
        // Pages that had not been given back would be found again without the kernel.
        let pages = 1_000 * BLOCK / 4_096;
        let fresh = fresh.join().unwrap();
        assert!(fresh > pages / 2, "{fresh} of {pages}");
    }

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
