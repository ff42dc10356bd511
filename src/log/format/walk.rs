//! Drives: a data file from front to back through the scanner.

use std::io;

use super::scan::{Scanner, Step, Stop};
use super::trailer::{TRAILER_BYTES, Trailer};
use crate::base::Offset;
use crate::io::buffer::{BLOCK_BYTES, block_down};
use crate::io::file::File;
use crate::wire::batch::BatchHeader;

/// Bytes read at once.
const SCAN_BYTES: usize = 1 << 20;

/// Walks over the batches of a file of `len` bytes from the scanner's position on, and shows
/// each valid one to `each`; says why it ended.
pub async fn walk(
    file: &File,
    len: u64,
    scanner: &mut Scanner,
    each: &mut dyn FnMut(&BatchHeader, &[u8]),
) -> io::Result<Stop> {
    let mut bytes = Vec::new();
    // Where `bytes` begins in the file.
    let mut begin = block_down(scanner.position);
    loop {
        let at = (scanner.position - begin) as usize;
        let window = bytes.get(at..).unwrap_or_default();
        match scanner.step(window, len - scanner.position) {
            Step::Stop(stop) => return Ok(stop),
            Step::Batch(header, size) => each(&header, &window[..size]),
            Step::More(needed) => {
                let whole = at & !(BLOCK_BYTES - 1);
                bytes.drain(..whole.min(bytes.len()));
                begin += whole as u64;
                let needed = (scanner.position - begin) as usize + needed;
                let all = len.saturating_sub(begin);
                read_on(file, begin, &mut bytes, needed, all).await?;
            }
        }
    }
}

/// Reads on behind `bytes`, which begin at `begin`, until there are at least `needed`; the file
/// has `all` bytes from there on.
pub async fn read_on(
    file: &File,
    begin: u64,
    bytes: &mut Vec<u8>,
    needed: usize,
    all: u64,
) -> io::Result<()> {
    while bytes.len() < needed {
        if !bytes.len().is_multiple_of(BLOCK_BYTES) {
            // The file ended there: it is shorter than it was said to be.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let wanted = (needed - bytes.len()).min(8 * SCAN_BYTES);
        let rest = all.saturating_sub(bytes.len() as u64);
        let len = wanted.max(rest.min(SCAN_BYTES as u64) as usize);
        let len = len.next_multiple_of(BLOCK_BYTES);
        let piece = file.read(begin + bytes.len() as u64, len).await?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(())
}

/// The largest flushed offset that trailers in the file from `from` on speak of.
pub async fn newest_trailer(file: &File, from: u64, len: u64) -> io::Result<Option<Offset>> {
    const { assert!(TRAILER_BYTES < BLOCK_BYTES) };
    let mut newest = None;
    let mut at = from;
    while at < len {
        let wanted = (len - at).min(SCAN_BYTES as u64) as usize;
        let piece = file.read(at, wanted.next_multiple_of(BLOCK_BYTES)).await?;
        if piece.is_empty() {
            break;
        }
        newest = newest.max(Trailer::newest_in(&piece));
        at += piece.len() as u64;
    }
    Ok(newest)
}
