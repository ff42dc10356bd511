//! Drives: one write of an answer, in pieces, to a client that may not take it.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::io::stream::Stream;
use crate::io::turn;

/// Slices sent with one list on the stack; longer answers allocate theirs.
pub(super) const SHORT_LIST: usize = 32;
/// How long a client may take nothing before what is held for it is given up, where memory is
/// wanted by others; and where it is not.
const STALL_TIGHT: Duration = Duration::from_millis(100);
/// See [`STALL_TIGHT`].
const STALL: Duration = Duration::from_secs(1);
/// Bytes given to the kernel first in a turn; then twice as many each time, until the turn has
/// lasted long enough. Copying 250 KiB was seen to take 35 µs, and 800 µs where it was slow.
const FIRST_PIECE_BYTES: usize = 64 << 10;
/// Bytes given to the kernel at a time, at most.
const PIECE_BYTES_MAX: usize = 512 << 10;
/// Bytes that wait for the client to take something again, instead of all that is to be sent.
const FEELER_BYTES: usize = 512;

/// How a write ended.
pub(super) struct Written {
    /// Bytes written, those of the feeler included.
    pub bytes: usize,
    /// The first of what is left, where the client has taken nothing for long: they are to be
    /// written when nothing else is held for it any more.
    pub feeler: Option<Vec<u8>>,
}

/// Writes the list, unless the client takes nothing for too long, which is less where memory
/// `is_tight`.
pub(super) async fn write(
    stream: &Stream,
    list: &mut [IoSlice<'_>],
    is_tight: &dyn Fn() -> bool,
) -> io::Result<Written> {
    let mut write = Write {
        stream,
        list,
        bytes: 0,
        timer: None,
        waits_longer: false,
        was_pending: false,
    };
    loop {
        if let Some(written) = poll_fn(|cx| write.poll(cx, is_tight)).await? {
            return Ok(written);
        }
        turn::give_way().await;
    }
}

/// A write under way.
struct Write<'a, 'b> {
    stream: &'a Stream,
    list: &'a mut [IoSlice<'b>],
    bytes: usize,
    /// Made when the client first does not take all at once.
    timer: Option<Pin<Box<dyn Future<Output = ()> + 'a>>>,
    waits_longer: bool,
    /// Whether it waited for the client, and has not given way since.
    was_pending: bool,
}

impl Write<'_, '_> {
    /// Writes on; `None` where it is to give way before it goes on.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        is_tight: &dyn Fn() -> bool,
    ) -> Poll<io::Result<Option<Written>>> {
        let begun = self.bytes;
        // Very many clients may be ready to take more at once.
        if std::mem::take(&mut self.was_pending) && total(self.list) > FIRST_PIECE_BYTES {
            return Poll::Ready(Ok(None));
        }
        let mut piece_bytes = FIRST_PIECE_BYTES;
        loop {
            IoSlice::advance_slices(&mut self.list, 0);
            if self.list.is_empty() {
                return Poll::Ready(Ok(Some(Written {
                    bytes: self.bytes,
                    feeler: None,
                })));
            }
            if self.bytes > begun && turn::is_due() {
                return Poll::Ready(Ok(None));
            }
            match self.poll_piece(cx, piece_bytes)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(count) => {
                    self.bytes += count;
                    piece_bytes = PIECE_BYTES_MAX.min(2 * piece_bytes);
                    IoSlice::advance_slices(&mut self.list, count);
                    self.timer = None;
                    self.waits_longer = false;
                    continue;
                }
                Poll::Pending => {}
            }
            let length = match self.waits_longer {
                true => STALL - STALL_TIGHT,
                false => STALL_TIGHT,
            };
            let runtime = self.stream.runtime();
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(runtime.sleep(length)));
            if timer.as_mut().poll(cx).is_pending() {
                self.was_pending = true;
                return Poll::Pending;
            }
            if self.waits_longer || is_tight() {
                let feeler = self.list[0][..self.list[0].len().min(FEELER_BYTES)].to_vec();
                return Poll::Ready(Ok(Some(Written {
                    bytes: self.bytes + feeler.len(),
                    feeler: Some(feeler),
                })));
            }
            self.timer = None;
            self.waits_longer = true;
        }
    }

    /// Gives the kernel the next `most` bytes, or fewer where they are in many slices.
    fn poll_piece(&self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        if self.list.len() <= SHORT_LIST && total(self.list) <= most {
            return self.stream.poll_write_vectored(cx, self.list);
        }
        let mut piece = [IoSlice::new(&[]); SHORT_LIST];
        let count = cut(self.list, most, &mut piece);
        self.stream.poll_write_vectored(cx, &piece[..count])
    }
}

fn total(list: &[IoSlice<'_>]) -> usize {
    list.iter().map(|slice| slice.len()).sum()
}

/// Puts the first `most` bytes of `list` into `piece`, as far as it has places; how many it took.
fn cut<'a>(list: &'a [IoSlice<'_>], most: usize, piece: &mut [IoSlice<'a>]) -> usize {
    let (mut left, mut count) = (most, 0);
    for (place, slice) in piece.iter_mut().zip(list) {
        if left == 0 {
            break;
        }
        let taken = slice.len().min(left);
        *place = IoSlice::new(&slice[..taken]);
        left -= taken;
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_has_so_many_bytes_however_they_are_cut() {
        let bytes: Vec<u8> = (0..=255).collect();
        for step in [1, 7, 100, 300] {
            let list: Vec<_> = bytes.chunks(step).map(IoSlice::new).collect();
            assert_eq!(total(&list), 256);
            for most in [1, 5, 99, 256, 1_000] {
                let mut piece = [IoSlice::new(&[]); 20];
                let count = cut(&list, most, &mut piece);
                let sent: Vec<u8> = piece[..count].iter().flat_map(|it| it.to_vec()).collect();
                assert_eq!(sent, bytes[..most.min(256).min(20 * step)], "{step} {most}");
            }
        }
    }
}
