//! Drives: giving large memory back in steps.
//!
//! To free a buffer of 100 MB takes the kernel 5 ms: it frees page by page, with nothing else on
//! the core meanwhile. Another thread would do it beside the core, but with the process's map of
//! memory locked, on which the core may then wait. So the pages are given back a megabyte at a
//! time, with a step for others in between; what is left for the allocator is an empty range.
#![allow(unsafe_code)]

use std::mem::{MaybeUninit, size_of_val};

use bytes::Bytes;

use super::turn;

/// Bytes given back at a time: some 50 to 100 µs.
const PIECE_BYTES: usize = 1 << 20;
/// Smaller buffers are freed in one go.
const SMALL_BYTES: usize = 2 * PIECE_BYTES;
/// The kernel's unit of memory, at most: what is not a whole page stays.
const PAGE_BYTES: usize = 64 << 10;

/// Frees the memory of a list in steps. What the list still holds is dropped first, in one go.
pub async fn list<T>(mut list: Vec<T>) {
    list.clear();
    give_back(list.spare_capacity_mut()).await;
}

/// Frees `bytes` in steps, unless something else still holds them.
pub async fn bytes(bytes: Bytes) {
    if bytes.len() < SMALL_BYTES {
        return;
    }
    if let Ok(mut bytes) = bytes.try_into_mut() {
        bytes.clear();
        give_back(bytes.spare_capacity_mut()).await;
    }
}

/// Gives the pages of unused memory back to the kernel, if it is large.
async fn give_back<T>(unused: &mut [MaybeUninit<T>]) {
    let bytes = size_of_val(unused);
    if bytes < SMALL_BYTES {
        return;
    }
    let begin = unused.as_mut_ptr().cast::<u8>();
    let skip = begin.align_offset(PAGE_BYTES);
    let end = bytes - (begin.addr() + bytes) % PAGE_BYTES;
    for from in (skip..end).step_by(PIECE_BYTES) {
        let piece = (end - from).min(PIECE_BYTES);
        // SAFETY: whole pages within `unused`, which holds no values and is borrowed for as long:
        // all that the call changes is what its bytes are. It is a hint that may be refused.
        unsafe { libc::madvise(begin.add(from).cast(), piece, libc::MADV_DONTNEED) };
        turn::pace().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const BYTES: usize = 64 << 20;

    fn resident_bytes() -> usize {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
        pages * 4096
    }

    #[test]
    fn pages_are_given_back_before_the_memory_is_freed() {
        let mut list = vec![1u8; BYTES];
        let full = resident_bytes();
        list.clear();
        give_back(list.spare_capacity_mut()).now_or_never().unwrap();
        let given = full.saturating_sub(resident_bytes());
        // Other tests of this process allocate meanwhile.
        assert!(given > BYTES / 2, "{given} of {full}");
        // What it is used for next is not disturbed.
        list.resize(BYTES, 2);
        assert!(list.iter().all(|byte| *byte == 2));
        super::list(list).now_or_never().unwrap();
    }

    #[test]
    fn what_others_hold_stays() {
        let whole = Bytes::from(vec![3u8; BYTES]);
        let held = whole.slice(1_000..BYTES - 1_000);
        bytes(whole).now_or_never().unwrap();
        assert!(held.iter().all(|byte| *byte == 3));
        bytes(held).now_or_never().unwrap();
        bytes(Bytes::from_static(b"small")).now_or_never().unwrap();
    }

    #[test]
    fn memory_of_every_size_and_place_is_freed() {
        for bytes in [0, 1, SMALL_BYTES - 1, SMALL_BYTES, SMALL_BYTES + 12_345] {
            for skip in [0, 1, 4_095, PAGE_BYTES + 7] {
                let mut list = vec![5u8; bytes + skip];
                give_back(&mut list.spare_capacity_mut()[..])
                    .now_or_never()
                    .unwrap();
                list.truncate(skip);
                give_back(list.spare_capacity_mut()).now_or_never().unwrap();
                assert!(list.iter().all(|byte| *byte == 5));
            }
        }
    }
}
