//! Pure: zstd frames, read as one.

use std::cell::Cell;
use std::io;

use ::zstd::zstd_safe::{DCtx, InBuffer, OutBuffer, ResetDirective};

/// A decoder is kept for the next batch up to this size: a frame may make it take 128 MiB.
const KEPT_BYTES_MAX: usize = 4 << 20;

thread_local! {
    /// Making a decoder costs more than reading a small batch with it.
    static KEPT: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
}

pub(super) struct Frames<'a> {
    decoder: Option<DCtx<'static>>,
    input: InBuffer<'a>,
    ended: bool,
}

impl<'a> Frames<'a> {
    /// Nothing at all is no frame and no error.
    pub fn new(input: &'a [u8]) -> io::Result<Frames<'a>> {
        let mut decoder = match KEPT.take() {
            Some(kept) => kept,
            None => DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?,
        };
        decoder
            .reset(ResetDirective::SessionOnly)
            .map_err(corrupt)?;
        Ok(Frames {
            decoder: Some(decoder),
            input: InBuffer::around(input),
            ended: true,
        })
    }

    pub fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = &mut self.decoder else {
            return Ok(0);
        };
        loop {
            let no_more = self.input.pos() == self.input.src.len();
            if no_more && self.ended {
                return Ok(0);
            }
            let mut output = OutBuffer::around(part);
            // What is returned is how much more the decoder would like; nothing at the end of a
            // frame. The next one may follow at once.
            let wanted = decoder.decompress_stream(&mut output, &mut self.input);
            self.ended = wanted.map_err(corrupt)? == 0;
            let count = output.pos();
            if count > 0 {
                return Ok(count);
            }
            if no_more && !self.ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl Drop for Frames<'_> {
    fn drop(&mut self) {
        KEPT.set(
            self.decoder
                .take()
                .filter(|decoder| decoder.sizeof() <= KEPT_BYTES_MAX),
        );
    }
}

fn corrupt(_: usize) -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ::zstd::stream::write::Encoder;

    use super::*;

    #[test]
    fn a_large_window_is_not_kept() {
        let mut window = [0; 64];
        for (log, is_kept) in [(20, true), (27, false)] {
            let mut encoder = Encoder::new(Vec::new(), 3).unwrap();
            encoder.window_log(log).unwrap();
            encoder.write_all(&[7; 40_000]).unwrap();
            let packed = encoder.finish().unwrap();
            let mut frames = Frames::new(&packed).unwrap();
            let mut count = 0;
            while let part @ 1.. = frames.read(&mut window).unwrap() {
                count += part;
            }
            assert_eq!(count, 40_000);
            drop(frames);
            let kept = KEPT.take();
            assert_eq!(kept.is_some(), is_kept, "{log}");
            KEPT.set(kept);
        }
    }
}
