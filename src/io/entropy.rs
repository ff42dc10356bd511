//! Drives: the kernel's random numbers.
#![allow(unsafe_code)]

/// Fills `bytes`, at most 256 of them, with what cannot be foretold. A system call.
pub(super) fn fill(bytes: &mut [u8]) {
    debug_assert!(bytes.len() <= 256, "more may be cut short by a signal");
    loop {
        // SAFETY: the pointer and the length are those of `bytes`.
        let count = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        // It waits for the kernel to have collected enough after boot, and a signal may end that
        // wait; it cannot fail otherwise on any kernel that has io_uring.
        if usize::try_from(count) == Ok(bytes.len()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let mut bytes = [0; 16];
            fill(&mut bytes);
            assert!(seen.insert(bytes));
        }
        fill(&mut []);
    }
}
