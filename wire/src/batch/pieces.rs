//! Pure: batches that stand back to back in bytes which were cut into pieces anywhere.

use super::header::{BatchSpan, SPAN_BYTES};
use crate::Offset;

/// The offset behind the last of the batches; 0 where there are none.
pub fn end_offset<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Offset {
    let mut end = 0;
    walk(pieces, |_, last| end = last + 1);
    end
}

/// Where the last of the batches begins that does so at byte `at` or before.
pub fn boundary_before<'a>(pieces: impl Iterator<Item = &'a [u8]>, at: usize) -> usize {
    let mut boundary = 0;
    walk(pieces, |begin, _| {
        if begin <= at {
            boundary = begin;
        }
    });
    boundary
}

/// Shows where each batch begins, and its last offset.
fn walk<'a>(pieces: impl Iterator<Item = &'a [u8]>, mut show: impl FnMut(usize, Offset)) {
    let mut head = [0; SPAN_BYTES];
    let (mut have, mut skip, mut at) = (0, 0, 0);
    for mut bytes in pieces {
        loop {
            let skipped = bytes.len().min(skip);
            skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = bytes.len().min(SPAN_BYTES - have);
            if taken == 0 {
                break;
            }
            head[have..have + taken].copy_from_slice(&bytes[..taken]);
            have += taken;
            bytes = &bytes[taken..];
            if have == SPAN_BYTES {
                let batch = BatchSpan::of(&head);
                show(at, batch.last_offset);
                at += batch.size_bytes;
                (have, skip) = (0, batch.size_bytes.saturating_sub(SPAN_BYTES));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchBuilder, NewRecord, stamp};

    #[test]
    fn batches_are_found_however_they_are_cut() {
        let (mut bytes, mut begins) = (Vec::new(), Vec::new());
        for (base, count) in [(100, 3), (110, 1), (200, 50)] {
            let mut builder = BatchBuilder::new();
            (0..count).for_each(|_| builder.push(NewRecord::new(1, None, Some(b"value"))));
            let mut batch = builder.build();
            stamp(&mut batch, base, 0);
            begins.push(bytes.len());
            bytes.extend(batch);
        }
        for step in 1..bytes.len() {
            assert_eq!(end_offset(bytes.chunks(step)), 250);
            let at = step * 7 % bytes.len();
            let begin = begins.iter().rfind(|begin| **begin <= at);
            assert_eq!(
                Some(&boundary_before(bytes.chunks(step), at)),
                begin,
                "{at}"
            );
        }
        assert_eq!(end_offset(std::iter::empty()), 0);
    }
}
